package machine

import (
	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/core/trigger"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// The trigger index decides whom a mark makes the machine look at. Between events
// each position stands there by what its account is:
//
//	in a round, out of sync      idle: what ends that is an event of the account's own
//	in trouble otherwise         eager: looked at with every mark of its contracts
//	without a first mark         eager where the mark is missing, idle elsewhere
//	below its margin, and every
//	mark of it blocked           waiting: looked at when a block ends
//	healthy                      armed: no combination of marks short of its triggers
//	                             makes equity < margin
//
// So what a scan of all holders would act on is always found, and the index is not
// part of the state. While loading, only who waits for a mark is eager.

// legs is scratch for the account in hand.
type legs struct {
	legs   []margin.Leg
	at     []int32
	prices []fixedpoint.Price
}

func newLegs(n int) legs {
	return legs{make([]margin.Leg, 0, n), make([]int32, 0, n), make([]fixedpoint.Price, n)}
}

// sideOf is where a quantity stands in the index.
func sideOf(q fixedpoint.Qty) trigger.Side {
	if q > 0 {
		return trigger.Below
	}
	return trigger.Above
}

// gather collects the account's positions and its surplus at 1e-24; false if some
// contract has no mark yet.
func (m *Machine) gather(a *account.Account) (surplus fixedpoint.Int256, known bool) {
	g := &m.gathered
	g.legs, g.at = g.legs[:0], g.at[:0]
	var q margin.Quick
	quick := true
	known = true
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		if p.Qty != 0 {
			l := m.legOf(p)
			known = known && l.Mark != 0
			quick = quick && q.Add(&l)
			g.legs, g.at = append(g.legs, l), append(g.at, i)
		}
		i = m.accounts.Next(p)
	}
	if !known {
		return surplus, false
	}
	if free, fit := fitsLess(a.Wallet, a.Pending); fit && quick {
		return q.Surplus(free).Wide(), true
	}
	var sums margin.Sums
	for i := range g.legs {
		sums.Add(&g.legs[i])
	}
	return surplusOf(a, &sums), true
}

// look judges an account that the event may have hurt and reports whether decide
// would do anything: such an account is left idle until it has its station. All others are put
// where they belong. It runs for every account that a mark fired.
func (m *Machine) look(s account.Slot) bool {
	a := m.accounts.At(s)
	switch {
	case a.Orders > 0 || a.Has(account.OutOfSync):
		m.station(s) // a round that is overdue is found apart
		return false
	case a.Flags != 0 || a.Pending != 0 || a.Wallet < 0 && m.accounts.Flat(s):
		m.rest(a)
		return true
	}
	surplus, known := m.gather(a)
	if known && surplus.Sign() < 0 {
		m.rest(a)
		return true
	}
	if !m.scan {
		m.place(a, surplus, known)
	}
	return false
}

// station puts an account where it belongs once the event has done with it.
func (m *Machine) station(s account.Slot) {
	if m.scan {
		return
	}
	a := m.accounts.At(s)
	switch {
	case a.Waiting:
		m.rush(a)
	case m.mode != event.Live || a.Orders > 0 || a.Has(account.OutOfSync):
		m.rest(a)
	case a.Flags != 0 || a.Pending != 0:
		m.rush(a)
	default:
		surplus, known := m.gather(a)
		m.place(a, surplus, known)
	}
}

// place is station for an account that is not in anybody's hands, as gather found it.
func (m *Machine) place(a *account.Account, surplus fixedpoint.Int256, known bool) {
	switch {
	case a.Waiting:
		m.rush(a)
	case !known:
		m.awaitMarks()
	case surplus.Sign() >= 0:
		m.arm(surplus)
	case m.anyOpen(a):
		m.rush(a)
	default:
		for k, i := range m.gathered.at {
			m.index.Wait(m.accounts.Position(i).Contract, sideOf(m.gathered.legs[k].Qty), i)
		}
	}
}

