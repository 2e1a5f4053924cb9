package adl_test

import (
	"fmt"
	"slices"

	"github.com/backstop-fund/backstop/core/adl"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Three longs of notional 100, 60 and 40 stand on an equity of 10, 12 and 20. A
// need of 70 brings the first two down to a leverage of (100 + 60 - 70) / (10 + 12)
// = 4.09; the third, at 2, keeps all it has.
func ExampleAllocator_Allocate() {
	candidate := func(qty, equity int64) adl.Candidate {
		e := fixedpoint.Mul64(equity*unit, unit).Wide()
		return adl.Candidate{Limit: qty * 100, Qty: fixedpoint.Qty(qty * unit), Equity: e, EquityBefore: e}
	}
	group := []adl.Candidate{candidate(100, 10), candidate(60, 12), candidate(40, 20)}
	terms := adl.Terms{Policy: event.PolicyDrain, Need: 7000, Lot: unit / 100, Mark: unit}

	var a adl.Allocator
	given, level := a.Allocate(&terms, group, true)
	fmt.Println(given, "lots:", group[0].Give, group[1].Give, group[2].Give)
	fmt.Println("leverage:", fixedpoint.Rate(level.Value.Lo))
	// Output:
	// 7000 lots: 5909 1091 0
	// leverage: 4.09090909
}

// Binance's order: 40.2 of profit on a wallet of 4.27 at a margin ratio of 13.42 %
// scores 1.26 and goes before a larger account with less leverage.
func ExampleCompare() {
	small := adl.Member{Account: 7, InProfit: true, Inputs: adl.Inputs{
		AccountPnL: wide(40_20000000), Wallet: 4_27000000, MM: wide(13_42000000), Equity: wide(100 * unit),
	}}
	large := adl.Member{Account: 3, InProfit: true, Inputs: adl.Inputs{
		AccountPnL: wide(9000 * unit), Wallet: 10_000 * unit, MM: wide(200 * unit), Equity: wide(19_000 * unit),
	}}
	members := []adl.Member{large, small}
	slices.SortFunc(members, func(a, b adl.Member) int { return adl.Compare(event.ScoreBinance, &a, &b) })
	for _, m := range members {
		score, _ := adl.Value(event.ScoreBinance, &m.Inputs)
		fmt.Println(m.Account, fixedpoint.Rate(score.Lo))
	}
	// Output:
	// 7 1.26342857
	// 3 0.00947368
}
