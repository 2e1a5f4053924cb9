package offload_test

import (
	"fmt"

	"github.com/backstop-fund/backstop/core/offload"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// A fund is left with 100 lots, long. Every interval a tenth of the rest is sold,
// up to whole lots; the last twenty go at once.
func Example() {
	const lot = unit / 1000
	s := offload.Settings{Fraction: unit / 10, FullSize: 20 * lot, MaxDepthFraction: unit / 20, Slippage: unit / 100}
	market := offload.Market{Mark: 64_000 * unit, Tick: unit / 10, Lot: lot}
	for left := fixedpoint.Qty(100 * lot); left > 0; {
		clip, _ := s.Next(left, market)
		fmt.Print(-clip.Qty.Lots(lot), " ")
		left += clip.Qty
	}
	// Output: 10 9 9 8 7 6 6 5 4 4 4 3 3 3 19
}

// With 30 resting on the side a purchase would take, at most a twentieth of that
// is bought, and for at most 1 % more than the mark.
func ExampleSettings_Next() {
	s := offload.Settings{Fraction: unit / 10, FullSize: unit, MaxDepthFraction: unit / 20, Slippage: unit / 100}
	market := offload.Market{Mark: 250 * unit, Tick: unit / 10, Lot: unit / 10, Depth: 30 * unit, Known: true}
	clip, ok := s.Next(-40*unit, market)
	fmt.Println(clip.Qty, "at", clip.Limit, ok)
	// Output: 1.5 at 252.5 true
}
