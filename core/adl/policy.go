package adl

import (
	"slices"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Candidate is a member as it stands now: what it can give, and what the policies
// weigh.
type Candidate struct {
	Member int               // index in the ranking
	Limit  int64             // lots it can give without becoming liquidatable
	Give   int64             // lots it gives: the result
	Qty    fixedpoint.Qty    // size of the position
	PnL    fixedpoint.Int256 // unrealized, of the position, at 1e-16
	Equity fixedpoint.Int256 // of the account, at 1e-16
	// Equity after the event's own change, before the first account was handled.
	EquityBefore fixedpoint.Int256
}

// Terms are those of one counterparty-liquidation.
type Terms struct {
	Policy event.Policy
	Need   int64 // lots
	Lot    fixedpoint.Qty
	Mark   fixedpoint.Price
	// Loss is what closing Size, at 1e-8, costs counterparties against their mark, at
	// 1e-16; not above 0 where closing is no loss.
	Loss fixedpoint.Int256
	Size int64
}

// Cutoff is the level at which a policy stopped, half-even at 1e-8. It is not known
// where there is none, nobody gave, or it does not fit.
type Cutoff struct {
	Value fixedpoint.Int128
	Known bool
}

// Allocator spreads a need over candidates. It keeps scratch space that grows to
// the largest group it has seen.
type Allocator struct {
	shares []share
	edges  []edge
}

// share is a candidate's exact part of the lots, num / den with one den for all.
type share struct {
	at     int               // index of the candidate
	weight fixedpoint.Int256 // what the part is proportional to
	num    fixedpoint.Int256
	rest   fixedpoint.Int256 // num - whole lots x den
}

// Allocate fills in Give of one group, which is all in profit or all not, and
// returns the lots given and the level reached: L of drain, h of min_max, each the
// last that is enough. Given = min(need, sum of limits), where pro_rata leaves out
// those who were in profit when ranked and are not now.
//
// The group is in the order that decides: by rank for a queue, by account for the
// other policies, where the earlier of two gets a lot that is due to both.
// Requires: need and lot above 0; of each candidate 0 <= Limit x lot <= Qty, both
// equities above 0 and below 2^127; for min_max, Size above 0.
func (a *Allocator) Allocate(t *Terms, group []Candidate, inProfit bool) (given int64, cutoff Cutoff) {
	for i := range group {
		group[i].Give = 0
	}
	policy := t.Policy
	if policy == event.PolicyMinMax && t.Loss.Sign() <= 0 {
		policy = event.PolicyProRata
	}
	switch policy {
	case event.PolicyQueue:
		return queue(t.Need, group), Cutoff{}
	case event.PolicyDrain:
		return a.drain(t, group)
	case event.PolicyMinMax:
		given, level, den := a.level(t.Need, group, func(c *Candidate) fixedpoint.Int256 { return c.Equity })
		// x = h x equity / loss per unit: h = lots x lot x loss / (size x equity), the
		// powers of ten of quantity and equity cancel against those of loss.
		num := [4]fixedpoint.Int256{level, fixedpoint.Int256From(int64(t.Lot)), t.Loss, fixedpoint.Int256From(fixedpoint.One)}
		d := [2]fixedpoint.Int256{den, fixedpoint.Int256From(t.Size)}
		return given, quotient(num[:], d[:])
	default:
		given, _, _ := a.level(t.Need, group, func(c *Candidate) fixedpoint.Int256 {
			if inProfit {
				return c.PnL
			}
			return fixedpoint.Value(c.Qty, t.Mark).Wide()
		})
		return given, Cutoff{}
	}
}

func quotient(num, den []fixedpoint.Int256) Cutoff {
	q, ok := fixedpoint.QuoProducts(num, den, fixedpoint.HalfEven)
	if !ok {
		return Cutoff{}
	}
	v, ok := q.Int128()
	return Cutoff{Value: v, Known: ok}
}

// queue takes from each in turn, up to what it can give.
func queue(need int64, group []Candidate) int64 {
	left := need
	for i := range group {
		g := min(left, group[i].Limit)
		group[i].Give = g
		left -= g
	}
	return need - left
}

// level solves x_i = min(limit_i, h x weight_i) with sum x_i = need, in lots. It
// returns what was given and h = level / den.
func (a *Allocator) level(need int64, group []Candidate, weight func(*Candidate) fixedpoint.Int256) (given int64, level, den fixedpoint.Int256) {
	a.shares = a.shares[:0]
	total := fixedpoint.Int256{}
	for i := range group {
		w := weight(&group[i])
		if w.Sign() <= 0 || group[i].Limit == 0 {
			continue
		}
		a.shares = append(a.shares, share{at: i, weight: w})
		total = total.Add(w)
	}
	// From the first to reach its limit to the last: limit / weight rises.
	slices.SortFunc(a.shares, func(x, y share) int {
		left := x.weight.MulInt64(group[y.at].Limit)
		right := y.weight.MulInt64(group[x.at].Limit)
		if c := right.Cmp(left); c != 0 {
			return c
		}
		return x.at - y.at
	})
	left := need
	for i := range a.shares {
		s := &a.shares[i]
		limit := group[s.at].Limit
		if s.weight.MulInt64(left).Less(total.MulInt64(limit)) {
			// Everyone from here on stays below its limit.
			below := a.shares[i:]
			for j := range below {
				below[j].num = below[j].weight.MulInt64(left)
			}
			round(left, group, below, total)
			return need, fixedpoint.Int256From(left), total
		}
		group[s.at].Give = limit
		left -= limit
		total = total.Sub(s.weight)
		level, den = fixedpoint.Int256From(limit), s.weight
	}
	return need - left, level, den
}

// round gives each its whole lots of num / den, then one lot each by largest
// remainder, ties to the earlier. The nums add up to need x den, and none is above
// its limit x den: the remainders, less than a lot each, add up to the lots left,
// so that none goes to who has no remainder, at its limit.
func round(need int64, group []Candidate, shares []share, den fixedpoint.Int256) {
	d := [1]fixedpoint.Int256{den}
	left := need
	for i := range shares {
		s := &shares[i]
		num := [1]fixedpoint.Int256{s.num}
		q, _ := fixedpoint.QuoProducts(num[:], d[:], fixedpoint.Floor)
		whole, _ := q.Int64()
		s.rest = s.num.Sub(den.MulInt64(whole))
		group[s.at].Give = whole
		left -= whole
	}
	slices.SortFunc(shares, func(x, y share) int {
		if c := y.rest.Cmp(x.rest); c != 0 {
			return c
		}
		return x.at - y.at
	})
	for i := range shares[:left] {
		group[shares[i].at].Give++
	}
}
