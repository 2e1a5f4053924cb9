package fixedpoint

import "math/bits"

// Int256 is a signed integer of 256 bits, two's complement, the lowest limb
// first. Its methods wrap where a result does not fit and never panic. A
// caller who sums or multiplies states the bound of the result.
type Int256 [4]uint64

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
	z[0] = l00
	z[1], c = bits.Add64(h00, l01, 0)
	z[2], c = bits.Add64(l11, h01, c)
	z[3] = h11 + c
	z[1], c = bits.Add64(z[1], l10, 0)
	z[2], c = bits.Add64(z[2], h10, c)
	z[3] += c

	// As in Mul64: a negative factor read as unsigned is 2^128 too large.
	aNeg, bNeg := uint64(a.Hi>>63), uint64(b.Hi>>63)
	z[2], c = bits.Sub64(z[2], b.Lo&aNeg, 0)
	z[3] -= bHi&aNeg + c
	z[2], c = bits.Sub64(z[2], a.Lo&bNeg, 0)
	z[3] -= aHi&bNeg + c
	return z
}

// Add is x + y.
func (x Int256) Add(y Int256) (z Int256) {
	var c uint64
	z[0], c = bits.Add64(x[0], y[0], 0)
	z[1], c = bits.Add64(x[1], y[1], c)
	z[2], c = bits.Add64(x[2], y[2], c)
	z[3] = x[3] + y[3] + c
	return z
}

// Sub is x - y.
func (x Int256) Sub(y Int256) (z Int256) {
	var b uint64
	z[0], b = bits.Sub64(x[0], y[0], 0)
	z[1], b = bits.Sub64(x[1], y[1], b)
	z[2], b = bits.Sub64(x[2], y[2], b)
	z[3] = x[3] - y[3] - b
	return z
}

// Neg is -x; the smallest value is its own negative.
func (x Int256) Neg() Int256 { return Int256{}.Sub(x) }

// Abs is |x|; the smallest value stays negative, and read as unsigned it is right.
func (x Int256) Abs() Int256 {
	if int64(x[3]) < 0 {
		return x.Neg()
	}
	return x
}

// IsZero reports whether x is 0.
func (x Int256) IsZero() bool { return x[0]|x[1]|x[2]|x[3] == 0 }

// Sign is -1, 0 or +1.
func (x Int256) Sign() int {
	if x.IsZero() {
		return 0
	}
	return int(int64(x[3])>>63) | 1
}

// Less reports whether x < y.
func (x Int256) Less(y Int256) bool {
	_, b := bits.Sub64(x[0], y[0], 0)
	_, b = bits.Sub64(x[1], y[1], b)
	_, b = bits.Sub64(x[2], y[2], b)
	// With the sign bits flipped, signed order is unsigned order.
	_, b = bits.Sub64(x[3]^1<<63, y[3]^1<<63, b)
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
	return int64(x[0]), x == Int256From(int64(x[0]))
}

// Int128 is x, and false if it does not fit.
func (x Int256) Int128() (Int128, bool) {
	v := Int128{Hi: int64(x[1]), Lo: x[0]}
	return v, x == v.Wide()
}

// MulInt64 is x × m, exact while |x| < 2^192; beyond, it may wrap.
func (x Int256) MulInt64(m int64) (z Int256) {
	u := uint64(m)
	h0, l0 := bits.Mul64(x[0], u)
	h1, l1 := bits.Mul64(x[1], u)
	h2, l2 := bits.Mul64(x[2], u)
	var c uint64
	z[0] = l0
	z[1], c = bits.Add64(l1, h0, 0)
	z[2], c = bits.Add64(l2, h1, c)
	z[3] = x[3]*u + h2 + c
	// As in Mul64: a negative m read as unsigned is 2^64 too large.
	neg := uint64(m >> 63)
	z[1], c = bits.Sub64(z[1], x[0]&neg, 0)
	z[2], c = bits.Sub64(z[2], x[1]&neg, c)
	z[3] -= x[2]&neg + c
	return z
}

// limbs is the number of limbs up to the highest that is not 0.
func (x *Int256) limbs() int {
	n := len(x)
	for n > 0 && x[n-1] == 0 {
		n--
	}
	return n
}
