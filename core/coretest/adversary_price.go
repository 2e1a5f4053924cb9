package coretest

import (
	"math"
	"math/bits"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// leading is the unit of the last of a price's first n bits: 1 where it has no more.
func leading(p fixedpoint.Price, n int) fixedpoint.Price {
	return 1 << max(0, bits.Len64(uint64(p))-n)
}

// clamped is a price for a number that may be none.
func clamped(p fixedpoint.Price) fixedpoint.Price { return max(1, p) }

// times is p x n / d, within what a price holds.
func times(p fixedpoint.Price, n, d int64) fixedpoint.Price {
	v, ok := fixedpoint.MulDiv(int64(p), n, d, fixedpoint.HalfEven)
	if !ok {
		return math.MaxInt64
	}
	return clamped(fixedpoint.Price(v))
}

// tick sends a mark, and notes what it means for the count.
func (a *Adversary) tick(i int, p fixedpoint.Price) event.Event {
	c := &a.contracts[i]
	a.sent.contract, a.sent.price, a.sent.same = i, p, p == c.mark
	switch {
	case a.sent.kind != Anywhere:
	case c.mark == 0:
		a.sent.kind = WokenByFirst
	case p == c.mark && (c.suspect || a.now-c.since > c.maxAge):
		a.sent.kind = WokenBySame
	case p == c.mark:
		a.sent.kind = SamePrice
	case p/1000 >= c.mark || c.mark/1000 >= p:
		a.sent.kind = FarJump
	}
	c.mark, c.suspect, c.since = p, false, a.now
	r := event.Tick(c.id, p)
	if a.choose(64) == 0 {
		r.SetSuspect()
		c.suspect = true
		a.sent.kind = Anywhere
	}
	return a.one(r)
}

// tickAt sends the price of a step.
func (a *Adversary) tickAt(s step) event.Event { return a.tick(s.contract, s.price) }

// again sends a contract's mark once more.
func (a *Adversary) again(s step) event.Event {
	if a.contracts[s.contract].mark == 0 {
		return nil
	}
	return a.tick(s.contract, a.contracts[s.contract].mark)
}

// home brings a contract back to where it began, more or less.
func (a *Adversary) home(s step) event.Event {
	c := &a.contracts[s.contract]
	return a.tick(s.contract, times(c.base, int64(1000+a.choose(41)-20), 1000))
}

// suspectTick sends a mark that must not be taken.
func (a *Adversary) suspectTick(s step) event.Event {
	c := &a.contracts[s.contract]
	r := event.Tick(c.id, times(clamped(c.mark), int64(500+a.choose(1000)), 1000))
	r.SetSuspect()
	c.suspect = true
	return a.one(r)
}

// wander sends the next mark of an ordinary market, if this one is ordinary.
func (a *Adversary) wander(s step) event.Event {
	c := &a.contracts[s.contract]
	switch {
	case c.mark == 0 && a.choose(16) > 0:
		return a.elsewhere(s)
	case c.mark == 0:
		return a.home(s)
	case c.drift > 0 && a.choose(4) > 0:
		return a.drifting(s.contract)
	case a.choose(a.temper.wild) == a.temper.wild-1:
		return a.wild(s)
	}
	switch a.choose(8) {
	case 0, 1, 2:
		move := c.mark >> (3 + a.choose(18))
		if a.choose(2) == 0 {
			move = -move
		}
		return a.tick(s.contract, clamped(c.mark+min(move, math.MaxInt64-c.mark)))
	case 3:
		return a.tick(s.contract, c.mark)
	case 4:
		return a.tick(s.contract, clamped(c.mark+min(fixedpoint.Price(a.choose(3)-1), math.MaxInt64-c.mark)))
	case 5:
		c.drift, c.driftBits, c.driftDown = 20+a.choose(100), 3+a.choose(5), a.choose(2) == 0
		return a.drifting(s.contract)
	}
	return a.home(s)
}

// drifting is one small step of many in one direction.
func (a *Adversary) drifting(i int) event.Event {
	c := &a.contracts[i]
	c.drift--
	a.sent.kind = SlowDrift
	move := max(1, c.mark>>c.driftBits)
	if c.driftDown {
		return a.tick(i, clamped(c.mark-move))
	}
	return a.tick(i, c.mark+min(move, math.MaxInt64-c.mark))
}

// wild is a mark anywhere: the ends of what a price is, jumps by up to 1e9, borders
// of an index that rounds prices to a few leading bits.
func (a *Adversary) wild(s step) event.Event {
	c := &a.contracts[s.contract]
	switch a.choose(8) {
	case 0:
		a.sent.kind = LeastPrice
		return a.tick(s.contract, 1)
	case 1:
		return a.most(s)
	case 2:
		return a.tick(s.contract, times(c.mark, a.pick(10, 1_000, 1_000_000, 1_000_000_000), 1))
	case 3:
		return a.tick(s.contract, times(c.mark, 1, a.pick(10, 1_000, 1_000_000, 1_000_000_000)))
	case 4:
		a.sent.kind = OctaveBorder
		p := fixedpoint.Price(1) << bits.Len64(uint64(c.mark)>>a.choose(2))
		return a.tick(s.contract, clamped(max(p, 1)+fixedpoint.Price(a.choose(3)-1)))
	case 5:
		return a.tick(s.contract, 1+fixedpoint.Price(a.choose(1<<a.choose(20)+1)))
	}
	return a.border(s)
}

// border parks on a price of 13 leading bits near the mark, or a step beside it.
func (a *Adversary) border(s step) event.Event {
	c := &a.contracts[s.contract]
	if c.mark == 0 {
		return a.home(s)
	}
	a.sent.kind = BucketBorder
	unit := leading(c.mark, 13)
	p := c.mark&^(unit-1) + unit*fixedpoint.Price(a.choose(5)-2)
	return a.tick(s.contract, clamped(p+fixedpoint.Price(a.choose(3)-1)))
}

// most parks on the largest price at which every mark value fits, and asks for one
// step more.
func (a *Adversary) most(s step) event.Event {
	largest := a.largestQty(s.contract)
	if largest == 0 {
		return nil
	}
	low, high := fixedpoint.Price(1), fixedpoint.Price(math.MaxInt64)
	for low < high {
		mid := high - (high-low)/2
		if _, ok := fixedpoint.Quote(largest, mid); ok {
			low = mid
		} else {
			high = mid - 1
		}
	}
	if low == math.MaxInt64 {
		return nil
	}
	at := step{do: (*Adversary).tickAt, contract: s.contract, price: low, kind: MostPrice}
	beyond := at
	beyond.price, beyond.kind = low+1, BeyondMost
	a.then(at, beyond, at, step{do: (*Adversary).home, contract: s.contract})
	return nil
}

// largestQty is the largest anyone holds of a contract.
func (a *Adversary) largestQty(i int) (largest fixedpoint.Qty) {
	c := &a.contracts[i]
	w := a.m.Viewer()
	for id := range event.AccountID(a.temper.accounts + 3) {
		if !w.Account(id, &a.view) {
			continue
		}
		for _, p := range a.view.Positions {
			if p.Symbol == c.id {
				largest = max(largest, p.Qty, -p.Qty)
			}
		}
	}
	a.m.Fund(c.fund, &a.fund)
	for _, v := range a.fund.Inventory {
		if v.Symbol == c.id {
			largest = max(largest, v.Qty, -v.Qty)
		}
	}
	return largest
}
