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
	if p.Qty < 0 {
		return -p.Qty
	}
	return p.Qty
}

// MayTake returns how many lots of p the fund may take now; restricted, only those
// that bring its inventory towards zero. Cash and x are those before the piece,
// cover or surplus already counted; inv is the fund's in the contract.
func (f *Fund) MayTake(x Exposure, inv Inventory, p Piece, restricted bool) int64 {
	t := f.test(x, inv, p)
	all, rest := p.Lots()
	// Lots that keep within zero; none where the remainder alone passes it.
	inward := int64(0)
	if t.opposite && t.held >= rest {
		inward = min(all, (t.held - rest).Lots(p.Lot))
	}
	lots := last(0, inward, func(n int64) bool { return t.equity(n).Sign() >= 0 && t.fits(n) })
	if lots < inward || restricted || lots == all {
		return lots
	}
	// Beyond zero: what is left under the caps is concave in the lots, for base is
	// the lesser of a constant and a line.
	peak := inward + 1 + climb(all-inward-1, func(n int64) bool {
		return t.slack(inward + 1 + n).Less(t.slack(inward + 2 + n))
	})
	within := func(n int64) bool { return t.slack(n).Sign() >= 0 && t.fits(n) }
	if !within(peak) {
		return lots
	}
	if most := last(peak, all, within); most == all || !p.Whole {
		return most
	}
	return lots
}

// last returns the largest n in [low, high] for which holds is true, low if none
// above is: holds is true at most for a run of values that begins at low, or, at
// high, for one that ends there.
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

// test judges the fund after it took n lots and the remainder. All values are
// multiplied by the size of the piece, so that a part of its quote is exact.
type test struct {
	fund     *Fund
	p        *Piece
	opposite bool              // the piece reduces the inventory
	held     fixedpoint.Qty    // |inventory|
	rest     fixedpoint.Qty    // off-lot
	size     int64             // |qty| of the piece
	sizeWide fixedpoint.Int256 // the same
	before   fixedpoint.Int256 // equity before, x size, at 1e-16
	gain     fixedpoint.Int256 // per unit of quantity, x size, at 1e-16
	flipped  fixedpoint.Int256 // cash once the inventory is closed, x size, at 1e-16
	others   fixedpoint.Int256 // |net x mark| of the other contracts, at 1e-16
	cost     fixedpoint.Amount
}

func (f *Fund) test(x Exposure, inv Inventory, p Piece) test {
	size := int64(p.size())
	sign := int64(1)
	if p.Qty < 0 {
		sign = -1
	}
	held := inv.Qty
	if held < 0 {
		held = -held
	}
	_, rest := p.Lots()
	t := test{
		fund: f, p: &p, held: held, rest: rest, size: size,
		sizeWide: fixedpoint.Int256From(size),
		opposite: inv.Qty != 0 && inv.Qty > 0 != (p.Qty > 0),
		before:   f.Equity(x).MulInt64(size),
		gain: fixedpoint.Mul64(sign*int64(p.Mark), size).Wide().
			Sub(scaled(p.Quote)),
		others: x.Net.Sub(fixedpoint.Value(inv.Qty, p.Mark).Abs().Wide()),
		cost:   inv.Cost,
	}
	t.flipped = scaled(f.Cash).MulInt64(size)
	if t.opposite {
		// Closing the inventory brings minus its part of the quote, less its cost.
		t.flipped = t.flipped.
			Sub(fixedpoint.Mul64(int64(p.Quote), int64(held)).MulInt64(fixedpoint.One)).
			Sub(scaled(inv.Cost).MulInt64(size))
	}
	return t
}

// taken returns the quantity of n lots and the remainder.
func (t *test) taken(n int64) int64 { return n*int64(t.p.Lot) + int64(t.rest) }

// equity after n lots, x size, at 1e-16.
func (t *test) equity(n int64) fixedpoint.Int256 {
	return t.before.Add(t.gain.MulInt64(t.taken(n)))
}

// net is |net inventory| after n lots.
func (t *test) net(n int64) fixedpoint.Int128 {
	have := fixedpoint.Int128From(int64(t.held))
	if t.opposite {
		have = have.Neg()
	}
	return have.Add(fixedpoint.Int128From(t.taken(n))).Abs()
}

// slack is what is left under the tighter cap after n lots that pass zero, x
// size, at 1e-24.
func (t *test) slack(n int64) fixedpoint.Int256 {
	base := lesser(t.flipped, t.equity(n))
	notional := fixedpoint.Mul128(t.net(n), fixedpoint.Int128From(int64(t.p.Mark)))
	need := notional.MulInt64(t.size).MulInt64(fixedpoint.One)
	all := notional.Add(t.others).MulInt64(t.size).MulInt64(fixedpoint.One)
	return lesser(
		base.MulInt64(int64(t.p.Share)).Sub(need),
		base.MulInt64(int64(t.fund.Cap)).Sub(all),
	)
}

// fits reports whether the fund can write down what it would then hold: the
// quantity, its mark value, its cost and the cash.
func (t *test) fits(n int64) bool {
	const most = math.MaxInt64
	net := t.net(n)
	if _, ok := net.Int64(); !ok {
		return false
	}
	bound := fixedpoint.Int256From(most).MulInt64(fixedpoint.One)
	if bound.Less(fixedpoint.Mul128(net, fixedpoint.Int128From(int64(t.p.Mark)))) {
		return false
	}
	bound = bound.MulInt64(t.size)
	part := fixedpoint.Mul64(int64(t.p.Quote), t.taken(n)).MulInt64(fixedpoint.One)
	if !t.opposite {
		return !bound.Less(scaled(t.cost).MulInt64(t.size).Add(part).Abs())
	}
	if fixedpoint.Qty(t.taken(n)) < t.held {
		return true // cash moves by less than when all of it is closed
	}
	return !bound.Less(t.flipped.Abs())
}
