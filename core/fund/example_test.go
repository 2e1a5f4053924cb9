package fund_test

import (
	"fmt"

	"github.com/backstop-fund/backstop/core/fund"
)

// A fund of 1,000,000 already holds long contracts worth 700,000 when a long worth
// 500,000 goes bankrupt: it may take 300,000 more, counterparties give up the rest.
func ExampleFund_MayTake() {
	f := fund.Fund{Cash: 1_000_000 * unit, Cap: unit}
	held := fund.Inventory{Qty: 7_000 * unit, Cost: 700_000 * unit}
	var x fund.Exposure
	x.Add(held, 100*unit)

	p := fund.Piece{Qty: 5_000 * unit, Quote: 500_000 * unit, Lot: unit, Mark: 100 * unit, Share: unit}
	lots, _ := p.Lots()
	takes := f.MayTake(x, held, p, f.Restricted())
	fmt.Println("fund:", takes, "counterparties:", lots-takes)
	// Output: fund: 3000 counterparties: 2000
}

// What a fund may hold goes by the lesser of its cash and its equity: a loss in the
// inventory counts at once, a profit only when it is cash.
func ExampleFund_Base() {
	f := fund.Fund{Cash: 1_000 * unit, Cap: unit}
	held := fund.Inventory{Qty: unit, Cost: 500 * unit}
	var down, up fund.Exposure
	down.Add(held, 400*unit)
	up.Add(held, 600*unit)
	fmt.Println("at 400:", scaledRat(f.Base(down), 2).FloatString(0), "at 600:", scaledRat(f.Base(up), 2).FloatString(0))
	// Output: at 400: 900 at 600: 1000
}
