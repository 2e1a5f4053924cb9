package margin_test

import (
	"testing"

	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Nothing here allocates: all of it runs on the engine's thread.
func TestNothingAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	var tiers margin.Tiers
	tiers.Set(halfPercent)
	legs := []margin.Leg{{Qty: 3 * unit, Cost: 3000 * unit, Mark: 950 * unit, Tiers: &tiers}}
	var total int64
	for name, f := range map[string]func(){
		"CheckTiers": func() { _, n, _ := margin.CheckTiers(halfPercent); total += int64(n) },
		"Set":        func() { tiers.Set(halfPercent) },
		"Sums": func() {
			var s margin.Sums
			s.Add(&legs[0])
			if s.Healthy(0) || !s.Bankrupt(0) {
				total++
			}
		},
		"SmallestCut": func() {
			k, _ := margin.SmallestCut(fixedpoint.Int256From(-1), &legs[0], unit, unit/100)
			total += k
		},
		"BankruptcyQuote": func() {
			q := margin.BankruptcyQuote(legs[0].Value(), legs[0].PnL(), fixedpoint.Int256From(1), fixedpoint.Int256From(3))
			total += int64(q.Sign())
		},
		"LiquidationPrices": func() {
			below, _ := margin.LiquidationPrices(legs, 1000*unit, margin.Sums{})
			total += int64(below)
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	if total == 0 {
		t.Error("nothing was computed")
	}
}
