package account

import (
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/internal/arena"
)

// ids finds slots by the venue's ids: open addressing over words of 8 bytes, the
// upper half of an id's hash and the slot. The id itself stands in the account,
// which who asks reads next anyway; so half the memory is enough, and a look-up
// that must leave the cache leaves it once before it does.
type ids struct {
	entries []uint64 // hash << 32 | slot + 1; 0 is free
	n       int
}

// newIDs has half as many places again as there may be ids, so that a probe is short
// and ends.
func newIDs(limit int) ids { return ids{entries: arena.New[uint64](limit + limit/2 + 1)} }

// hash spreads consecutive ids, the usual case, far apart (Fibonacci hashing).
func hash(id event.AccountID) uint32 { return uint32(uint64(id) * 0x9e3779b97f4a7c15 >> 32) }

// home is where the search for a hash begins.
func (x *ids) home(h uint32) int { return int(uint64(h) * uint64(len(x.entries)) >> 32) }

// after is the place that follows i.
func (x *ids) after(i int) int {
	if i++; i < len(x.entries) {
		return i
	}
	return 0
}

func (x *ids) find(accounts []Account, id event.AccountID) Slot {
	h := hash(id)
	for i := x.home(h); ; i = x.after(i) {
		e := x.entries[i]
		if e == 0 {
			return None
		}
		if uint32(e>>32) == h {
			if s := Slot(uint32(e) - 1); accounts[s].ID == id {
				return s
			}
		}
	}
}

// put adds an id, which must be absent; there must be room.
func (x *ids) put(id event.AccountID, s Slot) {
	h := hash(id)
	i := x.home(h)
	for x.entries[i] != 0 {
		i = x.after(i)
	}
	x.entries[i] = uint64(h)<<32 | uint64(s+1)
	x.n++
}

// remove deletes an id, which must be present, and closes the gap so that no
// tombstone lengthens later probes.
func (x *ids) remove(accounts []Account, id event.AccountID) {
	h := hash(id)
	i := x.home(h)
	for uint32(x.entries[i]>>32) != h || accounts[Slot(uint32(x.entries[i])-1)].ID != id {
		i = x.after(i)
	}
	x.n--
	for j := x.after(i); x.entries[j] != 0; j = x.after(j) {
		// The entry at j may move back to i unless its home lies after i.
		if x.way(x.home(uint32(x.entries[j]>>32)), j) >= x.way(i, j) {
			x.entries[i] = x.entries[j]
			i = j
		}
	}
	x.entries[i] = 0
}

// way is how many places j is after i.
func (x *ids) way(i, j int) int {
	if j < i {
		j += len(x.entries)
	}
	return j - i
}
