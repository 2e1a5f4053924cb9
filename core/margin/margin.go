// Package margin decides whether an account can still carry its positions, how
// much of one must go, and at which price nothing is left.
//
//	mark value         = qty x mark
//	unrealized PnL     = mark value - cost
//	equity             = wallet - pending fees + sum of unrealized PnL
//	maintenance margin = sum of |qty| x mark x mmr(tier) - cum(tier)
//
// An account is healthy while equity >= maintenance margin, liquidatable below
// it, and bankrupt once wallet + unrealized PnL is below zero: pending fees are
// given back to it then.
//
// # Exactness
//
// Values are integers at 1e-16 and margins at 1e-24, the scales of the products
// they are; nothing is divided to reach a verdict. Division happens for quotes,
// which are money, and for prices that are shown.
package margin

import (
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Leg is one position as margin sees it.
type Leg struct {
	Qty   fixedpoint.Qty
	Cost  fixedpoint.Amount
	Mark  fixedpoint.Price
	Tiers *Tiers
}

// Value returns qty x mark at 1e-16, signed.
func (l *Leg) Value() fixedpoint.Int128 { return fixedpoint.Value(l.Qty, l.Mark) }

// Notional returns |qty| x mark at 1e-16.
func (l *Leg) Notional() fixedpoint.Int128 { return l.Value().Abs() }

// PnL returns mark value - cost at 1e-16.
func (l *Leg) PnL() fixedpoint.Int256 { return l.Value().Wide().Sub(Scaled(l.Cost)) }

// Maintenance returns the leg's maintenance margin at 1e-24.
func (l *Leg) Maintenance() fixedpoint.Int256 { return l.Tiers.Maintenance(l.Notional()) }

// Scaled returns an amount at 1e-16.
func Scaled(a fixedpoint.Amount) fixedpoint.Int256 {
	return fixedpoint.Mul64(int64(a), fixedpoint.One).Wide()
}

// Sums are an account's totals at the last accepted marks.
type Sums struct {
	PnL         fixedpoint.Int256 // at 1e-16
	Maintenance fixedpoint.Int256 // at 1e-24
}

// Add counts one leg. It runs for every position of every account an event may
// have hurt. Neither sum can wrap: a leg adds less than 2^155, an account has
// fewer than 2^31 of them.
func (s *Sums) Add(l *Leg) {
	v := l.Value()
	s.PnL = s.PnL.Add(v.Wide()).Sub(Scaled(l.Cost))
	s.Maintenance = s.Maintenance.Add(l.Tiers.Maintenance(v.Abs()))
}

// Equity returns wallet + unrealized PnL at 1e-16. What counts as the wallet is
// the caller's: less pending fees for health, whole for bankruptcy.
func (s *Sums) Equity(wallet fixedpoint.Amount) fixedpoint.Int256 {
	return s.PnL.Add(Scaled(wallet))
}

// Surplus returns equity - maintenance margin at 1e-24.
func (s *Sums) Surplus(wallet fixedpoint.Amount) fixedpoint.Int256 {
	return s.Equity(wallet).MulInt64(fixedpoint.One).Sub(s.Maintenance)
}

// Healthy reports equity >= maintenance margin. With the wallet less pending
// fees it is the verdict of RULES section 4.
func (s *Sums) Healthy(wallet fixedpoint.Amount) bool { return s.Surplus(wallet).Sign() >= 0 }

// Bankrupt reports wallet + unrealized PnL < 0; the wallet is whole here.
func (s *Sums) Bankrupt(wallet fixedpoint.Amount) bool { return s.Equity(wallet).Sign() < 0 }

// SmallestCut returns the smallest whole number of lots whose closing at the
// mark, fee paid, leaves equity >= maintenance margin; false if none does. surplus
// is the account's at 1e-24, fees of what is already to be closed deducted.
//
// What is left over after k lots, surplus - fee(k) + released margin, is concave
// in k: the released margin per lot falls with the tiers. So where it is not below
// zero is one run of lots, and a k that is in it while k-1 is not begins it. Within a
// tier it is a line, which is solved for each tier from that of the notional down,
// and tried. Where no tier has the answer, as there may be none, a first search finds
// where it stops rising, a second where it first reaches zero before that.
// Requires lot, mark and fee >= 0, lot > 0.
func SmallestCut(surplus fixedpoint.Int256, l *Leg, lot fixedpoint.Qty, fee fixedpoint.Rate) (lots int64, ok bool) {
	all := l.Qty.Lots(lot)
	if all < 0 {
		all = -all
	}
	full := l.Maintenance()
	lotValue := fixedpoint.Value(lot, l.Mark)
	notional := l.Notional()
	after := func(k int64) fixedpoint.Int256 {
		// k lots are at most |qty|, so their value is at most the notional.
		closed := narrow(lotValue.MulInt64(k))
		return surplus.Add(full).
			Sub(closed.MulInt64(int64(fee))).
			Sub(l.Tiers.Maintenance(notional.Sub(closed)))
	}
	if surplus.Sign() >= 0 {
		return 0, true
	}
	for i := l.Tiers.find(notional); i >= 0; i-- {
		r := &l.Tiers.rows[i]
		lack := notional.MulInt64(r.mmr).Sub(r.cum.Wide()).Sub(full).Sub(surplus)
		num, den := [1]fixedpoint.Int256{lack}, [2]fixedpoint.Int256{lotValue.Wide(), fixedpoint.Int256From(r.mmr - int64(fee))}
		if den[1].Sign() <= 0 {
			break // nor in those below, whose rates are no higher
		}
		q, fits := fixedpoint.QuoProducts(num[:], den[:], fixedpoint.Ceil)
		k, small := q.Int64()
		if fits && small && 0 < k && k <= all && after(k).Sign() >= 0 && after(k-1).Sign() < 0 {
			return k, true
		}
	}
	peak := search(all, func(k int64) bool { return !after(k).Less(after(k + 1)) })
	if after(peak).Sign() < 0 {
		return 0, false
	}
	return search(peak, func(k int64) bool { return after(k).Sign() >= 0 }), true
}

// search returns the smallest k in [0, high] for which is holds, given that it
// holds from some k on; high if it holds nowhere below.
func search(high int64, is func(int64) bool) int64 {
	low := int64(0)
	for low < high {
		mid := low + (high-low)/2
		if is(mid) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}

// narrow is for values bounded by one that is an Int128.
func narrow(v fixedpoint.Int256) fixedpoint.Int128 {
	n, ok := v.Int128()
	if !ok {
		panic("margin: a part is larger than its whole")
	}
	return n
}

// BankruptcyQuote returns mark value - equity x weight / total at 1e-8, rounded
// half-even: what closing a position must bring so that the account, its other
// positions taking their shares, ends with nothing. equity is at 1e-16; weight
// and total are margins or notionals, at one scale. Requires total > 0.
func BankruptcyQuote(value fixedpoint.Int128, equity, weight, total fixedpoint.Int256) fixedpoint.Int256 {
	num, den := [2]fixedpoint.Int256{equity, weight}, [1]fixedpoint.Int256{total}
	low, exact, ok := fixedpoint.FloorProducts(num[:], den[:])
	if !ok {
		panic("margin: a share is larger than its whole")
	}
	if exact {
		return divide(value.Wide().Sub(low), fixedpoint.One)
	}
	// The exact value lies strictly between two integers at 1e-16, where no tie
	// can be: the middle of the two rounds like it.
	return divide(value.Wide().Sub(low).MulInt64(2).Sub(fixedpoint.Int256From(1)), 2*fixedpoint.One)
}

func divide(v fixedpoint.Int256, d int64) fixedpoint.Int256 {
	num, den := [1]fixedpoint.Int256{v}, [1]fixedpoint.Int256{fixedpoint.Int256From(d)}
	q, _ := fixedpoint.QuoProducts(num[:], den[:], fixedpoint.HalfEven)
	return q
}
