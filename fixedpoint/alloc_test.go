package fixedpoint

import "testing"

// Results go here, so that the compiler cannot leave out what is measured.
var (
	sinkInt  int
	sinkOK   bool
	sink64   int64
	sink128  Int128
	sink256  Int256
	sinkText []byte
)

func TestNothingAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates on its own")
	}
	x, y := Mul64(123_456_789*One, 61), Mul64(-987_654_321*One, 67)
	wide := Mul128(x, y)
	text, buf := []byte("-92233720368.54775808"), make([]byte, 0, maxText128)
	weights, out := make([]Int256, 100), make([]int64, 100)
	for i := range weights {
		weights[i] = Int256From(int64(i*i + 1))
	}
	var scratch SplitScratch
	scratch.Grow(len(weights))

	for name, f := range map[string]func(){
		"Parse":             func() { v, err := Parse[Qty](text); sink64, sinkOK = int64(v), err == nil },
		"AppendDecimal":     func() { sinkText = AppendDecimal(buf, -1<<63) },
		"AppendDecimal 128": func() { sinkText = Int128{Hi: -1 << 63}.AppendDecimal(buf) },
		"Int128":            func() { sink128 = x.Add(y).Sub(x).Neg().Abs() },
		"Int256":            func() { sink256 = wide.Add(x.MulInt64(7)).Sub(y.Wide()).MulInt64(-3).Abs() },
		"Div":               func() { sink128 = x.Div(-7, HalfEven) },
		"Quote":             func() { v, ok := Quote(5*One, 61_234_56789012); sink64, sinkOK = int64(v), ok },
		"UnitPrice":         func() { v, ok := UnitPrice(5*One, 7); sink64, sinkOK = int64(v), ok },
		"MulDiv":            func() { sink64, sinkOK = MulDiv(1<<60, 77, 78, Ceil) },
		"CmpProducts":       func() { sinkInt = CmpProducts([]Int256{wide, wide, x.Wide()}, []Int256{wide, y.Wide(), wide}) },
		"QuoProducts":       func() { sink256, sinkOK = QuoProducts([]Int256{wide, x.Wide()}, []Int256{y.Wide()}, Floor) },
		"Split":             func() { Split(1_000_003, weights, out, &scratch) },
	} {
		t.Run(name, func(t *testing.T) {
			if n := testing.AllocsPerRun(100, f); n != 0 {
				t.Errorf("%v allocations, want none", n)
			}
		})
	}
}
