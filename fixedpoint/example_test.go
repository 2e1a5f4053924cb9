package fixedpoint_test

import (
	"fmt"

	"github.com/backstop-fund/backstop/fixedpoint"
)

const unit = fixedpoint.One

// Whether equity covers the maintenance margin is asked without a division:
// both sides stay at scale 1e-24, exact to the last digit.
func Example() {
	var (
		wallet fixedpoint.Amount = 100 * unit
		qty    fixedpoint.Qty    = 1 * unit
		cost   fixedpoint.Amount = 1_000 * unit
		rate   fixedpoint.Rate   = unit / 200 // 0.5 %
	)
	for _, mark := range []fixedpoint.Price{904_52261307, 904_52261306} {
		value := fixedpoint.Value(qty, mark)                            // 1e-16
		funds := fixedpoint.Mul64(int64(wallet-cost), fixedpoint.One)   // 1e-16
		equity := value.Add(funds).MulInt64(fixedpoint.One)             // 1e-24
		required := value.Abs().MulInt64(int64(rate))                   // 1e-24
		fmt.Println("at", mark, "liquidatable:", equity.Less(required)) // strict: met is healthy
	}
	// Output:
	// at 904.52261307 liquidatable: false
	// at 904.52261306 liquidatable: true
}

// A text that is not exactly one of these numbers is refused, with the place.
func ExampleParse() {
	price, err := fixedpoint.Parse[fixedpoint.Price]("61234.50")
	fmt.Println(price, err)
	_, err = fixedpoint.Parse[fixedpoint.Price]("6.1e4")
	fmt.Println(err)
	_, err = fixedpoint.Parse[fixedpoint.Qty]([]byte("0.123456789"))
	fmt.Println(err)
	// Output:
	// 61234.5 <nil>
	// fixedpoint: "6.1e4" at byte 3: want a digit 0-9
	// fixedpoint: "0.123456789" at byte 10: more than 8 decimals: round it first
}

// Both sides of a trade are booked with the same integer.
func ExampleQuote() {
	bought, _ := fixedpoint.Quote(unit/2, 3)
	sold, _ := fixedpoint.Quote(-unit/2, 3)
	fmt.Println(bought, sold)
	_, ok := fixedpoint.Quote(1_000_000*unit, 1_000_000*unit)
	fmt.Println("10^12 fits:", ok)
	// Output:
	// 0.00000002 -0.00000002
	// 10^12 fits: false
}

// Whoever paid 1,800 for 2 is bankrupt at 900 apiece.
func ExampleUnitPrice() {
	price, ok := fixedpoint.UnitPrice(1_800*unit, 2*unit)
	fmt.Println(price, ok)
	// Output: 900 true
}

// Scores are fractions; they are ranked by cross-multiplication, so no two
// that differ are taken for equal.
func ExampleCmpProducts() {
	profit := []fixedpoint.Int256{fixedpoint.Int256From(1), fixedpoint.Int256From(333_333_333_333)}
	wallet := []fixedpoint.Int256{fixedpoint.Int256From(3), fixedpoint.Int256From(1_000_000_000_000)}
	// 1/3 against 333333333333/1000000000000.
	c := fixedpoint.CmpProducts(
		[]fixedpoint.Int256{profit[0], wallet[1]},
		[]fixedpoint.Int256{profit[1], wallet[0]},
	)
	fmt.Println(c)
	// Output: 1
}

// A quotient of products is rounded once, at the end.
func ExampleQuoProducts() {
	qty, mark, mm, total := fixedpoint.Int256From(2*unit), fixedpoint.Int256From(61_000*unit),
		fixedpoint.Int256From(7), fixedpoint.Int256From(9)
	share, ok := fixedpoint.QuoProducts(
		[]fixedpoint.Int256{qty, mark, mm},
		[]fixedpoint.Int256{total, fixedpoint.Int256From(fixedpoint.One)},
		fixedpoint.HalfEven,
	)
	amount, _ := share.Int128()
	fmt.Println(amount, ok)
	// Output: 94888.88888889 true
}

// Ten units for weights 1, 1 and 4: shares of 1.67, 1.67 and 6.67 are floored
// to 1, 1 and 6, and of the two units left the ties go to the lower index.
func ExampleSplit() {
	weights := []fixedpoint.Int256{fixedpoint.Int256From(1), fixedpoint.Int256From(1), fixedpoint.Int256From(4)}
	out := make([]int64, len(weights))
	var scratch fixedpoint.SplitScratch
	fixedpoint.Split(10, weights, out, &scratch)
	fmt.Println(out)
	fixedpoint.Split(-10, weights, out, &scratch)
	fmt.Println(out)
	// Output:
	// [2 2 6]
	// [-2 -2 -6]
}

// An order limit is rounded to the tick on the side that is safe.
func ExamplePrice_Floor() {
	limit, tick := fixedpoint.Price(904_52261306), fixedpoint.Price(unit/10)
	up, ok := limit.Ceil(tick)
	fmt.Println(limit.Floor(tick), up, ok)
	// Output: 904.5 904.6 true
}
