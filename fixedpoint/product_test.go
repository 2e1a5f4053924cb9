package fixedpoint

import (
	"encoding/binary"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func factors() *rapid.Generator[[]Int256] { return rapid.SliceOfN(anyInt256(), 0, 4) }

func TestCmpProductsMatchesBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := factors().Draw(t, "a"), factors().Draw(t, "b")
		if rapid.Bool().Draw(t, "reversed") { // The same product, by another way.
			b = nil
			for i := len(a) - 1; i >= 0; i-- {
				b = append(b, a[i])
			}
		}
		if got, want := CmpProducts(a, b), bigProduct(a).Cmp(bigProduct(b)); got != want {
			t.Fatalf("CmpProducts = %d, want %d", got, want)
		}
	})
}

func checkQuo(t interface {
	Helper()
	Fatalf(string, ...any)
}, num, den []Int256, r Rounding) {
	t.Helper()
	got, ok := QuoProducts(num, den, r)
	d := bigProduct(den)
	if d.Sign() == 0 {
		if ok {
			t.Fatalf("QuoProducts by 0 = %v, true", got)
		}
		return
	}
	twin := roundedQuotient(bigProduct(num), d, r)
	if ok != fits(twin, 256) {
		t.Fatalf("QuoProducts(%x, %x, %v) fits: %v, want %v (%x)", num, den, r, ok, !ok, twin)
	}
	if ok && big256(got).Cmp(twin) != 0 {
		t.Fatalf("QuoProducts(%x, %x, %v) = %x, want %x", num, den, r, big256(got), twin)
	}
}

func TestQuoProductsMatchesBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		num, den := factors().Draw(t, "num"), factors().Draw(t, "den")
		checkQuo(t, num, den, drawRounding().Draw(t, "rounding"))
	})
}

// Quotients of a known value: q × den, and a little to either side, so that
// exact results, ties and the longest quotients are as common as others.
func TestQuoProductsNearExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, q := anyInt128().Draw(t, "d"), anyInt128().Draw(t, "q")
		near := Mul128(d, q).Add(Int256From(rapid.Int64Range(-2, 2).Draw(t, "off")))
		common := anyInt256().Draw(t, "common")
		checkQuo(t, []Int256{near, common}, []Int256{common, d.Wide()}, drawRounding().Draw(t, "rounding"))
		half := []Int256{d.Wide(), Int256From(2)}
		checkQuo(t, []Int256{near, common}, append(half, common), HalfEven)
	})
}

// Products of the sizes there usually are, up to and beyond those that are divided by
// less than 2^64.
func TestQuoProductsOfUsualSizes(t *testing.T) {
	sized := func(t *rapid.T, bits int) Int256 {
		v := rapid.Uint64().Draw(t, "top")>>rapid.IntRange(0, 63).Draw(t, "shift") | 1
		w := rapid.IntRange(0, bits/64-1).Draw(t, "limb")
		words := [4]uint64{rapid.Uint64().Draw(t, "low"), rapid.Uint64().Draw(t, "next")}
		words[w] = v
		for i := w + 1; i < 4; i++ {
			words[i] = 0
		}
		x := int256(words)
		if rapid.Bool().Draw(t, "negative") {
			x = x.Neg()
		}
		return x
	}
	small := 0
	rapid.Check(t, func(t *rapid.T) {
		var num, den []Int256
		for range rapid.IntRange(0, 3).Draw(t, "factors") {
			num = append(num, sized(t, 128))
		}
		for range rapid.IntRange(0, 2).Draw(t, "divisors") {
			den = append(den, sized(t, 64))
		}
		r := drawRounding().Draw(t, "rounding")
		checkQuo(t, num, den, r)
		if new(division).divideSmall(num, den) {
			small++
		}
		q, exact, ok := FloorProducts(num, den)
		if want, fits := QuoProducts(num, den, Floor); q != want || ok != fits {
			t.Fatalf("FloorProducts = %v %v, want %v %v", q, ok, want, fits)
		}
		if up, _ := QuoProducts(num, den, Ceil); ok && exact != (up == q) {
			t.Fatalf("exact %v: floor %v, ceil %v", exact, q, up)
		}
	})
	if small < 10 {
		t.Errorf("%d of the draws were divided by less than 2^64: too few to tell", small)
	}
}

