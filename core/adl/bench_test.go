package adl_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/backstop-fund/backstop/core/adl"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// crowd is as many as take part at most by default: accounts of one position, from
// a thousand to a million in size, at leverages from 1 to 50.
const crowd = 10_000

func members() []adl.Member {
	r := rand.New(rand.NewPCG(1, 2))
	list := make([]adl.Member, crowd)
	for i := range list {
		notional := (1_000 + r.Int64N(1_000_000)) * unit
		wallet := notional / (1 + r.Int64N(50))
		pnl := r.Int64N(wallet) - wallet/4
		list[i] = adl.Member{Account: event.AccountID(i + 1), InProfit: pnl > 0, Inputs: adl.Inputs{
			Wallet: fixedpoint.Amount(wallet), Equity: wide(wallet + pnl), MM: wide(notional / 200),
			AccountPnL: wide(pnl), PnL: wide(pnl), Notional: wide(notional), Cost: fixedpoint.Amount(notional - pnl),
			PositionMM: wide(notional / 200), Entry: fixedpoint.Price(100*unit - 100*unit*(pnl>>20)/(notional>>20)),
			Mark: 100 * unit, Long: true,
		}}
	}
	return list
}

// BenchmarkRank is the order of a ranking, by leading bits and by a full sort with
// exact comparisons.
func BenchmarkRank(b *testing.B) {
	list := members()
	var r adl.Ranker
	for _, kind := range kinds {
		ranked := func(b *testing.B, order []int32) {
			if !slices.IsSortedFunc(order, func(i, j int32) int { return adl.Compare(kind, &list[i], &list[j]) }) ||
				!list[order[0]].InProfit || list[order[crowd-1]].InProfit {
				b.Fatal("workload drifted: a ranking from those in profit to those in loss was due")
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*crowd), "ns/member")
		}
		b.Run(kind.String(), func(b *testing.B) {
			var order []int32
			for b.Loop() {
				order = r.Order(kind, list)
			}
			ranked(b, order)
		})
		b.Run(kind.String()+"/sort", func(b *testing.B) {
			var order []int32
			for b.Loop() {
				order = orderTwin(kind, list)
			}
			ranked(b, order)
		})
	}
}

func candidates() []adl.Candidate {
	list := make([]adl.Candidate, crowd)
	for i, m := range members() {
		qty, _ := m.Notional.Int64()
		equity := m.Equity.MulInt64(unit)
		list[i] = adl.Candidate{
			Member: i, Limit: qty / unit, Qty: fixedpoint.Qty(qty),
			PnL: m.PnL.MulInt64(unit).Abs(), Equity: equity, EquityBefore: equity,
		}
	}
	return list
}

func BenchmarkAllocate(b *testing.B) {
	list := candidates()
	most := int64(0)
	for i := range list {
		most += list[i].Limit
	}
	terms := adl.Terms{Need: most / 3, Lot: unit, Mark: unit, Loss: fixedpoint.Mul64(unit, unit).Wide(), Size: 20 * unit}
	for _, policy := range policies {
		b.Run(policy.String(), func(b *testing.B) {
			terms.Policy = policy
			var a adl.Allocator
			for b.Loop() {
				if given, _ := a.Allocate(&terms, list, true); given != terms.Need {
					b.Fatalf("workload drifted: %d given, want %d", given, terms.Need)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*crowd), "ns/candidate")
		})
	}
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	list, group := members()[:100], candidates()[:100]
	terms := adl.Terms{Need: 1_000_000, Lot: unit, Mark: unit, Loss: fixedpoint.Mul64(unit, unit).Wide(), Size: 20 * unit}
	var a adl.Allocator
	for _, policy := range policies {
		terms.Policy = policy
		if n := testing.AllocsPerRun(10, func() { a.Allocate(&terms, group, true) }); n != 0 {
			t.Errorf("%v: %v allocations, want 0", policy, n)
		}
	}
	var r adl.Ranker
	for _, kind := range kinds {
		n := testing.AllocsPerRun(10, func() {
			r.Order(kind, list)
			adl.Value(kind, &list[0].Inputs)
		})
		if n != 0 {
			t.Errorf("%v: %v allocations, want 0", kind, n)
		}
	}
}
