// Package trigger is the index of prices at which accounts must be looked at, so
// that a mark touches those it may hurt and no other.
//
// Each position has one trigger on its adverse side: a long fires at or below it,
// a short at or above. Per contract and side a ladder of price buckets holds
// intrusive lists of positions under a bitmap; a mark that reaches nothing costs
// one compare a side, and one that does costs the positions it reaches.
//
// # Prices as codes
//
// A trigger is kept as a 30-bit code: the length of the price in bits and the 24
// bits after its first, which is monotone in the price and spans all of them, from
// 1e-8 to the largest, with a resolution of 6e-8 of the price. Triggers are
// rounded towards the mark, so that they may fire early by that much and never
// late. A bucket is the upper part of a code, 1/4096 of an octave of prices; inside
// one, codes are compared. A ladder is a window of four octaves around the mark.
// What lies beyond it shares the last bucket of that end. When the mark has
// wandered an octave down, or three quarters up, the window follows it.
//
// # Places
//
// A position of the contract is always in exactly one of its side's lists: armed
// with a trigger, eager (at the next mark, whatever it is), waiting (for the end of
// a block), or idle. So the lists are those of the contract's holders too.
//
// The index knows positions as numbers below its capacity, and 12 bytes of each.
package trigger

//go:generate go tool stringer -type=Place

