package margin

import (
	"math"
	"math/bits"

	"github.com/backstop-fund/backstop/fixedpoint"
)

// Quick is [Sums], [Bands] and [Within] in 128 bits: the same verdict and bands as
// sure at a fraction of the cost, for accounts of ordinary size. It is what runs for
// every account an event may have hurt; where it cannot be sure, the others decide.
//
// It is scratch of 1 KiB: kept from account to account, and begun anew with Reset.
//
// # Why nothing wraps
//
// A leg counts only if its notional is below 2^92 at 1e-16, some 4.9e11 in the
// settlement asset, and at most 16 legs do. Then equity is below 2^97 at 1e-16,
// and at 1e-24, where it is compared, both sides stay below 2^124.
type Quick struct {
	value fixedpoint.Int128 // sum of mark values at 1e-16
	cost  fixedpoint.Int128 // at 1e-8
	mm    fixedpoint.Int128 // at 1e-24
	n     int
	legs  [quickLegs]quickLeg
}

// quickLeg is a leg with what the verdict needed of it.
type quickLeg struct {
	qty, mark int64
	notional  fixedpoint.Int128 // at 1e-16
	tiers     *Tiers
	tier      int
}

const (
	quickLegs = 16
	quickHigh = 1 << (92 - 64) // bound of the high word of a notional
)

// Reset begins another account.
func (q *Quick) Reset() {
	q.value, q.cost, q.mm, q.n = fixedpoint.Int128{}, fixedpoint.Int128{}, fixedpoint.Int128{}, 0
}

// Add counts one leg, which has a mark; false if the account is not for Quick.
func (q *Quick) Add(qty fixedpoint.Qty, cost fixedpoint.Amount, mark fixedpoint.Price, tiers *Tiers) bool {
	// A mark is above 0, so the sign is that of the quantity.
	sign := int64(qty) >> 63
	hi, lo := bits.Mul64(uint64(int64(qty)^sign-sign), uint64(mark))
	if hi >= quickHigh || q.n >= quickLegs {
		return false
	}
	n := fixedpoint.Int128{Hi: int64(hi), Lo: lo}
	l := &q.legs[q.n]
	q.n++
	back := fixedpoint.Int128{Hi: sign, Lo: uint64(sign)}
	q.value = q.value.Add(fixedpoint.Int128{Hi: n.Hi ^ sign, Lo: lo ^ uint64(sign)}.Sub(back))
	q.cost = q.cost.Add(fixedpoint.Int128From(int64(cost)))
	tier := tiers.find(n)
	r := &tiers.rows[tier]
	q.mm = q.mm.Add(times(n, uint64(r.mmr))).Sub(r.cum)
	l.qty, l.mark, l.notional, l.tiers, l.tier = int64(qty), int64(mark), n, tiers, tier
	return true
}

// Surplus returns equity - maintenance margin at 1e-24 for a wallet less pending
// fees; an account is healthy where it is not below 0.
func (q *Quick) Surplus(wallet fixedpoint.Amount) fixedpoint.Int128 {
	free := times(fixedpoint.Int128From(int64(wallet)).Sub(q.cost), fixedpoint.One)
	return times(q.value.Add(free), fixedpoint.One).Sub(q.mm)
}

// Bands is [Bands] of the legs added. Requires surplus >= 0, that of the legs, and
// as many triggers.
func (q *Quick) Bands(surplus fixedpoint.Int128, triggers []fixedpoint.Price) {
	legs := q.legs[:q.n]
	total := fixedpoint.Int128{}
	for i := range legs {
		l := &legs[i]
		total = total.Add(times(l.notional, l.slope(l.tier)))
	}
	part := quickShare(surplus, total)
	steep, steeper := fixedpoint.Int128{}, false
	for i := range legs {
		l := &legs[i]
		tier := l.tierAt(l.reach(part))
		steeper = steeper || tier != l.tier
		steep = steep.Add(times(l.notional, max(l.slope(l.tier), l.slope(tier))))
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

// Within is [Within] of the legs added; it may say no where that says yes, as it
// does for bounds so far away that the way there needs more than 128 bits.
func (q *Quick) Within(surplus fixedpoint.Int128, bounds []fixedpoint.Price) bool {
	for i := range q.legs[:q.n] {
		l := &q.legs[i]
		bound := int64(bounds[i])
		way := l.mark - bound
		if l.qty < 0 {
			way = -way
		}
		if way <= 0 { // on the other side of the mark: counts as at the mark
			continue
		}
		hi, lo := bits.Mul64(uint64(way), l.size())
		if hi >= quickHigh {
			return false
		}
		surplus = surplus.Sub(times(fixedpoint.Int128{Hi: int64(hi), Lo: lo}, l.slope(l.tierAt(bound))))
	}
	return surplus.Sign() >= 0
}

func (l *quickLeg) size() uint64 {
	mask := uint64(l.qty >> 63)
	return (uint64(l.qty) ^ mask) - mask
}

// slope is as [Leg.slope], of a tier.
func (l *quickLeg) slope(tier int) uint64 {
	if l.qty > 0 {
		return uint64(fixedpoint.One - l.tiers.rows[tier].mmr)
	}
	return uint64(fixedpoint.One + l.tiers.rows[tier].mmr)
}

// tierAt is the tier at a price on the adverse side of the mark: of a long the same
// or one before, of a short the same or one behind.
func (l *quickLeg) tierAt(price int64) int {
	tier, rows := l.tier, l.tiers.rows[:l.tiers.n]
	hi, lo := bits.Mul64(uint64(price), l.size())
	n := fixedpoint.Int128{Hi: int64(hi), Lo: lo}
	if l.qty > 0 {
		for tier > 0 && !rows[tier-1].limit.Less(n) {
			tier--
		}
		return tier
	}
	for tier < len(rows)-1 && rows[tier].limit.Less(n) {
		tier++
	}
	return tier
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
