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
	m.epoch++
	s, _ := m.accounts.Add(id, id, event.Cross)
	return s
}

// setPosition writes the result of a booking, and deletes what is left of nothing.
func (m *Machine) setPosition(at int32, b account.Booking) {
	p := m.accounts.Position(at)
	m.setQty(at, b.Qty)
	p.Cost = b.Cost
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
	m.unsettle(s)
	m.fx.Append(event.Effect{
		Kind: event.EffectAlarm, Flags: event.HasAccount, Reason: uint8(event.AlarmOutOfSync),
		Account: a.ID, Candidates: uint32(why),
	})
	m.station(s)
}
