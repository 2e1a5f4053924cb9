// Package venue is a small market with finite depth: it decides how much of an
// immediate-or-cancel order fills, and at what price.
//
// Each side of a book is a wedge: its volume is spread evenly from half a spread
// away from the mark to the width, and what was traded is missing from the front
// until it has come back.
//
//	offset(c) = half spread + width × c / depth     of the c-th unit from the mark
//	price     = mark × (1 ∓ offset)                 sells hit below, buys lift above
//
// The wedge moves with the mark; time is given, there is no clock.
package venue

import (
	"fmt"

	"github.com/backstop-fund/backstop/fixedpoint"
)

// Settings are what a book is like.
type Settings struct {
	Tick       fixedpoint.Price
	Lot        fixedpoint.Qty
	Depth      fixedpoint.Qty  // volume of one side when nothing is missing
	Width      fixedpoint.Rate // distance from the first to the last of it, relative to the mark
	HalfSpread fixedpoint.Rate // distance of the first from the mark
	Refill     fixedpoint.Rate // share of Depth that comes back in a second
}

// side indexes what is missing.
const (
	bid = iota
	ask
)

// Book is the resting volume of one contract. It belongs to one goroutine.
type Book struct {
	s       Settings
	mark    fixedpoint.Price
	time    int64 // nanoseconds of the last mark
	missing [2]fixedpoint.Qty
}

// New returns a full book. The error says which setting is wrong.
func New(s Settings) (*Book, error) {
	switch {
	case s.Tick <= 0 || s.Lot <= 0:
		return nil, fmt.Errorf("venue: tick %v, lot %v: want both above 0", s.Tick, s.Lot)
	case s.Depth < s.Lot:
		return nil, fmt.Errorf("venue: depth %v: want at least a lot, %v", s.Depth, s.Lot)
	case s.Width <= 0 || s.HalfSpread < 0 || s.Width >= fixedpoint.One || s.HalfSpread >= fixedpoint.One-s.Width:
		return nil, fmt.Errorf("venue: width %v, half spread %v: want a width above 0 and both together below 1", s.Width, s.HalfSpread)
	case s.Refill < 0 || s.Refill > fixedpoint.One:
		return nil, fmt.Errorf("venue: refill %v: want 0 to 1 of the depth a second", s.Refill)
	}
	return &Book{s: s}, nil
}

// SetMark moves the book to a mark as of t, in nanoseconds, and lets come back
// what has by then. Time that goes back counts as none.
func (b *Book) SetMark(mark fixedpoint.Price, t int64) {
	if b.mark != 0 && t > b.time {
		// Anything longer than this refills all there is, at any rate above 0.
		const longest = fixedpoint.One
		micros := min((t-b.time)/1000, longest)
		rate, _ := fixedpoint.MulDiv(int64(b.s.Refill), micros, 1_000_000, fixedpoint.Floor)
		back, ok := fixedpoint.MulDiv(int64(b.s.Depth), rate, fixedpoint.One, fixedpoint.Floor)
		for i := range b.missing {
			if !ok || fixedpoint.Qty(back) >= b.missing[i] {
				b.missing[i] = 0
			} else {
				b.missing[i] -= fixedpoint.Qty(back)
			}
		}
	}
	b.mark, b.time = mark, max(b.time, t)
}

// Depth returns what rests within a distance from the mark.
func (b *Book) Depth(within fixedpoint.Rate) (bids, asks fixedpoint.Qty) {
	reach := b.reach(within)
	return max(0, reach-b.missing[bid]), max(0, reach-b.missing[ask])
}

// Execute matches an immediate-or-cancel order and returns how much of it filled,
// unsigned and in lots, at which average price, never beyond the limit. A
// negative quantity sells. Nothing fills before the first mark.
func (b *Book) Execute(qty fixedpoint.Qty, limit fixedpoint.Price) (filled fixedpoint.Qty, price fixedpoint.Price) {
	if b.mark == 0 || limit <= 0 {
		return 0, 0
	}
	side, room, want := ask, limit-b.mark, qty
	if qty < 0 {
		side, room, want = bid, b.mark-limit, -qty
	}
	if room < 0 {
		return 0, 0
	}
	distance, ok := fixedpoint.MulDiv(int64(room), fixedpoint.One, int64(b.mark), fixedpoint.Floor)
	if !ok {
		distance = fixedpoint.One // farther than any book reaches
	}
	from := b.missing[side]
	filled = min(want, b.reach(fixedpoint.Rate(distance))-from) / b.s.Lot * b.s.Lot
	if filled <= 0 {
		return 0, 0
	}
	b.missing[side] = from + filled
	return filled, b.average(side, from, from+filled, limit)
}

// reach is how much of a full side lies within a distance from the mark.
func (b *Book) reach(distance fixedpoint.Rate) fixedpoint.Qty {
	beyond := min(distance-b.s.HalfSpread, b.s.Width)
	if beyond <= 0 {
		return 0
	}
	c, _ := fixedpoint.MulDiv(int64(b.s.Depth), int64(beyond), int64(b.s.Width), fixedpoint.Floor) // at most Depth
	return fixedpoint.Qty(c)
}

// average is the price of the volume between two places of a side, on a tick, in
// disfavour of the order but within its limit: the exact average is, and rounding
// a limit that lies off the ticks must not leave it.
func (b *Book) average(side int, from, to fixedpoint.Qty, limit fixedpoint.Price) fixedpoint.Price {
	middle := from + (to-from)/2
	offset, _ := fixedpoint.MulDiv(int64(b.s.Width), int64(middle), int64(b.s.Depth), fixedpoint.Ceil) // at most Width
	offset += int64(b.s.HalfSpread)
	away, _ := fixedpoint.MulDiv(int64(b.mark), offset, fixedpoint.One, fixedpoint.Ceil) // below the mark
	if side == bid {
		return max(limit, (b.mark - fixedpoint.Price(away)).Floor(b.s.Tick))
	}
	price, ok := (b.mark + fixedpoint.Price(away)).Ceil(b.s.Tick)
	if !ok {
		return limit
	}
	return min(limit, price)
}
