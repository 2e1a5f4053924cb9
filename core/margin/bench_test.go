package margin_test

import (
	"math/rand/v2"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// benchTiers are five tiers as published tables have them.
var benchTiers = []event.Tier{
	{Cap: 50_000 * unit, MMR: unit / 250},
	{Floor: 50_000 * unit, Cap: 600_000 * unit, MMR: unit / 200, Cum: 50 * unit},
	{Floor: 600_000 * unit, Cap: 3_000_000 * unit, MMR: unit / 100, Cum: 3_050 * unit},
	{Floor: 3_000_000 * unit, Cap: 12_000_000 * unit, MMR: unit / 40, Cum: 48_050 * unit},
	{Floor: 12_000_000 * unit, MMR: unit / 20, Cum: 348_050 * unit},
}

type benchAccount struct {
	wallet fixedpoint.Amount
	leg    margin.Leg
}

// benchAccounts hold one position each, up to a notional of 6,000,000; about
// half lack margin, so that the verdict is not the branch predictor's.
func benchAccounts(tiers *margin.Tiers) []benchAccount {
	random := rand.New(rand.NewPCG(1, 2))
	accounts := make([]benchAccount, 1024)
	for i := range accounts {
		a := &accounts[i]
		a.leg = margin.Leg{
			Qty:   fixedpoint.Qty(random.Int64N(200*unit) - 100*unit),
			Mark:  fixedpoint.Price(59_000*unit + random.Int64N(2_000*unit)),
			Tiers: tiers,
		}
		entry := a.leg.Mark + fixedpoint.Price(random.Int64N(2_000*unit)-1_000*unit)
		a.leg.Cost, _ = fixedpoint.Quote(a.leg.Qty, entry)
		a.wallet = fixedpoint.Amount(random.Int64N(80_000 * unit))
	}
	return accounts
}

// BenchmarkMarginCheck is the verdict on one account of one position, its tier
// looked up: in 256 bits and in 128, which must find the same accounts healthy.
// What decimals take is in bench/peers.
func BenchmarkMarginCheck(b *testing.B) {
	tiers := new(margin.Tiers)
	tiers.Set(benchTiers)
	accounts := benchAccounts(tiers)
	sums := func(i int) bool {
		var s margin.Sums
		s.Add(&accounts[i].leg)
		return s.Healthy(accounts[i].wallet)
	}
	want := 0
	for i := range accounts {
		if sums(i) {
			want++
		}
	}
	if want < 300 || want > 700 {
		b.Fatalf("workload drifted: %d of %d are healthy", want, len(accounts))
	}
	for _, c := range []struct {
		name    string
		healthy func(i int) bool
	}{
		{"Sums", sums},
		{"Tally", func(i int) bool {
			var y margin.Tally
			l := &accounts[i].leg
			return y.Add(l.Qty, l.Cost, l.Mark, l.Tiers) && y.Surplus(accounts[i].wallet).Sign() >= 0
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				got := 0
				for i := range accounts {
					if c.healthy(i) {
						got++
					}
				}
				if got != want {
					b.Fatalf("%d healthy, want %d", got, want)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(accounts)), "ns/position")
		})
	}
}

// BenchmarkSearches are what runs for accounts in trouble, and for display.
func BenchmarkSearches(b *testing.B) {
	tiers := new(margin.Tiers)
	tiers.Set(benchTiers)
	legs := []margin.Leg{{Qty: 40 * unit, Cost: 2_400_000 * unit, Mark: 60_000 * unit, Tiers: tiers}}
	b.Run("SmallestCut", func(b *testing.B) {
		b.ReportAllocs()
		short := fixedpoint.Int256From(-1_000 * unit).MulInt64(unit).MulInt64(unit)
		for b.Loop() {
			if lots, ok := margin.SmallestCut(short, &legs[0], unit/1000, unit/1000); !ok || lots == 0 {
				b.Fatal(lots, ok)
			}
		}
	})
	b.Run("LiquidationPrices", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if below, _ := margin.LiquidationPrices(legs, 100_000*unit, margin.Sums{}); below == 0 {
				b.Fatal("no price")
			}
		}
	})
}
