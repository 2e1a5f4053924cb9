package coretest

import (
	"slices"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// look views an account that is healthy and holds something; false if it is not.
func (a *Adversary) look(id event.AccountID) bool {
	if a.viewer == nil || a.viewed != a.m.Sequence() {
		a.viewer, a.viewed = a.m.Viewer(), a.m.Sequence()
	}
	if !a.viewer.Account(id, &a.view) || len(a.view.Positions) == 0 {
		return false
	}
	for _, p := range a.view.Positions {
		c := a.marketOf(p.Symbol)
		if a.contracts[c].mark != 0 && p.Mark != 0 {
			a.contracts[c].mark = p.Mark // one that was held or refused is not the mark
		}
	}
	return a.view.Status == event.Healthy
}

// Symbol ids descend, so that the order of contracts is not that of their ids.
func symbolID(i int) event.SymbolID { return event.SymbolID(100 - 3*i) }

func (a *Adversary) marketOf(id event.SymbolID) int { return int(100-id) / 3 }

// find views some healthy account that holds something, of a contract or, with -1,
// of any; 0 if a few tries meet none.
func (a *Adversary) find(contract int) event.AccountID {
	for range 4 {
		id := a.anyAccount()
		if !a.look(id) {
			continue
		}
		if contract < 0 || slices.ContainsFunc(a.view.Positions, func(p event.PositionView) bool { return p.Symbol == a.contracts[contract].id }) {
			return id
		}
	}
	return 0
}

// surplus is what the account in view has beyond its margin, in steps of 1e-8
// rounded down; false where that does not fit.
func (a *Adversary) surplus() (fixedpoint.Amount, bool) {
	var sums margin.Sums
	for _, p := range a.view.Positions {
		sums.Add(&margin.Leg{Qty: p.Qty, Cost: p.Cost, Mark: p.Mark, Tiers: &a.contracts[a.marketOf(p.Symbol)].tiers})
	}
	return whole(sums.Surplus(a.view.Wallet - a.view.PendingFee))
}

// whole is a sum at 1e-24 in steps of 1e-8, rounded down.
func whole(v fixedpoint.Int256) (fixedpoint.Amount, bool) {
	num := [1]fixedpoint.Int256{v}
	den := [2]fixedpoint.Int256{fixedpoint.Int256From(fixedpoint.One), fixedpoint.Int256From(fixedpoint.One)}
	q, ok := fixedpoint.QuoProducts(num[:], den[:], fixedpoint.Floor)
	n, fits := q.Int64()
	return fixedpoint.Amount(n), ok && fits
}

// transfer is a step that takes an amount off a wallet.
func transfer(id event.AccountID, off fixedpoint.Amount, kind Point) step {
	return step{do: (*Adversary).takeOff, account: id, price: fixedpoint.Price(off), kind: kind}
}

// takeOff is a fact mostly, and now and then a request that may be refused.
func (a *Adversary) takeOff(s step) event.Event {
	reason := event.TransferFunding
	if s.price > 0 && a.choose(6) == 0 {
		reason = event.TransferWithdrawal
	}
	return a.one(event.Transfer(s.account, -fixedpoint.Amount(s.price), reason))
}

// exact takes an account to exactly its margin, and 1e-8 below, or a mark one step
// further.
func (a *Adversary) exact(step) event.Event {
	id := a.find(-1)
	off, ok := a.surplus()
	if id == 0 || !ok || off == 0 {
		return nil
	}
	to := transfer(id, off, ExactMargin)
	switch a.choose(3) {
	case 0:
		a.then(to, transfer(id, 1, BelowMargin))
	case 1:
		a.then(transfer(id, off+1, Anywhere), transfer(id, -1, Anywhere))
	default:
		p := a.view.Positions[a.choose(len(a.view.Positions))]
		c := a.marketOf(p.Symbol)
		worse := p.Mark - 1
		if p.Qty < 0 {
			worse = min(p.Mark, 1<<63-2) + 1
		}
		a.then(to, step{do: (*Adversary).tickAt, contract: c, account: id, price: clamped(worse), kind: StepAtMargin})
	}
	return nil
}

// drown puts an account that holds a contract under water without a mark of that
// contract: by a charge, or by another contract's mark.
func (a *Adversary) drown(s step) event.Event {
	id := a.find(s.contract)
	off, ok := a.surplus()
	if id == 0 || !ok {
		return nil
	}
	other := a.choose(len(a.view.Positions))
	if p := &a.view.Positions[other]; a.choose(2) == 0 && a.marketOf(p.Symbol) != s.contract {
		a.parkOn(id, p)
		return nil
	}
	a.then(transfer(id, off+1, Anywhere))
	return nil
}

// replace gives an account new positions at the present marks and a wallet that
// leaves it with nothing, next to nothing, or some part of its notional beyond its
// margin.
func (a *Adversary) replace(s step) event.Event {
	id := s.account
	if id == 0 {
		id = a.anyAccount()
	}
	a.drawPositions(id)
	var sums margin.Sums
	notional := fixedpoint.Amount(0)
	for _, p := range a.positions {
		c := &a.contracts[a.marketOf(p.Symbol)]
		if c.mark == 0 {
			continue
		}
		cost := fixedpoint.Amount(p.Value)
		if p.ByEntry {
			cost, _ = fixedpoint.Quote(p.Qty, fixedpoint.Price(p.Value))
		}
		l := margin.Leg{Qty: p.Qty, Cost: cost, Mark: c.mark, Tiers: &c.tiers}
		sums.Add(&l)
		if v, ok := fixedpoint.Quote(max(p.Qty, -p.Qty), c.mark); ok {
			notional = max(notional, v)
		}
	}
	have, ok := whole(sums.Surplus(0))
	wallet := -have
	if !ok || have == -1<<63 {
		wallet = 0
	}
	switch a.choose(8) {
	case 0:
	case 1:
		wallet += fixedpoint.Amount(a.choose(3) - 1)
	default:
		if more := notional >> (1 + a.choose(20)); wallet < 1<<61 && more < 1<<61 {
			wallet += more
		}
	}
	r := event.AccountReplacement{Account: id, Wallet: wallet, HasMode: true, Mode: event.Cross}
	if isolates(id) {
		r.Mode = event.Isolated
	}
	a.sent.kind = Replaced
	return a.stamped(event.AppendAccountState(a.records[:0], r, a.positions))
}

// drawPositions draws what an account of an id may hold.
func (a *Adversary) drawPositions(id event.AccountID) {
	a.positions = a.positions[:0]
	n := 1 + a.choose(3)
	switch {
	case isolates(id):
		n = 1
	case a.temper.broad && id%2 == 1:
		n = len(a.contracts)
	}
	first := a.anyContract()
	for i := range min(n, len(a.contracts)) {
		c := &a.contracts[(first+i)%len(a.contracts)]
		qty := a.qty(c)
		if !hedges(id) {
			if a.choose(2) == 0 {
				qty = -qty
			}
			a.positions = append(a.positions, a.opened(c, event.Both, qty))
			continue
		}
		legs := 1 + a.choose(3)
		if legs&1 != 0 {
			a.positions = append(a.positions, a.opened(c, event.Long, qty))
		}
		if legs&2 != 0 {
			if a.choose(4) > 0 {
				qty = a.qty(c)
			}
			a.positions = append(a.positions, a.opened(c, event.Short, -qty))
		}
	}
}

// opened is a position that cost about its value at the mark, or nothing.
func (a *Adversary) opened(c *market, side event.PositionSide, qty fixedpoint.Qty) event.PositionState {
	p := event.PositionState{Symbol: c.id, Side: side, Qty: qty, ByEntry: true, Value: int64(a.near(c))}
	if a.choose(16) == 0 {
		p.ByEntry, p.Value = false, 0
	}
	return p
}

// around is the mark, or where the first one will be.
func (c *market) around() fixedpoint.Price {
	if c.mark == 0 {
		return c.base
	}
	return c.mark
}

// near is a price within a few percent of the mark.
func (a *Adversary) near(c *market) fixedpoint.Price {
	return times(c.around(), int64(960+a.choose(81)), 1000)
}

// qty draws a size: a few hundredths of the contract's scale to many times it, a
// whole tier, next to nothing, or as much as fits.
func (a *Adversary) qty(c *market) fixedpoint.Qty {
	value := int64(c.scale) >> a.choose(8)
	switch a.choose(12) {
	case 0:
		value = int64(c.given[a.choose(len(c.given))].Cap)
	case 1:
		return fixedpoint.Qty(1 + a.choose(1000))
	case 2:
		if a.choose(8) == 0 {
			value = 1 << (50 + a.choose(13))
		}
	}
	q, ok := fixedpoint.MulDiv(value, fixedpoint.One, int64(c.around()), fixedpoint.Floor)
	if !ok || q > 1<<61 {
		q = 1 << 61
	}
	if a.choose(2) == 0 && q > int64(c.lot) {
		q -= q % int64(c.lot)
	}
	return fixedpoint.Qty(max(q, 1))
}
