package fixedpoint

import "math/bits"

// Int128 is a signed integer of 128 bits, two's complement: Hi × 2^64 + Lo.
// Its methods wrap where a result does not fit, as int64 does, and never panic,
// [Int128.Div] by zero apart. A caller who sums states the bound of the sum.
type Int128 struct {
	Hi int64
	Lo uint64
}

// Int128From is v.
func Int128From(v int64) Int128 { return Int128{Hi: v >> 63, Lo: uint64(v)} }

// Mul64 is a × b, exact.
func Mul64(a, b int64) Int128 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	// Read as unsigned, a negative factor is 2^64 too large: the other one has
	// slipped into the upper half and is taken out again.
	return Int128{Hi: int64(hi) - a>>63&b - b>>63&a, Lo: lo}
}

// Add is x + y.
func (x Int128) Add(y Int128) Int128 {
	lo, carry := bits.Add64(x.Lo, y.Lo, 0)
	return Int128{Hi: x.Hi + y.Hi + int64(carry), Lo: lo}
}

// Sub is x - y.
func (x Int128) Sub(y Int128) Int128 {
	lo, borrow := bits.Sub64(x.Lo, y.Lo, 0)
	return Int128{Hi: x.Hi - y.Hi - int64(borrow), Lo: lo}
}

// Neg is -x; the smallest value is its own negative.
func (x Int128) Neg() Int128 { return Int128{}.Sub(x) }

// Abs is |x|; the smallest value stays negative.
func (x Int128) Abs() Int128 {
	mask := x.Hi >> 63
	return Int128{Hi: x.Hi ^ mask, Lo: x.Lo ^ uint64(mask)}.Sub(Int128{Hi: mask, Lo: uint64(mask)})
}

// Sign is -1, 0 or +1.
func (x Int128) Sign() int {
	if x.Hi == 0 && x.Lo == 0 {
		return 0
	}
	return int(x.Hi>>63) | 1
}

// Cmp is -1, 0 or +1 as x is less than, equal to or greater than y.
func (x Int128) Cmp(y Int128) int {
	switch {
	case x == y:
		return 0
	case x.Less(y):
		return -1
	}
	return 1
}

// Less reports whether x < y.
func (x Int128) Less(y Int128) bool {
	return x.Hi < y.Hi || x.Hi == y.Hi && x.Lo < y.Lo
}

// Int64 is x, and false if it does not fit.
func (x Int128) Int64() (int64, bool) {
	return int64(x.Lo), x.Hi == int64(x.Lo)>>63
}

// Wide is x in 256 bits.
func (x Int128) Wide() Int256 {
	sign := uint64(x.Hi >> 63)
	return Int256{x.Lo, uint64(x.Hi), sign, sign}
}

// MulInt64 is x × m, exact: it takes at most 191 bits.
func (x Int128) MulInt64(m int64) Int256 {
	hi, lo := bits.Mul64(x.Lo, uint64(m))
	hi -= x.Lo & uint64(m>>63) // As in Mul64; hi is signed from here on.
	top := Mul64(x.Hi, m).Add(Int128From(int64(hi)))
	return Int256{lo, top.Lo, uint64(top.Hi), uint64(top.Hi >> 63)}
}

// Div is x / d rounded. It panics if d is 0. The smallest value by -1 wraps.
func (x Int128) Div(d int64, r Rounding) Int128 {
	if d == 0 {
		panic("fixedpoint: Int128.Div by zero")
	}
	hi, lo := x.magnitude()
	by, negative := magnitude(d), x.Hi^d < 0
	hi, rem := hi/by, hi%by
	lo, rem = bits.Div64(rem, lo, by)
	if r.up64(negative, lo, rem, by) {
		var carry uint64
		lo, carry = bits.Add64(lo, 1, 0)
		hi += carry
	}
	q := Int128{Hi: int64(hi), Lo: lo}
	if negative {
		return q.Neg()
	}
	return q
}

// Rescale is x / 1e8 rounded: a value at scale 1e-16 brought to 1e-8.
func (x Int128) Rescale(r Rounding) Int128 { return x.Div(One, r) }

// magnitude is |x| as an unsigned integer, exact for the smallest value too.
func (x Int128) magnitude() (hi, lo uint64) {
	a := x.Abs()
	return uint64(a.Hi), a.Lo
}
