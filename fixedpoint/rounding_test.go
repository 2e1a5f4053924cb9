package fixedpoint

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// Quarters around zero, a tie at the even and at the odd neighbour.
func TestRoundingOfQuarters(t *testing.T) {
	for _, c := range []struct {
		quarters                        int64
		floor, ceil, truncate, halfEven int64
	}{
		{-7, -2, -1, -1, -2},
		{-6, -2, -1, -1, -2},
		{-5, -2, -1, -1, -1},
		{-4, -1, -1, -1, -1},
		{-3, -1, 0, 0, -1},
		{-2, -1, 0, 0, 0},
		{-1, -1, 0, 0, 0},
		{0, 0, 0, 0, 0},
		{1, 0, 1, 0, 0},
		{2, 0, 1, 0, 0},
		{3, 0, 1, 0, 1},
		{4, 1, 1, 1, 1},
		{5, 1, 2, 1, 1},
		{6, 1, 2, 1, 2},
		{7, 1, 2, 1, 2},
	} {
		for r, want := range map[Rounding]int64{Floor: c.floor, Ceil: c.ceil, Truncate: c.truncate, HalfEven: c.halfEven} {
			for _, sign := range []int64{1, -1} {
				n, d := c.quarters*sign, 4*sign
				if got, ok := MulDiv(n, 1, d, r); got != want || !ok {
					t.Errorf("MulDiv(%d, 1, %d, %v) = %d, %v, want %d", n, d, r, got, ok, want)
				}
				if got := Int128From(n).Div(d, r); got != Int128From(want) {
					t.Errorf("Int128(%d).Div(%d, %v) = %v, want %d units", n, d, r, got, want)
				}
				got, ok := QuoProducts([]Int256{Int256From(n)}, []Int256{Int256From(d)}, r)
				if got != Int256From(want) || !ok {
					t.Errorf("QuoProducts(%d, %d, %v) = %v, %v, want %d", n, d, r, got, ok, want)
				}
			}
		}
	}
}

func TestMulDivMatchesBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, d := anyInt64().Draw(t, "a"), anyInt64().Draw(t, "b"), anyInt64().Draw(t, "d")
		r := drawRounding().Draw(t, "rounding")
		got, ok := MulDiv(a, b, d, r)
		if d == 0 {
			if ok {
				t.Fatalf("MulDiv by 0 = %d, true", got)
			}
			return
		}
		twin := roundedQuotient(new(big.Int).Mul(bigInt(a), bigInt(b)), bigInt(d), r)
		if ok != twin.IsInt64() || ok && got != twin.Int64() {
			t.Fatalf("MulDiv(%d, %d, %d, %v) = %d, %v, want %v", a, b, d, r, got, ok, twin)
		}
	})
}

// Where only the rounding decides whether the quotient fits.
func TestMulDivAtTheRim(t *testing.T) {
	const most, least = math.MaxInt64, math.MinInt64
	for _, c := range []struct {
		name    string
		a, b, d int64
		r       Rounding
		want    int64
		ok      bool
	}{
		{"the largest", most, 5, 5, Ceil, most, true},
		{"the smallest", least, 5, 5, Floor, least, true},
		{"the smallest by -1", least, 1, -1, Floor, 0, false},
		// (2^63 - 1) × 2^62 / (2^62 - 1) = 2^63 + 1 + something.
		{"above the largest, cut", most, 1 << 62, 1<<62 - 1, Floor, 0, false},
		// (2^63 - 2) × 2^62 / (2^62 - 1) is exactly 2^63.
		{"one above the largest, exactly", most - 1, 1 << 62, 1<<62 - 1, Truncate, 0, false},
		{"its negative fits", -(most - 1), 1 << 62, 1<<62 - 1, Truncate, least, true},
		// 3 × 6148914691236517205 = 2^64 - 1: half of it is 2^63 - 1/2.
		{"half below 2^63, cut", 3, 6148914691236517205, 2, Truncate, most, true},
		{"half below 2^63, to even", 3, 6148914691236517205, 2, HalfEven, 0, false},
		{"its negative, to even", -3, 6148914691236517205, 2, HalfEven, least, true},
		{"its negative, cut", -3, 6148914691236517205, 2, Ceil, -most, true},
		// A cut quotient of 2^64 - 1, which rounding up would wrap to 0.
		{"2^64 less a fraction", 7068151818932774189, 6633071771619091750, 2541562788551934626, Ceil, 0, false},
		{"by zero", 1, 1, 0, Floor, 0, false},
		{"zero by zero", 0, 0, 0, Floor, 0, false},
		{"zero", 0, least, least, Ceil, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := MulDiv(c.a, c.b, c.d, c.r)
			if ok != c.ok || ok && got != c.want {
				t.Errorf("MulDiv(%d, %d, %d, %v) = %d, %v, want %d, %v", c.a, c.b, c.d, c.r, got, ok, c.want, c.ok)
			}
		})
	}
}

func TestRoundingNames(t *testing.T) {
	for r, want := range map[Rounding]string{Floor: "Floor", Ceil: "Ceil", Truncate: "Truncate", HalfEven: "HalfEven", 4: "Rounding(4)"} {
		if r.String() != want {
			t.Errorf("Rounding %d is called %q, want %q", uint8(r), r, want)
		}
	}
}

// A broken invariant stops the program; it does not become a number.
func TestMisusePanics(t *testing.T) {
	huge := of(0, 0, 0, 1<<62)
	for name, f := range map[string]func(){
		"unknown rounding":      func() { MulDiv(1, 1, 2, HalfEven+1) },
		"Div by zero":           func() { Int128From(1).Div(0, Floor) },
		"tick of zero":          func() { Price(1).Floor(0) },
		"negative price":        func() { Price(-1).Ceil(1) },
		"negative lot":          func() { Qty(1).Lots(-1) },
		"product of 1271 bits":  func() { CmpProducts([]Int256{huge, huge, huge, huge, huge}, nil) },
		"quotient of 1271 bits": func() { QuoProducts(nil, []Int256{huge, huge, huge, huge, huge}, Floor) },
		"split to too few":      func() { Split(1, []Int256{of(1)}, nil, nil) },
		"split by nothing":      func() { Split(1, []Int256{{}}, make([]int64, 1), nil) },
		"split among nobody":    func() { Split(1, nil, nil, nil) },
		"split by a negative":   func() { Split(1, []Int256{of(5), Int256From(-1)}, make([]int64, 2), nil) },
		"split by 2^255":        func() { Split(1, []Int256{huge, huge}, make([]int64, 2), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			f()
		})
	}
}
