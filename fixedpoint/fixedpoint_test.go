package fixedpoint

import (
	"math"
	"math/big"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"pgregory.net/rapid"
)

// decimals is apd at a precision no product here exhausts.
var decimals = apd.Context{Precision: 80, MaxExponent: 1000, MinExponent: -1000, Rounding: apd.RoundHalfEven}

func decimal(v int64) *apd.Decimal { return apd.New(v, -Digits) }

// units is d rounded half-even to 1e-8, in units of that.
func units(t *rapid.T, d *apd.Decimal) *big.Int {
	t.Helper()
	var rounded apd.Decimal
	if _, err := decimals.Quantize(&rounded, d, -Digits); err != nil {
		t.Fatalf("quantize %v: %v", d, err)
	}
	z := rounded.Coeff.MathBigInt()
	if rounded.Negative {
		z.Neg(z)
	}
	return z
}

func TestQuoteMatchesApd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, p := anyInt64().Draw(t, "qty"), anyInt64().Draw(t, "price")
		var product apd.Decimal
		if _, err := decimals.Mul(&product, decimal(q), decimal(p)); err != nil {
			t.Fatal(err)
		}
		twin := units(t, &product)
		got, ok := Quote(Qty(q), Price(p))
		if ok != twin.IsInt64() || ok && int64(got) != twin.Int64() {
			t.Fatalf("Quote = %d, %v, want %v", int64(got), ok, twin)
		}
		if mirrored, ok2 := Quote(Qty(-q), Price(p)); q != math.MinInt64 && ok && ok2 && mirrored != -got {
			t.Fatalf("the other side's quote = %d, want %d", int64(mirrored), -int64(got))
		}
		if fits, sure := QuoteFits(Qty(q), Price(p)), ok && got != math.MinInt64; fits != sure {
			t.Fatalf("QuoteFits = %v, Quote = %d, %v", fits, int64(got), ok)
		}
		want(t, "Value", big128(Value(Qty(q), Price(p))), new(big.Int).Mul(bigInt(q), bigInt(p)))
	})
}

func TestUnitPriceMatchesApd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, q := anyInt64().Draw(t, "amount"), anyInt64().Draw(t, "qty")
		got, ok := UnitPrice(Amount(a), Qty(q))
		if q == 0 {
			if ok {
				t.Fatalf("UnitPrice of nothing = %v, true", got)
			}
			return
		}
		// The division is exact enough: a tie at 1e-8 has at most 19 more digits.
		var price apd.Decimal
		if _, err := decimals.Quo(&price, decimal(a), decimal(q)); err != nil {
			t.Fatal(err)
		}
		twin := units(t, price.Abs(&price))
		if ok != twin.IsInt64() || ok && int64(got) != twin.Int64() {
			t.Fatalf("UnitPrice = %d, %v, want %v", int64(got), ok, twin)
		}
	})
}

func TestQuoteTies(t *testing.T) {
	const tiny = 1 // 0.00000001
	for _, c := range []struct {
		name string
		q    Qty
		p    Price
		want Amount
		ok   bool
	}{
		{"half a unit, to even", One / 2, tiny, 0, true},
		{"a unit and a half, to even", 3 * One / 2, tiny, 2, true},
		{"two and a half, to even", 5 * One / 2, tiny, 2, true},
		{"short a unit and a half", -3 * One / 2, tiny, -2, true},
		{"just above half", One/2 + 1, tiny, 1, true},
		{"nothing", 0, math.MaxInt64, 0, true},
		{"the largest", One, math.MaxInt64, math.MaxInt64, true},
		{"one step more", One + 1, math.MaxInt64, 0, false},
		{"short the largest", -One, math.MaxInt64, -math.MaxInt64, true},
	} {
		if got, ok := Quote(c.q, c.p); ok != c.ok || ok && got != c.want {
			t.Errorf("%s: Quote = %d, %v, want %d, %v", c.name, int64(got), ok, int64(c.want), c.ok)
		}
	}
}

func TestUnitPriceEdges(t *testing.T) {
	for _, c := range []struct {
		name string
		a    Amount
		q    Qty
		want Price
		ok   bool
	}{
		{"two for 1,800", 1_800 * One, 2 * One, 900 * One, true},
		{"short has a price, not a sign", -1_800 * One, -2 * One, 900 * One, true},
		{"a third, down", One, 3 * One, 33333333, true},
		{"two thirds, up", 2 * One, 3 * One, 66666667, true},
		{"for nothing", 0, One, 0, true},
		{"of nothing", One, 0, 0, false},
		{"the smallest quantity", One, 1, One * One, true},
		{"and too much for it", 1_000 * One, 1, 0, false},
		{"the most negative amount", math.MinInt64, 2 * One, 1 << 62, true},
		{"the most negative of both", math.MinInt64, math.MinInt64, One, true},
	} {
		if got, ok := UnitPrice(c.a, c.q); ok != c.ok || ok && got != c.want {
			t.Errorf("%s: UnitPrice = %d, %v, want %d, %v", c.name, int64(got), ok, int64(c.want), c.ok)
		}
	}
}

func TestTicks(t *testing.T) {
	const most = math.MaxInt64
	for _, c := range []struct {
		p, tick, floor, ceil Price
		ok                   bool
	}{
		{0, 5, 0, 0, true},
		{1, 5, 0, 5, true},
		{4, 5, 0, 5, true},
		{5, 5, 5, 5, true},
		{6, 5, 5, 10, true},
		{most, 1, most, most, true},
		{most, most, most, most, true},
		{most - 1, most, 0, most, true},
		{most, 2, most - 1, 0, false},
	} {
		if got := c.p.Floor(c.tick); got != c.floor {
			t.Errorf("%d.Floor(%d) = %d, want %d", int64(c.p), int64(c.tick), int64(got), int64(c.floor))
		}
		if got, ok := c.p.Ceil(c.tick); ok != c.ok || ok && got != c.ceil {
			t.Errorf("%d.Ceil(%d) = %d, %v, want %d, %v", int64(c.p), int64(c.tick), int64(got), ok, int64(c.ceil), c.ok)
		}
	}
}

func TestLots(t *testing.T) {
	for _, c := range []struct {
		q, lot Qty
		want   int64
	}{
		{0, 3, 0}, {2, 3, 0}, {3, 3, 1}, {5, 3, 1}, {6, 3, 2}, {-2, 3, 0}, {-3, 3, -1}, {-5, 3, -1},
		{math.MinInt64, 1, math.MinInt64},
	} {
		if got := c.q.Lots(c.lot); got != c.want {
			t.Errorf("%d.Lots(%d) = %d, want %d", int64(c.q), int64(c.lot), got, c.want)
		}
	}
}
