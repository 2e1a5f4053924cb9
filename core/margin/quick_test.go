package margin

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Quick and Sums give one surplus, from dust to the largest account Quick takes,
// with the wallet often at the very edge of the maintenance margin.
func TestQuickAgainstSums(t *testing.T) {
	const unit = fixedpoint.One
	var tiers Tiers
	table := []event.Tier{
		{Floor: 0, Cap: 50_000 * unit, MMR: 400_000},
		{Floor: 50_000 * unit, Cap: 600_000 * unit, MMR: 500_000, Cum: 50 * unit},
		{Floor: 600_000 * unit, MMR: 99_999_999, Cum: 50*unit + 600_000*99_499_999},
	}
	if fault, number, right := CheckTiers(table); fault != event.TiersFit {
		t.Fatalf("tier %d: %v, want %v", number, fault, right)
	}
	tiers.Set(table)
	taken := 0
	rapid.Check(t, func(t *rapid.T) {
		var quick Quick
		var sums Sums
		for range rapid.IntRange(0, 36).Draw(t, "legs") {
			size := rapid.IntRange(1, 62).Draw(t, "bits")
			l := Leg{
				Qty:   fixedpoint.Qty(rapid.Int64Range(-1<<size, 1<<size).Draw(t, "qty")),
				Cost:  fixedpoint.Amount(rapid.Int64Range(-1<<size, 1<<size).Draw(t, "cost")),
				Mark:  fixedpoint.Price(rapid.Int64Range(1, 1<<rapid.IntRange(1, 62).Draw(t, "mark bits")).Draw(t, "mark")),
				Tiers: &tiers,
			}
			if !quick.Add(l.Qty, l.Cost, l.Mark, l.Tiers) {
				return // not for Quick
			}
			sums.Add(&l)
		}
		taken++
		edge, ok := fixedpoint.QuoProducts(
			[]fixedpoint.Int256{sums.Maintenance.Sub(sums.PnL.MulInt64(fixedpoint.One))},
			[]fixedpoint.Int256{fixedpoint.Int256From(fixedpoint.One * fixedpoint.One)}, fixedpoint.Floor)
		wallet, small := edge.Int64()
		if !ok || !small {
			wallet = rapid.Int64().Draw(t, "wallet")
		}
		for d := int64(-2); d <= 2; d++ {
			w := fixedpoint.Amount(wallet + d)
			if got, want := quick.Surplus(w).Wide(), sums.Surplus(w); got != want {
				t.Fatalf("wallet %v: quick says %v, sums %v", w, got, want)
			}
		}
	})
	if taken == 0 {
		t.Fatal("no account was for Quick")
	}
}

// Quick gives the very bands that Bands gives, from the same leading bits.
func TestQuickBandsAgainstBands(t *testing.T) {
	const unit = fixedpoint.One
	var tiers Tiers
	tiers.Set([]event.Tier{
		{Floor: 0, Cap: 50_000 * unit, MMR: 400_000},
		{Floor: 50_000 * unit, Cap: 600_000 * unit, MMR: 500_000, Cum: 50 * unit},
		{Floor: 600_000 * unit, MMR: 99_999_999, Cum: 50*unit + 600_000*99_499_999},
	})
	taken := 0
	rapid.Check(t, func(t *rapid.T) {
		var quick Quick
		var sums Sums
		legs := make([]Leg, rapid.IntRange(1, 32).Draw(t, "legs"))
		for i := range legs {
			legs[i] = Leg{
				Qty:   fixedpoint.Qty(rapid.Int64Range(1, 1<<rapid.IntRange(1, 62).Draw(t, "qty bits")).Draw(t, "qty")),
				Mark:  fixedpoint.Price(rapid.Int64Range(1, 1<<rapid.IntRange(1, 62).Draw(t, "mark bits")).Draw(t, "mark")),
				Tiers: &tiers,
			}
			if rapid.Bool().Draw(t, "short") {
				legs[i].Qty = -legs[i].Qty
			}
			if !quick.Add(legs[i].Qty, 0, legs[i].Mark, &tiers) {
				return
			}
			sums.Add(&legs[i])
		}
		left := fixedpoint.Mul64(rapid.Int64Range(0, 1<<62).Draw(t, "surplus"), 1<<rapid.IntRange(0, 60).Draw(t, "surplus bits"))
		got, want := make([]fixedpoint.Price, len(legs)), make([]fixedpoint.Price, len(legs))
		quick.Bands(left, got)
		Bands(left.Wide(), legs, want)
		if !slices.Equal(got, want) {
			t.Fatalf("quick bands %v, bands %v", got, want)
		}
		taken++
	})
	if taken == 0 {
		t.Fatal("no account was for Quick")
	}
}
