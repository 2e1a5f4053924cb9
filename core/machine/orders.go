package machine

import (
	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/internal/arena"
	"github.com/backstop-fund/backstop/core/internal/idmap"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// order is one of ours: a liquidation order of an account, or a slice of a fund's
// inventory.
type order struct {
	id       event.OrderID
	account  event.AccountID
	contract int32
	side     event.PositionSide
	offload  bool
	done     bool           // nothing more will fill, though late fills may arrive
	qty      fixedpoint.Qty // signed, negative sells
	filled   fixedpoint.Qty // of it, unsigned
	limit    fixedpoint.Price
	doneSeq  uint64 // when it was done: the oldest is forgotten first
	next     int32  // later done, or next free
}

// left returns how much of the order may still fill.
func (o *order) left() fixedpoint.Qty {
	if o.qty < 0 {
		return -o.qty - o.filled
	}
	return o.qty - o.filled
}

// orderTable remembers open orders and, while there is room, finished ones for
// fills that arrive late.
type orderTable struct {
	last   event.OrderID
	ids    *idmap.Map
	orders []order
	free   int32
	oldest int32 // finished orders, oldest first
	newest int32
	open   int
}

func newOrderTable(n int) orderTable {
	return orderTable{ids: idmap.New(n), orders: arena.Empty[order](n), free: -1, oldest: -1, newest: -1}
}

func (t *orderTable) room() int { return cap(t.orders) - t.open }

// add opens an order under the next id. Requires room.
func (t *orderTable) add(o order) event.OrderID {
	t.last++
	o.id = t.last
	t.put(o)
	return o.id
}

func (t *orderTable) put(o order) {
	if len(t.orders) == cap(t.orders) && t.free < 0 {
		t.forgetOldest()
	}
	i := t.free
	if i >= 0 {
		t.free = t.orders[i].next
		t.orders[i] = o
	} else {
		i = int32(len(t.orders))
		t.orders = append(t.orders, o)
	}
	t.ids.Put(uint64(o.id), i)
	t.open++
}

func (t *orderTable) forgetOldest() {
	i := t.oldest
	o := &t.orders[i]
	t.oldest = o.next
	if t.oldest < 0 {
		t.newest = -1
	}
	t.ids.Delete(uint64(o.id))
	*o = order{next: t.free}
	t.free = i
}

// find returns an order, or nil.
func (t *orderTable) find(id event.OrderID) *order {
	if i := t.ids.Find(uint64(id)); i != idmap.None {
		return &t.orders[i]
	}
	return nil
}

// finish marks an open order done.
func (t *orderTable) finish(o *order, seq uint64) {
	i := t.ids.Find(uint64(o.id))
	o.done, o.doneSeq, o.next = true, seq, -1
	if t.newest >= 0 {
		t.orders[t.newest].next = i
	} else {
		t.oldest = i
	}
	t.newest = i
	t.open--
}

func (m *Machine) orderOf(id event.OrderID) *order {
	m.refusal.Order = id
	m.refusal.Flags |= event.HasOrder
	return m.orders.find(id)
}

// applyOrderFill books what the venue filled of an order of ours.
func (m *Machine) applyOrderFill(h *event.Record) event.Reject {
	o := m.orderOf(h.Order())
	if o == nil {
		return event.UnknownOrder
	}
	if code := checkPositive(int64(h.Qty()), int64(h.Price())); code != event.Accepted {
		return code
	}
	if h.Qty() > o.left() {
		m.refusal.Qty = o.left()
		return event.Overfill
	}
	qty := h.Qty()
	if o.qty < 0 {
		qty = -qty
	}
	quote, ok := fixedpoint.Quote(qty, h.Price())
	if o.offload {
		return m.fillOffload(o, h, qty, quote, ok)
	}
	return m.fillLiquidation(o, h, qty, quote, ok)
}

func (m *Machine) fillOffload(o *order, h *event.Record, qty fixedpoint.Qty, quote fixedpoint.Amount, ok bool) event.Reject {
	if !ok || !m.stockable(o.contract, qty, quote) {
		return event.Overflow
	}
	o.filled += h.Qty()
	m.stock(o.contract, qty, quote, event.LedgerOffloadFill)
	m.ledger.outsideFill(qty, quote, o.contract)
	m.alarmWorse(o, h.Price())
	m.alarmDeficit(m.contracts[o.contract].fund)
	return event.Accepted
}

func (m *Machine) fillLiquidation(o *order, h *event.Record, qty fixedpoint.Qty, quote fixedpoint.Amount, ok bool) event.Reject {
	l := leg{id: o.account, contract: o.contract, side: o.side, qty: qty, quote: quote}
	m.plan(&l)
	m.refusal.Account = l.id
	m.refusal.Flags |= event.HasAccount
	if !ok {
		l.code = event.Overflow
	}
	if l.code != event.Accepted && l.slot == account.None {
		return l.code // closed since, and cannot be opened again by this
	}
	legs := [1]leg{l}
	if code := m.room(legs[:]); code != event.Accepted {
		return code
	}
	if l.slot == account.None {
		l.slot = m.open(l.id)
	}
	a := m.accounts.At(l.slot)
	if l.code != event.Accepted {
		m.outOfSync(l.slot, l.code)
		return event.Accepted
	}
	o.filled += h.Qty()
	m.bookLiquidation(o, &l)
	m.alarmWorse(o, h.Price())
	if a.Orders > 0 {
		a.RoundFilled = true
	}
	if o.done {
		a.Attempts = 0
	}
	a.Waiting = false
	m.touch(l.slot)
	return event.Accepted
}

// bookLiquidation books a fill and sets the liquidation fee aside. Late fills are
// free of it.
func (m *Machine) bookLiquidation(o *order, l *leg) {
	m.ledger.fill(l.qty, l.quote, 0, l.contract)
	if o.done {
		m.book(l)
		return
	}
	// The row must outlive the position it was of: it carries the fee.
	if l.at == account.None {
		l.at = m.accounts.Insert(l.slot, m.contracts[l.contract].id, l.side, l.contract)
	}
	due := m.accounts.Fee(l.at)
	earlier := *due
	*due++ // keeps the row while the booking may empty it
	m.book(l)
	*due = earlier
	a := m.accounts.At(l.slot)
	fee := m.liquidationFee(a, o.contract, l.quote)
	a.Pending += fee
	*due += fee
	m.accounts.Prune(l.at)
}

// liquidationFee is liq_fee x quote, half-even, at most the equity left at mark,
// earlier pending fees counted. A contract without a mark counts as worth its cost.
func (m *Machine) liquidationFee(a *account.Account, contract int32, quote fixedpoint.Amount) fixedpoint.Amount {
	fee, _ := fixedpoint.MulDiv(int64(max(quote, -quote)), int64(m.contracts[contract].liqFee), fixedpoint.One, fixedpoint.HalfEven)
	sums, _ := m.knownSums(a)
	left := rounded(equityOf(a, &sums), fixedpoint.One, fixedpoint.Floor)
	if left.Sign() <= 0 {
		return 0
	}
	if most, ok := left.Int64(); ok {
		fee = min(fee, most)
	}
	return min(fixedpoint.Amount(fee), 1<<63-1-a.Pending) // the sum must fit
}

// alarmWorse tells when a fill was worse than the order's limit. It is booked all
// the same: it has happened.
func (m *Machine) alarmWorse(o *order, price fixedpoint.Price) {
	if o.qty < 0 && price >= o.limit || o.qty > 0 && price <= o.limit {
		return
	}
	x := event.Effect{
		Kind: event.EffectAlarm, Flags: event.HasSymbol | event.HasOrder, Reason: uint8(event.AlarmWorseThanLimit),
		Order: o.id, Symbol: m.contracts[o.contract].id, Price: price, Entry: o.limit,
	}
	if o.offload {
		x.Flags |= event.HasFund
		x.Fund = m.funds[m.contracts[o.contract].fund].ID
	} else {
		x.Flags |= event.HasAccount
		x.Account = o.account
	}
	m.fx.Append(x)
}

// applyOrderDone ends an order, and with the last one of a round the round.
func (m *Machine) applyOrderDone(h *event.Record) event.Reject {
	o := m.orderOf(h.Order())
	if o == nil {
		return event.UnknownOrder
	}
	if o.done {
		return event.Accepted // said before
	}
	m.orders.finish(o, m.seq)
	if o.offload {
		m.contracts[o.contract].offloadOrder = 0
		return event.Accepted
	}
	s := m.accounts.Find(o.account)
	a := m.accounts.At(s) // an account with open orders is not closed
	a.Orders--
	if event.DoneReason(h.Code()) != event.Rejected {
		a.RoundTried = true
	}
	if a.Orders > 0 {
		return event.Accepted
	}
	m.timers.stop(s)
	a.Waiting = !a.RoundFilled
	switch {
	case a.RoundFilled:
		a.Attempts = 0
	case a.RoundTried:
		a.Attempts++
	}
	m.touch(s)
	return event.Accepted
}

// equityOf is an account's equity, pending fees counted. The wallet less the fees
// need not fit an Amount: a debt may come on top of them.
func equityOf(a *account.Account, sums *margin.Sums) fixedpoint.Int256 {
	equity := sums.Equity(a.Wallet)
	if a.Pending != 0 {
		equity = equity.Sub(margin.Scaled(a.Pending))
	}
	return equity
}

// surplusOf is equity - maintenance margin at 1e-24, pending fees counted.
func surplusOf(a *account.Account, sums *margin.Sums) fixedpoint.Int256 {
	return equityOf(a, sums).MulInt64(fixedpoint.One).Sub(sums.Maintenance)
}

// sums adds up an account's positions at the last accepted marks; false if one has
// no mark yet.
func (m *Machine) sums(a *account.Account) (s margin.Sums, known bool) {
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		i = m.accounts.Next(p)
		if p.Qty == 0 {
			continue
		}
		l := m.legOf(p)
		if l.Mark == 0 {
			return s, false
		}
		s.Add(&l)
	}
	return s, true
}

// legOf is a position as margin sees it.
func (m *Machine) legOf(p *account.Position) margin.Leg {
	c := &m.contracts[p.Contract]
	return margin.Leg{Qty: p.Qty, Cost: p.Cost, Mark: c.mark, Tiers: c.tiers}
}
