// Package fund is the insurance fund: cash, an inventory per contract, and how
// much of a bankrupt position it may take.
//
//	equity = cash + sum over contracts of (inventory mark value - cost)
//	base   = min(cash, equity), not below 0
//
// A takeover first brings the net inventory of the contract towards zero: as much
// as leaves equity >= 0. Beyond zero it may go as long as, after the piece,
//
//	|net inventory x mark|                of the contract <= cap_share x base
//	sum over contracts of |net x mark|                    <= cap x base
//
// An off-lot remainder goes to the fund in any case and counts in the test.
package fund

import (
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Fund is one insurance fund.
type Fund struct {
	ID      event.FundID
	Name    event.Name
	Cash    fixedpoint.Amount
	Cap     fixedpoint.Rate // of base, over all its contracts
	ADLOnly bool            // set by its operator; see Restricted
}

// Restricted reports whether the fund takes nothing beyond zero: told so, or in
// deficit until it is refilled.
func (f *Fund) Restricted() bool { return f.ADLOnly || f.Cash < 0 }

// Inventory is what a fund holds of one contract: a position like any other.
type Inventory struct {
	Qty  fixedpoint.Qty    // signed, long is positive
	Cost fixedpoint.Amount // the signed quote paid for it
}

// Exposure sums a fund's inventories at the last accepted marks. A contract
// without a first mark adds nothing. Sums of mark values that fit an Amount never
// wrap: each takes 91 bits.
type Exposure struct {
	PnL fixedpoint.Int256 // sum of mark value - cost, at 1e-16
	Net fixedpoint.Int256 // sum of |net x mark|, at 1e-16
}

// Add counts one contract's inventory at its mark.
func (x *Exposure) Add(i Inventory, mark fixedpoint.Price) {
	v := fixedpoint.Value(i.Qty, mark)
	x.PnL = x.PnL.Add(v.Wide()).Sub(scaled(i.Cost))
	x.Net = x.Net.Add(v.Abs().Wide())
}

func scaled(a fixedpoint.Amount) fixedpoint.Int256 {
	return fixedpoint.Mul64(int64(a), fixedpoint.One).Wide()
}

// Equity returns cash + PnL at 1e-16.
func (f *Fund) Equity(x Exposure) fixedpoint.Int256 { return x.PnL.Add(scaled(f.Cash)) }

// Base returns min(cash, equity), not below 0, at 1e-16.
func (f *Fund) Base(x Exposure) fixedpoint.Int256 {
	base := lesser(scaled(f.Cash), f.Equity(x))
	if base.Sign() < 0 {
		return fixedpoint.Int256{}
	}
	return base
}

// CapNotional returns cap x base at 1e-24.
func (f *Fund) CapNotional(x Exposure) fixedpoint.Int256 {
	return f.Base(x).MulInt64(int64(f.Cap))
}

// Room returns how much more of a contract the fund may hold beyond zero, at
// 1e-24, given the cap share and |net x mark| at 1e-16 of the contract: the smaller
// of cap_share x base - |net x mark| and cap x base - the sum over contracts. It is
// negative where the fund holds more than it may.
func (f *Fund) Room(x Exposure, share fixedpoint.Rate, notional fixedpoint.Int128) fixedpoint.Int256 {
	base := f.Base(x)
	return lesser(
		base.MulInt64(int64(share)).Sub(notional.MulInt64(fixedpoint.One)),
		base.MulInt64(int64(f.Cap)).Sub(x.Net.MulInt64(fixedpoint.One)),
	)
}

// WithinCap reports whether the present inventory satisfies the caps, which is to
// say that Room is not negative. It is asked for each contract before cash is
// withdrawn.
func (f *Fund) WithinCap(x Exposure, share fixedpoint.Rate, notional fixedpoint.Int128) bool {
	return f.Room(x, share, notional).Sign() >= 0
}

func lesser(a, b fixedpoint.Int256) fixedpoint.Int256 {
	if b.Less(a) {
		return b
	}
	return a
}
