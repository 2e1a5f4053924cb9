package machine

import (
	"cmp"
	"slices"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/fund"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// fundBefore is a fund as it was when the event began to change it.
type fundBefore struct {
	seq        uint64
	cash       fixedpoint.Amount
	cap        fixedpoint.Rate
	restricted bool
	isNew      bool
	stocked    bool // an inventory changed
	deficit    bool // cash was below zero when it was last looked at
}

// fundOf returns the index of a fund, or -1 with the refusal noted.
func (m *Machine) fundOf(id event.FundID) int32 {
	m.refusal.Fund = id
	m.refusal.Flags |= event.HasFund
	return m.fundIDs.Find(uint64(id))
}

// changing must be called before a fund's cash, inventory, cap or mode changes.
func (m *Machine) changing(i int32) *fundBefore {
	b := &m.before[i]
	if b.seq != m.seq {
		f := &m.funds[i]
		*b = fundBefore{seq: m.seq, cash: f.Cash, cap: f.Cap, restricted: f.Restricted(), deficit: f.Cash < 0}
		m.changed = append(m.changed, i)
	}
	return b
}

// reportFunds ends the event's effects: one per fund that changed, by name.
func (m *Machine) reportFunds() {
	if len(m.changed) == 0 {
		return
	}
	for _, i := range m.fundNames {
		f, b := &m.funds[i], &m.before[i]
		if b.seq != m.seq || !b.isNew && !b.stocked &&
			f.Cash == b.cash && f.Cap == b.cap && f.Restricted() == b.restricted {
			continue
		}
		v := m.fundTotals(i)
		x := event.Effect{
			Kind: event.EffectFund, Flags: event.HasFund, Fund: f.ID, Balance: f.Cash,
			Equity: v.Equity, Notional: v.NetNotional, Room: v.CapNotional,
		}
		if v.ADLOnly {
			x.Flags |= event.EffectADLOnly
		}
		m.fx.Append(x)
	}
}

// exposure sums what a fund holds at the last accepted marks.
func (m *Machine) exposure(i int32) (x fund.Exposure) {
	for _, j := range m.stocked {
		if c := &m.contracts[j]; c.fund == i && c.mark != 0 {
			x.Add(c.inventory, c.mark)
		}
	}
	return x
}

// fundTotals is a fund as it is shown, without the inventory.
func (m *Machine) fundTotals(i int32) event.FundView {
	f, x := &m.funds[i], m.exposure(i)
	return event.FundView{
		Fund: f.ID, Cash: f.Cash, Equity: amount(f.Equity(x)), NetNotional: amount(x.Net),
		CapNotional: shownMargin(f.CapNotional(x)), ADLOnly: f.Restricted(),
	}
}

// shownMargin rounds a value at 1e-24 half-even to 1e-8.
func shownMargin(v fixedpoint.Int256) fixedpoint.Int128 {
	return shown(v, fixedpoint.One*fixedpoint.One)
}

// applyFund creates or updates a fund.
func (m *Machine) applyFund(e event.Event) event.Reject {
	s := e.FundSettings()
	i := m.fundOf(s.ID)
	switch {
	case i >= 0 && m.funds[i].Name != s.Name, i < 0 && m.fundNamed(s.Name):
		return event.Exists
	case s.HasCap && s.Cap < 0:
		return event.Sign
	case i < 0 && len(m.funds) == cap(m.funds):
		return m.noRoom(event.Funds, m.limits.Funds)
	}
	if i < 0 {
		m.funds = append(m.funds, fund.Fund{ID: s.ID, Name: s.Name, Cap: fixedpoint.One})
		i = int32(len(m.funds) - 1)
		m.addFund(i)
		m.changing(i).isNew = true
	}
	m.changing(i)
	f := &m.funds[i]
	if s.HasCap {
		f.Cap = s.Cap
	}
	if s.HasADLOnly {
		f.ADLOnly = s.ADLOnly
	}
	return event.Accepted
}

func (m *Machine) addFund(i int32) {
	f := &m.funds[i]
	m.fundIDs.Put(uint64(f.ID), i)
	at, _ := slices.BinarySearchFunc(m.fundNames, f.Name, func(j int32, n event.Name) int {
		return compareNames(m.funds[j].Name, n)
	})
	m.fundNames = slices.Insert(m.fundNames, at, i)
}

func (m *Machine) fundNamed(n event.Name) bool {
	for i := range m.funds {
		if m.funds[i].Name == n {
			return true
		}
	}
	return false
}

// applyFundTransfer books cash from outside. A withdrawal is a request: it must
// leave cash >= 0 and the caps satisfied for the present inventory.
func (m *Machine) applyFundTransfer(h *event.Record) event.Reject {
	i := m.fundOf(h.Fund())
	if i < 0 {
		return event.UnknownFund
	}
	f, a, reason := &m.funds[i], h.Amount(), event.FundReason(h.Code())
	switch {
	case a == 0:
		return event.Zero
	case reason == event.FundDeposit && a < 0, reason == event.FundWithdrawal && a > 0:
		return event.Sign
	}
	cash, ok := fits(f.Cash, a)
	if reason == event.FundWithdrawal {
		m.refusal.Balance = f.Cash
		if !ok || cash < 0 {
			return event.Cash
		}
		if !m.capsHold(i, cash) {
			return event.Cap
		}
	}
	if !ok {
		return event.Overflow
	}
	types := [...]event.LedgerType{
		event.FundDeposit: event.LedgerDeposit, event.FundWithdrawal: event.LedgerWithdrawal,
		event.FundAdjustment: event.LedgerAdjustment,
	}
	m.moveCash(i, -1, types[reason], a)
	m.ledger.outside(a)
	m.alarmDeficit(i)
	return event.Accepted
}

// capsHold reports whether the fund's inventory would satisfy its caps with cash.
func (m *Machine) capsHold(i int32, cash fixedpoint.Amount) bool {
	f := m.funds[i]
	f.Cash = cash
	x := m.exposure(i)
	m.refusal.Room = shownMargin(f.CapNotional(x))
	for _, j := range m.stocked {
		c := &m.contracts[j]
		if c.fund == i &&
			!f.WithinCap(x, c.capShare, fixedpoint.Value(c.inventory.Qty, c.mark).Abs()) {
			return false
		}
	}
	return true
}

// applyFundFill corrects an inventory from outside.
func (m *Machine) applyFundFill(h *event.Record) event.Reject {
	i := m.fundOf(h.Fund())
	if i < 0 {
		return event.UnknownFund
	}
	j := m.contractOf(h.Symbol())
	if j < 0 {
		return event.UnknownSymbol
	}
	if h.Qty() == 0 {
		return event.Zero
	}
	if code := checkPositive(int64(h.Price())); code != event.Accepted {
		return code
	}
	if m.contracts[j].fund != i {
		return event.WrongSymbol
	}
	quote, ok := fixedpoint.Quote(h.Qty(), h.Price())
	if !ok || !m.stockable(j, h.Qty(), quote) {
		return event.Overflow
	}
	m.stock(j, h.Qty(), quote, event.LedgerAdjustment)
	m.ledger.outsideFill(h.Qty(), quote, j)
	m.alarmDeficit(i)
	return event.Accepted
}

// stockable reports whether the contract's fund can write down a fill.
func (m *Machine) stockable(j int32, qty fixedpoint.Qty, quote fixedpoint.Amount) bool {
	c := &m.contracts[j]
	b, ok := account.Book(c.inventory.Qty, c.inventory.Cost, qty, quote)
	if !ok {
		return false
	}
	_, ok = fits(m.funds[c.fund].Cash, b.Realized)
	return ok
}

// stock books a fill on the inventory of the contract's fund and writes the
// ledger entry. Requires stockable.
func (m *Machine) stock(j int32, qty fixedpoint.Qty, quote fixedpoint.Amount, t event.LedgerType) {
	c := &m.contracts[j]
	b, _ := account.Book(c.inventory.Qty, c.inventory.Cost, qty, quote)
	m.changing(c.fund).stocked = true
	was := c.inventory.Qty
	c.inventory = fund.Inventory{Qty: b.Qty, Cost: b.Cost}
	c.noteSize(was, b.Qty)
	m.noteStock(j)
	switch {
	case b.Qty == 0:
		c.sliceFrom = 0
	case was == 0 && m.now != 0:
		c.sliceFrom = m.now
	}
	m.moveCash(c.fund, j, t, b.Realized)
}

// noteStock keeps the list of contracts a fund holds something of.
func (m *Machine) noteStock(j int32) {
	at, listed := slices.BinarySearchFunc(m.stocked, m.contracts[j].id, func(i int32, id event.SymbolID) int {
		return cmp.Compare(m.contracts[i].id, id)
	})
	switch holds := m.contracts[j].inventory.Qty != 0; {
	case holds && !listed:
		m.stocked = slices.Insert(m.stocked, at, j)
	case !holds && listed:
		m.stocked = slices.Delete(m.stocked, at, at+1)
	}
}

// moveCash changes a fund's cash and writes the ledger entry; j is the contract,
// or -1. Requires that the sum fits.
func (m *Machine) moveCash(i, j int32, t event.LedgerType, a fixedpoint.Amount) {
	m.changing(i)
	f := &m.funds[i]
	f.Cash += a
	x := event.Effect{
		Kind: event.EffectLedger, Flags: event.HasFund, Reason: uint8(t),
		Fund: f.ID, Amount: a, Balance: f.Cash,
	}
	if j >= 0 {
		x.Flags |= event.HasSymbol
		x.Symbol = m.contracts[j].id
	}
	m.fx.Append(x)
}

// alarmDeficit raises fund_deficit when cash has fallen below zero since it was
// last looked at: after each fee, position and request.
func (m *Machine) alarmDeficit(i int32) {
	f, b := &m.funds[i], m.changing(i)
	fell := f.Cash < 0 && !b.deficit
	b.deficit = f.Cash < 0
	if !fell {
		return
	}
	m.fx.Append(event.Effect{
		Kind: event.EffectAlarm, Flags: event.HasFund, Reason: uint8(event.AlarmFundDeficit),
		Fund: f.ID, Balance: f.Cash,
	})
}
