package machine

import (
	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// mayWithdraw reports whether an account may be changed by a, which is negative: it
// must keep its maintenance margin and what its tiers' leverage asks.
func (m *Machine) mayWithdraw(s account.Slot, a fixedpoint.Amount) bool {
	acc := m.accounts.At(s)
	sums, known := m.sums(acc)
	if !known || acc.Has(account.OutOfSync) {
		return false
	}
	most := rounded(lesser(surplusOf(acc, &sums), m.leverageSurplus(acc, &sums)), fixedpoint.One*fixedpoint.One, fixedpoint.Floor)
	if n, ok := most.Int64(); ok {
		m.refusal.Amount = max(fixedpoint.Amount(n), 0)
		return n > 0 && -n <= int64(a) // a's magnitude may not fit
	}
	return most.Sign() > 0
}

func lesser(a, b fixedpoint.Int256) fixedpoint.Int256 {
	if b.Less(a) {
		return b
	}
	return a
}

// leverageSurplus is equity - sum of notional / max_leverage at 1e-24. The sum is
// taken over the least common multiple of the leverages, so that it is exact: 100
// at 3x three times is 100.
func (m *Machine) leverageSurplus(a *account.Account, sums *margin.Sums) fixedpoint.Int256 {
	equity := equityOf(a, sums).MulInt64(fixedpoint.One)
	multiple := int64(1)
	m.eachLeverage(a, func(_ fixedpoint.Int128, l int64) { multiple = lcm(multiple, l) })
	sum := fixedpoint.Int256{}
	m.eachLeverage(a, func(notional fixedpoint.Int128, l int64) {
		if multiple%l == 0 {
			sum = sum.Add(notional.MulInt64(multiple / l))
			return
		}
		// Leverages so odd that their multiple does not fit: the share is rounded up,
		// by less than 1e-24.
		num := [2]fixedpoint.Int256{notional.Wide(), fixedpoint.Int256From(multiple)}
		den := [1]fixedpoint.Int256{fixedpoint.Int256From(l)}
		q, _ := fixedpoint.QuoProducts(num[:], den[:], fixedpoint.Ceil)
		sum = sum.Add(q)
	})
	num := [3]fixedpoint.Int256{sum, fixedpoint.Int256From(fixedpoint.One), fixedpoint.Int256From(fixedpoint.One)}
	den := [1]fixedpoint.Int256{fixedpoint.Int256From(multiple)}
	q, _ := fixedpoint.QuoProducts(num[:], den[:], fixedpoint.Ceil)
	return equity.Sub(q)
}

func (m *Machine) eachLeverage(a *account.Account, do func(notional fixedpoint.Int128, leverage int64)) {
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		i = m.accounts.Next(p)
		l := m.legOf(p)
		if lev := l.Tiers.MaxLeverage(l.Notional()); lev != 0 && p.Qty != 0 {
			do(l.Notional(), int64(lev))
		}
	}
}

// lcm is the least common multiple, or a where that does not fit.
func lcm(a, b int64) int64 {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	if m, ok := fixedpoint.Mul64(a/x, b).Int64(); ok {
		return m
	}
	return a
}
