package adl

import (
	"cmp"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Inputs are the numbers a score is made of, as integers at 1e-8: the same that a
// receipt prints, so that anyone can recompute the rank by hand.
type Inputs struct {
	Wallet     fixedpoint.Amount
	Equity     fixedpoint.Int128 // wallet - pending fees + unrealized PnL of the account
	MM         fixedpoint.Int128 // maintenance margin of the account
	AccountPnL fixedpoint.Int128 // unrealized, of the account
	PnL        fixedpoint.Int128 // unrealized, of the position
	Notional   fixedpoint.Int128 // of the position
	Entry      fixedpoint.Price
	Cost       fixedpoint.Amount
	PositionMM fixedpoint.Int128
	Mark       fixedpoint.Price
	Long       bool
}

// fraction is a score as a quotient of products; every denominator is positive.
type fraction struct {
	num, den   [4]fixedpoint.Int256
	nums, dens int
}

func (f *fraction) times(v fixedpoint.Int128) { f.num[f.nums] = v.Wide(); f.nums++ }

// over divides by v. An input below one step of 1e-8 counts as one step: it was
// positive before it was rounded.
func (f *fraction) over(v fixedpoint.Int128) {
	if v.Sign() <= 0 {
		v = fixedpoint.Int128From(1)
	}
	f.den[f.dens] = v.Wide()
	f.dens++
}

// score builds the score of in.
//
//	binance      max(0, account PnL) / max(1, wallet) x MM / equity
//	             Binance, "What Is Auto-Deleveraging (ADL)": PnL percentage x
//	             effective leverage, over the account
//	bitmex       PnL% x leverage if PnL% > 0, else PnL% / leverage
//	             BitMEX, "Auto-Deleveraging Explained": PnL% = PnL / |cost|,
//	             leverage = notional / (the position's MM share of equity)
//	hyperliquid  (mark/entry for longs, entry/mark for shorts) x notional / equity
//	             Hyperliquid docs, "Auto-deleveraging"
func score(kind event.Score, in *Inputs) (f fraction) {
	switch kind {
	case event.ScoreBinance:
		if in.AccountPnL.Sign() > 0 {
			f.times(in.AccountPnL)
		} else {
			f.times(fixedpoint.Int128{})
		}
		f.times(in.MM)
		f.over(fixedpoint.Int128From(max(int64(in.Wallet), fixedpoint.One)))
		f.over(in.Equity)
	case event.ScoreBitMEX:
		f.times(in.PnL)
		f.over(fixedpoint.Int128From(int64(in.Cost)).Abs())
		if in.PnL.Sign() > 0 {
			f.times(in.Notional)
			f.times(in.MM)
			f.over(in.Equity)
			f.over(in.PositionMM)
		} else {
			f.times(in.Equity)
			f.times(in.PositionMM)
			f.over(in.Notional)
			f.over(in.MM)
		}
	case event.ScoreHyperliquid:
		mark, entry := fixedpoint.Int128From(int64(in.Mark)), fixedpoint.Int128From(int64(in.Entry))
		if !in.Long {
			mark, entry = entry, mark
		}
		f.times(mark)
		f.over(entry)
		f.times(in.Notional)
		f.over(in.Equity)
	}
	return f
}

// Value returns the score of in rounded half-even to 1e-8; false if it does not
// fit 128 bits.
func Value(kind event.Score, in *Inputs) (fixedpoint.Int128, bool) {
	f := score(kind, in)
	f.num[f.nums] = fixedpoint.Int256From(fixedpoint.One)
	q, ok := fixedpoint.QuoProducts(f.num[:f.nums+1], f.den[:f.dens], fixedpoint.HalfEven)
	if !ok {
		return fixedpoint.Int128{}, false
	}
	return q.Int128()
}

// compareScores orders by score, exactly: the cross products are never rounded.
func compareScores(kind event.Score, a, b *Inputs) int {
	f, g := score(kind, a), score(kind, b)
	var left, right [8]fixedpoint.Int256
	n := copy(left[:], f.num[:f.nums])
	n += copy(left[n:], g.den[:g.dens])
	m := copy(right[:], g.num[:g.nums])
	m += copy(right[m:], f.den[:f.dens])
	return fixedpoint.CmpProducts(left[:n], right[:m])
}

// Member is an account's position in a ranking, with its inputs as they were.
type Member struct {
	Account  event.AccountID
	Side     event.PositionSide
	InProfit bool // unrealized PnL above zero, exactly: those go first, whatever their score
	Inputs
}

// Compare orders members as they are deleveraged: those in profit first, then by
// score from high to low; ties go to the larger notional, the lower account, long
// before short.
func Compare(kind event.Score, a, b *Member) int {
	if a.InProfit != b.InProfit {
		if a.InProfit {
			return -1
		}
		return 1
	}
	if c := compareScores(kind, &b.Inputs, &a.Inputs); c != 0 {
		return c
	}
	if c := b.Notional.Cmp(a.Notional); c != 0 {
		return c
	}
	return a.CompareKey(b)
}

// CompareKey orders members by account, long before short: the tie-breaker.
func (m *Member) CompareKey(o *Member) int {
	return cmp.Or(cmp.Compare(m.Account, o.Account), cmp.Compare(m.Side, o.Side))
}

// Wides lists the 128-bit inputs, in the order a snapshot writes them.
func (in *Inputs) Wides() [6]*fixedpoint.Int128 {
	return [6]*fixedpoint.Int128{&in.Equity, &in.MM, &in.AccountPnL, &in.PnL, &in.Notional, &in.PositionMM}
}
