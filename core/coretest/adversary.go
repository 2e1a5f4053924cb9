package coretest

import (
	"slices"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Adversary writes the events that a shortcut of the machine would get wrong. Where
// [Stream] sends what a venue might, the adversary looks at the machine between two
// events and parks prices exactly where something changes: on the last price at
// which an account is healthy and one step of 1e-8 beyond it, on the edges of tiers,
// on numbers of few leading bits as an index of prices rounds to them, on 1e-8 and on
// the largest price that fits. It brings accounts to exactly their margin by
// transfers, drowns them while a mark is blocked, and lets the block end at the very
// same price.
//
// It writes records, not text, so that a hundred million events are a matter of
// minutes. All chance comes from choose, which returns a number in [0, n): the same
// choices before the same machine give the same events.
type Adversary struct {
	choose func(n int) int
	temper temper
	reach  *Reach

	m         *machine.Machine // as it is before the event in hand; only looked at
	now       int64
	sequence  uint64 // of the one source
	loading   bool
	contracts []market
	queue     []step
	head      int
	orders    []venueOrder
	sent      sent

	records   []event.Record
	positions []event.PositionState
	viewer    *machine.Viewer // of the state after event viewed
	viewed    uint64
	view      event.AccountView
	fund      event.FundView
}

// temper is what one adversary is like, drawn once: a calm market with a venue that
// fills finds other faults than a wild one with a venue that never answers.
type temper struct {
	accounts  int // ids run from 1 to a few more than that
	contracts int
	broad     bool // accounts hold more positions than a quick check takes
	wild      int  // one in so many marks is anywhere
	silent    int  // events to come before the first that carries a t
	fills     int  // of four orders, so many get something
	poor      bool // funds have next to nothing
	room      int  // spare positions
}

// market is a contract as the adversary knows it.
type market struct {
	id    event.SymbolID
	fund  event.FundID
	mark  fixedpoint.Price // last sent, which need not be the accepted one; 0 before any
	base  fixedpoint.Price // where it begins, and returns to
	scale fixedpoint.Amount
	lot   fixedpoint.Qty
	given []event.Tier
	tiers margin.Tiers

	drift     int // marks to come of a slow drift
	driftBits int
	driftDown bool

	maxAge  int64
	maxHold int64
	jumps   bool // has a max_jump
	since   int64
	suspect bool
	halted  bool
}

// venueOrder is an order of the machine's that the venue may answer.
type venueOrder struct {
	id    event.OrderID
	qty   fixedpoint.Qty
	limit fixedpoint.Price
}

// NewAdversary returns one that takes its choices from choose and counts in reach
// what it has reached.
func NewAdversary(choose func(n int) int, reach *Reach) *Adversary {
	a := &Adversary{
		choose: choose, reach: reach, now: 1760131034000000000,
		records: make([]event.Record, 0, 64),
	}
	a.temper = temper{
		accounts:  8 + choose(24),
		contracts: 2 + choose(5),
		wild:      []int{400, 60, 12}[choose(3)],
		fills:     choose(5),
		poor:      choose(3) == 2,
		room:      []int{64, 8, 0}[choose(3)],
	}
	switch {
	case choose(10) == 9:
		a.temper.contracts, a.temper.broad = 34+choose(3), true
	case choose(10) == 9:
		a.temper.accounts = 100 + choose(200)
	}
	if choose(4) == 3 {
		a.temper.silent = choose(400)
	}
	a.open()
	return a
}

// Limits are the capacities a machine for this adversary is made with. They are
// scarce: accounts, orders and, at times, positions run out.
func (a *Adversary) Limits() machine.Limits {
	each := 3
	if a.temper.broad {
		each = 26
	}
	return machine.Limits{
		Accounts: a.temper.accounts, Positions: each*a.temper.accounts + a.temper.room,
		Symbols: a.temper.contracts, Funds: 2, Orders: 96, Sources: 1,
	}
}

// Next returns the next event for a machine, valid until the next call. The machine
// must have had every event before it, and m may be any that had.
func (a *Adversary) Next(m *machine.Machine) event.Event {
	a.m = m
	for {
		if a.head == len(a.queue) {
			a.queue, a.head = a.queue[:0], 0
			a.play()
		}
		s := a.queue[a.head]
		a.head++
		a.sent = sent{kind: s.kind, target: s.account, before: a.sent.price, beforeCalm: a.sent.calm, beforeTarget: a.sent.target}
		if e := s.do(a, s); e != nil {
			return e
		}
	}
}

// step is one event of a play, worked out when its turn comes: what do returns then
// is sent, unless it is nil.
type step struct {
	do       func(*Adversary, step) event.Event
	kind     Point // what it means to reach, for the count
	account  event.AccountID
	contract int
	price    fixedpoint.Price
	n        int
}

// then makes steps the next ones, in this order, before what is left of the play.
func (a *Adversary) then(s ...step) { a.queue = slices.Insert(a.queue, a.head, s...) }

// one is an event of one record, stamped.
func (a *Adversary) one(r event.Record) event.Event {
	a.records = append(a.records[:0], r)
	return a.stamped(a.records)
}

// stamped gives an event the time, which passes in small steps and now and then does
// not pass at all.
func (a *Adversary) stamped(e event.Event) event.Event {
	a.records = e
	if a.temper.silent > 0 {
		a.temper.silent--
		return e
	}
	if n := a.choose(16); n > 0 {
		a.now += int64(n-1) * 1e6
		e[0].SetTime(a.now)
	}
	if a.choose(8) == 7 { // once more what was sent, now and then
		a.sequence += uint64(min(a.choose(32), 1))
		e[0].SetSource(1, a.sequence)
	}
	return e
}

func (a *Adversary) pick(n ...int64) int64 { return n[a.choose(len(n))] }

// any contract; a mark is known of those that had a tick.
func (a *Adversary) anyContract() int { return a.choose(len(a.contracts)) }

// anyAccount is one of those that may be open, or not.
func (a *Adversary) anyAccount() event.AccountID {
	return event.AccountID(1 + a.choose(a.temper.accounts+2))
}

// hedges tells accounts that keep a long and a short leg, isolates those of one
// contract.
func hedges(id event.AccountID) bool   { return id%5 == 0 }
func isolates(id event.AccountID) bool { return id%7 == 3 }

// sent is the event in hand as far as counting needs it.
type sent struct {
	kind     Point
	target   event.AccountID
	contract int
	price    fixedpoint.Price
	same     bool // the mark does not move
	calm     bool // it left its target alone

	before       fixedpoint.Price // of the event before
	beforeCalm   bool
	beforeTarget event.AccountID
}

// Answer shows the adversary the effects of its last event.
func (a *Adversary) Answer(effects []event.Effect) {
	hit, any := false, false
	for i := range effects {
		x := &effects[i]
		a.reach.Effects[x.Kind][x.Reason]++
		switch x.Kind {
		case event.EffectRejected:
			a.reach.refused(a, x)
			a.sent.calm = false
			return
		case event.EffectLiquidate, event.EffectOffload:
			a.note(x)
		}
		if x.Kind == event.EffectLiquidate || x.Kind == event.EffectBankrupt {
			any = true
			hit = hit || x.Account == a.sent.target
		}
	}
	a.sent.calm = !hit
	a.reach.count(a, hit, any)
}

// note keeps an order for the venue to answer.
func (a *Adversary) note(x *event.Effect) {
	a.orders = append(a.orders, venueOrder{x.Order, max(x.Qty, -x.Qty), x.Price})
}
