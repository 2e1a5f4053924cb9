package machine

import (
	"slices"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/adl"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/core/trigger"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// AccountIDs appends the ids of all open accounts in ascending order.
func (m *Machine) AccountIDs(dst []event.AccountID) []event.AccountID {
	start := len(dst)
	for s := range m.accounts.Slots() {
		if m.accounts.Open(s) {
			dst = append(dst, m.accounts.At(s).ID)
		}
	}
	slices.Sort(dst[start:])
	return dst
}

// Account fills in v, whose Positions slice is reused; false if there is no such
// account. The rank behind a quantile is taken among all candidates now, so a view
// costs a pass over the holders of each contract: see [Machine.Viewer] for many.
func (m *Machine) Account(id event.AccountID, v *event.AccountView) bool {
	w := m.Viewer()
	return w.Account(id, v)
}

// Viewer looks at many accounts of one state: what is common to them is worked out
// once. It is good until the next Apply.
type Viewer struct {
	m      *Machine
	ranks  map[key]int8
	done   map[int32]bool
	ranker adl.Ranker
}

type key struct {
	contract int32
	account  event.AccountID
	side     event.PositionSide
}

// Viewer returns a viewer of the present state.
func (m *Machine) Viewer() *Viewer {
	return &Viewer{m: m, ranks: map[key]int8{}, done: map[int32]bool{}}
}

// Account fills in v, whose Positions slice is reused; false if there is no such
// account.
func (w *Viewer) Account(id event.AccountID, v *event.AccountView) bool {
	m := w.m
	s := m.accounts.Find(id)
	if s == account.None {
		return false
	}
	a := m.accounts.At(s)
	known, all := m.knownSums(a)
	*v = event.AccountView{
		Account: a.ID, Owner: a.Owner, Mode: a.Mode, Status: m.status(s, &known, all),
		Wallet: a.Wallet, PendingFee: a.Pending, Equity: amount(equityOf(a, &known)),
		MM: shownMargin(known.Maintenance), Positions: v.Positions[:0],
	}
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		if p.Qty != 0 {
			v.Positions = append(v.Positions, w.position(a, p))
		}
		i = m.accounts.Next(p)
	}
	if all && len(v.Positions) > 0 {
		w.prices(a, &known, v)
	}
	slices.SortStableFunc(v.Positions, func(x, y event.PositionView) int {
		return compareNames(m.nameOf(x.Symbol), m.nameOf(y.Symbol))
	})
	return true
}

func (m *Machine) nameOf(id event.SymbolID) event.Name {
	return m.contracts[m.symbolIDs.Find(uint64(id))].name
}

// knownSums adds up the positions that have a mark; all reports whether every one
// has.
func (m *Machine) knownSums(a *account.Account) (s margin.Sums, all bool) {
	all = true
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		i = m.accounts.Next(p)
		if p.Qty == 0 {
			continue
		}
		if l := m.legOf(p); l.Mark != 0 {
			s.Add(&l)
		} else {
			all = false
		}
	}
	return s, all
}

func (m *Machine) status(s account.Slot, sums *margin.Sums, known bool) event.Status {
	a := m.accounts.At(s)
	switch {
	case a.Has(account.OutOfSync):
		return event.OutOfSync
	case !known:
		return event.Unassessed
	case a.Has(account.Bankrupt), a.Wallet < 0 && a.Orders == 0 && m.mode == event.Live && m.accounts.Flat(s):
		return event.Bankrupt
	case a.Has(account.Liquidating):
		return event.Liquidating
	case surplusOf(a, sums).Sign() >= 0:
		return event.Healthy
	case m.mode == event.Loading:
		return event.Unassessed
	}
	return event.Liquidating // as soon as a mark is not blocked
}

func (w *Viewer) position(a *account.Account, p *account.Position) event.PositionView {
	l := w.m.legOf(p)
	v := event.PositionView{
		Symbol: w.m.accounts.Symbol(p), Side: p.Side, Qty: p.Qty, Cost: p.Cost, Entry: priceOf(p.Cost, p.Qty), Mark: l.Mark, Quantile: -1,
	}
	if l.Mark != 0 {
		v.PnL = amount(l.PnL())
		v.Quantile = w.quantile(p.Contract, a.ID, p.Side)
	}
	return v
}

