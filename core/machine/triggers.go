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

// legs is scratch for the account in hand: the positions that hold something, and
// what margin makes of them, in 128 bits where those are enough.
type legs struct {
	at     []int32
	quick  margin.Quick
	isSure bool              // that quick has all of them
	left   fixedpoint.Int128 // their surplus at 1e-24, if it is sure
	wide   []margin.Leg      // if not
	more   fixedpoint.Int256
	prices []fixedpoint.Price
}

func newLegs(n int) *legs {
	return &legs{at: make([]int32, 0, n), wide: make([]margin.Leg, 0, n), prices: make([]fixedpoint.Price, n)}
}

// sideOf is where a quantity stands in the index.
func sideOf(q fixedpoint.Qty) trigger.Side {
	if q > 0 {
		return trigger.Below
	}
	return trigger.Above
}

// gather collects the account's positions and reports whether it is healthy, and
// whether all its contracts have a mark; without, it cannot be judged.
func (m *Machine) gather(a *account.Account) (healthy, known bool) {
	g := m.gathered
	at := g.at[:0]
	g.quick.Reset()
	quick, known := true, true
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		if p.Qty != 0 {
			c := &m.contracts[p.Contract]
			known = known && c.mark != 0
			quick = quick && g.quick.Add(p.Qty, p.Cost, c.mark, c.tiers)
			at = append(at, i)
		}
		i = m.accounts.Next(p)
	}
	g.at = at
	if !known {
		return false, false
	}
	free, fit := fitsLess(a.Wallet, a.Pending)
	if g.isSure = fit && quick; g.isSure {
		g.left = g.quick.Surplus(free)
		return g.left.Hi >= 0, true
	}
	var sums margin.Sums
	g.wide = g.wide[:0]
	for _, i := range at {
		g.wide = append(g.wide, m.legOf(m.accounts.Position(i)))
		sums.Add(&g.wide[len(g.wide)-1])
	}
	g.more = surplusOf(a, &sums)
	return g.more.Sign() >= 0, true
}

// bands works out triggers for the account in hand, which is healthy.
func (g *legs) bands(prices []fixedpoint.Price) {
	if g.isSure {
		g.quick.Bands(g.left, prices)
	} else {
		margin.Bands(g.more, g.wide, prices)
	}
}

// safe reports whether an account is armed and healthy at the worst marks its triggers
// allow, and so at all others short of them: it stays as it is. That is nearly everyone
// an event concerns, and to find it out no more has to be looked at than to judge them
// at the marks as they are.
func (m *Machine) safe(a *account.Account) bool {
	var left margin.Tally
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		if p.Qty != 0 {
			c := &m.contracts[p.Contract]
			worst, armed := m.index.Worst(sideOf(p.Qty), i, c.mark)
			if !armed {
				return false
			}
			if !left.Add(p.Qty, p.Cost, worst, c.tiers) {
				return m.safeWide(a)
			}
		}
		i = m.accounts.Next(p)
	}
	free, fit := fitsLess(a.Wallet, a.Pending)
	if !fit {
		return m.safeWide(a)
	}
	return left.Surplus(free).Hi >= 0
}

// safeWide is safe for what is not for margin.Tally.
func (m *Machine) safeWide(a *account.Account) bool {
	var sums margin.Sums
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		if p.Qty != 0 {
			l := m.legOf(p)
			worst, armed := m.index.Worst(sideOf(p.Qty), i, l.Mark)
			if !armed {
				return false
			}
			l.Mark = worst
			sums.Add(&l)
		}
		i = m.accounts.Next(p)
	}
	return surplusOf(a, &sums).Sign() >= 0
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
	if !m.scan && m.safe(a) {
		return false
	}
	healthy, known := m.gather(a)
	if known && !healthy {
		m.rest(a)
		return true
	}
	if !m.scan {
		m.place(a, healthy, known)
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
	case !m.safe(a):
		healthy, known := m.gather(a)
		m.place(a, healthy, known)
	}
}

// place is station for an account that is in nobody's hands and not safe, as gather
// found it.
func (m *Machine) place(a *account.Account, healthy, known bool) {
	switch {
	case a.Waiting:
		m.rush(a)
	case !known:
		m.awaitMarks()
	case healthy:
		m.arm()
	case m.anyOpen(a):
		m.rush(a)
	default:
		for _, i := range m.gathered.at {
			p := m.accounts.Position(i)
			m.index.Wait(p.Contract, sideOf(p.Qty), i)
		}
	}
}

// arm gives the account in hand new triggers.
func (m *Machine) arm() {
	g := m.gathered
	prices := g.prices[:len(g.at)]
	g.bands(prices)
	for k, i := range g.at {
		p := m.accounts.Position(i)
		m.index.Arm(p.Contract, sideOf(p.Qty), i, prices[k])
	}
}

// awaitMarks makes the account in hand wait for the marks it cannot be judged
// without.
func (m *Machine) awaitMarks() {
	for _, i := range m.gathered.at {
		p := m.accounts.Position(i)
		contract, side := p.Contract, sideOf(p.Qty)
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
			m.unsettleIn(p.Contract, sideOf(was), p.Account)
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
// its settings. Where that is many of all accounts it goes by slot, so that memory is
// read in the order it lies in.
func (m *Machine) touchHolders(i int32) {
	if many := int(m.accounts.Slots()) / 8; m.index.Len(i, trigger.Below)+m.index.Len(i, trigger.Above) < many {
		m.eachSide(i, false, func(s trigger.Side) { m.index.Each(i, s, m.appendHolder) })
		return
	}
	for s := range m.accounts.Slots() {
		if m.accounts.Open(s) && m.holds(s, i) {
			m.touch(s)
		}
	}
}

func (m *Machine) holds(s account.Slot, contract int32) bool {
	for i := m.accounts.At(s).First; i != account.None; {
		p := m.accounts.Position(i)
		if p.Contract == contract && p.Qty != 0 {
			return true
		}
		i = m.accounts.Next(p)
	}
	return false
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
