package fund_test

import (
	"flag"
	"math"
	"math/big"

	"github.com/backstop-fund/backstop/core/fund"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

// The dumb twin is RULES sections 5a and 7 in big.Rat, one number of lots after
// the other.

const unit = fixedpoint.One

// A property here costs microseconds: look at more than rapid's hundred cases.
// The flag on the command line still decides.
func init() {
	checks := "2000"
	if raceEnabled {
		checks = "300"
	}
	if err := flag.Set("rapid.checks", checks); err != nil {
		panic(err)
	}
}

// rat is v at scale 1e-8 as a number.
func rat[T ~int64](v T) *big.Rat { return big.NewRat(int64(v), unit) }

// scaledRat is v at the scale 1e-8 to the power of n as a number.
func scaledRat(v fixedpoint.Int256, n int) *big.Rat {
	w := v.Words()
	z := big.NewInt(int64(w[3]))
	for i := 2; i >= 0; i-- {
		z.Lsh(z, 64)
		z.Add(z, new(big.Int).SetUint64(w[i]))
	}
	scale := new(big.Int).Exp(big.NewInt(unit), big.NewInt(int64(n)), nil)
	return new(big.Rat).SetFrac(z, scale)
}

func add(a, b *big.Rat) *big.Rat { return new(big.Rat).Add(a, b) }
func sub(a, b *big.Rat) *big.Rat { return new(big.Rat).Sub(a, b) }
func mul(a, b *big.Rat) *big.Rat { return new(big.Rat).Mul(a, b) }
func quo(a, b *big.Rat) *big.Rat { return new(big.Rat).Quo(a, b) }
func abs(a *big.Rat) *big.Rat    { return new(big.Rat).Abs(a) }
func less(a, b *big.Rat) bool    { return a.Cmp(b) < 0 }
func minimum(a, b *big.Rat) *big.Rat {
	if less(b, a) {
		return b
	}
	return a
}

// holding is one contract of a fund.
type holding struct{ qty, cost, mark *big.Rat }

func hold(i fund.Inventory, mark fixedpoint.Price) holding {
	return holding{rat(i.Qty), rat(i.Cost), rat(mark)}
}

func (h holding) notional() *big.Rat { return abs(mul(h.qty, h.mark)) }
func (h holding) pnl() *big.Rat      { return sub(mul(h.qty, h.mark), h.cost) }

// books is a fund with everything it holds, in exact fractions.
type books struct {
	cash, cap, share *big.Rat
	contracts        []holding // the one in question first
}

func (b books) equity() *big.Rat {
	sum := b.cash
	for _, h := range b.contracts {
		sum = add(sum, h.pnl())
	}
	return sum
}

func (b books) base() *big.Rat {
	low := minimum(b.cash, b.equity())
	if low.Sign() < 0 {
		return new(big.Rat)
	}
	return low
}

func (b books) net() *big.Rat {
	sum := new(big.Rat)
	for _, h := range b.contracts {
		sum = add(sum, h.notional())
	}
	return sum
}

func (b books) withinCap() bool {
	return !less(mul(b.share, b.base()), b.contracts[0].notional()) && !less(mul(b.cap, b.base()), b.net())
}

// fits says whether int64 at 1e-8 holds what a piece changes.
func (b books) fits() bool {
	most, h := rat(int64(math.MaxInt64)), b.contracts[0]
	for _, v := range []*big.Rat{b.cash, h.qty, h.cost, mul(h.qty, h.mark)} {
		if less(most, abs(v)) {
			return false
		}
	}
	return true
}

// after is b once it took qty of the piece: what it holds is closed first, for its
// part of the quote, and only the rest opens.
func (b books) after(qty, price *big.Rat) books {
	h := b.contracts[0]
	if h.qty.Sign()*qty.Sign() < 0 {
		closed := abs(qty)
		if less(abs(h.qty), closed) {
			closed = abs(h.qty)
		}
		if h.qty.Sign() > 0 {
			closed.Neg(closed)
		}
		released := mul(h.cost, abs(quo(closed, h.qty)))
		b.cash = sub(sub(b.cash, mul(closed, price)), released)
		h.qty, h.cost = add(h.qty, closed), sub(h.cost, released)
		qty = sub(qty, closed)
	}
	h.qty, h.cost = add(h.qty, qty), add(h.cost, mul(qty, price))
	b.contracts = append([]holding{h}, b.contracts[1:]...)
	return b
}

// mayTake looks at every number of lots.
func (b books) mayTake(p fund.Piece, restricted bool) int64 {
	size := max(p.Qty, -p.Qty)
	all, price := int64(size/p.Lot), quo(rat(p.Quote), rat(p.Qty))
	held := b.contracts[0].qty
	opposite := held.Sign()*rat(p.Qty).Sign() < 0
	lots, inward := int64(0), int64(0)
	tail := int64(0)
	for n := range all + 1 {
		qty := rat(fixedpoint.Qty(n)*p.Lot + size%p.Lot)
		toZero := opposite && qty.Cmp(abs(held)) <= 0
		if p.Qty < 0 {
			qty.Neg(qty)
		}
		a := b.after(qty, price)
		switch {
		case toZero:
			inward = n
			if a.equity().Sign() >= 0 && a.fits() {
				lots = n
			}
		case n > 0 && a.withinCap() && a.fits():
			tail = n
		}
	}
	if restricted || lots < inward || tail == 0 || p.Whole && tail < all {
		return lots
	}
	return tail
}

// story is a fund, what it holds and a piece of the first contract.
type story struct {
	fund       fund.Fund
	inv        []fund.Inventory
	marks      []fixedpoint.Price
	piece      fund.Piece
	restricted bool
}

func (s *story) exposure() (x fund.Exposure) {
	for i := range s.inv {
		x.Add(s.inv[i], s.marks[i])
	}
	return x
}

func (s *story) books() books {
	b := books{cash: rat(s.fund.Cash), cap: rat(s.fund.Cap), share: rat(s.piece.Share)}
	for i := range s.inv {
		b.contracts = append(b.contracts, hold(s.inv[i], s.marks[i]))
	}
	return b
}

func (s *story) mayTake() int64 {
	return s.fund.MayTake(s.exposure(), s.inv[0], s.piece, s.restricted)
}

// ratios are caps, deep in the ordinary and at its edges.
func ratios() *rapid.Generator[fixedpoint.Rate] {
	return rapid.OneOf(
		rapid.Just(fixedpoint.Rate(unit)),
		rapid.Map(rapid.Int64Range(0, 4*unit), func(v int64) fixedpoint.Rate { return fixedpoint.Rate(v) }),
		rapid.SampledFrom([]fixedpoint.Rate{0, 1, 100 * unit, math.MaxInt64}),
	)
}

// near draws a value around v, off by up to a part of it, either way.
func near(t *rapid.T, v int64, label string) int64 {
	permille := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(-60, 60), rapid.Int64Range(-2500, 2500)).Draw(t, label)
	w, _ := fixedpoint.MulDiv(v, 1000+permille, 1000, fixedpoint.HalfEven)
	return w
}

