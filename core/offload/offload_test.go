package offload_test

import (
	"flag"
	"math"
	"math/big"
	"testing"

	"github.com/backstop-fund/backstop/core/offload"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

const unit = fixedpoint.One

// A property here costs microseconds: look at more than rapid's hundred cases.
// The flag on the command line still decides.
func init() {
	checks := "5000"
	if raceEnabled {
		checks = "300"
	}
	if err := flag.Set("rapid.checks", checks); err != nil {
		panic(err)
	}
}

// Ten lots of 1 at 100, half of what is held a slice, ticks of 0.5.
func TestNext(t *testing.T) {
	usual := offload.Settings{Fraction: unit / 2, FullSize: 4 * unit, MaxDepthFraction: unit / 4, Slippage: unit / 100}
	market := offload.Market{Mark: 100 * unit, Tick: unit / 2, Lot: unit}
	deep := func(depth fixedpoint.Qty) offload.Market {
		m := market
		m.Depth, m.Known = depth, true
		return m
	}
	at := func(mark fixedpoint.Price) offload.Market {
		m := market
		m.Mark = mark
		return m
	}
	for _, c := range []struct {
		name      string
		inventory fixedpoint.Qty
		market    offload.Market
		want      offload.Clip
	}{
		{"a fraction", 10 * unit, market, offload.Clip{Qty: -5 * unit, Limit: 99 * unit}},
		{"of a short", -10 * unit, market, offload.Clip{Qty: 5 * unit, Limit: 101 * unit}},
		{"up to lots", 9 * unit, market, offload.Clip{Qty: -5 * unit, Limit: 99 * unit}},
		{"one step above full size", 4*unit + 1, market, offload.Clip{Qty: -3 * unit, Limit: 99 * unit}},
		{"full size", 4 * unit, market, offload.Clip{Qty: -4 * unit, Limit: 99 * unit}},
		{"an off-lot remainder", unit / 3, market, offload.Clip{Qty: -unit / 3, Limit: 99 * unit}},
		{"no depth", 10 * unit, deep(0), offload.Clip{}},
		{"one step of depth", 10 * unit, deep(1), offload.Clip{Qty: -unit, Limit: 99 * unit}},
		{"depth for two", 10 * unit, deep(8 * unit), offload.Clip{Qty: -2 * unit, Limit: 99 * unit}},
		{"one step more", 10 * unit, deep(8*unit + 1), offload.Clip{Qty: -3 * unit, Limit: 99 * unit}},
		{"depth caps full size too", 4 * unit, deep(4 * unit), offload.Clip{Qty: -unit, Limit: 99 * unit}},
		{"depth is no reason to sell more", 10 * unit, deep(1000 * unit), offload.Clip{Qty: -5 * unit, Limit: 99 * unit}},
		// 99.99 x 0.99 = 98.9901 goes up, 99.99 x 1.01 = 100.9899 goes down.
		{"a sale inside the bound", 10 * unit, at(99_99000000), offload.Clip{Qty: -5 * unit, Limit: 99 * unit}},
		{"a purchase inside the bound", -10 * unit, at(99_99000000), offload.Clip{Qty: 5 * unit, Limit: 1005 * unit / 10}},
		{"at least one tick", -10 * unit, at(unit / 100), offload.Clip{Qty: 5 * unit, Limit: unit / 2}},
		{"the highest price", -10 * unit, at(math.MaxInt64), offload.Clip{Qty: 5 * unit, Limit: math.MaxInt64 - math.MaxInt64%(unit/2)}},
	} {
		got, ok := usual.Next(c.inventory, c.market)
		if got != c.want || ok != (c.want != offload.Clip{}) {
			t.Errorf("%s: Next = %v at %v, %v; want %v at %v", c.name, got.Qty, got.Limit, ok, c.want.Qty, c.want.Limit)
		}
	}
}

// RULES section 8, both ways round.
func TestWorkedSequence(t *testing.T) {
	s := offload.Settings{Fraction: unit / 10, FullSize: 20 * unit, MaxDepthFraction: unit / 20, Slippage: unit / 100}
	market := offload.Market{Mark: unit, Tick: 1, Lot: unit, Depth: 1_000_000 * unit, Known: true}
	for _, sign := range []fixedpoint.Qty{1, -1} {
		left := sign * 100 * unit
		for i, lots := range []fixedpoint.Qty{10, 9, 9, 8, 7, 6, 6, 5, 4, 4, 4, 3, 3, 3, 19} {
			clip, ok := s.Next(left, market)
			if !ok || clip.Qty != -sign*lots*unit {
				t.Fatalf("slice %d of %v: %v, want %v lots", i, left, clip.Qty, lots)
			}
			left += clip.Qty
		}
		if left != 0 {
			t.Errorf("%v left after the last slice", left)
		}
	}
}

// twin is section 8 in big.Rat: all quantities in lots and prices in ticks, rounded
// by whole numbers.
func twin(s *offload.Settings, inventory fixedpoint.Qty, m offload.Market) (qty, limit *big.Int) {
	size := new(big.Int).Abs(big.NewInt(int64(inventory)))
	if size.Cmp(big.NewInt(int64(s.FullSize))) > 0 {
		size = lesser(size, upToLots(size, s.Fraction, m.Lot))
	}
	if m.Known {
		size = lesser(size, upToLots(big.NewInt(int64(m.Depth)), s.MaxDepthFraction, m.Lot))
	}
	factor := big.NewRat(unit+int64(s.Slippage), unit)
	if inventory > 0 {
		factor = big.NewRat(unit-int64(s.Slippage), unit)
		size.Neg(size)
	}
	ticks := factor.Mul(factor, big.NewRat(int64(m.Mark), int64(m.Tick)))
	n := floor(ticks)
	if inventory > 0 {
		n = ceil(ticks)
	}
	if n.Sign() == 0 {
		n.SetInt64(1)
	}
	n = lesser(n, big.NewInt(math.MaxInt64/int64(m.Tick)))
	return size, n.Mul(n, big.NewInt(int64(m.Tick)))
}

func upToLots(qty *big.Int, part fixedpoint.Rate, lot fixedpoint.Qty) *big.Int {
	lots := new(big.Rat).SetInt(qty)
	lots.Mul(lots, big.NewRat(int64(part), unit)).Quo(lots, big.NewRat(int64(lot), 1))
	n := ceil(lots)
	return n.Mul(n, big.NewInt(int64(lot)))
}

func floor(r *big.Rat) *big.Int { return new(big.Int).Div(r.Num(), r.Denom()) }

func ceil(r *big.Rat) *big.Int {
	f := floor(new(big.Rat).Neg(r))
	return f.Neg(f)
}

func lesser(a, b *big.Int) *big.Int {
	if b.Cmp(a) < 0 {
		a = b
	}
	return new(big.Int).Set(a)
}

func againstTwin(t *rapid.T) {
	above0 := rapid.OneOf(rapid.Int64Range(1, 1000), rapid.Int64Range(1, 1000*unit), rapid.Int64Range(1, math.MaxInt64),
		rapid.SampledFrom([]int64{1, math.MaxInt64 - 1, math.MaxInt64}))
	part := rapid.OneOf(rapid.Int64Range(1, unit), rapid.SampledFrom([]int64{1, unit / 10, unit - 1, unit}))
	s := offload.Settings{
		Fraction: fixedpoint.Rate(part.Draw(t, "fraction")), MaxDepthFraction: fixedpoint.Rate(part.Draw(t, "depth fraction")),
		FullSize: fixedpoint.Qty(above0.Draw(t, "full size") - 1), Slippage: fixedpoint.Rate(part.Draw(t, "slippage") - 1),
	}
	m := offload.Market{
		Mark: fixedpoint.Price(above0.Draw(t, "mark")), Tick: fixedpoint.Price(above0.Draw(t, "tick")), Lot: fixedpoint.Qty(above0.Draw(t, "lot")),
		Depth: fixedpoint.Qty(above0.Draw(t, "depth") - 1), Known: rapid.Bool().Draw(t, "known"),
	}
	inventory := fixedpoint.Qty(above0.Draw(t, "inventory"))
	if rapid.Bool().Draw(t, "short") {
		inventory = -inventory
	}
	got, ok := s.Next(inventory, m)
	qty, limit := twin(&s, inventory, m)
	if ok != (qty.Sign() != 0) {
		t.Fatalf("Next has a slice: %v, want %v", ok, qty)
	}
	if ok && (big.NewInt(int64(got.Qty)).Cmp(qty) != 0 || big.NewInt(int64(got.Limit)).Cmp(limit) != 0) {
		t.Fatalf("Next = %d at %d, want %v at %v", got.Qty, got.Limit, qty, limit)
	}
	if ok && (got.Qty > 0 == (inventory > 0) || max(got.Qty, -got.Qty) > max(inventory, -inventory)) {
		t.Fatalf("a slice of %d does not reduce %d", got.Qty, inventory)
	}
}

func TestNextAgainstTwin(t *testing.T) { rapid.Check(t, againstTwin) }

func FuzzNext(f *testing.F) { f.Fuzz(rapid.MakeFuzz(againstTwin)) }

// Slice by slice any inventory is gone, in a number of slices that grows with the
// logarithm of its size: fraction 0.1 leaves 0.9 of it each time.
func TestInventoryEnds(t *testing.T) {
	s := offload.Settings{Fraction: unit / 10, FullSize: 20, MaxDepthFraction: unit, Slippage: unit / 100}
	market := offload.Market{Mark: unit, Tick: 1, Lot: 1}
	left, slices := fixedpoint.Qty(math.MaxInt64), 0
	for ; left > 0; slices++ {
		clip, ok := s.Next(left, market)
		if !ok {
			t.Fatalf("no slice of %d", left)
		}
		left += clip.Qty
	}
	// ln(2^63 / 20) / -ln(0.9) = 386.03, and rounding up only takes more.
	if left != 0 || slices > 388 {
		t.Errorf("%d left after %d slices, want 0 within 388", left, slices)
	}
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := offload.Settings{Fraction: unit / 10, FullSize: unit, MaxDepthFraction: unit / 20, Slippage: unit / 100}
	market := offload.Market{Mark: 250 * unit, Tick: unit / 10, Lot: unit / 10, Depth: 30 * unit, Known: true}
	if n := testing.AllocsPerRun(100, func() { s.Next(-40*unit, market) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkNext(b *testing.B) {
	s := offload.Settings{Fraction: unit / 10, FullSize: unit, MaxDepthFraction: unit / 20, Slippage: unit / 100}
	market := offload.Market{Mark: 250 * unit, Tick: unit / 10, Lot: unit / 10, Depth: 30 * unit, Known: true}
	for b.Loop() {
		if clip, ok := s.Next(-40*unit, market); !ok || clip.Qty != 15*unit/10 {
			b.Fatal("workload drifted: a slice of 1.5 was due")
		}
	}
}
