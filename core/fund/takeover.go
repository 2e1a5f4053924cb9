package fund

import (
	"math"

	"github.com/backstop-fund/backstop/fixedpoint"
)

// Piece is a bankrupt position that somebody must take, with its quote.
type Piece struct {
	Qty   fixedpoint.Qty    // signed as the position was
	Quote fixedpoint.Amount // signed as Qty, for all of it
	Lot   fixedpoint.Qty
	Mark  fixedpoint.Price
	Share fixedpoint.Rate // cap_share of the contract
	Whole bool            // takeover: whole
}

// Lots returns the whole lots of the piece, and the off-lot remainder.
func (p *Piece) Lots() (lots int64, rest fixedpoint.Qty) {
	size := p.size()
	lots = size.Lots(p.Lot)
	return lots, size - fixedpoint.Qty(lots)*p.Lot
}

func (p *Piece) size() fixedpoint.Qty {
	return max(p.Qty, -p.Qty)
}

// MayTake returns how many lots of p the fund may take now; restricted, only those
// that bring its inventory towards zero. Cash and x are those before the piece,
// cover or surplus already counted; inv is the fund's in the contract and counted
// in x.
//
// It runs once for a piece, in some 200 steps at most whatever the sizes. Requires:
// a lot and a mark above 0, and no quantity, cost, quote or cash of -1<<63.
func (f *Fund) MayTake(x Exposure, inv Inventory, p Piece, restricted bool) int64 {
	t := f.trial(x, inv, p)
	all, rest := p.Lots()
	most := last(0, all, t.fits)
	// Lots that keep within zero; none where the remainder alone passes it, which is
	// by less than a lot.
	inward := int64(0)
	if t.opposite {
		inward = min(all, (t.held - rest).Lots(p.Lot))
	}
	reach := min(inward, most)
	lots := last(0, reach, func(n int64) bool { return t.equity(n).Sign() >= 0 })
	if lots < inward || restricted || lots == most {
		return lots
	}
	within := func(n int64) bool { return t.slack(n).Sign() >= 0 }
	if !within(most) {
		// What is left under the caps is concave in the lots, for base is the lesser
		// of a constant and a line: it rises, if at all, before it falls.
		peak := inward + 1 + climb(most-inward-1, func(n int64) bool {
			return t.slack(inward + 1 + n).Less(t.slack(inward + 2 + n))
		})
		if !within(peak) {
			return lots
		}
		most = last(peak, most, within)
	}
	if p.Whole && most < all {
		return lots
	}
	return most
}

