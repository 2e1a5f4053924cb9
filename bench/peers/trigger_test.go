package peers

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	google "github.com/google/btree"
	tidwall "github.com/tidwall/btree"

	"github.com/backstop-fund/backstop/core/trigger"
	"github.com/backstop-fund/backstop/fixedpoint"
)

const unit = fixedpoint.One

// index finds, of positions 0 to n-1, those whose trigger a falling mark reaches.
type index interface {
	arm(at int32, p fixedpoint.Price)                 // a first trigger
	move(at int32, from, to fixedpoint.Price)         // another one
	cross(mark fixedpoint.Price, out []int32) []int32 // takes out those at or above the mark
}

// ladder is ours.
type ladder struct{ x *trigger.Index }

func newLadder(n int) index {
	l := ladder{trigger.New(n, 1)}
	for at := range n {
		l.x.Add(0, trigger.Below, int32(at))
	}
	return l
}

func (l ladder) arm(at int32, p fixedpoint.Price)      { l.x.Arm(0, trigger.Below, at, p) }
func (l ladder) move(at int32, _, to fixedpoint.Price) { l.x.Arm(0, trigger.Below, at, to) }
func (l ladder) cross(p fixedpoint.Price, out []int32) []int32 {
	return l.x.Cross(0, trigger.Below, p, out)
}

// item is a trigger in a sorted structure, the highest first.
type item struct {
	price fixedpoint.Price
	at    int32
}

func before(a, b item) bool {
	return cmp.Or(cmp.Compare(b.price, a.price), cmp.Compare(a.at, b.at)) < 0
}

type googleTree struct{ t *google.BTreeG[item] }

func newGoogle(int) index { return googleTree{google.NewG(32, before)} }

func (t googleTree) arm(at int32, p fixedpoint.Price) { t.t.ReplaceOrInsert(item{p, at}) }

func (t googleTree) move(at int32, from, to fixedpoint.Price) {
	t.t.Delete(item{from, at})
	t.t.ReplaceOrInsert(item{to, at})
}

func (t googleTree) cross(mark fixedpoint.Price, out []int32) []int32 {
	for {
		top, ok := t.t.Min()
		if !ok || top.price < mark {
			return out
		}
		t.t.DeleteMin()
		out = append(out, top.at)
	}
}

type tidwallTree struct{ t *tidwall.BTreeG[item] }

func newTidwall(int) index {
	return tidwallTree{tidwall.NewBTreeGOptions(before, tidwall.Options{NoLocks: true})}
}

func (t tidwallTree) arm(at int32, p fixedpoint.Price) { t.t.Set(item{p, at}) }

func (t tidwallTree) move(at int32, from, to fixedpoint.Price) {
	t.t.Delete(item{from, at})
	t.t.Set(item{to, at})
}

func (t tidwallTree) cross(mark fixedpoint.Price, out []int32) []int32 {
	for {
		top, ok := t.t.Min()
		if !ok || top.price < mark {
			return out
		}
		t.t.PopMin()
		out = append(out, top.at)
	}
}

// heap is a 4-ary one with the place of each position: about twice as fast as
// container/heap, which calls an interface at each step.
type heap struct {
	items []item
	place []int32
}

func newHeap(n int) index { return &heap{place: make([]int32, n)} }

func (h *heap) put(i int, x item) { h.items[i], h.place[x.at] = x, int32(i) }

func (h *heap) up(i int, x item) {
	for i > 0 && before(x, h.items[(i-1)/4]) {
		h.put(i, h.items[(i-1)/4])
		i = (i - 1) / 4
	}
	h.put(i, x)
}

func (h *heap) down(i int, x item) {
	for 4*i+1 < len(h.items) {
		first := 4*i + 1
		for k := 4*i + 2; k < min(4*i+5, len(h.items)); k++ {
			if before(h.items[k], h.items[first]) {
				first = k
			}
		}
		if !before(h.items[first], x) {
			break
		}
		h.put(i, h.items[first])
		i = first
	}
	h.put(i, x)
}

func (h *heap) arm(at int32, p fixedpoint.Price) {
	h.items = append(h.items, item{})
	h.up(len(h.items)-1, item{p, at})
}

