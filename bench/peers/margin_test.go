package peers

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/shopspring/decimal"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// table is five tiers as published ones are.
var table = []event.Tier{
	{Cap: 50_000 * unit, MMR: unit / 250},
	{Floor: 50_000 * unit, Cap: 600_000 * unit, MMR: unit / 200, Cum: 50 * unit},
	{Floor: 600_000 * unit, Cap: 3_000_000 * unit, MMR: unit / 100, Cum: 3_050 * unit},
	{Floor: 3_000_000 * unit, Cap: 12_000_000 * unit, MMR: unit / 40, Cum: 48_050 * unit},
	{Floor: 12_000_000 * unit, MMR: unit / 20, Cum: 348_050 * unit},
}

// holding is an account of one position.
type holding struct {
	wallet fixedpoint.Amount
	leg    margin.Leg
}

// holdings are up to 6,000,000 in notional; about half lack margin, so that the
// verdict is not the branch predictor's.
func holdings(tiers *margin.Tiers) []holding {
	random := rand.New(rand.NewPCG(1, 2))
	list := make([]holding, 1024)
	for i := range list {
		h := &list[i]
		h.leg = margin.Leg{
			Qty:   fixedpoint.Qty(random.Int64N(200*unit) - 100*unit),
			Mark:  fixedpoint.Price(59_000*unit + random.Int64N(2_000*unit)),
			Tiers: tiers,
		}
		entry := h.leg.Mark + fixedpoint.Price(random.Int64N(2_000*unit)-1_000*unit)
		h.leg.Cost, _ = fixedpoint.Quote(h.leg.Qty, entry)
		h.wallet = fixedpoint.Amount(random.Int64N(80_000 * unit))
	}
	return list
}

// healthy is the machine's check: in 128 bits where they are enough.
func (h *holding) healthy() bool {
	var y margin.Tally
	if l := &h.leg; y.Add(l.Qty, l.Cost, l.Mark, l.Tiers) {
		return y.Surplus(h.wallet).Sign() >= 0
	}
	var s margin.Sums
	s.Add(&h.leg)
	return s.Healthy(h.wallet)
}

// BenchmarkMarginCheck is the verdict on one account of one position, its tier
// looked up. Peers have their inputs already converted, and find the same accounts
// healthy.
func BenchmarkMarginCheck(b *testing.B) {
	tiers := new(margin.Tiers)
	tiers.Set(table)
	list := holdings(tiers)
	ours := func() (n int) {
		for i := range list {
			if list[i].healthy() {
				n++
			}
		}
		return n
	}
	for _, peer := range []struct {
		name  string
		check func(b *testing.B, list []holding) func() int
	}{{"apd", apdCheck}, {"shopspring", shopspringCheck}} {
		b.Run("peer="+peer.name, func(b *testing.B) {
			theirs := peer.check(b, list)
			want := ours()
			if got := theirs(); got != want || want < 300 || want > 700 {
				b.Fatalf("%d and %d of %d are healthy, want the same, and about half", want, got, len(list))
			}
			const repeats = 64 // of ours, whose round would be too short for the clock
			against(b, len(list), "position",
				func() time.Duration {
					return took(func() {
						for range repeats {
							if ours() != want {
								b.Fatal("workload drifted: not as many healthy accounts as at first")
							}
						}
					}) / repeats
				},
				func() time.Duration { return took(func() { theirs() }) })
		})
	}
}

func apdCheck(b *testing.B, list []holding) func() int {
	type row struct{ limit, mmr, cum apd.Decimal }
	type twin struct{ wallet, qty, mark, cost apd.Decimal }
	of := func(v int64) apd.Decimal { return *apd.New(v, -fixedpoint.Digits) }
	rows, twins := make([]row, len(table)), make([]twin, len(list))
	for i, t := range table {
		rows[i] = row{of(int64(t.Cap)), of(int64(t.MMR)), of(int64(t.Cum))}
	}
	for i, h := range list {
		twins[i] = twin{of(int64(h.wallet)), of(int64(h.leg.Qty)), of(int64(h.leg.Mark)), of(int64(h.leg.Cost))}
	}
	context := apd.BaseContext.WithPrecision(50)
	must := func(_ apd.Condition, err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	var value, equity, mm apd.Decimal
	return func() (n int) {
		for i := range twins {
			t := &twins[i]
			must(context.Mul(&value, &t.qty, &t.mark))
			must(context.Add(&equity, &t.wallet, &value))
			must(context.Sub(&equity, &equity, &t.cost))
			value.Abs(&value)
			r := 0
			for r < len(rows)-1 && rows[r].limit.Cmp(&value) < 0 {
				r++
			}
			must(context.Mul(&mm, &value, &rows[r].mmr))
			must(context.Sub(&mm, &mm, &rows[r].cum))
			if equity.Cmp(&mm) >= 0 {
				n++
			}
		}
		return n
	}
}

func shopspringCheck(_ *testing.B, list []holding) func() int {
	type row struct{ limit, mmr, cum decimal.Decimal }
	type twin struct{ wallet, qty, mark, cost decimal.Decimal }
	of := func(v int64) decimal.Decimal { return decimal.New(v, -fixedpoint.Digits) }
	rows, twins := make([]row, len(table)), make([]twin, len(list))
	for i, t := range table {
		rows[i] = row{of(int64(t.Cap)), of(int64(t.MMR)), of(int64(t.Cum))}
	}
	for i, h := range list {
		twins[i] = twin{of(int64(h.wallet)), of(int64(h.leg.Qty)), of(int64(h.leg.Mark)), of(int64(h.leg.Cost))}
	}
	return func() (n int) {
		for i := range twins {
			t := &twins[i]
			value := t.qty.Mul(t.mark)
			equity := t.wallet.Add(value).Sub(t.cost)
			value = value.Abs()
			r := 0
			for r < len(rows)-1 && rows[r].limit.LessThan(value) {
				r++
			}
			if equity.GreaterThanOrEqual(value.Mul(rows[r].mmr).Sub(rows[r].cum)) {
				n++
			}
		}
		return n
	}
}
