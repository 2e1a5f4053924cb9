package trigger_test

import (
	"fmt"

	"github.com/backstop-fund/backstop/core/trigger"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Two longs that must be looked at when the mark falls to 950 and to 900. A mark of
// 960 is quiet, one of 940 reaches the first.
func Example() {
	const unit = fixedpoint.One
	x := trigger.New(8, 1) // positions and contracts
	for at, price := range []fixedpoint.Price{950 * unit, 900 * unit} {
		x.Add(0, trigger.Below, int32(at))
		x.Arm(0, trigger.Below, int32(at), price)
	}
	x.Cross(0, trigger.Below, 1_000*unit, nil) // the window follows the first mark
	x.Cross(0, trigger.Above, 1_000*unit, nil)

	fmt.Println(x.Quiet(0, 960*unit))
	fmt.Println(x.Cross(0, trigger.Below, 940*unit, nil), x.At(0), x.At(1))
	// Output:
	// true
	// [0] Idle Armed
}
