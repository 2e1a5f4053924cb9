package fixedpoint

import (
	"cmp"
	"math/bits"
)

// limbs256 is the number of limbs of an Int256.
const limbs256 = 4

// productLimbs is the largest magnitude of a product in limbs: 1024 bits, four
// factors of any size.
const productLimbs = 4 * limbs256

// product is a signed product of several factors: a magnitude, lowest limb
// first, of which n limbs count; zero has none.
type product struct {
	// Beyond a full product, the room that multiplying by one more factor takes
	// before it is found too large, and that normalising takes in a division.
	limbs    [productLimbs + 4]uint64
	n        int
	negative bool
}

// CmpProducts is -1, 0 or +1 as the product of a is less than, equal to or
// greater than the product of b, exactly; an empty product is 1. It decides
// a/b < c/d by cross-multiplication: for b, d > 0 that is a×d < c×b.
//
// It panics if a product needs more than 1024 bits, which four factors never do.
func CmpProducts(a, b []Int256) int {
	var x, y product
	x.multiply(a)
	y.multiply(b)
	if x.sign() != y.sign() {
		return cmp.Compare(x.sign(), y.sign())
	}
	c := compare(x.limbs[:x.n], y.limbs[:y.n])
	if x.negative {
		return -c
	}
	return c
}

// QuoProducts is the product of num divided by the product of den, rounded
// once; an empty product is 1. It reports false if the divisor is 0 or the
// quotient needs more than 256 bits.
//
// It panics if a product needs more than 1024 bits, which four factors never do.
func QuoProducts(num, den []Int256, r Rounding) (Int256, bool) {
	var u, v product
	u.multiply(num)
	v.multiply(den)
	// A numerator five limbs longer is at least 2^256 times the divisor.
	if v.n == 0 || u.n-v.n > limbs256 {
		return Int256{}, false
	}
	negative := u.negative != v.negative
	q := u.divide(&v)
	odd, inexact, half := q[0]&1 == 1, !isZero(u.limbs[:v.n]), compareHalf(u.limbs[:v.n], v.limbs[:v.n])
	// A quotient that is too large already has no room for one more.
	if q[4] == 0 && r.up(negative, odd, inexact, half) {
		increment(q[:])
	}
	return signed256(&q, negative)
}

// signed256 is the Int256 of that magnitude and sign, and false if there is none.
func signed256(q *quotient, negative bool) (Int256, bool) {
	z := int256([4]uint64(q[:4]))
	if q[4] != 0 {
		return Int256{}, false
	}
	if negative {
		z = z.Neg()
		return z, int64(z.w3) < 0 || z.IsZero()
	}
	return z, int64(z.w3) >= 0
}

// multiply sets p, which is zero, to the product of the factors.
func (p *product) multiply(factors []Int256) {
	for i := range factors {
		if factors[i].IsZero() {
			return // p stays zero, whatever the size of the others.
		}
	}
	p.limbs[0], p.n = 1, 1
	for i := range factors {
		f := factors[i].Abs().Words()
		p.negative = p.negative != (factors[i].Sign() < 0)
		p.scale(f[:limbs(&f)])
	}
}

// scale multiplies the magnitude by f in place. It goes from the highest limb
// down, so that each limb is read before anything is added to its place.
func (p *product) scale(f []uint64) {
	end := p.n + len(f)
	for i := p.n - 1; i >= 0; i-- {
		limb := p.limbs[i]
		p.limbs[i] = 0
		carry := addMul(p.limbs[i:i+len(f)], f, limb)
		for j := i + len(f); carry != 0; j++ {
			p.limbs[j], carry = bits.Add64(p.limbs[j], carry, 0)
		}
	}
	// Two magnitudes without leading zeros leave at most one in their product.
	if p.n = end; p.limbs[end-1] == 0 {
		p.n--
	}
	if p.n > productLimbs {
		panic("fixedpoint: product of more than 1024 bits")
	}
}

func (p *product) sign() int {
	switch {
	case p.n == 0:
		return 0
	case p.negative:
		return -1
	}
	return 1
}

// quotient has one limb more than an Int256: whether it fits is known only
// after rounding.
type quotient [limbs256 + 1]uint64

// divide is the quotient of the magnitudes, cut. It leaves the remainder in the
// lowest v.n limbs of u. Both are then shifted left by the same number of bits,
// which changes nothing in how they compare.
//
// Requires: v.n > 0, and u at most four limbs longer.
func (u *product) divide(v *product) (q quotient) {
	n := v.n
	shift := uint(bits.LeadingZeros64(v.limbs[n-1]))
	shiftLeft(v.limbs[:n], shift)
	shiftLeft(u.limbs[:max(u.n, n)+1], shift)
	for j := u.n - n; j >= 0; j-- {
		q[j] = divideStep(u.limbs[j:j+n+1], v.limbs[:n])
	}
	return q
}
