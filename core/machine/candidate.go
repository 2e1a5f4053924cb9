package machine

import (
	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/adl"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// equityBefore is what an account was worth before the first one was handled in
// this event; kept for those a counterparty-liquidation has touched since.
type equityBefore struct {
	slot   account.Slot
	equity fixedpoint.Int256
}

// loss is what closing the whole piece costs counterparties against the mark, at
// 1e-16.
func (m *Machine) loss(t *terms) fixedpoint.Int256 {
	value := fixedpoint.Value(t.piece.Qty, t.piece.Mark).Wide()
	return fixedpoint.Mul64(int64(t.piece.Quote), fixedpoint.One).Wide().Sub(value)
}

// offer is what a bankrupt position asks of its counterparties.
type offer struct {
	*terms
	policy event.Policy
	loss   fixedpoint.Int256 // see loss
	// The least surplus, at 1e-24, that allows to give a lot, for those whose numbers
	// are plain; not known where the offer's are not.
	least fixedpoint.Int128
	plain bool
}

// plain reports whether a number can be added up a few times without a second look
// at whether it still fits.
func plain(v int64) bool { return -1<<60 < v && v < 1<<60 }

func (m *Machine) offer(t *terms) offer {
	o := offer{terms: t, policy: m.contracts[t.contract].policy, loss: m.loss(t)}
	o.plain = plain(int64(t.piece.Quote)) && !m.scan
	if o.loss.Sign() > 0 {
		var ok bool
		o.least, ok = leastSurplus(o.loss, t.piece.Lot, t.size())
		o.plain = o.plain && ok
	}
	return o
}

// leastSurplus is the smallest s at 1e-24 with s x size >= loss x lot, if it fits.
func leastSurplus(loss fixedpoint.Int256, lot, size fixedpoint.Qty) (fixedpoint.Int128, bool) {
	num := [3]fixedpoint.Int256{loss, fixedpoint.Int256From(int64(lot)), fixedpoint.Int256From(fixedpoint.One)}
	den := [1]fixedpoint.Int256{fixedpoint.Int256From(int64(size))}
	least, ok := fixedpoint.QuoProducts(num[:], den[:], fixedpoint.Ceil)
	n, small := least.Int128()
	return n, ok && small
}

// find returns where a member's position is now; at is None where it has none of
// the opposite sign any more.
func (m *Machine) find(t *terms, r *ranking, i int) place {
	member, w := &r.members[i], &r.places[i]
	id := m.contracts[t.contract].id
	if w.at == account.None || !m.isPlace(*w, member, id) {
		w.slot, w.at = m.accounts.Find(member.Account), account.None
		if w.slot != account.None {
			w.at = m.accounts.Lookup(w.slot, id, member.Side)
		}
	}
	if w.at == account.None {
		return *w
	}
	if q := m.accounts.Position(w.at).Qty; q == 0 || q > 0 == (t.piece.Qty > 0) {
		return place{w.slot, account.None}
	}
	return *w
}

// isPlace reports whether a remembered place still is the member's position.
func (m *Machine) isPlace(w place, member *adl.Member, id event.SymbolID) bool {
	p := m.accounts.Position(w.at)
	return p.Qty != 0 && p.Account == w.slot && m.accounts.Symbol(p) == id && p.Side == member.Side &&
		m.accounts.At(w.slot).ID == member.Account
}

// candidate is a position as it stands now; with Limit 0 it can give nothing.
func (m *Machine) candidate(o *offer, w place) (k adl.Candidate) {
	a, p := m.accounts.At(w.slot), m.accounts.Position(w.at)
	surplus, ok := m.eligible(w.slot)
	if !ok {
		return k
	}
	k.Qty = max(p.Qty, -p.Qty)
	k.Limit = k.Qty.Lots(o.piece.Lot)
	if o.loss.Sign() > 0 && !o.affordable(surplus, k.Limit) {
		num := [2]fixedpoint.Int256{surplus, fixedpoint.Int256From(int64(o.size()))}
		den := [3]fixedpoint.Int256{o.loss, fixedpoint.Int256From(int64(o.piece.Lot)), fixedpoint.Int256From(fixedpoint.One)}
		most, ok := fixedpoint.QuoProducts(num[:], den[:], fixedpoint.Floor)
		if n, small := most.Int64(); ok && small {
			k.Limit = min(k.Limit, n)
		}
	}
	k.Limit = o.representable(a, p, k.Limit)
	if o.policy != event.PolicyQueue {
		l := m.legOf(p)
		sums, _ := m.sums(a)
		k.PnL, k.Equity = l.PnL(), equityOf(a, &sums)
		k.EquityBefore = m.equityBeforeEvent(w.slot, a, k.Equity)
	}
	return k
}

// affordable reports whether a surplus is enough for so many lots for sure: least is
// rounded up.
func (o *offer) affordable(surplus fixedpoint.Int256, lots int64) bool {
	return o.plain && !surplus.Less(o.least.MulInt64(lots))
}

// representable is the most lots up to limit that the counterparty can write down
// giving.
func (t *terms) representable(a *account.Account, p *account.Position, limit int64) int64 {
	if t.writable(a, p, limit) {
		return limit
	}
	low, high := int64(0), limit // giving nothing can be written down
	for high-low > 1 {
		if mid := low + (high-low)/2; t.writable(a, p, mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

func (t *terms) writable(a *account.Account, p *account.Position, lots int64) bool {
	qty := lots * int64(t.piece.Lot)
	quote, ok := fixedpoint.MulDiv(int64(t.piece.Quote), qty, int64(t.size()), fixedpoint.HalfEven)
	if !ok {
		return false
	}
	b, ok := account.Book(p.Qty, p.Cost, t.signed(fixedpoint.Qty(qty)), fixedpoint.Amount(quote))
	if !ok {
		return false
	}
	// One step of slack: the split may round its share up.
	w, ok := fits(a.Wallet, b.Realized)
	return ok && w <= 1<<63-2 && w >= -1<<63+2
}

// equityBeforeEvent is the account's equity before the first account was handled.
func (m *Machine) equityBeforeEvent(s account.Slot, a *account.Account, now fixedpoint.Int256) fixedpoint.Int256 {
	if i := a.Noted; i < uint32(len(m.equities)) && m.equities[i].slot == s {
		return m.equities[i].equity
	}
	return now
}

// noteEquity remembers an account's equity the first time the event is about to
// change it by a counterparty-liquidation.
func (m *Machine) noteEquity(s account.Slot, a *account.Account) {
	if i := a.Noted; i < uint32(len(m.equities)) && m.equities[i].slot == s {
		return
	}
	sums, _ := m.sums(a)
	m.rest(a) // until it has its new station: its triggers are about to be of the past
	a.Noted = uint32(len(m.equities))
	m.equities = append(m.equities, equityBefore{slot: s, equity: equityOf(a, &sums)})
}
