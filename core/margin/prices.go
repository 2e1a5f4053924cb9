package margin

import (
	"math"

	"github.com/backstop-fund/backstop/fixedpoint"
)

// LiquidationPrices returns the nearest marks of one contract, below and above
// its present mark, at which equity = maintenance margin, rounded half-even; 0
// where no positive representable price does it.
//
// legs are the account's positions in the contract, two in hedge mode; wallet is
// less pending fees; others sums its positions elsewhere, which stay as they
// are. Requires a healthy account: an unhealthy one has no such price.
//
// What is left over, equity - margin, is concave in the price, so the prices at
// which the account is healthy are one interval around the mark. Its ends are
// found by bisection over the representable prices, exactly and without a
// division.
func LiquidationPrices(legs []Leg, wallet fixedpoint.Amount, others Sums) (below, above fixedpoint.Price) {
	c := curve{legs: legs, base: others.Surplus(wallet)}
	for i := range legs {
		c.base = c.base.Sub(Scaled(legs[i].Cost).MulInt64(fixedpoint.One))
	}
	mark := int64(legs[0].Mark)
	if c.sign(0, 0) < 0 {
		// p is the first healthy price: the end lies in (p-1, p].
		p := search(mark, func(p int64) bool { return c.sign(p, 0) >= 0 })
		half := c.sign(p, -1)
		if c.sign(p, 0) != 0 && (half > 0 || half == 0 && p%2 == 1) {
			p--
		}
		below = fixedpoint.Price(p)
	}
	if c.sign(math.MaxInt64, 0) < 0 {
		// p is the last healthy price: the end lies in [p, p+1).
		p := mark + search(math.MaxInt64-mark, func(d int64) bool { return c.sign(mark+d, 0) < 0 }) - 1
		half := c.sign(p, +1)
		if half > 0 || half == 0 && p%2 == 1 {
			p++
		}
		above = fixedpoint.Price(p)
	}
	return below, above
}

// curve is an account's surplus as a function of one contract's price.
type curve struct {
	legs []Leg
	base fixedpoint.Int256 // the part that does not depend on it, at 1e-24
}

// sign returns the sign of the surplus at price + half/2 steps of 1e-8.
func (c *curve) sign(price, half int64) int {
	steps := fixedpoint.Mul64(price, 2).Add(fixedpoint.Int128From(half))
	sum := c.base.MulInt64(2)
	for i := range c.legs {
		value := fixedpoint.Mul128(fixedpoint.Int128From(int64(c.legs[i].Qty)), steps) // twice the mark value
		sum = sum.Add(value.MulInt64(fixedpoint.One)).Sub(c.legs[i].Tiers.maintenanceTwice(value.Abs()))
	}
	return sum.Sign()
}

// maintenanceTwice returns twice the maintenance margin of half the notional
// given: it judges half a step of a price without a division.
func (t *Tiers) maintenanceTwice(twice fixedpoint.Int256) fixedpoint.Int256 {
	i := 0
	for i < t.n-1 && t.limits[i].MulInt64(2).Less(twice) {
		i++
	}
	return twice.MulInt64(t.rows[i].mmr).Sub(t.rows[i].cum.MulInt64(2))
}