import (
	"math"
	"math/bits"

	"github.com/backstop-fund/backstop/core/internal/arena"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Side of a trigger, which is that of the position.
type Side uint8

// The sides.
const (
	Below Side = iota // fires at or below its price: longs
	Above             // fires at or above it: shorts
)

// A code has its exponent above codeBits, of which bucketBits tell the bucket.
const (
	codeBits   = 24
	bucketBits = 12

	codeEnd = 1 << 30     // above the code of any price
	eager   = codeEnd + 1 // fires at any price
	idle    = -1
	waiting = -2
)

// The window of a ladder.
const (
	buckets = 1 << 14
	words   = buckets / 64

	home    = buckets * 3 / 4          // where the mark is after the window has moved
	lowest  = home - 1<<bucketBits     // an octave further down the window moves
	highest = home + 3<<(bucketBits-2) // three quarters further up
)

// node is what the index keeps of a position. Links are positions + 1, so that
// fresh memory is an empty list.
type node struct {
	next, prev uint32
	key        int32
}

// ladder is one side of a contract. Keys are codes such that the trigger fires
// where its key is at least that of the mark.
type ladder struct {
	best    int32 // no armed or eager key is above it
	base    int32 // bucket number of heads[0]
	idle    uint32
	waiting uint32
	n       int32 // positions in any of the lists
	top     [words / 64]uint64
	bits    [words]uint64
	heads   [buckets]uint32
}

// Index is the trigger index of all contracts. Its capacities are fixed by New.
type Index struct {
	nodes   []node
	ladders []ladder
	moved   uint64
}

// New returns an index for so many positions and contracts. It takes 12 bytes a
// position and 132 KiB a contract.
func New(positions, contracts int) *Index {
	x := &Index{nodes: arena.New[node](positions), ladders: arena.New[ladder](2 * contracts)}
	for i := range x.ladders {
		x.ladders[i].best = -1
	}
	return x
}

func (x *Index) ladder(contract int32, s Side) *ladder { return &x.ladders[2*contract+int32(s)] }

// floor is the code of a price, which must be above 0, rounded down.
func floor(p fixedpoint.Price) int32 {
	e := bits.Len64(uint64(p))
	return int32(e)<<codeBits | int32(uint64(p)<<(65-e)>>(64-codeBits))
}

// ceil is the code of a price rounded up.
func ceil(p fixedpoint.Price) int32 {
	c := floor(p)
	if uint64(p)<<(65-bits.Len64(uint64(p)))<<codeBits != 0 {
		c++
	}
	return c
}

// price is the smallest price of a code.
func price(c int32) fixedpoint.Price {
	if c >= codeEnd {
		return math.MaxInt64
	}
	m := 1<<63 | uint64(c&(1<<codeBits-1))<<(63-codeBits)
	return fixedpoint.Price(m >> 1 >> ((63 - c>>codeBits) & 63))
}

// key is where a trigger stands in its ladder; 0 never fires.
func (s Side) key(p fixedpoint.Price) int32 {
	switch {
	case p <= 0:
		return 0
	case s == Below:
		return ceil(p)
	}
	return codeEnd - floor(p)
}

// mark is the least key that fires at a price.
func (s Side) mark(p fixedpoint.Price) int32 {
	if s == Below {
		return floor(p)
	}
	return codeEnd - floor(p)
}

// Ahead reads where positions stand, and does nothing with it, so that the memory is
// near when they are asked for. The result says nothing.
func (x *Index) Ahead(at []int32) (sum uint32) {
	for _, i := range at {
		sum ^= x.nodes[i].next
	}
	return sum
}

// Arenas yields the memory of the index: to count it, or to tell the system what it
// is. Nobody writes to it.
func (x *Index) Arenas(yield func([]byte) bool) {
	_ = yield(arena.Of(x.nodes)) && yield(arena.Of(x.ladders))
}

// Add puts a position into the idle list of its contract and side. It must be in
// none.
func (x *Index) Add(contract int32, s Side, at int32) {
	x.push(x.ladder(contract, s), at, idle)
	x.ladder(contract, s).n++
}

// Remove takes a position out of the index.
func (x *Index) Remove(contract int32, s Side, at int32) {
	l := x.ladder(contract, s)
	x.unlink(l, at)
	l.n--
}

// Arm gives a position a trigger; 0 never fires.
func (x *Index) Arm(contract int32, s Side, at int32, p fixedpoint.Price) {
	x.move(contract, s, at, s.key(p))
}

// Rush makes a position fire at the next mark, whatever it is.
func (x *Index) Rush(contract int32, s Side, at int32) { x.move(contract, s, at, eager) }

// Wait puts a position on the list that Release empties.
func (x *Index) Wait(contract int32, s Side, at int32) { x.move(contract, s, at, waiting) }

// Rest makes a position fire at nothing.
func (x *Index) Rest(contract int32, s Side, at int32) { x.move(contract, s, at, idle) }

// Place says where a position stands.
type Place uint8

// The places.
const (
	Idle Place = iota
	Waiting
	Eager
	Armed // with a trigger, be it one that never fires, that no mark has reached
)

// At returns the place of a position.
func (x *Index) At(at int32) Place {
	switch k := x.nodes[at].key; {
	case k == idle:
		return Idle
	case k == waiting:
		return Waiting
	case k == eager:
		return Eager
	}
	return Armed
}

// Bound returns a price that the mark does not reach before the position's trigger
// fires: below it for a long, 0 where it never fires, above it for a short.
func (x *Index) Bound(s Side, at int32) fixedpoint.Price {
	if s == Below {
		return price(x.nodes[at].key)
	}
	return price(codeEnd - x.nodes[at].key)
}

// Worst returns the price, at the mark or on the adverse side of it, that the mark
// does not reach before the position's trigger fires; false unless it is armed.
func (x *Index) Worst(s Side, at int32, mark fixedpoint.Price) (fixedpoint.Price, bool) {
	code := x.nodes[at].key
	if uint32(code) > codeEnd {
		return 0, false
	}
	if s == Above {
		code = codeEnd - code
	}
	if p := price(code); p < mark == (s == Below) {
		mark = p
	}
	return mark, true
}

// Quiet reports whether nothing happens at a mark: no position of either side fires
// or waits, and both windows stay. It runs for every mark.
func (x *Index) Quiet(contract int32, mark fixedpoint.Price) bool {
	low, high := x.ladder(contract, Below), x.ladder(contract, Above)
	q := floor(mark)
	return low.best < q && high.best < codeEnd-q && low.waiting|high.waiting == 0 &&
		low.holds(q) && high.holds(codeEnd-q)
}

// holds reports whether the window may stay where it is for a mark.
func (l *ladder) holds(q int32) bool {
	b := q>>bucketBits - l.base
	return b >= lowest && b <= highest
}

// Cross appends to out the positions of one side that fire at a mark, and puts
// them on the idle list. Its work is what it returns and what stands in the bucket of the mark;
// a mark that fires nothing and comes no nearer to a trigger than any before costs
// a compare.
func (x *Index) Cross(contract int32, s Side, mark fixedpoint.Price, out []int32) []int32 {
	l, q := x.ladder(contract, s), s.mark(mark)
	if l.best >= q {
		out = x.fire(l, q, out)
	}
	if !l.holds(q) {
		x.recentre(l, q>>bucketBits-home)
	}
	return out
}

// fire takes buckets from the top until one keeps a position or lies beyond q, and
// leaves best as low as it then knows.
func (x *Index) fire(l *ladder, q int32, out []int32) []int32 {
	for {
		b := l.highest()
		if b < 0 {
			l.best = -1
			return out
		}
		if end := (l.base+b+1)<<bucketBits - 1; b < buckets-1 && end < q {
			l.best = end
			return out
		}
		best := int32(-1)
		for i := l.heads[b]; i != 0; {
			at, n := int32(i-1), &x.nodes[i-1]
			i = n.next
			if n.key < q {
				best = max(best, n.key)
				continue
			}
			x.unlink(l, at)
			x.push(l, at, idle)
			out = append(out, at)
		}
		if best >= 0 {
			l.best = best
			return out
		}
	}
}

// Release appends to out the positions of one side that wait, and puts them on the
// idle list.
func (x *Index) Release(contract int32, s Side, out []int32) []int32 {
	l := x.ladder(contract, s)
	for l.waiting != 0 {
		at := int32(l.waiting - 1)
		out = append(out, at)
		x.unlink(l, at)
		x.push(l, at, idle)
	}
	return out
}

// Len returns how many positions a contract has on one side.
func (x *Index) Len(contract int32, s Side) int { return int(x.ladder(contract, s).n) }

// Each yields the positions of a contract on one side, in no particular order. The
// index must not change meanwhile.
func (x *Index) Each(contract int32, s Side, yield func(at int32) bool) {
	l := x.ladder(contract, s)
	for w, set := range l.bits {
		for ; set != 0; set &= set - 1 {
			if !x.each(l.heads[w<<6|bits.TrailingZeros64(set)], yield) {
				return
			}
		}
	}
	if x.each(l.idle, yield) {
		x.each(l.waiting, yield)
	}
}

func (x *Index) each(i uint32, yield func(at int32) bool) bool {
	for ; i != 0; i = x.nodes[i-1].next {
		if !yield(int32(i - 1)) {
			return false
		}
	}
	return true
}

// Moved returns how often a window has followed its mark.
func (x *Index) Moved() uint64 { return x.moved }

// move changes a position's key. Inside one bucket that is a store.
func (x *Index) move(contract int32, s Side, at, key int32) {
	l, n := x.ladder(contract, s), &x.nodes[at]
	if n.key == key {
		return
	}
	if key >= 0 && n.key >= 0 && l.bucket(key) == l.bucket(n.key) {
		n.key = key
		l.best = max(l.best, key)
		return
	}
	x.unlink(l, at)
	x.push(l, at, key)
}

// bucket is where a key stands: what is beyond the window is in its last bucket.
func (l *ladder) bucket(key int32) int32 {
	return min(max(key>>bucketBits-l.base, 0), buckets-1)
}

// head is the list of a key.
func (l *ladder) head(key int32) *uint32 {
	switch key {
	case idle:
		return &l.idle
	case waiting:
		return &l.waiting
	}
	return &l.heads[l.bucket(key)]
}

func (x *Index) push(l *ladder, at, key int32) {
	n, head := &x.nodes[at], l.head(key)
	*n = node{next: *head, key: key}
	if *head != 0 {
		x.nodes[*head-1].prev = uint32(at + 1)
	}
	*head = uint32(at + 1)
	if key >= 0 {
		l.best = max(l.best, key)
		l.set(l.bucket(key))
	}
}

func (x *Index) unlink(l *ladder, at int32) {
	n := &x.nodes[at]
	if n.next != 0 {
		x.nodes[n.next-1].prev = n.prev
	}
	if n.prev != 0 {
		x.nodes[n.prev-1].next = n.next
		return
	}
	*l.head(n.key) = n.next
	if n.key >= 0 && n.next == 0 {
		l.clear(l.bucket(n.key))
	}
}

func (l *ladder) set(b int32) {
	l.bits[b>>6] |= 1 << (b & 63)
	l.top[b>>12] |= 1 << (b >> 6 & 63)
}

func (l *ladder) clear(b int32) {
	if l.bits[b>>6] &^= 1 << (b & 63); l.bits[b>>6] == 0 {
		l.top[b>>12] &^= 1 << (b >> 6 & 63)
	}
}

// highest returns the highest bucket that is not empty, or -1.
func (l *ladder) highest() int32 {
	for i := len(l.top) - 1; i >= 0; i-- {
		if w := l.top[i]; w != 0 {
			w := i<<6 | 63 - bits.LeadingZeros64(w)
			return int32(w<<6 | 63 - bits.LeadingZeros64(l.bits[w]))
		}
	}
	return -1
}

// recentre moves the window so that its first bucket is number base. Buckets that
// stay inside are moved as they are. What stood or comes to stand beyond an end is
// put in its place one by one: those far from the mark. Half an octave is the least
// that a window moves.
func (x *Index) recentre(l *ladder, base int32) {
	shift := base - l.base
	l.base = base
	x.moved++
	loose := uint32(0)
	full := l.bits
	l.top, l.bits = [words / 64]uint64{}, [words]uint64{}
	for w, set := range full {
		for ; set != 0; set &= set - 1 {
			b := int32(w<<6 | bits.TrailingZeros64(set))
			if to := b - shift; b > 0 && b < buckets-1 && to > 0 && to < buckets-1 {
				l.set(to)
				continue
			}
			last := l.heads[b]
			for x.nodes[last-1].next != 0 {
				last = x.nodes[last-1].next
			}
			x.nodes[last-1].next = loose
			loose, l.heads[b] = l.heads[b], 0
		}
	}
	from := max(shift, 0)
	to := max(-shift, 0)
	if n := int32(buckets) - max(from, to); n > 0 {
		copy(l.heads[to:to+n], l.heads[from:from+n])
		clear(l.heads[:to])
		clear(l.heads[to+n:])
	}
	for loose != 0 {
		at := int32(loose - 1)
		loose = x.nodes[at].next
		x.push(l, at, x.nodes[at].key)
	}
}
