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

// fraction is a score as a quotient of products, three factors each; every
// denominator is positive.
type fraction struct{ num, den [3]fixedpoint.Int128 }

// score builds the score of in.
//
//	binance      max(0, account PnL) / max(1, wallet) x MM / equity
//	bitmex       PnL% x leverage if PnL% > 0, else PnL% / leverage, with
//	             PnL% = PnL / |cost|, leverage = notional / (equity x position MM / MM)
//	hyperliquid  (mark/entry for longs, entry/mark for shorts) x notional / equity
func score(kind event.Score, in *Inputs) fraction {
	one := fixedpoint.Int128From(1)
	switch kind {
	case event.ScoreBitMEX:
		cost, equity := positive(fixedpoint.Int128From(int64(in.Cost)).Abs()), positive(in.Equity)
		mm, own := positive(in.MM), positive(in.PositionMM)
		switch {
		case in.PnL.Sign() > 0:
			return fraction{
				num: [3]fixedpoint.Int128{in.PnL, in.Notional, mm},
				den: [3]fixedpoint.Int128{cost, equity, own},
			}
		case in.Notional.Sign() == 0: // nothing to divide by: PnL% alone
			return fraction{
				num: [3]fixedpoint.Int128{in.PnL, one, one},
				den: [3]fixedpoint.Int128{cost, one, one},
			}
		}
		return fraction{
			num: [3]fixedpoint.Int128{in.PnL, equity, own},
			den: [3]fixedpoint.Int128{cost, in.Notional, mm},
		}
	case event.ScoreHyperliquid:
		mark, entry := fixedpoint.Int128From(int64(in.Mark)), fixedpoint.Int128From(int64(in.Entry))
		if !in.Long {
			mark, entry = entry, mark
		}
		return fraction{
			num: [3]fixedpoint.Int128{mark, in.Notional, one},
			den: [3]fixedpoint.Int128{positive(entry), positive(in.Equity), one},
		}
	default:
		gain := in.AccountPnL
		if gain.Sign() < 0 {
			gain = fixedpoint.Int128{}
		}
		return fraction{
			num: [3]fixedpoint.Int128{gain, in.MM, one},
			den: [3]fixedpoint.Int128{fixedpoint.Int128From(max(int64(in.Wallet), fixedpoint.One)), positive(in.Equity), one},
		}
	}
}

// positive is a divisor. An input below one step of 1e-8 counts as one step: it
// was positive before it was rounded.
func positive(v fixedpoint.Int128) fixedpoint.Int128 {
	if v.Sign() <= 0 {
		return fixedpoint.Int128From(1)
	}
	return v
}

// Value returns the score of in rounded half-even to 1e-8; false if it does not
// fit 128 bits.
func Value(kind event.Score, in *Inputs) (fixedpoint.Int128, bool) {
	f, one := score(kind, in), fixedpoint.Int256From(fixedpoint.One)
	p, ok1 := narrow(&f.num)
	q, ok2 := narrow(&f.den)
	var c Cutoff
	if ok1 && ok2 {
		num, den := [2]fixedpoint.Int256{p.Wide(), one}, [1]fixedpoint.Int256{q.Wide()}
		c = quotient(num[:], den[:])
	} else {
		num := [4]fixedpoint.Int256{f.num[0].Wide(), f.num[1].Wide(), f.num[2].Wide(), one}
		den := [3]fixedpoint.Int256{f.den[0].Wide(), f.den[1].Wide(), f.den[2].Wide()}
		c = quotient(num[:], den[:])
	}
	return c.Value, c.Known
}

// compareScores orders by score, exactly, by cross products, which take 762 bits at
// most.
func compareScores(kind event.Score, a, b *Inputs) int {
	f, g := score(kind, a), score(kind, b)
	sign, other := f.sign(), g.sign()
	if sign != other || sign == 0 {
		return cmp.Compare(sign, other)
	}
	a1, ok1 := narrow(&f.num)
	b1, ok2 := narrow(&g.den)
	a2, ok3 := narrow(&g.num)
	b2, ok4 := narrow(&f.den)
	if ok1 && ok2 && ok3 && ok4 {
		return fixedpoint.Mul128(a1, b1).Cmp(fixedpoint.Mul128(a2, b2))
	}
	left := [6]fixedpoint.Int256{f.num[0].Wide(), f.num[1].Wide(), f.num[2].Wide(), g.den[0].Wide(), g.den[1].Wide(), g.den[2].Wide()}
	right := [6]fixedpoint.Int256{g.num[0].Wide(), g.num[1].Wide(), g.num[2].Wide(), f.den[0].Wide(), f.den[1].Wide(), f.den[2].Wide()}
	return fixedpoint.CmpProducts(left[:], right[:])
}

// narrow is the product of three factors of ordinary size, the last of them 1: those
// of binance and hyperliquid, nearly always.
func narrow(f *[3]fixedpoint.Int128) (fixedpoint.Int128, bool) {
	a, ok1 := f[0].Int64()
	b, ok2 := f[1].Int64()
	return fixedpoint.Mul64(a, b), ok1 && ok2 && f[2] == fixedpoint.Int128From(1)
}

func (f *fraction) sign() int { return f.num[0].Sign() * f.num[1].Sign() * f.num[2].Sign() }

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
	return a.compareTie(b)
}

// compareTie orders members of equal scores.
func (m *Member) compareTie(o *Member) int {
	if c := o.Notional.Cmp(m.Notional); c != 0 {
		return c
	}
	return m.CompareKey(o)
}

// CompareKey orders members by account, long before short: the tie-breaker.
func (m *Member) CompareKey(o *Member) int {
	return cmp.Or(cmp.Compare(m.Account, o.Account), cmp.Compare(m.Side, o.Side))
}

// Wides lists the 128-bit inputs, in the order a snapshot writes them.
func (in *Inputs) Wides() [6]*fixedpoint.Int128 {
	return [6]*fixedpoint.Int128{&in.Equity, &in.MM, &in.AccountPnL, &in.PnL, &in.Notional, &in.PositionMM}
}
