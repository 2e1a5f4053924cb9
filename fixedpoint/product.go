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
	d, ok := divideProducts(num, den)
	if !ok {
		return Int256{}, false
	}
	return d.rounded(r)
}

// FloorProducts is QuoProducts with [Floor], and whether nothing was rounded.
func FloorProducts(num, den []Int256) (q Int256, exact, ok bool) {
	d, ok := divideProducts(num, den)
	if !ok {
		return Int256{}, false, false
	}
	q, ok = d.rounded(Floor)
	return q, !d.inexact, ok
}

// division is a quotient of magnitudes, cut, and what is known of the rest.
type division struct {
	q        quotient
	negative bool
	inexact  bool // there is a rest
	half     int  // it compared with half of the divisor
}

// rounded is the quotient, and whether it fits.
func (d *division) rounded(r Rounding) (Int256, bool) {
	// A quotient that is too large already has no room for one more.
	if d.q[4] == 0 && r.up(d.negative, d.q[0]&1 == 1, d.inexact, d.half) {
		increment(d.q[:])
	}
	return signed256(&d.q, d.negative)
}

// divideProducts divides the product of num by that of den. It reports false if that
// is 0 or the quotient needs more than a limb beyond 256 bits.
func divideProducts(num, den []Int256) (d division, ok bool) {
	if d.divideSmall(num, den) {
		return d, true
	}
	var u, v product
	u.multiply(num)
	v.multiply(den)
	// A numerator five limbs longer is at least 2^256 times the divisor.
	if v.n == 0 || u.n-v.n > limbs256 {
		return d, false
	}
	d.negative = u.negative != v.negative
	d.q = u.divide(&v)
	d.inexact, d.half = !isZero(u.limbs[:v.n]), compareHalf(u.limbs[:v.n], v.limbs[:v.n])
	return d, true
}

// divideSmall divides where the upper product fits 256 bits and the lower one 64, and
// is not 0: most are of this kind. It reports false for others, and for some of this
// kind.
func (d *division) divideSmall(num, den []Int256) bool {
	by, negative := uint64(1), false
	for i := range den {
		v := den[i].Abs()
		hi, lo := bits.Mul64(by, v.w0)
		if hi|v.w1|v.w2|v.w3 != 0 {
			return false
		}
		by = lo
		negative = negative != (den[i].Sign() < 0)
	}
	n := Int256{w0: 1}
	for i := range num {
		v := num[i].Abs()
		negative = negative != (num[i].Sign() < 0)
		if n.w1|n.w2|n.w3 == 0 {
			n, v = v, n
		}
		if v.w1|v.w2|v.w3 != 0 || !n.scale(v.w0) {
			return false
		}
	}
	if by == 0 {
		return false
	}
	rem := uint64(0)
	if n.w3|n.w2 != 0 {
		d.q[3], rem = n.w3/by, n.w3%by
		d.q[2], rem = bits.Div64(rem, n.w2, by)
	}
	if rem|n.w1 != 0 {
		d.q[1], rem = bits.Div64(rem, n.w1, by)
	}
	d.q[0], rem = bits.Div64(rem, n.w0, by)
	d.negative, d.inexact, d.half = negative, rem != 0, cmp.Compare(rem, by-rem)
	return true
}

// scale multiplies x, read as unsigned, by m, and reports whether it fits.
func (x *Int256) scale(m uint64) bool {
	var carry uint64
	h0, w0 := bits.Mul64(x.w0, m)
	h1, w1 := bits.Mul64(x.w1, m)
	h2, w2 := bits.Mul64(x.w2, m)
	h3, w3 := bits.Mul64(x.w3, m)
	w1, carry = bits.Add64(w1, h0, 0)
	w2, carry = bits.Add64(w2, h1, carry)
	w3, carry = bits.Add64(w3, h2, carry)
	*x = Int256{w0, w1, w2, w3}
	return h3|carry == 0
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
