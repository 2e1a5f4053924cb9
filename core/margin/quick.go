package margin

import (
	"math"
	"math/bits"

	"github.com/backstop-fund/backstop/fixedpoint"
)

// Tally is [Sums] in 128 bits: the same verdict as sure at a fraction of the cost, for
// accounts of ordinary size. It is what runs for every account an event may have hurt;
// where it cannot be sure, Sums decides. The zero value is an account without legs.
//
// # Why nothing wraps
//
// A leg counts only if its notional is below 2^92 at 1e-16, some 4.9e11 in the
// settlement asset, and at most 32 legs do. A leg adds its notional times 1 - mmr
// and its cum, or takes away its notional times 1 + mmr less its cum, which is at
// most the margin: less than 2^120 at 1e-24. Costs and wallet come to less than
// 33 x 2^63 at 1e-8, which is less than 2^122 at 1e-24. All in all that is below
// 2^127.
type Tally struct {
	value fixedpoint.Int128 // sum of mark values less maintenance margins, at 1e-24
	cost  fixedpoint.Int128 // at 1e-8
	n     int
}

// Add counts one leg; false if the account is not for Tally. A mark may be 0: it is
// one nowhere, but the worst that a long has to expect.
func (y *Tally) Add(qty fixedpoint.Qty, cost fixedpoint.Amount, mark fixedpoint.Price, tiers *Tiers) bool {
	// A mark is not below 0, so the sign is that of the quantity.
	sign := int64(qty) >> 63
	hi, lo := bits.Mul64(uint64(int64(qty)^sign-sign), uint64(mark))
	if hi >= quickHigh || y.n >= quickLegs {
		return false
	}
	y.n++
	n := fixedpoint.Int128{Hi: int64(hi), Lo: lo}
	// The tier is how many limits are below the notional. Among the first four they are
	// counted without a branch, which would be predicted wrong: the accounts of a market
	// are in all of these.
	tier := below(&tiers.limits[0], n) + below(&tiers.limits[1], n) + below(&tiers.limits[2], n) + below(&tiers.limits[3], n)
	if tier > 3 {
		tier = uint64(tiers.find(n))
	}
	r := &tiers.rows[tier]
	v := times(n, r.slope(sign))
	back := fixedpoint.Int128{Hi: sign, Lo: uint64(sign)}
	y.value = y.value.Add(fixedpoint.Int128{Hi: v.Hi ^ sign, Lo: v.Lo ^ uint64(sign)}).Sub(back).Add(r.cum)
	y.cost = y.cost.Add(fixedpoint.Int128From(int64(cost)))
	return true
}

// Surplus returns equity - maintenance margin at 1e-24 for a wallet less pending
// fees; an account is healthy where it is not below 0.
func (y *Tally) Surplus(wallet fixedpoint.Amount) fixedpoint.Int128 {
	free := fixedpoint.Int128From(int64(wallet)).Sub(y.cost)
	return y.value.Add(times(free, fixedpoint.One*fixedpoint.One))
}

// slope is as [Leg.slope], for a quantity of a sign that is 0 or -1.
func (r *row) slope(sign int64) uint64 { return uint64(fixedpoint.One - (r.mmr ^ sign - sign)) }

// Quick is a Tally that remembers its legs, for [Bands] in 128 bits. It is scratch of
// 2 KiB: kept from account to account, and begun anew with Reset.
type Quick struct {
	Tally
	legs [quickLegs]quickLeg
}

// quickLeg is a leg as it was added, and what Bands works out of it.
type quickLeg struct {
	qty, mark int64
	tiers     *Tiers

	slope    uint64            // at the mark, see [Leg.slope]
	notional fixedpoint.Int128 // at 1e-16
}

const (
	quickLegs = 32
	quickHigh = 1 << (92 - 64) // bound of the high word of a notional
)

// Reset begins another account.
func (q *Quick) Reset() { q.Tally = Tally{} }

// Add is [Tally.Add]. Bands asks for a mark above 0.
func (q *Quick) Add(qty fixedpoint.Qty, cost fixedpoint.Amount, mark fixedpoint.Price, tiers *Tiers) bool {
	if !q.Tally.Add(qty, cost, mark, tiers) {
		return false
	}
	q.legs[q.n-1] = quickLeg{qty: int64(qty), mark: int64(mark), tiers: tiers}
	return true
}

// Bands is [Bands] of the legs added. Requires surplus >= 0, that of the legs, and
// as many triggers.
func (q *Quick) Bands(surplus fixedpoint.Int128, triggers []fixedpoint.Price) {
	legs := q.legs[:q.n]
	total := fixedpoint.Int128{}
	for i := range legs {
		l := &legs[i]
		l.notional = l.value(l.mark)
		l.slope = l.slopeAt(l.mark)
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

// value is |qty| x price.
func (l *quickLeg) value(price int64) fixedpoint.Int128 {
	sign := l.qty >> 63
	hi, lo := bits.Mul64(uint64(price), uint64(l.qty^sign-sign))
	return fixedpoint.Int128{Hi: int64(hi), Lo: lo}
}

// slopeAt is as [Leg.slope].
func (l *quickLeg) slopeAt(price int64) uint64 {
	return l.tiers.rows[l.tiers.find(l.value(price))].slope(l.qty >> 63)
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