// ordinary draws a story of numbers that all fit, near the edges of the caps.
func ordinary(t *rapid.T) story {
	const lot = unit / 10
	mark := rapid.Int64Range(1, 100).Draw(t, "mark") * unit / 4
	s := story{marks: []fixedpoint.Price{fixedpoint.Price(mark)}, restricted: rapid.IntRange(0, 7).Draw(t, "restricted") == 0}
	s.piece = fund.Piece{Lot: lot, Mark: s.marks[0], Share: ratios().Draw(t, "share"), Whole: rapid.IntRange(0, 3).Draw(t, "whole") == 0}
	size := rapid.Int64Range(1, 40).Draw(t, "lots") * lot
	if rapid.Bool().Draw(t, "odd lot") {
		size += rapid.Int64Range(-lot+1, lot-1).Draw(t, "off lot")
	}
	if rapid.Bool().Draw(t, "short") {
		size = -size
	}
	value, _ := fixedpoint.MulDiv(size, mark, unit, fixedpoint.HalfEven)
	s.piece.Qty, s.piece.Quote = fixedpoint.Qty(size), fixedpoint.Amount(near(t, value, "quote"))
	for i := range rapid.IntRange(1, 3).Draw(t, "contracts") {
		if i > 0 {
			s.marks = append(s.marks, fixedpoint.Price(rapid.Int64Range(1, 100).Draw(t, "other mark")*unit/4))
		}
		var v fund.Inventory
		if rapid.IntRange(0, 3).Draw(t, "held") > 0 {
			v.Qty = fixedpoint.Qty(rapid.Int64Range(-50*lot, 50*lot).Draw(t, "inventory"))
			worth, _ := fixedpoint.Quote(v.Qty, s.marks[i])
			v.Cost = fixedpoint.Amount(near(t, int64(worth), "cost"))
		}
		s.inv = append(s.inv, v)
	}
	s.fund.Cap = ratios().Draw(t, "cap")
	// Cash near what the piece or the inventory is worth: that is where caps bite.
	s.fund.Cash = fixedpoint.Amount(near(t, max(value, -value), "cash"))
	if rapid.IntRange(0, 3).Draw(t, "cash anywhere") == 0 {
		s.fund.Cash = fixedpoint.Amount(rapid.Int64Range(-200*unit, 2000*unit).Draw(t, "cash"))
	}
	return s
}

// extreme draws a story at the ends of int64: few lots of enormous size. What is
// held fits, as the machine makes sure; what would come of the piece need not.
func extreme(t *rapid.T) story {
	wide := rapid.OneOf(rapid.Int64Range(-math.MaxInt64, math.MaxInt64),
		rapid.SampledFrom([]int64{-math.MaxInt64, math.MaxInt64, math.MaxInt64 / 2, 1, -1}))
	s := story{
		marks:      []fixedpoint.Price{fixedpoint.Price(rapid.OneOf(rapid.Int64Range(1, 4*unit), rapid.Int64Range(1, math.MaxInt64)).Draw(t, "mark"))},
		restricted: rapid.IntRange(0, 7).Draw(t, "restricted") == 0,
	}
	inv := fund.Inventory{Qty: fixedpoint.Qty(wide.Draw(t, "inventory")), Cost: fixedpoint.Amount(wide.Draw(t, "cost"))}
	if _, ok := fixedpoint.Quote(inv.Qty, s.marks[0]); !ok {
		inv = fund.Inventory{}
	}
	s.inv = []fund.Inventory{inv}
	s.fund = fund.Fund{Cash: fixedpoint.Amount(wide.Draw(t, "cash")), Cap: ratios().Draw(t, "cap")}
	qty := fixedpoint.Qty(wide.Draw(t, "qty"))
	if qty == 0 {
		qty = 1
	}
	lot := max(1, max(qty, -qty)/fixedpoint.Qty(rapid.Int64Range(1, 30).Draw(t, "lots")))
	s.piece = fund.Piece{
		Qty: qty, Quote: fixedpoint.Amount(wide.Draw(t, "quote")), Lot: lot, Mark: s.marks[0],
		Share: ratios().Draw(t, "share"), Whole: rapid.IntRange(0, 3).Draw(t, "whole") == 0,
	}
	return s
}
