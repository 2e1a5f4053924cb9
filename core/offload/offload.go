// Package offload decides how much of a fund's inventory goes back to the market
// now, and at which limit.
//
//	slice = |inventory|                       if it is at most full_size
//	      = |inventory| x fraction, up to lots  else
//	      at most depth x max_depth_fraction, up to lots, where a depth is known
//	limit = mark x (1 -/+ slippage), rounded to the tick inside that bound;
//	        at least one tick, at most the largest multiple a price can hold
//
// An order is immediate-or-cancel and reduce-only. When a slice is due is the
// machine's to know: one interval after the inventory became non-zero, and again
// an interval after each slice.
package offload

import (
	"math"

	"github.com/backstop-fund/backstop/fixedpoint"
)

// Settings are a contract's.
type Settings struct {
	Off              bool
	Interval         int64           // nanoseconds from slice to slice
	Fraction         fixedpoint.Rate // of the inventory; above 0, at most 1
	FullSize         fixedpoint.Qty  // an inventory no larger leaves at once
	MaxDepthFraction fixedpoint.Rate // of the depth; above 0, at most 1
	Slippage         fixedpoint.Rate // of the mark; at most 1
}

// Market is what is known of a contract at the moment of a slice.
type Market struct {
	Mark  fixedpoint.Price
	Tick  fixedpoint.Price
	Lot   fixedpoint.Qty
	Depth fixedpoint.Qty // resting volume on the side the slice would take
	Known bool           // Depth is known and young enough
}

// Clip is one order of the offloader: signed, negative sells.
type Clip struct {
	Qty   fixedpoint.Qty
	Limit fixedpoint.Price
}

// Next returns the slice of an inventory that is due now; false when the market
// is too thin for any. Requires: an inventory other than 0 and -1<<63, a tick, a
// lot and a mark above 0, and settings in their ranges.
func (s *Settings) Next(inventory fixedpoint.Qty, m Market) (Clip, bool) {
	size := max(inventory, -inventory)
	if size > s.FullSize {
		size = min(size, share(size, s.Fraction, m.Lot))
	}
	if m.Known {
		size = min(size, share(m.Depth, s.MaxDepthFraction, m.Lot))
	}
	if size == 0 {
		return Clip{}, false
	}
	if inventory > 0 {
		return Clip{Qty: -size, Limit: m.sellLimit(s.Slippage)}, true
	}
	return Clip{Qty: size, Limit: m.buyLimit(s.Slippage)}, true
}

// share returns qty x part rounded up to whole lots, or the largest quantity where
// that is more than one holds.
func share(qty fixedpoint.Qty, part fixedpoint.Rate, lot fixedpoint.Qty) fixedpoint.Qty {
	exact := fixedpoint.Mul64(int64(qty), int64(part))
	num := [1]fixedpoint.Int256{exact.Wide()}
	den := [2]fixedpoint.Int256{fixedpoint.Int256From(int64(lot)), fixedpoint.Int256From(fixedpoint.One)}
	lots, _ := fixedpoint.QuoProducts(num[:], den[:], fixedpoint.Ceil)
	n, ok := lots.MulInt64(int64(lot)).Int64()
	if !ok {
		return math.MaxInt64
	}
	return fixedpoint.Qty(n)
}

// sellLimit is the lowest price a sale may have: rounded up.
func (m *Market) sellLimit(slippage fixedpoint.Rate) fixedpoint.Price {
	return m.multiple(fixedpoint.One-int64(slippage), fixedpoint.Ceil)
}

// buyLimit is the highest price a purchase may have: rounded down.
func (m *Market) buyLimit(slippage fixedpoint.Rate) fixedpoint.Price {
	return m.multiple(fixedpoint.One+int64(slippage), fixedpoint.Floor)
}

// multiple returns mark x factor rounded to a multiple of the tick: the nearest
// there is where the exact one is 0 or does not fit.
func (m *Market) multiple(factor int64, r fixedpoint.Rounding) fixedpoint.Price {
	num := [1]fixedpoint.Int256{fixedpoint.Mul64(int64(m.Mark), factor).Wide()}
	den := [2]fixedpoint.Int256{fixedpoint.Int256From(int64(m.Tick)), fixedpoint.Int256From(fixedpoint.One)}
	ticks, _ := fixedpoint.QuoProducts(num[:], den[:], r)
	p, ok := ticks.MulInt64(int64(m.Tick)).Int64()
	if !ok {
		return fixedpoint.Price(math.MaxInt64).Floor(m.Tick)
	}
	return max(fixedpoint.Price(p), m.Tick)
}