// Knuth's step D6, adding the divisor back, runs about twice in 2^64 random
// divisions. These are the shapes that make it run, as in Hacker's Delight and
// with the edges of 64-bit limbs.
func TestQuoProductsAddsBack(t *testing.T) {
	const most, half = ^uint64(0), uint64(1) << 63
	for _, c := range []struct{ u, v Int256 }{
		{of(3, 0, half>>1), of(1, 0, half>>2)},
		{of(0, most-1, half>>1), of(most, half)},
		{of(0, 0, half, half-1), of(1, 0, half)},
		{of(0, 0, half>>1, half-1), of(most, 0, half)},
		{of(3, 0, half, half>>1), of(1, 0, half)},
		{of(0, most-1, half, half-1), of(most, most, half)},
	} {
		for _, r := range roundings {
			checkQuo(t, []Int256{c.u}, []Int256{c.v}, r)
		}
	}
}

// 2^255 is the magnitude that fits with one sign only, and the last to which a
// rounding can lead.
func TestQuoProductsAtTheRim(t *testing.T) {
	one, two := Int256From(1), Int256From(2)
	least := of(0, 0, 0, 1<<63)
	most := least.Sub(one)
	for _, c := range []struct {
		name     string
		num, den []Int256
		r        Rounding
		ok       bool
	}{
		{"the smallest", []Int256{least}, nil, Floor, true},
		{"its negative", []Int256{least}, []Int256{one.Neg()}, Floor, false},
		{"the largest and a half, cut", []Int256{most.Sub(one), most}, []Int256{most.Sub(one)}, Floor, true},
		{"twice the largest", []Int256{most, two}, nil, Floor, false},
		{"five limbs of ones", []Int256{of(0, 0, 1<<32), {}, one}, []Int256{one}, Ceil, true},
		{"zero by zero", []Int256{{}}, []Int256{{}}, Floor, false},
		{"nothing by nothing", nil, nil, Floor, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, ok := QuoProducts(c.num, c.den, c.r); ok != c.ok {
				t.Errorf("fits: %v, want %v", ok, c.ok)
			}
			checkQuo(t, c.num, c.den, c.r)
		})
	}

	// (2^384 - 1) / 2^64 is 2^320 less a fraction: cut, five limbs of ones, to
	// which rounding up must not add one more and so make a zero.
	below, above := power(192).Sub(one), power(192).Add(one)
	if got, ok := QuoProducts([]Int256{below, above}, []Int256{power(64)}, Ceil); ok {
		t.Errorf("2^320 fits as %v", got)
	}
}

// power is 2^n.
func power(n uint) Int256 {
	var z [4]uint64
	z[n/64] = 1 << (n % 64)
	return int256(z)
}

// A zero makes the product zero, however large the rest of it.
func TestZeroFactorBeforeTheBound(t *testing.T) {
	huge := power(254)
	if got := CmpProducts([]Int256{huge, huge, huge, huge, huge, {}}, []Int256{{}}); got != 0 {
		t.Errorf("CmpProducts = %d, want 0", got)
	}
}

// Exactly 1024 bits are allowed.
func TestLargestProduct(t *testing.T) {
	least := of(0, 0, 0, 1<<63)
	largest := []Int256{least, least, least, least, Int256From(8)} // 2^1023
	if got := CmpProducts(largest, []Int256{least}); got != 1 {
		t.Errorf("CmpProducts = %d, want 1", got)
	}
	checkQuo(t, largest, []Int256{least, least, least}, HalfEven)
	checkQuo(t, largest, largest, HalfEven)
}

func FuzzQuoProducts(f *testing.F) {
	seed := make([]byte, 4*32)
	for i := range seed {
		seed[i] = byte(i * 37)
	}
	f.Add(seed, uint8(HalfEven))
	f.Add(append(make([]byte, 64), seed...), uint8(Floor))
	f.Fuzz(func(t *testing.T, data []byte, rounding uint8) {
		var list []Int256
		for len(data) >= 32 && len(list) < 8 {
			var x [4]uint64
			for i := range x {
				x[i] = binary.LittleEndian.Uint64(data[8*i:])
			}
			list, data = append(list, int256(x)), data[32:]
		}
		num, den := list[:len(list)/2], list[len(list)/2:]
		checkQuo(t, num, den, Rounding(rounding%4))
		if got, want := CmpProducts(num, den), bigProduct(num).Cmp(bigProduct(den)); got != want {
			t.Fatalf("CmpProducts = %d, want %d", got, want)
		}
	})
}

// The canary: were the twin wrong in the way the code is, this would not be.
func TestTwinKnowsFloorFromTruncate(t *testing.T) {
	n, d := big.NewInt(-7), big.NewInt(2)
	if roundedQuotient(n, d, Floor).Int64() != -4 || roundedQuotient(n, d, Truncate).Int64() != -3 {
		t.Error("the oracle rounds -7/2 wrongly")
	}
}