// prices fills in liquidation and bankruptcy prices of an account whose contracts
// all have a mark.
func (w *Viewer) prices(a *account.Account, sums *margin.Sums, v *event.AccountView) {
	m := w.m
	for _, c := range m.closings(a, sums) {
		p := m.accounts.Position(c.at)
		at := slices.IndexFunc(v.Positions, func(x event.PositionView) bool {
			return x.Symbol == m.accounts.Symbol(p) && x.Side == p.Side
		})
		v.Positions[at].BankruptcyPrice = c.price()
	}
	wallet, fit := fitsLess(a.Wallet, a.Pending)
	if v.Status != event.Healthy || !fit {
		return
	}
	for i := 0; i < len(v.Positions); {
		n := i + 1
		for n < len(v.Positions) && v.Positions[n].Symbol == v.Positions[i].Symbol {
			n++
		}
		below, above := m.liquidationPrices(a, wallet, *sums, v.Positions[i].Symbol)
		for ; i < n; i++ {
			v.Positions[i].LiquidationBelow, v.Positions[i].LiquidationAbove = below, above
		}
	}
}

// price is quote / qty, half-even; 0 where it is not a positive price. The quote of
// a large position need not fit an Amount.
func (c *closing) price() fixedpoint.Price {
	num := [2]fixedpoint.Int256{c.quote, fixedpoint.Int256From(fixedpoint.One)}
	den := [1]fixedpoint.Int256{fixedpoint.Int256From(int64(c.leg.Qty))}
	q, _ := fixedpoint.QuoProducts(num[:], den[:], fixedpoint.HalfEven)
	p, ok := q.Int64()
	if !ok {
		return 0
	}
	return max(fixedpoint.Price(p), 0)
}

func (m *Machine) liquidationPrices(a *account.Account, wallet fixedpoint.Amount, all margin.Sums, symbol event.SymbolID) (below, above fixedpoint.Price) {
	var legs [2]margin.Leg
	n := 0
	var own margin.Sums
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		if m.accounts.Symbol(p) == symbol && p.Qty != 0 {
			legs[n] = m.legOf(p)
			own.Add(&legs[n])
			n++
		}
		i = m.accounts.Next(p)
	}
	all.PnL, all.Maintenance = all.PnL.Sub(own.PnL), all.Maintenance.Sub(own.Maintenance)
	return margin.LiquidationPrices(legs[:n], wallet, all)
}

// quantile is 4 for those who are deleveraged first, 0 for the last, -1 for those
// who are no candidates.
func (w *Viewer) quantile(contract int32, id event.AccountID, side event.PositionSide) int8 {
	if !w.done[contract] {
		w.done[contract] = true
		w.rankContract(contract)
	}
	if q, ok := w.ranks[key{contract, id, side}]; ok {
		return q
	}
	return -1
}

func (w *Viewer) rankContract(contract int32) {
	m := w.m
	c := &m.contracts[contract]
	for side := range c.rankings {
		var members []adl.Member
		m.holdersOf(contract, trigger.Side(side), func(at int32) bool {
			if h := m.holder(c, at); m.mayRank(at, m.accounts.Position(at).Account) {
				member, _ := m.member(&h)
				members = append(members, member)
			}
			return true
		})
		for i, k := range w.ranker.Order(c.score, members) {
			x := &members[k]
			w.ranks[key{contract, x.Account, x.Side}] = int8(4 - 5*i/len(members))
		}
	}
}

// Fund fills in v, whose Inventory slice is reused; false if there is no such fund.
func (m *Machine) Fund(id event.FundID, v *event.FundView) bool {
	i := m.fundIDs.Find(uint64(id))
	if i < 0 {
		return false
	}
	inventory := v.Inventory[:0]
	*v = m.fundTotals(i)
	for _, j := range m.byID {
		if c := &m.contracts[j]; c.fund == i && c.inventory.Qty != 0 {
			inventory = append(inventory, event.InventoryView{Symbol: c.id, Qty: c.inventory.Qty, Cost: c.inventory.Cost})
		}
	}
	slices.SortFunc(inventory, func(x, y event.InventoryView) int {
		return compareNames(m.nameOf(x.Symbol), m.nameOf(y.Symbol))
	})
	v.Inventory = inventory
	return true
}
