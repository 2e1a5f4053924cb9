package margin_test

import (
	"fmt"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// halfPercent is one open tier of 0.5 %.
var halfPercent = []event.Tier{{MMR: unit / 200}}

// One long at 1000 with 100 in the wallet: it is healthy above 904.52, and
// bankrupt below 900, where closing it leaves nothing.
func Example() {
	var tiers margin.Tiers
	tiers.Set(halfPercent)
	for _, mark := range []fixedpoint.Price{905 * unit, 904 * unit, 900 * unit, 899 * unit} {
		var sums margin.Sums
		sums.Add(&margin.Leg{Qty: unit, Cost: 1000 * unit, Mark: mark, Tiers: &tiers})
		fmt.Println(mark, sums.Healthy(100*unit), sums.Bankrupt(100*unit))
	}
	// Output:
	// 905 true false
	// 904 false false
	// 900 false false
	// 899 false true
}

// A long of 10 at 100 with a margin of 50 and an equity of 30: closing 4 of 10
// lots releases what is missing; with a fee of 1 % of the quote it takes 5.
func ExampleSmallestCut() {
	var tiers margin.Tiers
	tiers.Set([]event.Tier{{MMR: unit / 20}})
	long := margin.Leg{Qty: 10 * unit, Cost: 1000 * unit, Mark: 100 * unit, Tiers: &tiers}
	var sums margin.Sums
	sums.Add(&long)
	for _, fee := range []fixedpoint.Rate{0, unit / 100} {
		lots, ok := margin.SmallestCut(sums.Surplus(30*unit), &long, unit, fee)
		fmt.Println(lots, ok)
	}
	// Output:
	// 4 true
	// 5 true
}

// One long at 1000 with 100 in the wallet, the mark at 895: the equity of -5 is
// all its own, and it is closed for 900.
func ExampleBankruptcyQuote() {
	long := margin.Leg{Qty: unit, Cost: 1000 * unit, Mark: 895 * unit}
	equity := long.PnL().Add(margin.Scaled(100 * unit))
	one := fixedpoint.Int256From(1)
	quote, _ := margin.BankruptcyQuote(long.Value(), equity, one, one).Int64()
	fmt.Println(fixedpoint.Amount(quote))
	// Output: 900
}

// The checks of RULES section 2: prices below and above which the account stops
// being healthy, to the cent.
func ExampleLiquidationPrices() {
	show := func(wallet fixedpoint.Amount, others margin.Sums, legs ...margin.Leg) {
		below, above := margin.LiquidationPrices(legs, wallet, others)
		cents := func(p fixedpoint.Price) fixedpoint.Price {
			return (p + unit/200).Floor(unit / 100)
		}
		fmt.Println(cents(below), cents(above))
	}
	leg := func(qty, entry int64, tiers *margin.Tiers) margin.Leg {
		cost, _ := fixedpoint.Quote(fixedpoint.Qty(qty), fixedpoint.Price(entry))
		return margin.Leg{Qty: fixedpoint.Qty(qty), Cost: cost, Mark: fixedpoint.Price(entry), Tiers: tiers}
	}
	// The tiers in force there; the ones before only lead up to the amount.
	var eth, btc, flat margin.Tiers
	eth.Set([]event.Tier{
		{Cap: 2_707_300 * unit, MMR: unit / 20},
		{Floor: 2_707_300 * unit, MMR: unit / 10, Cum: 135_365 * unit},
	})
	btc.Set([]event.Tier{
		{Cap: 815_000 * unit, MMR: unit / 200},
		{Floor: 815_000 * unit, MMR: unit / 40, Cum: 16_300 * unit},
	})
	flat.Set([]event.Tier{{MMR: unit / 10}})

	show(1_535_443*unit+unit/100, margin.Sums{}, leg(3_683_97900000, 1_456_84000000, &eth))
	show(1_535_443*unit+unit/100, margin.Sums{}, leg(109_48800000, 32_481_98000000, &btc))
	show(200*unit, margin.Sums{}, leg(10*unit, 100*unit, &flat), leg(-9*unit, 100*unit, &flat))
	// Output:
	// 1114.78 0
	// 18778.73 0
	// 0 111.11
}
