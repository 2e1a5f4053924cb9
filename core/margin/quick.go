package margin

import (
	"math/bits"

	"github.com/backstop-fund/backstop/fixedpoint"
)

// Quick is [Sums] in 128 bits: the same verdict at a fraction of the cost, for
// accounts of ordinary size. It is what a tick runs for everyone it may have hurt;
// where it cannot be sure, Sums decides.
//
// # Why nothing wraps
//
// A leg counts only if its notional is below 2^92 at 1e-16, some 4.9e11 in the
// settlement asset, and at most 16 legs do. Then equity is below 2^97 at 1e-16,
// and at 1e-24, where it is compared, both sides stay below 2^124.
type Quick struct {
	pnl  fixedpoint.Int128 // at 1e-16
	mm   fixedpoint.Int128 // at 1e-24
	legs int
}

const (
	quickLegs = 16
	quickHigh = 1 << (92 - 64) // bound of the high word of a notional
)

// Add counts one leg; false if the account is not for Quick.
func (q *Quick) Add(l *Leg) bool {
	v := fixedpoint.Value(l.Qty, l.Mark)
	n := v.Abs()
	if uint64(n.Hi) >= quickHigh || q.legs == quickLegs {
		return false
	}
	q.legs++
	q.pnl = q.pnl.Add(v).Sub(fixedpoint.Mul64(int64(l.Cost), fixedpoint.One))
	r := &l.Tiers.rows[l.Tiers.find(n)]
	q.mm = q.mm.Add(times(n, uint64(r.mmr))).Sub(r.cum)
	return true
}

// Surplus returns equity - maintenance margin at 1e-24 for a wallet less pending
// fees; an account is healthy where it is not below 0.
func (q *Quick) Surplus(wallet fixedpoint.Amount) fixedpoint.Int128 {
	equity := q.pnl.Add(fixedpoint.Mul64(int64(wallet), fixedpoint.One))
	if equity.Sign() < 0 {
		return times(equity.Neg(), fixedpoint.One).Neg().Sub(q.mm)
	}
	return times(equity, fixedpoint.One).Sub(q.mm)
}

// times is n x m for n >= 0 where the product is known to fit.
func times(n fixedpoint.Int128, m uint64) fixedpoint.Int128 {
	hi, lo := bits.Mul64(n.Lo, m)
	return fixedpoint.Int128{Hi: int64(hi + uint64(n.Hi)*m), Lo: lo}
}
