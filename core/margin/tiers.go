package margin

import (
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Tiers is an accepted table of maintenance-margin tiers, in the form the check
// reads it. The last tier is open-ended.
type Tiers struct {
	n    int
	rows [event.MaxTiers]row
}

type row struct {
	limit    fixedpoint.Int128 // highest notional of the tier, at 1e-16; unused in the last
	mmr      int64
	cum      fixedpoint.Int256 // at 1e-24
	leverage int64             // 0 where none is named
	source   event.Tier
}

// CheckTiers tells what is wrong with a table: the fault, the tier it is in
// counted from 1, and the value that would be right where there is one.
// [event.TiersFit] is none.
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
			return event.CapBelowFloor, number, t.Floor
		}
		if exact, shown := rightCum(last, t); !exact || shown != t.Cum {
			return event.WrongCum, number, shown
		}
		last = t
	}
	return event.TiersFit, 0, 0
}

// rightCum is the maintenance amount of t that continues the tier before it,
// and whether 8 decimals can say it.
func rightCum(before, t event.Tier) (exact bool, cum fixedpoint.Amount) {
	step := fixedpoint.Mul64(int64(t.Floor), int64(t.MMR-before.MMR))
	if t.Floor == 0 {
		step = fixedpoint.Int128{} // the first tier starts at nothing, whatever its rate
	}
	down, up := step.Rescale(fixedpoint.Floor), step.Rescale(fixedpoint.Ceil)
	sum, ok := down.Add(fixedpoint.Int128From(int64(before.Cum))).Int64()
	return ok && down == up, fixedpoint.Amount(sum)
}

// Set makes t hold a table that CheckTiers accepts.
func (t *Tiers) Set(tiers []event.Tier) {
	*t = Tiers{n: len(tiers)}
	for i, s := range tiers {
		t.rows[i] = row{
			limit:    fixedpoint.Mul64(int64(s.Cap), fixedpoint.One),
			mmr:      int64(s.MMR),
			cum:      fixedpoint.Int256From(int64(s.Cum)).MulInt64(fixedpoint.One).MulInt64(fixedpoint.One),
			leverage: int64(s.MaxLeverage),
			source:   s,
		}
	}
}

// Len returns the number of tiers, Row the i-th as it was given.
func (t *Tiers) Len() int { return t.n }

// Row returns the i-th tier as it was given.
func (t *Tiers) Row(i int) event.Tier { return t.rows[i].source }

// find returns the tier of a notional at 1e-16. A notional equal to a cap
// belongs to that tier.
func (t *Tiers) find(notional fixedpoint.Int128) *row {
	i := 0
	for i < t.n-1 && t.rows[i].limit.Less(notional) {
		i++
	}
	return &t.rows[i]
}

// Maintenance returns notional x mmr - cum at 1e-24 for a notional at 1e-16.
func (t *Tiers) Maintenance(notional fixedpoint.Int128) fixedpoint.Int256 {
	r := t.find(notional)
	return notional.MulInt64(r.mmr).Sub(r.cum)
}

// MaxLeverage returns what the tier of a notional at 1e-16 names, or 0.
func (t *Tiers) MaxLeverage(notional fixedpoint.Int128) fixedpoint.Rate {
	return fixedpoint.Rate(t.find(notional).leverage)
}
