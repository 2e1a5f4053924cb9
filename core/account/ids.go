package account

import (
	"math/bits"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/internal/arena"
)

// ids finds slots by the venue's ids: open addressing over words of 8 bytes, the
// upper half of an id's hash and the slot. The id itself stands in the account,
// which who asks reads next anyway; so half the memory is enough, and a look-up
// that must leave the cache leaves it once before it does.
type ids struct {
	entries []uint64 // hash << 32 | slot + 1; 0 is free
	shift   uint     // of a hash, to its home
	n       int
}

// newIDs has at least twice the places, so that probes stay short.
func newIDs(limit int) ids {
	size := 8
	for size < 2*limit {
		size *= 2
	}
	return ids{entries: arena.New[uint64](size), shift: uint(33 - bits.Len(uint(size)))}
}

// hash spreads consecutive ids, the usual case, far apart (Fibonacci hashing).
func hash(id event.AccountID) uint32 { return uint32(uint64(id) * 0x9e3779b97f4a7c15 >> 32) }

func (x *ids) find(accounts []Account, id event.AccountID) Slot {
	h, mask := hash(id), len(x.entries)-1
	for i := int(h >> x.shift); ; i = (i + 1) & mask {
		e := x.entries[i&mask]
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
	h, mask := hash(id), len(x.entries)-1
	i := int(h >> x.shift)
	for x.entries[i] != 0 {
		i = (i + 1) & mask
	}
	x.entries[i] = uint64(h)<<32 | uint64(s+1)
	x.n++
}

// remove deletes an id, which must be present, and closes the gap so that no
// tombstone lengthens later probes.
func (x *ids) remove(accounts []Account, id event.AccountID) {
	h, mask := hash(id), len(x.entries)-1
	i := int(h >> x.shift)
	for uint32(x.entries[i]>>32) != h || accounts[Slot(uint32(x.entries[i])-1)].ID != id {
		i = (i + 1) & mask
	}
	x.n--
	for j := (i + 1) & mask; x.entries[j] != 0; j = (j + 1) & mask {
		// The entry at j may move back to i unless its home lies after i.
		if home := int(uint32(x.entries[j]>>32) >> x.shift); (j-home)&mask >= (j-i)&mask {
			x.entries[i] = x.entries[j]
			i = j
		}
	}
	x.entries[i] = 0
}
