package margin

import (
	"math"
	"math/bits"

	"github.com/backstop-fund/backstop/fixedpoint"
)

// Quick is [Sums] and [Bands] in 128 bits: the same verdict and bands as sure at a
// fraction of the cost, for accounts of ordinary size. It is what runs for every
// account an event may have hurt; where it cannot be sure, the others decide.
//
// It is scratch of 4 KiB: kept from account to account, and begun anew with Reset.
//
// # Why nothing wraps
//
// A leg counts only if its notional is below 2^92 at 1e-16, some 4.9e11 in the
// settlement asset, and at most 64 legs do. A leg adds its notional times 1 - mmr
// and its cum, or takes away its notional times 1 + mmr less its cum, which is at
// most the margin: less than 2^120 at 1e-24. Costs and wallet come to less than
// 65 x 2^63 at 1e-8, which is less than 2^123 at 1e-24. All in all that is below
// 2^127.
type Quick struct {
	value fixedpoint.Int128 // sum of mark values less maintenance margins, at 1e-24
	cost  fixedpoint.Int128 // at 1e-8
	n     int
	legs  [quickLegs]quickLeg
}

// quickLeg is a leg with what the verdict needed of it.
type quickLeg struct {
	qty, mark int64
	notional  fixedpoint.Int128 // at 1e-16
	tiers     *Tiers
	slope     uint64 // at the mark, see [Leg.slope]
}

const (
	quickLegs = 64
	quickHigh = 1 << (92 - 64) // bound of the high word of a notional
)

// Reset begins another account.
func (q *Quick) Reset() { q.value, q.cost, q.n = fixedpoint.Int128{}, fixedpoint.Int128{}, 0 }

// Add counts one leg, which has a mark; false if the account is not for Quick.
func (q *Quick) Add(qty fixedpoint.Qty, cost fixedpoint.Amount, mark fixedpoint.Price, tiers *Tiers) bool {
	// A mark is above 0, so the sign is that of the quantity.
	sign := int64(qty) >> 63
	hi, lo := bits.Mul64(uint64(int64(qty)^sign-sign), uint64(mark))
	if hi >= quickHigh || q.n >= quickLegs {
		return false
	}
	n := fixedpoint.Int128{Hi: int64(hi), Lo: lo}
	r := &tiers.rows[tiers.find(n)]
	l := &q.legs[q.n]
	q.n++
	slope := uint64(fixedpoint.One - (r.mmr ^ sign - sign))
	l.qty, l.mark, l.notional, l.tiers, l.slope = int64(qty), int64(mark), n, tiers, slope
	v := times(n, slope)
	back := fixedpoint.Int128{Hi: sign, Lo: uint64(sign)}
	q.value = q.value.Add(fixedpoint.Int128{Hi: v.Hi ^ sign, Lo: v.Lo ^ uint64(sign)}).Sub(back).Add(r.cum)
	q.cost = q.cost.Add(fixedpoint.Int128From(int64(cost)))
	return true
}

// Surplus returns equity - maintenance margin at 1e-24 for a wallet less pending
// fees; an account is healthy where it is not below 0.
func (q *Quick) Surplus(wallet fixedpoint.Amount) fixedpoint.Int128 {
	free := fixedpoint.Int128From(int64(wallet)).Sub(q.cost)
	return q.value.Add(times(free, fixedpoint.One*fixedpoint.One))
}

// Bands is [Bands] of the legs added. Requires surplus >= 0, that of the legs, and
// as many triggers.
func (q *Quick) Bands(surplus fixedpoint.Int128, triggers []fixedpoint.Price) {
	legs := q.legs[:q.n]
	total := fixedpoint.Int128{}
	for i := range legs {
		l := &legs[i]
		total = total.Add(times(l.notional, l.slope))
	}
	part := quickShare(surplus, total)
	steep, steeper := fixedpoint.Int128{}, false
	for i := range legs {
		l := &legs[i]
		slope := max(l.slope, l.slopeAt(l.reach(part)))
		steeper = steeper || slope != l.slope
		steep = steep.Add(times(l.notional, slope))
	}
	if steeper {
		part = quickShare(surplus, steep)
	}
	for i := range legs {
		switch end := legs[i].reach(part); {
		case legs[i].qty > 0:
			triggers[i] = fixedpoint.Price(max(end-1, 0))
		case end == math.MaxInt64:
			triggers[i] = 0
		default:
			triggers[i] = fixedpoint.Price(end + 1)
		}
	}
}

// slopeAt is as [Leg.slope].
func (l *quickLeg) slopeAt(price int64) uint64 {
	sign := l.qty >> 63
	hi, lo := bits.Mul64(uint64(price), uint64(l.qty^sign-sign))
	mmr := l.tiers.rows[l.tiers.find(fixedpoint.Int128{Hi: int64(hi), Lo: lo})].mmr
	return uint64(fixedpoint.One - (mmr ^ sign - sign))
}

// reach is as [Leg.reach].
func (l *quickLeg) reach(part uint64) int64 {
	way := int64(math.MaxInt64)
	if hi, lo := bits.Mul64(uint64(l.mark), part); hi < 1<<(fraction-1) {
		way = int64(hi<<(64-fraction) | lo>>fraction)
	}
	if l.qty > 0 {
		return max(l.mark-way, 0)
	}
	return l.mark + min(way, math.MaxInt64-l.mark)
}

// quickShare is share in 128 bits.
func quickShare(surplus, total fixedpoint.Int128) uint64 {
	n, up := quickLead(surplus)
	if n == 0 {
		return 0
	}
	d, down := quickLead(total)
	return ratio(n, up, d, down)
}

func quickLead(v fixedpoint.Int128) (top uint64, exp int) {
	hi, lo, exp := uint64(v.Hi), v.Lo, 64
	if hi == 0 {
		hi, lo, exp = lo, 0, 0
	}
	shift := bits.LeadingZeros64(hi) & 63
	return hi<<shift | lo>>1>>(63-shift), exp - shift
}

// times is n x m where the product is known to fit.
func times(n fixedpoint.Int128, m uint64) fixedpoint.Int128 {
	hi, lo := bits.Mul64(n.Lo, m)
	return fixedpoint.Int128{Hi: int64(hi + uint64(n.Hi)*m), Lo: lo}
}
