package fixedpoint

import "math/bits"

// Int256 is a signed integer of 256 bits, two's complement, w0 the lowest
// limb. Its methods wrap where a result does not fit and never panic. A
// caller who sums or multiplies states the bound of the result.
//
// It is a struct because the compiler keeps a struct of four in
// registers, and an array in memory.
type Int256 struct{ w0, w1, w2, w3 uint64 }

// Words is x in two's complement as four limbs, the lowest first.
func (x Int256) Words() [4]uint64 { return [4]uint64{x.w0, x.w1, x.w2, x.w3} }

// int256 is Words the other way round.
func int256(w [4]uint64) Int256 { return Int256{w[0], w[1], w[2], w[3]} }

// Int256From is v.
func Int256From(v int64) Int256 { return Int128From(v).Wide() }

// Mul128 is a × b, exact: it takes at most 255 bits.
func Mul128(a, b Int128) (z Int256) {
	aHi, bHi := uint64(a.Hi), uint64(b.Hi)
	h00, l00 := bits.Mul64(a.Lo, b.Lo)
	h01, l01 := bits.Mul64(a.Lo, bHi)
	h10, l10 := bits.Mul64(aHi, b.Lo)
	h11, l11 := bits.Mul64(aHi, bHi)

	var c uint64
	z.w0 = l00
	z.w1, c = bits.Add64(h00, l01, 0)
	z.w2, c = bits.Add64(l11, h01, c)
	z.w3 = h11 + c
	z.w1, c = bits.Add64(z.w1, l10, 0)
	z.w2, c = bits.Add64(z.w2, h10, c)
	z.w3 += c

	// As in Mul64: a negative factor read as unsigned is 2^128 too large.
	aNeg, bNeg := uint64(a.Hi>>63), uint64(b.Hi>>63)
	z.w2, c = bits.Sub64(z.w2, b.Lo&aNeg, 0)
	z.w3 -= bHi&aNeg + c
	z.w2, c = bits.Sub64(z.w2, a.Lo&bNeg, 0)
	z.w3 -= aHi&bNeg + c
	return z
}

// Add is x + y.
func (x Int256) Add(y Int256) (z Int256) {
	var c uint64
	z.w0, c = bits.Add64(x.w0, y.w0, 0)
	z.w1, c = bits.Add64(x.w1, y.w1, c)
	z.w2, c = bits.Add64(x.w2, y.w2, c)
	z.w3 = x.w3 + y.w3 + c
	return z
}

// Sub is x - y.
func (x Int256) Sub(y Int256) (z Int256) {
	var b uint64
	z.w0, b = bits.Sub64(x.w0, y.w0, 0)
	z.w1, b = bits.Sub64(x.w1, y.w1, b)
	z.w2, b = bits.Sub64(x.w2, y.w2, b)
	z.w3 = x.w3 - y.w3 - b
	return z
}

// Neg is -x; the smallest value is its own negative.
func (x Int256) Neg() Int256 { return Int256{}.Sub(x) }

// Abs is |x|; the smallest value stays negative, and read as unsigned it is right.
func (x Int256) Abs() Int256 {
	if int64(x.w3) < 0 {
		return x.Neg()
	}
	return x
}

// IsZero reports whether x is 0.
func (x Int256) IsZero() bool { return x.w0|x.w1|x.w2|x.w3 == 0 }

// Sign is -1, 0 or +1.
func (x Int256) Sign() int {
	if x.IsZero() {
		return 0
	}
	return int(int64(x.w3)>>63) | 1
}

// Less reports whether x < y.
func (x Int256) Less(y Int256) bool {
	_, b := bits.Sub64(x.w0, y.w0, 0)
	_, b = bits.Sub64(x.w1, y.w1, b)
	_, b = bits.Sub64(x.w2, y.w2, b)
	// With the sign bits flipped, signed order is unsigned order.
	_, b = bits.Sub64(x.w3^1<<63, y.w3^1<<63, b)
	return b != 0
}

// Cmp is -1, 0 or +1 as x is less than, equal to or greater than y.
func (x Int256) Cmp(y Int256) int {
	switch {
	case x == y:
		return 0
	case x.Less(y):
		return -1
	}
	return 1
}

// Int64 is x, and false if it does not fit.
func (x Int256) Int64() (int64, bool) {
	return int64(x.w0), x == Int256From(int64(x.w0))
}

// Int128 is x, and false if it does not fit.
func (x Int256) Int128() (Int128, bool) {
	v := Int128{Hi: int64(x.w1), Lo: x.w0}
	return v, x == v.Wide()
}

// MulInt64 is x × m, exact while |x| < 2^192; beyond, it may wrap.
func (x Int256) MulInt64(m int64) (z Int256) {
	u := uint64(m)
	h0, l0 := bits.Mul64(x.w0, u)
	h1, l1 := bits.Mul64(x.w1, u)
	h2, l2 := bits.Mul64(x.w2, u)
	var c uint64
	z.w0 = l0
	z.w1, c = bits.Add64(l1, h0, 0)
	z.w2, c = bits.Add64(l2, h1, c)
	z.w3 = x.w3*u + h2 + c
	// As in Mul64: a negative m read as unsigned is 2^64 too large.
	neg := uint64(m >> 63)
	z.w1, c = bits.Sub64(z.w1, x.w0&neg, 0)
	z.w2, c = bits.Sub64(z.w2, x.w1&neg, c)
	z.w3 -= x.w2&neg + c
	return z
}

// limbs is the number of limbs up to the highest that is not 0.
func limbs(w *[4]uint64) int {
	n := len(w)
	for n > 0 && w[n-1] == 0 {
		n--
	}
	return n
}
