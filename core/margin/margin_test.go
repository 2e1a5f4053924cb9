package margin_test

import (
	"math/big"
	"testing"

	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

// The verdicts, with the wallet often at the very edge of one.
func TestSumsAgainstFractions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tiers := someTiers().Draw(t, "tiers")
		table := accepted(t, tiers)
		legs := make([]margin.Leg, rapid.IntRange(0, 5).Draw(t, "legs"))
		var sums margin.Sums
		for i := range legs {
			legs[i] = someLeg(t, table)
			sums.Add(&legs[i])
		}
		pnl, mm := surplus(tiers, legs, 0)
		edge := rapid.SampledFrom([]*big.Rat{minus(mm, pnl), new(big.Rat).Neg(pnl)}).Draw(t, "edge")
		wallet := fixedpoint.Amount(halfEven(edge).Int64() + rapid.Int64Range(-2, 2).Draw(t, "off"))

		equity := plus(money(wallet), pnl)
		if got := ratio(big256(sums.Equity(wallet)), 16); got.Cmp(equity) != 0 {
			t.Fatalf("equity %v, want %v", got, equity)
		}
		if got := ratio(big256(sums.Maintenance), 24); got.Cmp(mm) != 0 {
			t.Fatalf("maintenance margin %v, want %v", got, mm)
		}
		if got, want := ratio(big256(sums.Surplus(wallet)), 24), minus(equity, mm); got.Cmp(want) != 0 {
			t.Fatalf("surplus %v, want %v", got, want)
		}
		if got, want := sums.Healthy(wallet), equity.Cmp(mm) >= 0; got != want {
			t.Fatalf("healthy %v at equity %v and margin %v", got, equity, mm)
		}
		if got, want := sums.Bankrupt(wallet), equity.Sign() < 0; got != want {
			t.Fatalf("bankrupt %v at equity %v", got, equity)
		}
		for i := range legs {
			l := &legs[i]
			if got, want := ratio(big256(l.PnL()), 16), minus(times(money(l.Qty), money(l.Mark)), money(l.Cost)); got.Cmp(want) != 0 {
				t.Fatalf("unrealized PnL %v, want %v", got, want)
			}
		}
	})
}

// One long at 1000 with 100 in the wallet and a rate of 0.5 %: bankruptcy price 900.
func TestVerdictAtTheEdges(t *testing.T) {
	var tiers margin.Tiers
	tiers.Set(halfPercent)
	for _, c := range []struct {
		name              string
		mark              fixedpoint.Price
		healthy, bankrupt bool
	}{
		{"at entry", 1000 * unit, true, false},
		{"one step above the margin", 904_52261307, true, false},
		{"one step below", 904_52261306, false, false},
		{"one step above bankruptcy", 900*unit + 1, false, false},
		{"at bankruptcy price", 900 * unit, false, false},
		{"one step below it", 900*unit - 1, false, true},
		{"gapped through it", 850 * unit, false, true},
	} {
		var sums margin.Sums
		sums.Add(&margin.Leg{Qty: unit, Cost: 1000 * unit, Mark: c.mark, Tiers: &tiers})
		if h, b := sums.Healthy(100*unit), sums.Bankrupt(100*unit); h != c.healthy || b != c.bankrupt {
			t.Errorf("%s: healthy %v, bankrupt %v", c.name, h, b)
		}
	}
}

// The largest legs there are do not wrap.
func TestLargestLegs(t *testing.T) {
	var tiers margin.Tiers
	tiers.Set(halfPercent)
	var sums margin.Sums
	const largest = 1<<63 - 1
	leg := margin.Leg{Qty: -largest, Cost: largest, Mark: largest, Tiers: &tiers}
	for range 1000 {
		sums.Add(&leg)
	}
	equity, mm := surplus(halfPercent, []margin.Leg{leg}, 0)
	thousand := new(big.Rat).SetInt64(1000)
	want := minus(times(equity, thousand), times(mm, thousand))
	if got := ratio(big256(sums.Surplus(0)), 24); got.Cmp(want) != 0 {
		t.Errorf("surplus %v, want %v", got, want)
	}
}

