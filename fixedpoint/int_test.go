package fixedpoint

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// want compares a result with its twin's, which is given unreduced where the
// operation may wrap.
func want(t *rapid.T, name string, got, twin *big.Int) {
	t.Helper()
	if got.Cmp(twin) != 0 {
		t.Fatalf("%s = %v, want %v", name, got, twin)
	}
}

func TestInt128MatchesBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := anyInt128().Draw(t, "x"), anyInt128().Draw(t, "y")
		a, b := anyInt64().Draw(t, "a"), anyInt64().Draw(t, "b")
		X, Y := big128(x), big128(y)
		z := new(big.Int)

		want(t, "From", big128(Int128From(a)), bigInt(a))
		want(t, "Mul64", big128(Mul64(a, b)), z.Mul(bigInt(a), bigInt(b)))
		want(t, "Add", big128(x.Add(y)), wrapped(z.Add(X, Y), 128))
		want(t, "Sub", big128(x.Sub(y)), wrapped(z.Sub(X, Y), 128))
		want(t, "Neg", big128(x.Neg()), wrapped(z.Neg(X), 128))
		want(t, "Abs", big128(x.Abs()), wrapped(z.Abs(X), 128))
		want(t, "Wide", big256(x.Wide()), X)
		want(t, "MulInt64", big256(x.MulInt64(a)), z.Mul(X, bigInt(a)))
		want(t, "Mul128", big256(Mul128(x, y)), z.Mul(X, Y))
		if got := x.Sign(); got != X.Sign() {
			t.Fatalf("Sign = %d, want %d", got, X.Sign())
		}
		if got := x.Cmp(y); got != X.Cmp(Y) || x.Less(y) != (got < 0) || x.Cmp(x) != 0 {
			t.Fatalf("Cmp = %d, Less = %v, want %d", got, x.Less(y), X.Cmp(Y))
		}
		v, ok := x.Int64()
		if ok != X.IsInt64() || ok && v != X.Int64() {
			t.Fatalf("Int64 = %d, %v, want %v", v, ok, X)
		}
	})
}

func TestInt256MatchesBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := anyInt256().Draw(t, "x"), anyInt256().Draw(t, "y")
		m := anyInt64().Draw(t, "m")
		X, Y := big256(x), big256(y)
		z := new(big.Int)

		want(t, "From", big256(Int256From(m)), bigInt(m))
		want(t, "Add", big256(x.Add(y)), wrapped(z.Add(X, Y), 256))
		want(t, "Sub", big256(x.Sub(y)), wrapped(z.Sub(X, Y), 256))
		want(t, "Neg", big256(x.Neg()), wrapped(z.Neg(X), 256))
		want(t, "Abs", big256(x.Abs()), wrapped(z.Abs(X), 256))
		want(t, "MulInt64", big256(x.MulInt64(m)), wrapped(z.Mul(X, bigInt(m)), 256))
		if got := x.Sign(); got != X.Sign() || x.IsZero() != (got == 0) {
			t.Fatalf("Sign = %d, IsZero = %v, want %d", got, x.IsZero(), X.Sign())
		}
		if got := x.Cmp(y); got != X.Cmp(Y) || x.Less(y) != (got < 0) || x.Cmp(x) != 0 {
			t.Fatalf("Cmp = %d, Less = %v, want %d", got, x.Less(y), X.Cmp(Y))
		}
		v, ok := x.Int64()
		if ok != X.IsInt64() || ok && v != X.Int64() {
			t.Fatalf("Int64 = %d, %v, want %v", v, ok, X)
		}
		n, ok := x.Int128()
		if ok != fits(X, 128) || ok && big128(n).Cmp(X) != 0 {
			t.Fatalf("Int128 = %v, %v, want %v", n, ok, X)
		}
	})
}

func TestDivMatchesBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, r := anyInt128().Draw(t, "x"), drawRounding().Draw(t, "rounding")
		d := anyInt64().Filter(func(d int64) bool { return d != 0 }).Draw(t, "d")
		twin := roundedQuotient(big128(x), bigInt(d), r)
		want(t, "Div", big128(x.Div(d, r)), wrapped(twin, 128))
		want(t, "Rescale", big128(x.Rescale(r)), roundedQuotient(big128(x), bigInt(One), r))
	})
}

// The edges of the types, where two's complement has one value more below zero
// than above.
func TestIntegerEdges(t *testing.T) {
	least128 := Int128{Hi: math.MinInt64}
	most128 := Int128{Hi: math.MaxInt64, Lo: math.MaxUint64}
	least256 := of(0, 0, 0, 1<<63)
	for _, c := range []struct {
		name string
		ok   bool
	}{
		{"the largest int64 fits", ok64(Int128From(math.MaxInt64))},
		{"one more does not", !ok64(Int128From(math.MaxInt64).Add(Int128From(1)))},
		{"the smallest int64 fits", ok64(Int128From(math.MinInt64))},
		{"one less does not", !ok64(Int128From(math.MinInt64).Sub(Int128From(1)))},
		{"the smallest Int128 is its own negative", least128.Neg() == least128 && least128.Abs() == least128},
		{"and wraps when divided by -1", least128.Div(-1, Floor) == least128},
		{"beyond the largest is the smallest", most128.Add(Int128From(1)) == least128},
		{"smallest less than largest", least128.Less(most128) && !most128.Less(least128)},
		{"the square of the smallest int64 is 2^126", Mul64(math.MinInt64, math.MinInt64) == Int128{Hi: 1 << 62}},
		{"the square of the smallest Int128 is 2^254", Mul128(least128, least128) == of(0, 0, 0, 1<<62)},
		{"the smallest Int256 is its own negative", least256.Neg() == least256 && least256.Abs() == least256},
		{"zero has no sign", Int128{}.Sign() == 0 && Int256{}.Sign() == 0 && Int256{}.IsZero()},
	} {
		if !c.ok {
			t.Errorf("not so: %s", c.name)
		}
	}
}

func ok64(x Int128) bool {
	_, ok := x.Int64()
	return ok
}