// arm gives the account in hand new triggers, unless those it has are still safe.
func (m *Machine) arm(surplus fixedpoint.Int256) {
	g := &m.gathered
	prices := g.prices[:len(g.legs)]
	armed := true
	for k, i := range g.at {
		if armed = armed && m.index.At(i) == trigger.Armed; armed {
			prices[k] = m.index.Bound(sideOf(g.legs[k].Qty), i)
		}
	}
	if armed && margin.Within(surplus, g.legs, prices) {
		return
	}
	margin.Bands(surplus, g.legs, prices)
	for k, i := range g.at {
		m.index.Arm(m.accounts.Position(i).Contract, sideOf(g.legs[k].Qty), i, prices[k])
	}
}

// awaitMarks makes the account in hand wait for the marks it cannot be judged
// without.
func (m *Machine) awaitMarks() {
	for k, i := range m.gathered.at {
		contract, side := m.accounts.Position(i).Contract, sideOf(m.gathered.legs[k].Qty)
		if m.contracts[contract].mark == 0 {
			m.index.Rush(contract, side, i)
		} else {
			m.index.Rest(contract, side, i)
		}
	}
}

// rush has an account looked at with the next mark of any of its contracts.
func (m *Machine) rush(a *account.Account) {
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		if p.Qty != 0 {
			m.index.Rush(p.Contract, sideOf(p.Qty), i)
		}
		i = m.accounts.Next(p)
	}
}

// rest takes an account out of the index's sight.
func (m *Machine) rest(a *account.Account) {
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		if p.Qty != 0 {
			m.index.Rest(p.Contract, sideOf(p.Qty), i)
		}
		i = m.accounts.Next(p)
	}
}

// setQty writes a position's quantity and keeps it in the lists of its side.
func (m *Machine) setQty(at int32, q fixedpoint.Qty) {
	p := m.accounts.Position(at)
	m.contracts[p.Contract].noteSize(p.Qty, q)
	if was := p.Qty; was == 0 || q == 0 || (was > 0) != (q > 0) {
		if was != 0 {
			m.index.Remove(p.Contract, sideOf(was), at)
		}
		if q != 0 {
			m.index.Add(p.Contract, sideOf(q), at)
		}
	}
	p.Qty = q
}

// fire puts those on the list whom the contract's mark concerns now: whose trigger
// it reached, who is eager, and who waited, if it is not blocked. With a new mark
// nobody waits for the next any more.
func (m *Machine) fire(i int32, isNew bool) {
	if m.scan {
		m.eachSide(i, isNew, func(s trigger.Side) { m.index.Each(i, s, m.appendHolder) })
		return
	}
	c := &m.contracts[i]
	if m.index.Quiet(i, c.mark) {
		return
	}
	m.eachSide(i, isNew, func(s trigger.Side) { m.fired = m.index.Cross(i, s, c.mark, m.fired) })
	if !m.blocked(c) {
		m.eachSide(i, isNew, func(s trigger.Side) { m.fired = m.index.Release(i, s, m.fired) })
	}
}

// eachSide has do find positions of each side, and puts their accounts on the list.
// An account has one position of a side in a contract, so there is room for all.
func (m *Machine) eachSide(i int32, isNew bool, do func(trigger.Side)) {
	for s := trigger.Below; s <= trigger.Above; s++ {
		m.fired = m.fired[:0]
		do(s)
		m.stats.Looked += uint64(len(m.fired))
		m.toSlots(isNew)
	}
}

// touchHolders puts everyone on the list who holds the contract: after a change of
// its settings.
func (m *Machine) touchHolders(i int32) {
	m.eachSide(i, false, func(s trigger.Side) { m.index.Each(i, s, m.appendHolder) })
}

func (m *Machine) appendHolder(at int32) bool {
	m.fired = append(m.fired, at)
	return true
}

// toSlots puts the accounts of the positions found on the list. It is the first of
// two passes over those a mark fires, which need nothing of each other: so their
// cache misses overlap, and the second, which judges them, finds them near.
func (m *Machine) toSlots(newMark bool) {
	for _, at := range m.fired {
		s := m.accounts.Position(at).Account
		if a := m.accounts.At(s); newMark && a.Waiting {
			a.Waiting = false
		}
		m.touch(s)
	}
}

// holders yields the positions of a contract, of both sides, that hold a quantity.
func (m *Machine) holders(i int32, yield func(at int32) bool) {
	m.index.Each(i, trigger.Below, yield)
	m.index.Each(i, trigger.Above, yield)
}
