package margin

import (
	"math"
	"math/bits"

	"github.com/backstop-fund/backstop/fixedpoint"
)

// Bands gives each leg of a healthy account a trigger on its adverse side, such
// that the account stays healthy at every combination of marks that reaches none
// of them: a long's is reached at or below it, a short's at or above. 0 is none: no
// mark of that contract alone can hurt the account.
//
// What is left over, equity - margin, falls by at most
//
//	|qty| x (1 - mmr) x (mark - price)   for a long that falls to price
//	|qty| x (1 + mmr) x (price - mark)   for a short that rises to it,
//
// mmr being that of the tier there: margin is convex in the notional, so the way is
// steepest at its end. 29/32 of the surplus is given out, to each leg in proportion
// to its notional, so that every mark may move by the same part of itself. The rest
// is slack, which lets triggers stay where they are while a position changes a
// little: they are still good if the account is healthy at the worst marks they
// allow, all at once. What a leg leaves falls as its mark goes the adverse way, for
// margin is continuous and its rate below 1, so no other marks are worse.
//
// Requires surplus >= 0, at 1e-24, that of the legs; quantities other than 0; marks
// above 0; as many triggers as legs.
func Bands(surplus fixedpoint.Int256, legs []Leg, triggers []fixedpoint.Price) {
	total := fixedpoint.Int256{}
	for i := range legs {
		l := &legs[i]
		total = total.Add(l.Notional().MulInt64(l.slope(l.Mark)))
	}
	part := share(surplus, total)
	// The slopes are those of the present tiers. Where a leg leaves its own before
	// its trigger, all get the part that the tier there allows: less, so nobody goes
	// further than was looked at.
	steep, steeper := fixedpoint.Int256{}, false
	for i := range legs {
		l := &legs[i]
		now, then := l.slope(l.Mark), l.slope(l.reach(part))
		steeper = steeper || then > now
		steep = steep.Add(l.Notional().MulInt64(max(now, then)))
	}
	if steeper {
		part = share(surplus, steep)
	}
	for i := range legs {
		l := &legs[i]
		switch end := l.reach(part); {
		case l.Qty > 0:
			triggers[i] = max(end-1, 0)
		case end == math.MaxInt64:
			triggers[i] = 0
		default:
			triggers[i] = end + 1
		}
	}
}

// slope is what a step of the leg's value costs of the surplus at most, at 1e-8, on
// the way from the mark to a price on the adverse side.
func (l *Leg) slope(price fixedpoint.Price) int64 {
	mmr := l.Tiers.rows[l.Tiers.find(fixedpoint.Value(l.Qty, price).Abs())].mmr
	if l.Qty > 0 {
		return fixedpoint.One - mmr
	}
	return fixedpoint.One + mmr
}

// fraction is the number of binary digits of a share.
const fraction = 40

// reach is where the mark is after a share of itself on the adverse side, rounded
// towards it; not below 0, not above the largest price.
func (l *Leg) reach(part uint64) fixedpoint.Price {
	way := fixedpoint.Price(math.MaxInt64)
	if hi, lo := bits.Mul64(uint64(l.Mark), part); hi < 1<<(fraction-1) {
		way = fixedpoint.Price(hi<<(64-fraction) | lo>>fraction)
	}
	if l.Qty > 0 {
		return max(l.Mark-way, 0)
	}
	return l.Mark + min(way, math.MaxInt64-l.Mark)
}

// share returns 29/32 x surplus / total with 40 binary digits after the point, never
// too much. total is not 0. It works on the leading 64 bits of both.
func share(surplus, total fixedpoint.Int256) uint64 {
	if surplus.IsZero() {
		return 0
	}
	n, up := lead(surplus)
	d, down := lead(total)
	return ratio(n, up, d, down)
}

// ratio is share for the leading bits of both.
func ratio(n uint64, up int, d uint64, down int) uint64 {
	// surplus >= n/4 x 2^(up+2) and total < (d/2+1) x 2^(down+1).
	q, _ := bits.Div64(n>>2, 0, d>>1+1)
	// A part of more than 2^20 is cut.
	shift := min(up-down-63+fraction, 0)
	return q >> 5 * 29 >> -shift
}

// lead returns the leading 64 bits of v, which is above 0, as top x 2^exp <= v.
func lead(v fixedpoint.Int256) (top uint64, exp int) {
	w := v.Words()
	i := 3
	for w[i] == 0 {
		i--
	}
	shift := bits.LeadingZeros64(w[i])
	top = w[i] << shift
	if i > 0 {
		top |= w[i-1] >> (64 - shift)
	}
	return top, 64*i - shift
}
