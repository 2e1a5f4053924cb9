package adl

import (
	"slices"

	"github.com/backstop-fund/backstop/fixedpoint"
)

// edge is a leverage at which a candidate begins to give, or stops because it
// reached its limit: qty / equity.
type edge struct {
	qty    int64
	equity fixedpoint.Int256
	at     int
	stop   bool
}

// drain brings the most leveraged down to a common leverage L: remaining notional
// = min(notional, L x equity). With one mark for all, it is solved in quantity.
//
// Going down from the highest leverage, the sum taken is a line between two
// edges; the need is met where that line reaches it.
func (a *Allocator) drain(t *Terms, group []Candidate) (int64, Cutoff) {
	left := t.Need
	a.edges = a.edges[:0]
	for i := range group {
		c := &group[i]
		if c.Limit == 0 {
			continue
		}
		left -= min(left, c.Limit)
		a.edges = append(a.edges,
			edge{qty: int64(c.Qty), equity: c.EquityBefore, at: i},
			edge{qty: int64(c.Qty) - c.Limit*int64(t.Lot), equity: c.EquityBefore, at: i, stop: true})
	}
	slices.SortFunc(a.edges, func(x, y edge) int {
		if c := x.equity.MulInt64(y.qty).Cmp(y.equity.MulInt64(x.qty)); c != 0 {
			return c
		}
		return x.at - y.at
	})
	if left > 0 {
		return a.exhaust(t, group, t.Need-left)
	}
	need := fixedpoint.Mul64(t.Need, int64(t.Lot)).Wide()
	// Quantity and equity of those giving now, quantity of those at their limit.
	var active, equity, stopped fixedpoint.Int256
	for i := range a.edges {
		e := &a.edges[i]
		// Taken at this edge's leverage: stopped + active - leverage x equity. Where
		// that is enough, the common leverage lies between the last edge and this.
		over := stopped.Add(active).Sub(need)
		taken, wanted := [2]fixedpoint.Int256{over, e.equity}, [2]fixedpoint.Int256{fixedpoint.Int256From(e.qty), equity}
		if fixedpoint.CmpProducts(taken[:], wanted[:]) >= 0 {
			break
		}
		c := &group[e.at]
		if !e.stop {
			active = active.Add(fixedpoint.Int256From(int64(c.Qty)))
			equity = equity.Add(c.EquityBefore)
			c.Give = giving
			continue
		}
		active = active.Sub(fixedpoint.Int256From(int64(c.Qty)))
		equity = equity.Sub(c.EquityBefore)
		stopped = stopped.Add(fixedpoint.Mul64(c.Limit, int64(t.Lot)).Wide())
		c.Give = c.Limit
	}
	return t.Need, a.settle(t, group, stopped.Add(active).Sub(need), equity)
}

// exhaust gives all that the group can, which is less than the need. The level is
// that of the last to reach its limit.
func (a *Allocator) exhaust(t *Terms, group []Candidate, given int64) (int64, Cutoff) {
	if given == 0 {
		return 0, Cutoff{}
	}
	for i := range group {
		group[i].Give = group[i].Limit
	}
	last := &a.edges[len(a.edges)-1]
	return given, t.leverage(fixedpoint.Int256From(last.qty), last.equity)
}

// giving marks a candidate that gives down to the common leverage.
const giving = -1

// settle gives everyone marked its quantity above over / equity, the common
// leverage, in whole lots. There is one at least: the last line was rising.
func (a *Allocator) settle(t *Terms, group []Candidate, over, equity fixedpoint.Int256) Cutoff {
	a.shares = a.shares[:0]
	left := t.Need
	level, _ := over.Int128() // a sum of quantities
	for i := range group {
		c := &group[i]
		if c.Give != giving {
			left -= c.Give
			continue
		}
		own, _ := c.EquityBefore.Int128()
		a.shares = append(a.shares, share{at: i, num: equity.MulInt64(int64(c.Qty)).Sub(fixedpoint.Mul128(level, own))})
	}
	round(left, group, a.shares, equity.MulInt64(int64(t.Lot)))
	return t.leverage(over, equity)
}

// leverage returns qty / equity at the mark: notional / equity at 1e-8.
func (t *Terms) leverage(qty, equity fixedpoint.Int256) Cutoff {
	num := [3]fixedpoint.Int256{qty, fixedpoint.Int256From(int64(t.Mark)), fixedpoint.Int256From(fixedpoint.One)}
	den := [1]fixedpoint.Int256{equity}
	return quotient(num[:], den[:])
}
