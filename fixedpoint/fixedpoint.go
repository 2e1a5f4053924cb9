// Package fixedpoint holds the numbers of the engine: prices, quantities,
// amounts and rates as int64 at scale 1e-8, and exact wider integers for what
// comes of multiplying them.
//
//	type                     scale    holds
//	Price Qty Amount Rate    1e-8     ±92,233,720,368.54775807
//	Int128                   any      a product of two of them (1e-16), or a sum of such products
//	Int256                   any      a product of three or four, or a score
//
// A decision is a comparison of exact integers and needs no division: a + b < c
// is asked of [Int128] or [Int256], a/b < c/d of [CmpProducts]. Division is for
// money that moves and for numbers that are shown, and every division names
// its [Rounding]. There is no float here, and none on the way in or out: see
// [Parse] and [AppendDecimal].
//
// # What does not fit
//
// A result that may not fit its type comes with a bool that says whether it
// does. Sums and products of [Int128] and [Int256] come without one and wrap
// like Go's own integers: their operands have bounds, and the caller states
// them next to the sum. Nothing saturates. Nothing allocates but a String, an
// error and a [Split] larger than its scratch.
package fixedpoint

import "math/bits"

const (
	// Digits is the number of decimals a value carries.
	Digits = 8
	// One is the integer that stands for 1.0.
	One = 100_000_000
)

// Price is units of the settlement asset for one unit of the contract, at scale 1e-8.
type Price int64

// Qty is a signed quantity of a contract at scale 1e-8; long is positive.
type Qty int64

// Amount is money in the settlement asset at scale 1e-8.
type Amount int64

// Rate is a ratio at scale 1e-8: [One] is 100 %.
type Rate int64

// Value is the mark value q × p, exact, at scale 1e-16. Its magnitude is at
// most 2^126, so two of them add without wrapping; of those that fit an
// [Amount] after [Int128.Rescale], more than 2^37 do.
func Value(q Qty, p Price) Int128 { return Mul64(int64(q), int64(p)) }

// Quote is the money q changes hands for at p: |q| × p rounded half-even, with
// q's sign, so that both sides of a trade get the same integer. It reports
// false if that does not fit an [Amount].
func Quote(q Qty, p Price) (Amount, bool) {
	// Half-even treats a number and its negative alike: rounding the signed
	// product is rounding its magnitude.
	hi, lo := bits.Mul64(magnitude(int64(q)), magnitude(int64(p)))
	if hi > uint64(One)/2 { // above 2^63, before rounding
		return 0, false
	}
	n, rem := bits.Div64(hi, lo, uint64(One))
	if rem > uint64(One)/2 || rem == uint64(One)/2 && n&1 == 1 {
		n++
	}
	quote, ok := signed(n, int64(q)^int64(p) < 0)
	return Amount(quote), ok
}

// QuoteFits reports whether [Quote] has an answer, without the division that
// rounds it: whether |q| x p is below the largest Amount and a half. A product that
// would round to the least int64 counts as too large, as its magnitude is.
func QuoteFits(q Qty, p Price) bool {
	return Value(q, p).Abs().Less(quoteLimit)
}

// quoteLimit is half a step above the largest Amount: what is there rounds up, as
// 2^63 - 1 is odd.
var quoteLimit = Mul64(1<<63-1, One).Add(Int128From(One / 2))

// UnitPrice is |a| / |q| rounded half-even: the entry price of a cost, the
// bankruptcy price of a quote. It is for showing, not for deciding. It reports
// false if q is 0 or the price does not fit.
func UnitPrice(a Amount, q Qty) (Price, bool) {
	price, ok := mulDiv(magnitude(int64(a)), One, magnitude(int64(q)), false, HalfEven)
	return Price(price), ok
}

// Floor is the largest multiple of tick that is not above p.
// Requires: p >= 0 and tick > 0; it panics otherwise.
func (p Price) Floor(tick Price) Price {
	if p < 0 || tick <= 0 {
		panic("fixedpoint: Price.Floor wants a price >= 0 and a tick > 0")
	}
	return p - p%tick
}

// Ceil is the smallest multiple of tick that is not below p, and false if that
// does not fit a Price. Requires: p >= 0 and tick > 0; it panics otherwise.
func (p Price) Ceil(tick Price) (Price, bool) {
	floor := p.Floor(tick)
	if floor == p {
		return p, true
	}
	ceil := floor + tick // Both are below 2^63: a sum that does not fit is negative.
	if ceil < 0 {
		return 0, false
	}
	return ceil, true
}

// Lots is the number of whole lots in q, with q's sign; what is left over, less
// than a lot, is not counted. Requires: lot > 0; it panics otherwise.
func (q Qty) Lots(lot Qty) int64 {
	if lot <= 0 {
		panic("fixedpoint: Qty.Lots wants a lot > 0")
	}
	return int64(q / lot)
}
