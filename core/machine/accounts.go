package machine

import (
	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// applyTransfer changes a wallet from outside.
func (m *Machine) applyTransfer(h *event.Record) event.Reject {
	m.refusal.Account = h.Account()
	m.refusal.Flags |= event.HasAccount
	s, a, reason := m.accounts.Find(h.Account()), h.Amount(), event.TransferReason(h.Code())
	switch {
	case reason == event.TransferWithdrawal && s == account.None:
		return event.UnknownAccount
	case a == 0:
		return event.Zero
	case reason == event.TransferDeposit && a < 0, reason == event.TransferWithdrawal && a > 0:
		return event.Sign
	}
	if s == account.None {
		if m.accounts.Full() {
			return m.noRoom(event.Accounts, m.limits.Accounts)
		}
		s = m.open(h.Account())
	}
	acc := m.accounts.At(s)
	wallet, ok := fits(acc.Wallet, a)
	if reason == event.TransferWithdrawal {
		if !m.mayWithdraw(s, a) {
			return event.Margin
		}
		if !ok {
			return event.Overflow
		}
	}
	if !ok {
		m.outOfSync(s, event.Overflow)
		return event.Accepted
	}
	acc.Wallet = wallet
	m.noteWallet(acc)
	m.ledger.outside(a)
	m.touch(s)
	return event.Accepted
}

// noteWallet forgets a debt that is paid.
func (m *Machine) noteWallet(a *account.Account) {
	if a.Wallet >= 0 {
		a.Flags &^= account.Indebted
	}
}

// applyAccount opens an account.
func (m *Machine) applyAccount(h *event.Record) event.Reject {
	id, owner, mode := h.Account(), h.Account(), event.Cross
	m.refusal.Account = id
	m.refusal.Flags |= event.HasAccount
	if h.Has(event.FlagOwner) {
		owner = h.Owner()
	}
	if h.Has(event.FlagMode) {
		mode = event.AccountMode(h.Code())
	}
	if m.accounts.Find(id) != account.None {
		return event.Exists
	}
	if _, ok := m.accounts.Add(id, owner, mode); !ok {
		return m.noRoom(event.Accounts, m.limits.Accounts)
	}
	m.epoch++
	return event.Accepted
}

// applyAccountClose forgets an account that holds, owes and awaits nothing.
func (m *Machine) applyAccountClose(h *event.Record) event.Reject {
	m.refusal.Account = h.Account()
	m.refusal.Flags |= event.HasAccount
	s := m.accounts.Find(h.Account())
	if s == account.None {
		return event.UnknownAccount
	}
	if a := m.accounts.At(s); a.Wallet != 0 || a.First != account.None || a.Orders != 0 {
		return event.NotFlat
	}
	m.accounts.Remove(s)
	return event.Accepted
}

// applyAccountState replaces wallet and positions by what the venue says they are.
// Open orders stay open; fees set aside stay set aside.
func (m *Machine) applyAccountState(e event.Event) event.Reject {
	r := e.AccountReplacement()
	m.refusal.Account = r.Account
	m.refusal.Flags |= event.HasAccount
	s := m.accounts.Find(r.Account)
	mode := event.Cross
	if s != account.None {
		mode = m.accounts.At(s).Mode
	}
	if r.HasMode {
		mode = r.Mode
	}
	for i := range e.Positions() {
		if m.contractOf(e.Position(i).Symbol) < 0 {
			return event.UnknownSymbol
		}
	}
	m.refusal.Flags &^= event.HasSymbol
	code := m.checkPositions(e, mode)
	if code == event.Accepted && r.Wallet == -1<<63 {
		code = event.Overflow
	}
	if code != event.Accepted {
		if s == account.None || code == event.Zero || code == event.Sign || code == event.Exists {
			return code
		}
		m.outOfSync(s, code)
		return event.Accepted
	}
	if s == account.None && m.accounts.Full() {
		return m.noRoom(event.Accounts, m.limits.Accounts)
	}
	if e.Positions() > m.accounts.Room()+m.replaceable(s) {
		return m.noRoom(event.Positions, m.limits.Positions)
	}
	if s == account.None {
		s = m.open(r.Account)
	}
	m.replace(s, e, r, mode)
	m.touch(s)
	return event.Accepted
}

// checkPositions is the code for positions that are no state of one account. A
// malformed one comes before those that merely cannot be represented.
func (m *Machine) checkPositions(e event.Event, mode event.AccountMode) event.Reject {
	unrepresentable := event.Accepted
	for i := range e.Positions() {
		p := e.Position(i)
		switch {
		case p.Qty == 0, p.ByEntry && p.Value == 0:
			return event.Zero
		case p.Side == event.Long && p.Qty < 0, p.Side == event.Short && p.Qty > 0,
			p.ByEntry && p.Value < 0,
			!p.ByEntry && p.Value != 0 && p.Value > 0 != (p.Qty > 0):
			return event.Sign
		}
		code := event.Accepted
		if _, ok := costOf(p); !ok || p.Qty == -1<<63 {
			code = event.Overflow
		}
		for j := range i {
			q := e.Position(j)
			switch {
			case q.Symbol == p.Symbol && q.Side == p.Side:
				return event.Exists
			case q.Symbol != p.Symbol && mode == event.Isolated:
				code = event.WrongSymbol
			case q.Symbol == p.Symbol && (q.Side == event.Both) != (p.Side == event.Both) && code != event.WrongSymbol:
				code = event.WrongMode
			}
		}
		if unrepresentable == event.Accepted {
			unrepresentable = code
		}
	}
	return unrepresentable
}

func costOf(p event.PositionState) (fixedpoint.Amount, bool) {
	if p.ByEntry {
		return fixedpoint.Quote(p.Qty, fixedpoint.Price(p.Value))
	}
	return fixedpoint.Amount(p.Value), p.Value != -1<<63
}

// replaceable returns how many positions the account gives back when it is
// replaced: those that owe no fee.
func (m *Machine) replaceable(s account.Slot) int {
	n := 0
	if s == account.None {
		return 0
	}
	for i := m.accounts.At(s).First; i != account.None; {
		p := m.accounts.Position(i)
		if *m.accounts.Fee(i) == 0 {
			n++
		}
		i = m.accounts.Next(p)
	}
	return n
}

// noteReductions counts a position that the venue says is smaller, gone or turned
// as reduced.
func (m *Machine) noteReductions(s account.Slot, e event.Event) {
	a := m.accounts.At(s)
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		now := fixedpoint.Qty(0)
		for j := range e.Positions() {
			if q := e.Position(j); q.Symbol == m.accounts.Symbol(p) && q.Side == p.Side {
				now = q.Qty
			}
		}
		if p.Qty > 0 && now < p.Qty || p.Qty < 0 && now > p.Qty {
			a.LastReduced = p.Contract
		}
		i = m.accounts.Next(p)
	}
}

func (m *Machine) replace(s account.Slot, e event.Event, r event.AccountReplacement, mode event.AccountMode) {
	a := m.accounts.At(s)
	m.ledger.replaced(m, s, -1)
	m.noteReductions(s, e)
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		next := m.accounts.Next(p)
		m.setQty(i, 0)
		p.Cost = 0
		m.accounts.Prune(i)
		i = next
	}
	a.Wallet, a.Mode = r.Wallet, mode
	if r.HasOwner {
		a.Owner = r.Owner
	}
	a.Flags &^= account.OutOfSync
	m.noteWallet(a)
	for i := range e.Positions() {
		p := e.Position(i)
		c := m.symbolIDs.Find(uint64(p.Symbol))
		at := m.accounts.Lookup(s, p.Symbol, p.Side)
		if at == account.None {
			at = m.accounts.Insert(s, p.Symbol, p.Side, c)
		}
		cost, _ := costOf(p)
		m.setPosition(at, account.Booking{Qty: p.Qty, Cost: cost})
	}
	m.ledger.replaced(m, s, +1)
}
