package margin_test

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

// liquidationTwin solves the pieces between the prices at which some leg changes
// its tier: on each, what is left over is a straight line.
func liquidationTwin(tiers []event.Tier, legs []margin.Leg, wallet fixedpoint.Amount, others *big.Rat) (below, above fixedpoint.Price) {
	left := func(p *big.Rat) *big.Rat {
		sum := plus(money(wallet), others)
		for _, l := range legs {
			value := times(money(l.Qty), p)
			sum = minus(plus(sum, value), money(l.Cost))
			sum = minus(sum, maintenance(tiers, new(big.Rat).Abs(value)))
		}
		return sum
	}
	ends := []*big.Rat{new(big.Rat), money(int64(math.MaxInt64))}
	for _, l := range legs {
		for _, s := range tiers[1:] {
			if l.Qty != 0 {
				ends = append(ends, new(big.Rat).Abs(new(big.Rat).Quo(money(s.Floor), money(l.Qty))))
			}
		}
	}
	slices.SortFunc(ends, (*big.Rat).Cmp)
	for i := range ends[1:] {
		a, b := ends[i], ends[i+1]
		fa, fb := left(a), left(b)
		if fa.Sign() < 0 == (fb.Sign() < 0) || b.Cmp(money(int64(math.MaxInt64))) > 0 {
			continue
		}
		// a + (b-a) x fa/(fa-fb)
		root := plus(a, times(minus(b, a), new(big.Rat).Quo(fa, minus(fa, fb))))
		if p := fixedpoint.Price(halfEven(root).Int64()); fa.Sign() < 0 {
			below = p
		} else {
			above = p
		}
	}
	return below, above
}

func TestLiquidationPricesAgainstPieces(t *testing.T) {
	seen := map[[3]bool]int{} // hedged, has one below, has one above
	rapid.Check(t, func(t *rapid.T) {
		tiers := someTiers().Draw(t, "tiers")
		table := accepted(t, tiers)
		legs := []margin.Leg{someLeg(t, table)}
		if rapid.Bool().Draw(t, "hedged") {
			other := someLeg(t, table)
			other.Mark = legs[0].Mark
			if other.Qty > 0 == (legs[0].Qty > 0) {
				other.Qty = -other.Qty
			}
			legs = append(legs, other)
		}
		elsewhere := someLeg(t, table)
		var others margin.Sums
		others.Add(&elsewhere)

		equity, mm := surplus(tiers, append([]margin.Leg{elsewhere}, legs...), 0)
		// Just enough to be healthy, and something more.
		wallet := fixedpoint.Amount(halfEven(minus(mm, equity)).Int64() + 1 + spread(t, "more", 0, 2_000*unit))
		pnl, margins := surplus(tiers, []margin.Leg{elsewhere}, 0)

		below, above := margin.LiquidationPrices(legs, wallet, others)
		wantBelow, wantAbove := liquidationTwin(tiers, legs, wallet, minus(pnl, margins))
		if below != wantBelow || above != wantAbove {
			t.Fatalf("prices %v and %v, want %v and %v", below, above, wantBelow, wantAbove)
		}
		seen[[3]bool{len(legs) == 2, below != 0, above != 0}]++
	})
	for _, k := range [][3]bool{{false, true, false}, {false, false, true}, {true, true, false}, {true, false, true}} {
		if seen[k] == 0 {
			t.Errorf("no case of (hedged, below, above) %v: %v", k, seen)
		}
	}
}

// A hedged account may have both prices: long 10 and short 9 lose below as the
// net long does, and above as the margin of both legs grows.
func TestLiquidationPricesOnBothSides(t *testing.T) {
	tiers := []event.Tier{
		{Cap: 500 * unit, MMR: unit / 100},
		{Floor: 500 * unit, MMR: unit / 2, Cum: 245 * unit},
	}
	table := accepted(t, tiers)
	legs := []margin.Leg{
		{Qty: 10 * unit, Cost: 500 * unit, Mark: 50 * unit, Tiers: table},
		{Qty: -9 * unit, Cost: -450 * unit, Mark: 50 * unit, Tiers: table},
	}
	below, above := margin.LiquidationPrices(legs, 20*unit, margin.Sums{})
	wantBelow, wantAbove := liquidationTwin(tiers, legs, 20*unit, new(big.Rat))
	if below != wantBelow || above != wantAbove || below == 0 || above == 0 {
		t.Errorf("prices %v and %v, want %v and %v", below, above, wantBelow, wantAbove)
	}
}

// A liquidation price is shown half-even: a long of 2 whose price lies between
// two steps of 1e-8 goes to the even one.
func TestLiquidationPriceTies(t *testing.T) {
	var tiers margin.Tiers
	tiers.Set([]event.Tier{{MMR: unit / 2}})
	for cost, want := range map[fixedpoint.Amount]fixedpoint.Price{
		// 2p - cost = p: p is the cost; 4p - cost = 2p: half of it.
		100_00000002: 50_00000001,
		100_00000003: 50_00000002,
		100_00000004: 50_00000002,
		100_00000005: 50_00000002,
		100_00000006: 50_00000003,
		1:            0, // half a step is even at 0, and 0 is no price
	} {
		legs := []margin.Leg{{Qty: 4 * unit, Cost: cost, Mark: 60 * unit, Tiers: &tiers}}
		if below, above := margin.LiquidationPrices(legs, 0, margin.Sums{}); below != want || above != 0 {
			t.Errorf("cost %v: %v and %v, want %v", cost, below, above, want)
		}
	}
	// The mirror image above the mark: -q p - cost = q p / 2.
	for cost, want := range map[fixedpoint.Amount]fixedpoint.Price{
		-150_00000003: 50_00000001,
		-300_00000003: 100_00000001,
	} {
		legs := []margin.Leg{{Qty: -2 * unit, Cost: cost, Mark: 10 * unit, Tiers: &tiers}}
		if below, above := margin.LiquidationPrices(legs, 0, margin.Sums{}); below != 0 || above != want {
			t.Errorf("cost %v: %v and %v, want %v", cost, below, above, want)
		}
	}
}
