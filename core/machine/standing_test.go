package machine

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/backstop-fund/backstop/fixedpoint"
)

// The least surplus is enough for a lot, and a step less is not.
func TestLeastSurplus(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := fixedpoint.Qty(rapid.Int64Range(1, math.MaxInt64).Draw(t, "size"))
		lot := fixedpoint.Qty(rapid.Int64Range(1, int64(size)).Draw(t, "lot"))
		loss := fixedpoint.Mul64(rapid.Int64Range(1, math.MaxInt64).Draw(t, "loss"), rapid.SampledFrom([]int64{1, fixedpoint.One}).Draw(t, "scale")).Wide()
		least, ok := leastSurplus(loss, lot, size)
		if !ok {
			t.Fatal("a loss that fits an Amount has no least surplus")
		}
		asked := loss.MulInt64(int64(lot)).MulInt64(fixedpoint.One)
		enough := func(s fixedpoint.Int256) bool { return !s.MulInt64(int64(size)).Less(asked) }
		if s := least.Wide(); !enough(s) || enough(s.Sub(fixedpoint.Int256From(1))) {
			t.Fatalf("least %v: it is enough %v, a step less %v", least, enough(s), !enough(s))
		}
	})
}