// last returns the largest n in [low, high] for which holds is true, or low if
// there is none above. Requires: where holds is true above low, it is true of high
// or of all from low on up to the last.
func last(low, high int64, holds func(int64) bool) int64 {
	if low >= high || holds(high) {
		return max(low, high)
	}
	for high-low > 1 {
		if mid := low + (high-low)/2; holds(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// climb returns the smallest n in [0, high] at which rises is false, or high.
func climb(high int64, rises func(int64) bool) int64 {
	low := int64(0)
	for low < high {
		if mid := low + (high-low)/2; rises(mid) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// trial judges the fund as it would be after it took n lots and the remainder. Its
// values are multiplied by the size of the piece, so that a part of the quote is
// exact. The widest, equity x size x cap, fits 256 bits while equity takes 127.
type trial struct {
	fund     *Fund
	p        Piece
	inv      Inventory
	opposite bool              // the piece reduces the inventory
	held     fixedpoint.Qty    // |inventory|
	rest     fixedpoint.Qty    // off-lot
	size     int64             // |qty| of the piece
	before   fixedpoint.Int256 // equity before, x size, at 1e-16
	gain     fixedpoint.Int256 // of equity per unit of quantity, x size, at 1e-16
	beyond   fixedpoint.Int256 // cash once past zero, x size, at 1e-16
	others   fixedpoint.Int256 // sum of |net x mark| of the other contracts, at 1e-16
}

func (f *Fund) trial(x Exposure, inv Inventory, p Piece) trial {
	size := int64(p.size())
	sign := int64(1)
	if p.Qty < 0 {
		sign = -1
	}
	_, rest := p.Lots()
	t := trial{
		fund: f, p: p, inv: inv, rest: rest, size: size,
		held:     max(inv.Qty, -inv.Qty),
		opposite: inv.Qty != 0 && inv.Qty > 0 != (p.Qty > 0),
		before:   f.Equity(x).MulInt64(size),
		gain:     fixedpoint.Mul64(sign*int64(p.Mark), size).Wide().Sub(scaled(p.Quote)),
		others:   x.Net.Sub(fixedpoint.Value(inv.Qty, p.Mark).Abs().Wide()),
		beyond:   scaled(f.Cash).MulInt64(size),
	}
	if t.opposite {
		// Closing the inventory brings minus its part of the quote, less its cost.
		t.beyond = t.beyond.
			Sub(fixedpoint.Mul64(int64(p.Quote), int64(t.held)).MulInt64(fixedpoint.One)).
			Sub(scaled(inv.Cost).MulInt64(size))
	}
	return t
}

// taken returns the quantity of n lots and the remainder.
func (t *trial) taken(n int64) int64 { return n*int64(t.p.Lot) + int64(t.rest) }

// equity after n lots, x size, at 1e-16.
func (t *trial) equity(n int64) fixedpoint.Int256 {
	return t.before.Add(t.gain.MulInt64(t.taken(n)))
}

// net is |net inventory| after n lots.
func (t *trial) net(n int64) fixedpoint.Int128 {
	have := fixedpoint.Int128From(int64(t.held))
	if t.opposite {
		have = have.Neg()
	}
	return have.Add(fixedpoint.Int128From(t.taken(n))).Abs()
}

// slack is what is left under the tighter cap after n lots that pass zero, x
// size, at 1e-24. A base below 0 need not count as 0: beyond zero something is
// held, and no cap of either allows that.
func (t *trial) slack(n int64) fixedpoint.Int256 {
	base := lesser(t.beyond, t.equity(n))
	notional := fixedpoint.Mul128(t.net(n), fixedpoint.Int128From(int64(t.p.Mark)))
	need := notional.MulInt64(t.size).MulInt64(fixedpoint.One)
	all := notional.Add(t.others).MulInt64(t.size).MulInt64(fixedpoint.One)
	return lesser(
		base.MulInt64(int64(t.p.Share)).Sub(need),
		base.MulInt64(int64(t.fund.Cap)).Sub(all),
	)
}

// fits reports whether the fund can write down what it would hold after n lots:
// quantity, mark value, cost and cash. It is true up to some n and false from there
// on: the present numbers fit, quantity and value grow once they have passed zero,
// cost and cash move along a line.
func (t *trial) fits(n int64) bool {
	const most = math.MaxInt64
	net := t.net(n)
	if _, ok := net.Int64(); !ok {
		return false
	}
	bound := scaled(most)
	if bound.Less(fixedpoint.Mul128(net, fixedpoint.Int128From(int64(t.p.Mark)))) {
		return false
	}
	taken := t.taken(n)
	bound = bound.MulInt64(t.size)
	if !t.opposite {
		part := fixedpoint.Mul64(int64(t.p.Quote), taken).MulInt64(fixedpoint.One)
		return !bound.Less(scaled(t.inv.Cost).MulInt64(t.size).Add(part).Abs())
	}
	// x held as well, for a part of the cost is released.
	held := int64(t.held)
	closed := min(taken, held)
	cash := scaled(t.fund.Cash).MulInt64(t.size).MulInt64(held).
		Sub(fixedpoint.Mul64(int64(t.p.Quote), closed).MulInt64(fixedpoint.One).MulInt64(held)).
		Sub(scaled(t.inv.Cost).MulInt64(t.size).MulInt64(closed))
	return !bound.MulInt64(held).Less(cash.Abs())
}
