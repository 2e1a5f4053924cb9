package adl_test

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/backstop-fund/backstop/core/adl"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

var policies = []event.Policy{event.PolicyQueue, event.PolicyProRata, event.PolicyDrain, event.PolicyMinMax}

// The dumb twin solves a policy in fractions by trying the level of each candidate's
// edges in turn, and works out the rest of the way on the line between two.

// ramp is what a candidate gives as a level falls (drain) or rises (the others):
// nothing, then along a line, then its limit. In lots.
type ramp struct{ from, to, slope, limit *big.Rat }

// at is what r gives at a level.
func (r ramp) at(level *big.Rat) *big.Rat {
	x := new(big.Rat).Sub(level, r.from)
	switch {
	case x.Sign() <= 0:
		return new(big.Rat)
	case level.Cmp(r.to) >= 0:
		return r.limit
	}
	return x.Mul(x, r.slope)
}

func sumAt(ramps []ramp, level *big.Rat) *big.Rat {
	sum := new(big.Rat)
	for _, r := range ramps {
		sum.Add(sum, r.at(level))
	}
	return sum
}

// solve is the first level at which need is given, or all that there is.
func solve(ramps []ramp, need *big.Rat) *big.Rat {
	var edges []*big.Rat
	for _, r := range ramps {
		edges = append(edges, r.from, r.to)
	}
	slices.SortFunc(edges, func(a, b *big.Rat) int { return a.Cmp(b) })
	for i, e := range edges {
		over := new(big.Rat).Sub(sumAt(ramps, e), need)
		if over.Sign() < 0 {
			continue
		}
		if over.Sign() == 0 {
			return e
		}
		before := edges[i-1]
		rise := new(big.Rat).Sub(sumAt(ramps, e), sumAt(ramps, before))
		run := new(big.Rat).Sub(e, before)
		return new(big.Rat).Sub(e, over.Mul(over, run.Quo(run, rise)))
	}
	return edges[len(edges)-1]
}

func frac(num, den *big.Int) *big.Rat { return new(big.Rat).SetFrac(num, den) }
func whole(v int64) *big.Rat          { return big.NewRat(v, 1) }

func big256(x fixedpoint.Int256) *big.Int {
	w := x.Words()
	z := big.NewInt(int64(w[3]))
	for i := 2; i >= 0; i-- {
		z.Lsh(z, 64)
		z.Add(z, new(big.Int).SetUint64(w[i]))
	}
	return z
}

// units16 is an amount at 1e-16 in units.
func units16(x fixedpoint.Int256) *big.Rat {
	return frac(big256(x), new(big.Int).Mul(big.NewInt(unit), big.NewInt(unit)))
}

// rising is the ramp of min(limit, h x weight); none for a weight of nothing.
func rising(limit int64, weight *big.Rat) (ramp, bool) {
	if weight.Sign() <= 0 || limit == 0 {
		return ramp{}, false
	}
	return ramp{from: new(big.Rat), to: new(big.Rat).Quo(whole(limit), weight), slope: weight, limit: whole(limit)}, true
}

// draining is the ramp of clamp((notional - L x equity) / lot value), on the axis -L.
func draining(t *adl.Terms, c *adl.Candidate) (ramp, bool) {
	mark, equity := big.NewRat(int64(t.Mark), unit), units16(c.EquityBefore)
	notional := new(big.Rat).Mul(big.NewRat(int64(c.Qty), unit), mark)
	value := new(big.Rat).Mul(big.NewRat(int64(t.Lot), unit), mark)
	kept := new(big.Rat).Sub(notional, new(big.Rat).Mul(whole(c.Limit), value))
	from, to := notional.Quo(notional, equity), kept.Quo(kept, equity)
	return ramp{from: from.Neg(from), to: to.Neg(to), slope: new(big.Rat).Quo(equity, value), limit: whole(c.Limit)}, c.Limit > 0
}

// lossPerUnit is what a unit of quantity costs counterparties.
func lossPerUnit(t *adl.Terms) *big.Rat {
	return new(big.Rat).Quo(units16(t.Loss), big.NewRat(t.Size, unit))
}

// outcome is what a policy should do; the level is nil where there is none.
type outcome struct {
	gives []int64
	given int64
	level *big.Rat
}

