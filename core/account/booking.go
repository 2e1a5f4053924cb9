package account

import "github.com/backstop-fund/backstop/fixedpoint"

// Booking is what a fill does to a position, worked out before it is applied.
type Booking struct {
	Qty      fixedpoint.Qty    // afterwards
	Cost     fixedpoint.Amount // afterwards
	Realized fixedpoint.Amount // proceeds less released cost; 0 when nothing closes
	Reduced  bool              // part of the position was closed
}

// Book works out a fill of qty at quote (signed as qty) against a position of
// (held, cost). It reports false when a number of the result does not fit: then
// the fill is a fact that cannot be represented. Requires qty != 0.
func Book(held fixedpoint.Qty, cost fixedpoint.Amount, qty fixedpoint.Qty, quote fixedpoint.Amount) (Booking, bool) {
	if held == 0 || held > 0 == (qty > 0) {
		q, ok1 := add(int64(held), int64(qty))
		c, ok2 := add(int64(cost), int64(quote))
		return Booking{Qty: fixedpoint.Qty(q), Cost: fixedpoint.Amount(c)}, ok1 && ok2
	}
	if magnitude(int64(qty)) <= magnitude(int64(held)) {
		return closePart(held, cost, qty, quote)
	}
	// The fill flips the position: part of it closes all that was held.
	closing, ok := fixedpoint.MulDiv(int64(quote), -int64(held), int64(qty), fixedpoint.Truncate)
	if !ok {
		return Booking{}, false
	}
	spent, ok1 := add(closing, int64(cost))
	rest, ok2 := add(int64(quote), -closing)
	q, ok3 := add(int64(held), int64(qty))
	return Booking{
		Qty: fixedpoint.Qty(q), Cost: fixedpoint.Amount(rest),
		Realized: fixedpoint.Amount(-spent), Reduced: true,
	}, ok1 && ok2 && ok3
}

// closePart is a fill of the other sign and at most all that is held.
func closePart(held fixedpoint.Qty, cost fixedpoint.Amount, qty fixedpoint.Qty, quote fixedpoint.Amount) (Booking, bool) {
	released, ok := fixedpoint.MulDiv(int64(cost), -int64(qty), int64(held), fixedpoint.Truncate)
	if !ok {
		return Booking{}, false
	}
	spent, ok := add(int64(quote), released)
	return Booking{
		Qty: held + qty, Cost: cost - fixedpoint.Amount(released),
		Realized: fixedpoint.Amount(-spent), Reduced: true,
	}, ok
}

// add is a+b, and whether it fits. The least int64 counts as not fitting: its
// magnitude does not.
func add(a, b int64) (int64, bool) {
	s := a + b
	return s, (a^s)&(b^s) >= 0 && s != -1<<63
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return uint64(-v)
	}
	return uint64(v)
}
