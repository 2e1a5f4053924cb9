package machine

import (
	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// leg is a fill of one account, worked out before it is booked.
type leg struct {
	id       event.AccountID
	contract int32
	side     event.PositionSide
	qty      fixedpoint.Qty // signed
	quote    fixedpoint.Amount
	fee      fixedpoint.Amount

	slot    account.Slot // None: a cross account is opened for it
	at      int32        // position, or None: a new one
	booking account.Booking
	wallet  fixedpoint.Amount
	code    event.Reject // why it cannot be represented
}

// plan works out what l does. It fails, with l.code saying why, when the result
// cannot be represented: a number that does not fit, a second contract in an
// isolated account, one-way and hedge positions mixed, a hedge leg below zero.
func (m *Machine) plan(l *leg) {
	l.slot, l.at = m.accounts.Find(l.id), account.None
	held, cost, wallet := fixedpoint.Qty(0), fixedpoint.Amount(0), fixedpoint.Amount(0)
	if l.slot != account.None {
		if l.code = m.admits(l.slot, l.contract, l.side); l.code != event.Accepted {
			return
		}
		wallet = m.accounts.At(l.slot).Wallet
		l.at = m.accounts.Lookup(l.slot, m.contracts[l.contract].id, l.side)
	}
	if l.at != account.None {
		p := m.accounts.Position(l.at)
		held, cost = p.Qty, p.Cost
	}
	// Which side of zero a leg ends on is known even where its size does not fit.
	if l.side == event.Long && l.qty < 0 && l.qty < -held || l.side == event.Short && l.qty > 0 && l.qty > -held {
		l.code = event.WrongMode
		return
	}
	l.code = event.Overflow
	var ok bool
	if l.booking, ok = account.Book(held, cost, l.qty, l.quote); !ok {
		return
	}
	if wallet, ok = fits(wallet, l.booking.Realized); !ok {
		return
	}
	if l.wallet, ok = fitsLess(wallet, l.fee); !ok {
		return
	}
	l.code = event.Accepted
}

// admits is the code for why an account cannot hold a position of that side in a
// contract beside what it holds.
func (m *Machine) admits(s account.Slot, contract int32, side event.PositionSide) event.Reject {
	a := m.accounts.At(s)
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		i = m.accounts.Next(p)
		switch {
		case p.Qty == 0:
		case p.Contract != contract && a.Mode == event.Isolated:
			return event.WrongSymbol
		case p.Contract == contract && (p.Side == event.Both) != (side == event.Both):
			return event.WrongMode
		}
	}
	return event.Accepted
}

// room is the code for lack of capacity to book legs, several of which may open
// accounts or positions.
func (m *Machine) room(legs []leg) event.Reject {
	accounts, positions := 0, 0
	for i := range legs {
		if legs[i].slot == account.None && (i == 0 || legs[i].id != legs[0].id) {
			accounts++
		}
		if legs[i].at == account.None {
			positions++
		}
	}
	if accounts > m.limits.Accounts-m.accounts.Len() {
		return m.noRoom(event.Accounts, m.limits.Accounts)
	}
	if positions > m.accounts.Room() {
		return m.noRoom(event.Positions, m.limits.Positions)
	}
	return event.Accepted
}

// book applies a leg that plan accepted and room has room for.
func (m *Machine) book(l *leg) {
	if l.slot == account.None {
		l.slot = m.open(l.id)
	}
	if l.at == account.None {
		l.at = m.accounts.Insert(l.slot, m.contracts[l.contract].id, l.side, l.contract)
	}
	m.setPosition(l.at, l.booking)
	m.accounts.At(l.slot).Wallet = l.wallet
}

// open opens a cross account of its own owner. Requires room.
func (m *Machine) open(id event.AccountID) account.Slot {
	s, _ := m.accounts.Add(id, id, event.Cross)
	return s
}

