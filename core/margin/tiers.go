package margin

import (
	"math"
	"math/bits"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Tiers is an accepted table of maintenance-margin tiers, in the form the check
// reads it. The last tier is open-ended.
type Tiers struct {
	n      int
	limits [event.MaxTiers]fixedpoint.Int128 // highest notional of a tier, at 1e-16; none of the last
	rows   [event.MaxTiers]row
	given  [event.MaxTiers]event.Tier
}

// row is a tier as the check reads it, apart from what it does not.
type row struct {
	mmr int64
	cum fixedpoint.Int128 // at 1e-24
}

// unlimited is above every notional.
var unlimited = fixedpoint.Int128{Hi: math.MaxInt64, Lo: math.MaxUint64}

// CheckTiers tells what is wrong with a table: the fault, the tier it is in
// counted from 1, and the right value for a [event.FloorGap] and a
// [event.WrongCum]. [event.TiersFit] is no fault.
//
// A table is accepted if the first floor is 0, floors chain, rates lie between 0
// and 1 and do not fall, and the margin is continuous:
// cum_0 = 0, cum_n = cum_(n-1) + floor_n x (mmr_n - mmr_(n-1)).
func CheckTiers(tiers []event.Tier) (fault event.TierFault, number int, right fixedpoint.Amount) {
	if len(tiers) == 0 {
		return event.NoTiers, 0, 0
	}
	last := event.Tier{}
	for i, t := range tiers {
		number = i + 1
		switch {
		case i == 0 && t.Floor != 0:
			return event.FirstFloor, number, 0
		case t.Floor != last.Cap:
			return event.FloorGap, number, last.Cap
		case t.MMR <= 0 || t.MMR >= fixedpoint.One:
			return event.RateRange, number, 0
		case t.MMR < last.MMR:
			return event.RateFalls, number, 0
		case t.Cap <= t.Floor && (i < len(tiers)-1 || t.Cap != 0):
			return event.CapBelowFloor, number, 0
		}
		switch right, exact := rightCum(last, t); {
		case !exact:
			return event.CumTooFine, number, 0
		case t.Cum != right:
			return event.WrongCum, number, right
		}
		last = t
	}
	return event.TiersFit, 0, 0
}

// rightCum is the maintenance amount of t that continues the tier before it,
// and whether 8 decimals can say it. It fits: with the amounts before it right,
// it is less than floor x mmr. The first tier starts at nothing, as its floor is 0.
func rightCum(before, t event.Tier) (cum fixedpoint.Amount, exact bool) {
	step, rate := int64(t.Floor), int64(t.MMR-before.MMR)
	down, _ := fixedpoint.MulDiv(step, rate, fixedpoint.One, fixedpoint.Floor)
	up, _ := fixedpoint.MulDiv(step, rate, fixedpoint.One, fixedpoint.Ceil)
	return before.Cum + fixedpoint.Amount(down), down == up
}

// Set makes t hold a table that CheckTiers accepts.
func (t *Tiers) Set(tiers []event.Tier) {
	*t = Tiers{n: len(tiers)}
	for i := range t.limits {
		t.limits[i] = unlimited
	}
	for i, s := range tiers {
		if i < len(tiers)-1 {
			t.limits[i] = fixedpoint.Mul64(int64(s.Cap), fixedpoint.One)
		}
		t.rows[i] = row{mmr: int64(s.MMR), cum: fixedpoint.Mul64(int64(s.Cum), fixedpoint.One*fixedpoint.One)}
	}
	copy(t.given[:], tiers)
}

// Len returns the number of tiers.
func (t *Tiers) Len() int { return t.n }

// Row returns the i-th tier as it was given.
func (t *Tiers) Row(i int) event.Tier { return t.given[i] }

// find returns the tier of a notional at 1e-16, which is not negative. A notional
// equal to a cap belongs to that tier.
func (t *Tiers) find(notional fixedpoint.Int128) int {
	i := 0
	for below(&t.limits[i], notional) != 0 { // the last one's is above all
		i++
	}
	return i
}

// below is 1 if a limit is below a notional, else 0. Neither is negative.
func below(limit *fixedpoint.Int128, notional fixedpoint.Int128) uint64 {
	_, b := bits.Sub64(limit.Lo, notional.Lo, 0)
	_, b = bits.Sub64(uint64(limit.Hi), uint64(notional.Hi), b)
	return b
}

// Maintenance returns notional x mmr - cum at 1e-24 for a notional at 1e-16.
func (t *Tiers) Maintenance(notional fixedpoint.Int128) fixedpoint.Int256 {
	r := &t.rows[t.find(notional)]
	return notional.MulInt64(r.mmr).Sub(r.cum.Wide())
}

// MaxLeverage returns what the tier of a notional at 1e-16 names, or 0.
func (t *Tiers) MaxLeverage(notional fixedpoint.Int128) fixedpoint.Rate {
	return t.given[t.find(notional)].MaxLeverage
}
