package fixedpoint

import (
	"cmp"
	"math/bits"
)

// Magnitudes as slices of limbs, the lowest first. The slices of one call are
// equally long unless the function says otherwise.

// divideStep is one step of Knuth's algorithm D (The Art of Computer
// Programming, volume 2, 4.3.1): the one-limb quotient of u by v. It leaves the
// remainder in u.
//
// Requires: u has one limb more than v, the highest bit of v is set, and the
// quotient fits a limb, that is, u without its lowest limb is less than v.
func divideStep(u, v []uint64) uint64 {
	n := len(v)
	digit := estimate(u, v)
	if digit == 0 {
		return 0
	}
	if borrow := subMul(u[:n], v, digit); borrow > u[n] {
		// The estimate was one too large: about twice in 2^64 random divisions.
		digit--
		add(u[:n], v)
	}
	u[n] = 0 // The remainder is less than v.
	return digit
}

// estimate is the quotient of u by v judged by their highest three and two
// limbs: right, or one too large.
func estimate(u, v []uint64) uint64 {
	n := len(v)
	top, u1, v1 := u[n], u[n-1], v[n-1]
	var u0, v0 uint64
	if n > 1 {
		u0, v0 = u[n-2], v[n-2]
	}
	digit, rem, over := ^uint64(0), uint64(0), uint64(0)
	if top < v1 {
		digit, rem = bits.Div64(top, u1, v1)
	} else { // They are equal, and the largest limb is the estimate.
		rem, over = bits.Add64(u1, v1, 0)
	}
	// Once rem needs a second limb it is more than any product can exceed.
	for over == 0 {
		hi, lo := bits.Mul64(digit, v0)
		if hi < rem || hi == rem && lo <= u0 {
			break
		}
		digit--
		rem, over = bits.Add64(rem, v1, 0)
	}
	return digit
}

// addMul adds f × m to z and returns the carry.
func addMul(z, f []uint64, m uint64) (carry uint64) {
	for i, limb := range f {
		hi, lo := bits.Mul64(limb, m)
		var c uint64
		lo, c = bits.Add64(lo, carry, 0)
		hi += c
		z[i], c = bits.Add64(z[i], lo, 0)
		carry = hi + c
	}
	return carry
}

// subMul subtracts f × m from z and returns the borrow.
func subMul(z, f []uint64, m uint64) (borrow uint64) {
	for i, limb := range f {
		hi, lo := bits.Mul64(limb, m)
		var c uint64
		lo, c = bits.Add64(lo, borrow, 0)
		hi += c
		z[i], c = bits.Sub64(z[i], lo, 0)
		borrow = hi + c
	}
	return borrow
}

// add adds f to z and drops the carry.
func add(z, f []uint64) {
	var c uint64
	for i, limb := range f {
		z[i], c = bits.Add64(z[i], limb, c)
	}
}

// increment adds one to z and drops the carry.
func increment(z []uint64) {
	for i := range z {
		if z[i]++; z[i] != 0 {
			return
		}
	}
}

// shiftLeft shifts z by fewer than 64 bits and drops what leaves it.
func shiftLeft(z []uint64, shift uint) {
	var low uint64
	for i, limb := range z {
		z[i] = limb<<shift | low
		low = limb >> (64 - shift) // A shift by 64 leaves 0.
	}
}

func isZero(z []uint64) bool {
	for _, limb := range z {
		if limb != 0 {
			return false
		}
	}
	return true
}

// compare is -1, 0 or +1; the slices have no leading zero limbs or are equally long.
func compare(x, y []uint64) int {
	if len(x) != len(y) {
		return cmp.Compare(len(x), len(y))
	}
	for i := len(x) - 1; i >= 0; i-- {
		if x[i] != y[i] {
			return cmp.Compare(x[i], y[i])
		}
	}
	return 0
}

// compareHalf compares 2 × rem with v.
func compareHalf(rem, v []uint64) int {
	top := len(rem) - 1
	if rem[top]>>63 != 0 {
		return 1 // 2 × rem has a bit that v has no room for.
	}
	for i := top; i >= 0; i-- {
		double := rem[i] << 1
		if i > 0 {
			double |= rem[i-1] >> 63
		}
		if double != v[i] {
			return cmp.Compare(double, v[i])
		}
	}
	return 0
}
