package fixedpoint

import (
	"cmp"
	"math/bits"
)

//go:generate go tool stringer -type=Rounding -output=rounding_string.go

// Rounding says which of the two neighbouring integers stands for a quotient
// that lies between them. An exact quotient is never changed.
type Rounding uint8

const (
	// Floor rounds toward minus infinity.
	Floor Rounding = iota
	// Ceil rounds toward plus infinity.
	Ceil
	// Truncate rounds toward zero.
	Truncate
	// HalfEven rounds to the nearest, a tie to the even neighbour.
	HalfEven
)

// up reports whether a magnitude that was divided and cut must be one larger:
// negative and odd describe the cut quotient, inexact says that something was
// cut off, and half compares that with one half.
func (r Rounding) up(negative, odd, inexact bool, half int) bool {
	switch r {
	case Floor:
		return negative && inexact
	case Ceil:
		return !negative && inexact
	case Truncate:
		return false
	case HalfEven:
		return half > 0 || half == 0 && odd
	}
	panic("fixedpoint: unknown Rounding")
}

// up64 is up for the cut quotient q with remainder rem < d.
func (r Rounding) up64(negative bool, q, rem, d uint64) bool {
	// 2 × rem may need 65 bits; the distance to d does not.
	return r.up(negative, q&1 == 1, rem != 0, cmp.Compare(rem, d-rem))
}

// MulDiv is a × b / d rounded once, the product exact. It reports false if d is
// 0 or the quotient does not fit.
func MulDiv(a, b, d int64, r Rounding) (int64, bool) {
	return mulDiv(magnitude(a), magnitude(b), magnitude(d), a^b^d < 0, r)
}

// mulDiv is MulDiv on magnitudes. A negative quotient of zero magnitude is
// still rounded as a negative one: -1/2 has Floor -1.
func mulDiv(a, b, d uint64, negative bool, r Rounding) (int64, bool) {
	hi, lo := bits.Mul64(a, b)
	if hi >= d { // d is 0, or the quotient needs more than 64 bits.
		return 0, false
	}
	q, rem := bits.Div64(hi, lo, d)
	if r.up64(negative, q, rem, d) {
		if q++; q == 0 {
			return 0, false
		}
	}
	return signed(q, negative)
}

// magnitude is |v|, which for the smallest int64 only a uint64 can hold.
func magnitude(v int64) uint64 {
	mask := uint64(v >> 63)
	return (uint64(v) ^ mask) - mask
}

// signed is the int64 of that magnitude and sign, and false if there is none.
func signed(magnitude uint64, negative bool) (int64, bool) {
	if negative {
		return -int64(magnitude), magnitude <= 1<<63
	}
	return int64(magnitude), magnitude < 1<<63
}