func twin(t *adl.Terms, group []adl.Candidate, inProfit bool) outcome {
	o := outcome{gives: make([]int64, len(group))}
	if t.Policy == event.PolicyQueue {
		for i := range group {
			o.gives[i] = min(t.Need-o.given, group[i].Limit)
			o.given += o.gives[i]
		}
		return o
	}
	minMax := t.Policy == event.PolicyMinMax && t.Loss.Sign() > 0
	var ramps []ramp
	var who []int
	for i := range group {
		c := &group[i]
		var r ramp
		var ok bool
		switch {
		case t.Policy == event.PolicyDrain:
			r, ok = draining(t, c)
		case minMax:
			lots := new(big.Rat).Quo(units16(c.Equity), lossPerUnit(t))
			r, ok = rising(c.Limit, lots.Quo(lots, big.NewRat(int64(t.Lot), unit)))
		case inProfit:
			r, ok = rising(c.Limit, units16(c.PnL))
		default:
			r, ok = rising(c.Limit, big.NewRat(int64(c.Qty), unit))
		}
		if ok {
			ramps, who = append(ramps, r), append(who, i)
		}
	}
	if len(ramps) == 0 {
		return o
	}
	level := solve(ramps, whole(t.Need))
	shares := make([]*big.Rat, len(ramps))
	sum := new(big.Rat)
	for i, r := range ramps {
		shares[i] = r.at(level)
		sum.Add(sum, shares[i])
	}
	o.given = sum.Num().Int64() // all limits, or the need
	largestRemainder(shares, ramps, who, &o)
	switch {
	case t.Policy == event.PolicyDrain:
		o.level = level.Neg(level)
	case minMax:
		o.level = level
	}
	return o
}

// largestRemainder floors the shares and gives the rest one lot each.
func largestRemainder(shares []*big.Rat, ramps []ramp, who []int, o *outcome) {
	left := o.given
	order := make([]int, len(shares))
	rests := make([]*big.Rat, len(shares))
	for i, s := range shares {
		floor := new(big.Int).Div(s.Num(), s.Denom())
		o.gives[who[i]] = floor.Int64()
		left -= floor.Int64()
		order[i], rests[i] = i, new(big.Rat).Sub(s, new(big.Rat).SetInt(floor))
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Or(rests[j].Cmp(rests[i]), cmp.Compare(who[i], who[j])) })
	for _, i := range order {
		if left > 0 && whole(o.gives[who[i]]).Cmp(ramps[i].limit) < 0 {
			o.gives[who[i]]++
			left--
		}
	}
}

// anyTerms draws a group that the machine could bring: limits within the position,
// equities above 0.
func anyTerms(t *rapid.T) (adl.Terms, []adl.Candidate) {
	size := rapid.SampledFrom([]int64{10, 1000, math.MaxInt64}).Draw(t, "size")
	lot := rapid.SampledFrom([]int64{1, 3, unit / 10}).Draw(t, "lot")
	if size <= 1000 {
		size *= lot
	}
	amount := rapid.OneOf(rapid.Int64Range(1, 5), rapid.SampledFrom([]int64{10, 20, unit}), rapid.Int64Range(1, math.MaxInt64))
	equity := func(name string) fixedpoint.Int256 {
		return fixedpoint.Mul64(amount.Draw(t, name), rapid.SampledFrom([]int64{1, unit, 7 * unit}).Draw(t, "scale")).Wide()
	}
	terms := adl.Terms{
		Policy: rapid.SampledFrom(policies).Draw(t, "policy"), Lot: fixedpoint.Qty(lot),
		Mark: fixedpoint.Price(amount.Draw(t, "mark")), Loss: equity("loss"), Size: rapid.Int64Range(1, size).Draw(t, "piece"),
	}
	if rapid.IntRange(0, 3).Draw(t, "no loss") == 0 {
		terms.Loss = terms.Loss.Neg()
	}
	group := make([]adl.Candidate, rapid.IntRange(1, 7).Draw(t, "candidates"))
	for i := range group {
		c := &group[i]
		*c = adl.Candidate{
			Member: i, Give: 99, Qty: fixedpoint.Qty(rapid.OneOf(rapid.Int64Range(1, size), rapid.Just(size)).Draw(t, "qty")),
			Equity: equity("equity"), EquityBefore: equity("equity before"), PnL: equity("pnl"),
		}
		most := int64(c.Qty) / lot
		c.Limit = rapid.OneOf(rapid.Just(most), rapid.Int64Range(0, most)).Draw(t, "limit")
		switch rapid.IntRange(0, 7).Draw(t, "like") {
		case 0:
			c.PnL = c.PnL.Neg() // no longer in profit
		case 1:
			*c = group[max(0, i-1)]
			c.Member = i
		}
	}
	most := int64(0)
	for i := range group {
		most += min(group[i].Limit, math.MaxInt64-most)
	}
	most = min(most, math.MaxInt64-2)
	terms.Need = rapid.OneOf(rapid.Int64Range(1, most+2), rapid.SampledFrom([]int64{1, max(1, most-1), max(1, most), most + 1})).Draw(t, "need")
	return terms, group
}