// setPosition writes the result of a booking, and deletes what is left of nothing.
func (m *Machine) setPosition(at int32, b account.Booking) {
	p := m.accounts.Position(at)
	p.Qty, p.Cost = b.Qty, b.Cost
	c := &m.contracts[p.Contract]
	c.most = max(c.most, b.Qty, -b.Qty)
	a := m.accounts.At(p.Account)
	a.Flags &^= account.Indebted // whoever holds or held a contract has a fund
	if b.Reduced {
		a.LastReduced = p.Contract
	}
	m.accounts.Prune(at)
}

// applyFill books a fill of an account.
func (m *Machine) applyFill(h *event.Record) event.Reject {
	l := leg{id: h.Account(), side: h.Side(), qty: h.Qty(), fee: h.Fee()}
	m.refusal.Account = l.id
	m.refusal.Flags |= event.HasAccount
	l.contract = m.contractOf(h.Symbol())
	if l.contract < 0 {
		return event.UnknownSymbol
	}
	if l.qty == 0 {
		return event.Zero
	}
	if code := checkPositive(int64(h.Price())); code != event.Accepted {
		return code
	}
	var ok bool
	l.quote, ok = fixedpoint.Quote(l.qty, h.Price())
	legs := [1]leg{l}
	return m.bookLegs(ok, legs[:])
}

// applyTrade books both legs of a trade before anyone is assessed.
func (m *Machine) applyTrade(e event.Event) event.Reject {
	h := &e[0]
	m.refusal.Account = h.Buyer()
	m.refusal.Flags |= event.HasAccount
	i := m.contractOf(h.Symbol())
	if i < 0 {
		return event.UnknownSymbol
	}
	if code := checkPositive(int64(h.Qty()), int64(h.Price())); code != event.Accepted {
		return code
	}
	buyerFee, sellerFee := e.Fees()
	quote, ok := fixedpoint.Quote(h.Qty(), h.Price())
	legs := [2]leg{
		{id: h.Buyer(), contract: i, side: h.Side(), qty: h.Qty(), quote: quote, fee: buyerFee},
		{id: h.Seller(), contract: i, side: h.SellerSide(), qty: -h.Qty(), quote: -quote, fee: sellerFee},
	}
	return m.bookLegs(ok, legs[:])
}

// bookLegs books the legs of one fact. A leg of a known account that cannot be
// represented is dropped and makes the account out of sync; the fact is refused
// when a leg of an unknown account cannot be represented.
func (m *Machine) bookLegs(quoteFits bool, legs []leg) event.Reject {
	for i := range legs {
		l := &legs[i]
		m.plan(l)
		if !quoteFits && l.code == event.Accepted {
			l.code = event.Overflow
		}
		if l.code != event.Accepted && l.slot == account.None {
			m.refusal.Account = l.id
			return l.code
		}
	}
	if code := m.room(legs); code != event.Accepted {
		return code
	}
	for i := range legs {
		l := &legs[i]
		if i > 0 && l.id == legs[0].id {
			m.plan(l) // an account trading with itself: the first leg moved it
			if !quoteFits && l.code == event.Accepted {
				l.code = event.Overflow
			}
		}
		if l.code != event.Accepted {
			m.outOfSync(l.slot, l.code)
			continue
		}
		m.book(l)
		m.ledger.fill(l.qty, l.quote, l.fee, l.contract)
		m.touch(l.slot)
	}
	return event.Accepted
}

// outOfSync takes an account out of every decision until an account_state
// replaces it; one alarm.
func (m *Machine) outOfSync(s account.Slot, why event.Reject) {
	a := m.accounts.At(s)
	if a.Has(account.OutOfSync) {
		return
	}
	a.Flags |= account.OutOfSync
	m.fx.Append(event.Effect{
		Kind: event.EffectAlarm, Flags: event.HasAccount, Reason: uint8(event.AlarmOutOfSync),
		Account: a.ID, Candidates: uint32(why),
	})
}

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
		if p.Fee == 0 {
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
			if q := e.Position(j); q.Symbol == p.Symbol && q.Side == p.Side {
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
		p.Qty, p.Cost = 0, 0
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