// Every number of lots is tried by the twin, also where the fee eats more than a
// lot releases, and with a remainder smaller than a lot.
func TestSmallestCutAgainstScan(t *testing.T) {
	outcomes := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		tiers := someTiers().Draw(t, "tiers")
		leg := someLeg(t, accepted(t, tiers))
		lot := fixedpoint.Qty(spread(t, "lot", unit/3, 20*unit))
		fee := fixedpoint.Rate(spread(t, "fee", 0, unit/2))
		if rapid.Bool().Draw(t, "cheap") {
			fee /= 1000
		}
		_, mm := surplus(tiers, []margin.Leg{leg}, 0)
		// What is missing lies between nothing and nearly all of the margin.
		missing := times(mm, big.NewRat(spread(t, "missing", -64, 960), -1000))
		short := halfEven(missing).Int64()
		lack := fixedpoint.Int256From(short).MulInt64(unit).MulInt64(unit)

		want, found := int64(0), false
		all := leg.Qty.Lots(lot)
		notional := new(big.Rat).Abs(times(money(leg.Qty), money(leg.Mark)))
		for k := int64(0); k <= max(all, -all) && !found; k++ {
			closed := times(times(money(lot), money(leg.Mark)), new(big.Rat).SetInt64(k))
			left := plus(money(short), mm)
			left = minus(left, times(closed, money(fee)))
			left = minus(left, maintenance(tiers, minus(notional, closed)))
			want, found = k, left.Sign() >= 0
		}
		got, ok := margin.SmallestCut(lack, &leg, lot, fee)
		if ok != found || found && got != want {
			t.Fatalf("cut %d (%v), want %d (%v)", got, ok, want, found)
		}
		switch {
		case !found:
			outcomes["none"]++
		case want == 0:
			outcomes["nothing to cut"]++
		case want == max(all, -all):
			outcomes["all"]++
		default:
			outcomes["part"]++
		}
	})
	for _, o := range []string{"none", "nothing to cut", "part"} {
		if outcomes[o] == 0 {
			t.Errorf("no case of %q: %v", o, outcomes)
		}
	}
}

// Half-even once, at 1e-8, whether or not the share is a whole number at 1e-16.
func TestBankruptcyQuoteAgainstFractions(t *testing.T) {
	ties := 0
	rapid.Check(t, func(t *rapid.T) {
		value := fixedpoint.Mul64(
			rapid.Int64Range(-1_000*unit, 1_000*unit).Draw(t, "qty"), rapid.Int64Range(0, 1_000*unit).Draw(t, "mark"))
		equity := fixedpoint.Mul64(rapid.Int64Range(-1<<50, 1<<50).Draw(t, "equity"), unit).Wide()
		total := rapid.Int64Range(1, 1<<40).Draw(t, "total")
		weight := rapid.Int64Range(0, total).Draw(t, "weight")
		if rapid.Bool().Draw(t, "round") {
			// Whole halves of 1e-8: ties, if the share is whole.
			value = fixedpoint.Mul64(rapid.Int64Range(-1_000, 1_000).Draw(t, "halves"), unit/2)
			weight = rapid.SampledFrom([]int64{0, total}).Draw(t, "all or nothing")
		}
		share := new(big.Rat).Mul(ratio(big256(equity), 16), big.NewRat(weight, total))
		exact := minus(ratio(big128(value), 16), share)
		if d := times(exact, new(big.Rat).SetInt64(2*unit)); d.IsInt() && d.Num().Bit(0) == 1 {
			ties++
		}
		scale := fixedpoint.Int256From(1 << 60) // weights are margins at 1e-24: wider than 64 bits
		got := margin.BankruptcyQuote(value, equity,
			scale.MulInt64(weight), scale.MulInt64(total))
		if want := halfEven(exact); big256(got).Cmp(want) != 0 {
			t.Fatalf("quote %v, want %v", big256(got), want)
		}
	})
	if ties == 0 {
		t.Error("no tie was drawn")
	}
}
