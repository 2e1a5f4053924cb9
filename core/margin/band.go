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
//	|qty| x (mark - price)               for a long that falls to price
//	|qty| x (1 + mmr) x (price - mark)   for a short that rises to it,
//
// mmr being the highest on the way, that at price: margin is convex in the
// notional. 29/32 of the surplus is given out, to each leg in proportion to its
// notional, so that every mark may move by the same part of itself. The rest is
// slack, which lets triggers stay where they are while a position changes a little:
// see [Within].
//
// Requires surplus >= 0, at 1e-24, that of the legs; quantities other than 0; marks
// above 0; as many triggers as legs.
func Bands(surplus fixedpoint.Int256, legs []Leg, triggers []fixedpoint.Price) {
	total := fixedpoint.Int256{}
	for i := range legs {
		l := &legs[i]
		n := l.Notional()
		total = total.Add(n.MulInt64(l.slope(n)))
	}
	part := share(surplus, total)
	// The slopes are those of the present tiers. Where a short climbs out of its own
	// before its trigger, all get the part that the tier up there allows: less, so
	// nobody climbs further than was looked at.
	steep, steeper := fixedpoint.Int256{}, false
	for i := range legs {
		l := &legs[i]
		n := l.Notional()
		far := n
		if l.Qty < 0 {
			far = fixedpoint.Value(-l.Qty, l.rise(part))
		}
		now, then := l.slope(n), l.slope(far)
		steeper = steeper || then > now
		steep = steep.Add(n.MulInt64(then))
	}
	if steeper {
		part = share(surplus, steep)
	}
	for i := range legs {
		l := &legs[i]
		switch up := l.rise(part); {
		case l.Qty > 0:
			triggers[i] = max(l.Mark-l.way(part)-1, 0)
		case up == math.MaxInt64:
			triggers[i] = 0
		default:
			triggers[i] = up + 1
		}
	}
}

// Within reports whether surplus is enough for all legs to reach their bounds at
// once: as long as no mark has passed its bound the account is healthy then.
// Requires what Bands does, and bounds on the adverse sides of the marks.
func Within(surplus fixedpoint.Int256, legs []Leg, bounds []fixedpoint.Price) bool {
	for i := range legs {
		l := &legs[i]
		way, qty, far := l.Mark-bounds[i], l.Qty, fixedpoint.Int128{}
		if qty < 0 {
			way, qty = -way, -qty
			far = fixedpoint.Value(qty, bounds[i])
		}
		surplus = surplus.Sub(fixedpoint.Value(qty, way).MulInt64(l.slope(far)))
	}
	return surplus.Sign() >= 0
}

// slope is how much of the surplus a leg costs at most for each step of its value,
// at 1e-8, at a notional and below.
func (l *Leg) slope(notional fixedpoint.Int128) int64 {
	if l.Qty > 0 {
		return fixedpoint.One
	}
	return fixedpoint.One + l.Tiers.rows[l.Tiers.find(notional)].mmr
}

// fraction is the number of binary digits of a share.
const fraction = 40

// way is a share of the mark, rounded down; the largest price where it does not fit.
func (l *Leg) way(part uint64) fixedpoint.Price {
	hi, lo := bits.Mul64(uint64(l.Mark), part)
	if hi >= 1<<(fraction-1) {
		return math.MaxInt64
	}
	return fixedpoint.Price(hi<<(64-fraction) | lo>>fraction)
}

// rise is the mark and a share of it on top, at most the largest price.
func (l *Leg) rise(part uint64) fixedpoint.Price {
	return l.Mark + min(l.way(part), math.MaxInt64-l.Mark)
}

// share returns 29/32 x surplus / total with 40 binary digits after the point, never
// too much. total is not 0. It works on the leading 64 bits of both.
func share(surplus, total fixedpoint.Int256) uint64 {
	if surplus.IsZero() {
		return 0
	}
	n, up := lead(surplus)
	d, down := lead(total)
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