func allocateAgainstTwin(t *rapid.T) {
	terms, group := anyTerms(t)
	inProfit := rapid.Bool().Draw(t, "in profit")
	want := twin(&terms, group, inProfit)
	var a adl.Allocator
	given, cutoff := a.Allocate(&terms, group, inProfit)
	if given != want.given {
		t.Fatalf("given = %d, want %d of %d", given, want.given, terms.Need)
	}
	sum := int64(0)
	for i := range group {
		if g := group[i].Give; g != want.gives[i] || g < 0 || g > group[i].Limit {
			t.Fatalf("candidate %d gives %d of %d, want %v", i, g, group[i].Limit, want.gives)
		}
		sum += group[i].Give
	}
	if sum != given {
		t.Fatalf("gives add up to %d, given %d", sum, given)
	}
	checkCutoff(t, cutoff, want.level)
}

func checkCutoff(t *rapid.T, got adl.Cutoff, level *big.Rat) {
	if level == nil {
		if got.Known {
			t.Fatalf("cutoff = %v, want none", got.Value)
		}
		return
	}
	want := at8(level)
	if known := want.BitLen() < 128; got.Known != known || known && bigOf(got.Value).Cmp(want) != 0 {
		t.Fatalf("cutoff = %v, %v; want %v", got.Value, got.Known, want)
	}
}

func TestAllocateAgainstTwin(t *testing.T) { rapid.Check(t, allocateAgainstTwin) }
func FuzzAllocate(f *testing.F)            { f.Fuzz(rapid.MakeFuzz(allocateAgainstTwin)) }

// Taken = min(need, sum of limits), whatever the policy, with weights above 0.
func TestTakenIsNeeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms, group := anyTerms(t)
		sum := int64(0)
		for i := range group {
			group[i].PnL = group[i].PnL.Abs()
			sum += min(group[i].Limit, math.MaxInt64-sum)
		}
		var a adl.Allocator
		if given, _ := a.Allocate(&terms, group, true); given != min(terms.Need, sum) {
			t.Fatalf("given = %d, want the lesser of %d and %d", given, terms.Need, sum)
		}
	})
}

// The cut-off of min_max is the smallest h that covers the need: a step below it is
// too little, a step above is enough.
func TestMinMaxIsSmallest(t *testing.T) {
	covered := 0
	rapid.Check(t, func(t *rapid.T) {
		terms, group := anyTerms(t)
		terms.Policy, terms.Loss = event.PolicyMinMax, terms.Loss.Abs()
		var a adl.Allocator
		given, cutoff := a.Allocate(&terms, group, true)
		if given < terms.Need || !cutoff.Known {
			return
		}
		covered++
		covers := func(h *big.Rat) bool {
			sum := new(big.Rat)
			for i := range group {
				x := new(big.Rat).Quo(new(big.Rat).Mul(h, units16(group[i].Equity)), lossPerUnit(&terms))
				x.Quo(x, big.NewRat(int64(terms.Lot), unit))
				if limit := whole(group[i].Limit); x.Cmp(limit) > 0 {
					x = limit
				}
				sum.Add(sum, x)
			}
			return sum.Cmp(whole(terms.Need)) >= 0
		}
		step := func(by int64) *big.Rat {
			return frac(new(big.Int).Add(bigOf(cutoff.Value), big.NewInt(by)), big.NewInt(unit))
		}
		if covers(step(-1)) || !covers(step(1)) {
			t.Fatalf("cutoff %v is not the smallest that covers %d", cutoff.Value, terms.Need)
		}
	})
	if covered == 0 {
		t.Error("no draw was covered")
	}
}

