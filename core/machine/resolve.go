package machine

import (
	"slices"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// resolve closes a bankrupt account's positions so that it ends with nothing:
// hedge legs against each other, then each position against the fund and, where
// the fund may not, against counterparties. Positions with a blocked mark stay for
// later; when all are blocked nothing happens yet.
func (m *Machine) resolve(s account.Slot, reason event.BankruptReason) {
	a := m.accounts.At(s)
	if !m.anyOpen(a) {
		return
	}
	sums, _ := m.sums(a)
	m.sayBankrupt(a, amount(sums.Equity(a.Wallet)), reason)
	a.Flags |= account.Bankrupt
	if reason == event.Unable {
		a.Flags |= account.Exhausted
	}
	m.releaseFees(s)
	if m.net(s) {
		if sums, _ = m.sums(a); sums.Healthy(a.Wallet) {
			m.recover(s)
			return
		}
	}
	if m.accounts.Flat(s) {
		// Only netted, and short of the wallet: the fund pays.
		m.coverFlat(s)
		m.endEpisode(s)
		return
	}
	list := m.closings(a, &sums)
	if slices.ContainsFunc(list, func(c closing) bool { return c.blocked }) {
		// What is blocked keeps the remainder.
		for i := range list {
			list[i].quote = list[i].share
		}
	}
	for i := range list {
		if c := &list[i]; !c.blocked && !a.Has(account.OutOfSync) {
			m.resolvePosition(s, c)
		}
	}
	if a.Has(account.OutOfSync) || m.accounts.Flat(s) {
		m.endEpisode(s)
	}
}

func (m *Machine) sayBankrupt(a *account.Account, equity fixedpoint.Int128, reason event.BankruptReason) {
	m.cancelOrders(a.ID)
	m.fx.Append(event.Effect{
		Kind: event.EffectBankrupt, Flags: event.HasAccount, Reason: uint8(reason),
		Account: a.ID, Equity: equity,
	})
}

// anyOpen reports whether some position of the account can be closed now.
func (m *Machine) anyOpen(a *account.Account) bool {
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		if p.Qty != 0 && !m.blocked(&m.contracts[p.Contract]) {
			return true
		}
		i = m.accounts.Next(p)
	}
	return false
}

// net closes matched hedge legs of each symbol against each other at the mark, and
// reports whether there were any.
func (m *Machine) net(s account.Slot) bool {
	a, any := m.accounts.At(s), false
	for i := a.First; i != account.None; {
		long := m.accounts.Position(i)
		j := m.accounts.Next(long)
		if j == account.None {
			break
		}
		short := m.accounts.Position(j)
		next := j
		c := &m.contracts[long.Contract]
		if short.Contract == long.Contract && !m.blocked(c) {
			next = m.accounts.Next(short)
			any = m.netLegs(s, i, j) || any
		}
		i = next
	}
	return any
}

func (m *Machine) netLegs(s account.Slot, i, j int32) bool {
	long, short := m.accounts.Position(i), m.accounts.Position(j)
	a, c := m.accounts.At(s), &m.contracts[long.Contract]
	qty := min(long.Qty, -short.Qty)
	quote, ok := fixedpoint.Quote(qty, c.mark)
	if qty <= 0 || !ok {
		return false
	}
	b1, ok1 := account.Book(long.Qty, long.Cost, -qty, -quote)
	b2, ok2 := account.Book(short.Qty, short.Cost, qty, quote)
	wallet, ok3 := fits(a.Wallet, b1.Realized)
	wallet, ok4 := fits(wallet, b2.Realized)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return false
	}
	a.Wallet = wallet
	m.setPosition(i, b1)
	m.setPosition(j, b2)
	m.fx.Append(event.Effect{
		Kind: event.EffectNetted, Flags: event.HasAccount | event.HasSymbol,
		Account: a.ID, Symbol: c.id, Qty: qty, Price: c.mark,
	})
	return true
}

// coverDeficit pays what an account that holds nothing owes, from the fund of the
// contract whose position was last reduced.
func (m *Machine) coverDeficit(s account.Slot) {
	a := m.accounts.At(s)
	if !m.coverable(a) {
		m.outOfSync(s, event.Overflow)
		return
	}
	m.sayBankrupt(a, fixedpoint.Int128From(int64(a.Wallet)), event.Deficit)
	m.releaseFees(s)
	m.coverFlat(s)
	m.endEpisode(s)
}

// coverable reports whether the fund could write down what a flat account owes.
func (m *Machine) coverable(a *account.Account) bool {
	_, ok := fits(m.funds[m.contracts[a.LastReduced].fund].Cash, a.Wallet)
	return ok
}

func (m *Machine) coverFlat(s account.Slot) {
	a := m.accounts.At(s)
	if !m.coverable(a) {
		m.outOfSync(s, event.Overflow)
		return
	}
	m.settle(a, a.LastReduced, -a.Wallet)
	m.alarmDeficit(m.contracts[a.LastReduced].fund)
}

// settle moves cover (above 0) from the contract's fund to an account, or a surplus
// (below 0) the other way. Requires that both fit.
func (m *Machine) settle(a *account.Account, contract int32, cover fixedpoint.Amount) {
	c := &m.contracts[contract]
	x := event.Effect{
		Kind: event.EffectCover, Flags: event.HasAccount | event.HasFund | event.HasSymbol,
		Account: a.ID, Fund: m.funds[c.fund].ID, Symbol: c.id, Amount: cover,
	}
	t := event.LedgerCover
	if cover < 0 {
		x.Kind, x.Amount, t = event.EffectSurplus, -cover, event.LedgerSurplus
	}
	a.Wallet += cover
	m.fx.Append(x)
	m.moveCash(c.fund, contract, t, -cover)
}