func (h *heap) move(at int32, from, to fixedpoint.Price) {
	if i := int(h.place[at]); to > from {
		h.up(i, item{to, at})
	} else {
		h.down(i, item{to, at})
	}
}

func (h *heap) cross(mark fixedpoint.Price, out []int32) []int32 {
	for len(h.items) > 0 && h.items[0].price >= mark {
		out = append(out, h.items[0].at)
		last := h.items[len(h.items)-1]
		if h.items = h.items[:len(h.items)-1]; len(h.items) > 0 {
			h.down(0, last)
		}
	}
	return out
}

var indexes = []struct {
	name string
	make func(n int) index
}{{"heap", newHeap}, {"google-btree", newGoogle}, {"tidwall-btree", newTidwall}}

// triggers are prices up to a tenth below a mark of 1,000.
type triggers struct {
	index
	random *rand.Rand
	prices []fixedpoint.Price
	out    []int32
}

func newTriggers(x index, n int) *triggers {
	t := &triggers{x, rand.New(rand.NewPCG(1, 2)), make([]fixedpoint.Price, n), make([]int32, 0, n)}
	for at := range t.prices {
		t.prices[at] = t.price()
		x.arm(int32(at), t.prices[at])
	}
	return t
}

func (t *triggers) price() fixedpoint.Price {
	return fixedpoint.Price(900*unit + t.random.Int64N(100*unit))
}

func (t *triggers) moves(n int) {
	for range n {
		at := int32(t.random.IntN(len(t.prices)))
		to := t.price()
		t.move(at, t.prices[at], to)
		t.prices[at] = to
	}
}

// crossings lets the mark fall by a thousandth at a time until n triggers have
// fired, and arms them again.
func (t *triggers) crossings(n int) {
	t.out = t.out[:0]
	for mark := fixedpoint.Price(1_000 * unit); len(t.out) < n; mark -= unit {
		t.out = t.cross(mark, t.out)
	}
	for _, at := range t.out {
		t.arm(at, t.prices[at])
	}
}

// BenchmarkTriggerMove gives a position another trigger, BenchmarkTriggerCross
// takes one that fired and arms it again.
func BenchmarkTriggerMove(b *testing.B)  { triggerVersus(b, (*triggers).moves) }
func BenchmarkTriggerCross(b *testing.B) { triggerVersus(b, (*triggers).crossings) }

func triggerVersus(b *testing.B, do func(*triggers, int)) {
	for _, c := range []struct {
		name string
		n    int
	}{{"1e5", 1e5}, {"1e6", 1e6}} {
		if c.n > 1e5 && testing.Short() {
			continue
		}
		for _, peer := range indexes {
			b.Run(fmt.Sprintf("triggers=%s/peer=%s", c.name, peer.name), func(b *testing.B) {
				ours, theirs := newTriggers(newLadder(c.n), c.n), newTriggers(peer.make(c.n), c.n)
				n := c.n / 100
				against(b, n, "trigger",
					func() time.Duration { return took(func() { do(ours, n) }) },
					func() time.Duration { return took(func() { do(theirs, n) }) })
				same(b, ours, theirs)
			})
		}
	}
}

// same fails unless both fire the same positions down to the middle of them.
func same(b *testing.B, a, z *triggers) {
	const middle = 950 * unit
	fired := make([]bool, len(a.prices))
	for _, at := range a.cross(middle, a.out[:0]) {
		fired[at] = true
	}
	n := 0
	for _, at := range z.cross(middle, z.out[:0]) {
		n++
		// Ours may fire early by what its codes cannot tell apart.
		if !fired[at] {
			b.Fatalf("position %d with trigger %v fires in one index only", at, z.prices[at])
		}
	}
	for at, f := range fired {
		if f {
			n--
			if p := a.prices[at]; p < middle-middle>>22 {
				b.Fatalf("position %d fires at %v, its trigger is %v", at, fixedpoint.Price(middle), p)
			}
		}
	}
	if n > 0 || n < -len(fired)/1_000 {
		b.Fatalf("%d more positions fire in one index", n)
	}
}