// RULES' worked numbers of drain, in lots of a hundredth at mark 1.
func TestDrainWorked(t *testing.T) {
	for _, c := range []struct {
		need  int64
		gives [3]int64
		level int64
	}{
		{5000, [3]int64{5000, 0, 0}, 5 * unit},
		{7000, [3]int64{5909, 1091, 0}, 4_09090909},
		{11000, [3]int64{7727, 3273, 0}, 2_27272727},
	} {
		group := drained(100, 10, 60, 12, 40, 20)
		terms := adl.Terms{Policy: event.PolicyDrain, Need: c.need, Lot: unit / 100, Mark: unit}
		var a adl.Allocator
		given, cutoff := a.Allocate(&terms, group, true)
		got := [3]int64{group[0].Give, group[1].Give, group[2].Give}
		if given != c.need || got != c.gives || cutoff.Value != wide(c.level) {
			t.Errorf("cut %d: %v down to %v, want %v down to %d", c.need, got, cutoff.Value, c.gives, c.level)
		}
	}
}

// drained makes candidates from pairs of quantity and equity.
func drained(pairs ...int64) (group []adl.Candidate) {
	for i := 0; i < len(pairs); i += 2 {
		equity := fixedpoint.Mul64(pairs[i+1]*unit, unit).Wide()
		group = append(group, adl.Candidate{
			Limit: pairs[i] * 100, Qty: fixedpoint.Qty(pairs[i] * unit), Equity: equity, EquityBefore: equity, PnL: equity,
		})
	}
	return group
}

// The edges of each policy by hand. Equity and PnL are the second number of a pair.
func TestAllocateEdges(t *testing.T) {
	loss := fixedpoint.Mul64(unit, unit).Wide() // 1 for a piece of 1
	for _, c := range []struct {
		name     string
		policy   event.Policy
		need     int64
		loss     fixedpoint.Int256
		inProfit bool
		group    []adl.Candidate
		gives    []int64
	}{
		{"queue", event.PolicyQueue, 150, loss, true, drained(1, 1, 2, 9, 1, 9), []int64{100, 50, 0}},
		{"pro rata by profit", event.PolicyProRata, 90, loss, true, drained(5, 1, 5, 2, 5, 6), []int64{10, 20, 60}},
		{"pro rata by notional", event.PolicyProRata, 90, loss, false, drained(1, 9, 2, 1, 6, 1), []int64{10, 20, 60}},
		{"pro rata, one at its limit", event.PolicyProRata, 160, loss, true, drained(1, 6, 5, 1, 5, 2), []int64{100, 20, 40}},
		{"the earlier gets the odd lot", event.PolicyProRata, 4, loss, true, drained(1, 1, 1, 1, 1, 1), []int64{2, 1, 1}},
		{"the larger remainder gets the odd lot", event.PolicyProRata, 1, loss, true, drained(1, 1, 1, 2, 1, 1), []int64{0, 1, 0}},
		{"min max by equity", event.PolicyMinMax, 90, loss, true, drained(5, 1, 5, 2, 5, 6), []int64{10, 20, 60}},
		{"min max without loss goes by profit", event.PolicyMinMax, 90, loss.Neg(), false, drained(1, 9, 2, 1, 6, 1), []int64{10, 20, 60}},
		{"drain stops at a limit", event.PolicyDrain, 150, loss, true, drained(1, 1, 60, 600, 40, 100), []int64{100, 0, 50}},
		{"more than there is", event.PolicyDrain, 301, loss, true, drained(1, 1, 2, 9), []int64{100, 200}},
		{"just what there is", event.PolicyDrain, 300, loss, true, drained(1, 1, 2, 9), []int64{100, 200}},
	} {
		terms := adl.Terms{Policy: c.policy, Need: c.need, Lot: unit / 100, Mark: unit, Loss: c.loss, Size: unit}
		if c.name == "drain stops at a limit" {
			c.group[0].Qty *= 100 // leverage 100, but only one unit can go
		}
		var a adl.Allocator
		a.Allocate(&terms, c.group, c.inProfit)
		for i, want := range c.gives {
			if got := c.group[i].Give; got != want {
				t.Errorf("%s: candidate %d gives %d, want %v", c.name, i, got, c.gives)
			}
		}
	}
}

// Nobody can give: nothing is given, and there is no level.
func TestNobodyGives(t *testing.T) {
	for _, policy := range policies {
		group := drained(1, 1, 2, 2)
		group[0].Limit, group[1].Limit = 0, 0
		terms := adl.Terms{Policy: policy, Need: 5, Lot: unit, Mark: unit, Loss: fixedpoint.Int256From(1), Size: unit}
		var a adl.Allocator
		if given, cutoff := a.Allocate(&terms, group, true); given != 0 || cutoff.Known {
			t.Errorf("%v: given %d, cutoff %v", policy, given, cutoff)
		}
	}
}
