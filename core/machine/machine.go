// Package machine is the deterministic core: it applies one event to the state
// and writes the effects. It joins accounts, margin, the funds,
// counterparty-liquidation and the offloader into the rules of an insurance fund.
//
// A machine has one thread, no clock and no I/O: time is a field of the event.
// The same events give the same effects and the same state, bit for bit, live,
// replayed or restored from a snapshot. After [New] it allocates only what a
// larger counterparty-liquidation than any before needs as scratch.
//
// # One event
//
//	check     refuse by code, changing nothing, or accept
//	book      the event's own change
//	expire    marks held too long
//	handle    every account whose health changed, in ascending id, each once
//	offload   one slice per contract that is due
//	report    every fund that changed
//
// A machine is used by one goroutine at a time. It can be driven alone, by
// [Machine.Apply]; package core puts rings and goroutines around it.
package machine

import (
	"errors"
	"fmt"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/adl"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/fund"
	"github.com/backstop-fund/backstop/core/internal/arena"
	"github.com/backstop-fund/backstop/core/internal/idmap"
	"github.com/backstop-fund/backstop/core/internal/invariant"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/core/trigger"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Limits are the capacities of a machine, fixed when it is made. What exceeds
// them is refused with [event.Capacity] and an alarm.
type Limits struct {
	Accounts  int // margin accounts open at once
	Positions int // positions open at once, of all accounts
	Symbols   int // contracts
	Funds     int
	Orders    int // orders of ours the venue has not finished, and finished ones remembered for late fills
	Sources   int // senders with a sequence of their own
}

// DefaultLimits suit a scenario file; an exchange sets its own.
var DefaultLimits = Limits{Accounts: 1 << 17, Positions: 1 << 18, Symbols: 1 << 10, Funds: 64, Orders: 1 << 16, Sources: 256}

func (l Limits) validate() error {
	for _, c := range [...]struct {
		name string
		n    int
		most int
	}{
		{"accounts", l.Accounts, 1 << 30},
		{"positions", l.Positions, 1 << 30},
		{"symbols", l.Symbols, 1 << 15},
		{"funds", l.Funds, 1 << 15},
		{"orders", l.Orders, 1 << 30},
		{"sources", l.Sources, 1 << 15},
	} {
		if c.n < 1 || c.n > c.most {
			return fmt.Errorf("%w: %d %s, want 1 to %d", ErrLimits, c.n, c.name, c.most)
		}
	}
	return nil
}

// ErrLimits marks capacities a machine cannot be made with.
var ErrLimits = errors.New("machine: bad limits")

// Machine is the state of one risk unit: all contracts that share margin
// accounts, with their funds.
type Machine struct {
	limits Limits

	// The state.
	seq       uint64
	time      int64
	timed     bool // some accepted event carried a t
	mode      event.EngineMode
	accounts  *account.Table
	contracts []contract
	tiers     []margin.Tiers // of the contracts
	funds     []fund.Fund
	orders    orderTable
	sources   []source
	ackSeq    uint64
	ackIndex  uint32
	acked     bool

	// Indexes over it.
	symbolIDs *idmap.Map
	fundIDs   *idmap.Map
	byID      []int32 // contracts by symbol id
	fundNames []int32 // funds by name
	heldMarks int     // contracts whose mark is held
	stocked   []int32 // contracts of which a fund holds something, by symbol id
	index     *trigger.Index
	scan      bool // look at all holders instead, sort and ask all members
	timers    timers
	// quietUntil is when an event may have more to do than it says: see dueAt.
	quietUntil int64

	// The event in hand.
	fx       *event.Effects
	now      int64 // time, once the event is accepted
	refusal  refusal
	touched  []account.Slot // accounts, each once: those Listed
	fired    []int32        // positions found for them
	changed  []int32        // funds with a report pending
	before   []fundBefore
	equities []equityBefore
	seen     uint64 // of Ahead, so that its reads are not for nothing
	settings event.SymbolSettings

	scratch   scratch
	gathered  *legs
	allocator adl.Allocator
	ranker    adl.Ranker
	// epoch moves with every mark and new account: see standing. asked is the last in
	// which a ranking kept anything.
	epoch, asked uint64
	ledger       conservation
	stats        Stats
}

type source struct {
	id      event.Source
	highest uint64
}

// New returns an empty machine in mode live.
func New(l Limits) (*Machine, error) {
	if err := l.validate(); err != nil {
		return nil, err
	}
	m := &Machine{
		limits:    l,
		accounts:  account.New(l.Accounts, l.Positions, l.Symbols),
		contracts: make([]contract, 0, l.Symbols),
		funds:     make([]fund.Fund, 0, l.Funds),
		orders:    newOrderTable(l.Orders),
		sources:   make([]source, 0, l.Sources),
		symbolIDs: idmap.New(l.Symbols),
		fundIDs:   idmap.New(l.Funds),
		byID:      make([]int32, 0, l.Symbols),
		stocked:   make([]int32, 0, l.Symbols),
		tiers:     arena.New[margin.Tiers](l.Symbols),
		fundNames: make([]int32, 0, l.Funds),
		epoch:     1,
		touched:   arena.Empty[account.Slot](l.Accounts),
		fired:     arena.Empty[int32](min(l.Accounts, l.Positions)),
		index:     trigger.New(l.Positions, l.Symbols),
		gathered:  newLegs(2 * l.Symbols),
		changed:   make([]int32, 0, l.Funds),
		before:    make([]fundBefore, l.Funds),
	}
	m.timers = newTimers(l.Orders, m.accounts)
	m.settings.Tiers = make([]event.Tier, 0, event.MaxTiers)
	return m, nil
}

// NewScan returns a machine that looks at every holder of a contract at each of its
// marks instead of at those whose trigger the mark reached, and ranks counterparties
// by a full sort and asks each of them each time: the same effects and the same
// state, in time that grows with the accounts. It is the twin that tests compare
// with, and the baseline of benchmarks.
func NewScan(l Limits) (*Machine, error) {
	m, err := New(l)
	if err == nil {
		m.scan = true
	}
	return m, err
}

// Limits returns the capacities the machine was made with.
func (m *Machine) Limits() Limits { return m.limits }

// Sequence returns the sequence of the last event applied, refused ones included.
func (m *Machine) Sequence() uint64 { return m.seq }

// Time returns the last accepted t, 0 before any.
func (m *Machine) Time() int64 { return m.time }

// LastApplied returns the highest sequence accepted from a source, 0 if none: a
// sender goes on after it when it restarts.
func (m *Machine) LastApplied(id event.Source) uint64 {
	if i := m.findSource(id); i >= 0 {
		return m.sources[i].highest
	}
	return 0
}

// Acked returns the last effect the consumer acknowledged; false if none yet.
func (m *Machine) Acked() (seq uint64, index uint32, any bool) { return m.ackSeq, m.ackIndex, m.acked }

func (m *Machine) findSource(id event.Source) int {
	for i := range m.sources {
		if m.sources[i].id == id {
			return i
		}
	}
	return -1
}

// Apply applies one event under the next sequence and appends its effects to fx.
// A refused event gives one rejected effect and changes nothing else.
func (m *Machine) Apply(e event.Event, fx *event.Effects) (seq uint64, code event.Reject) {
	if len(e) > 0 && !m.scan && m.quietly(e, fx) {
		return m.seq, event.Accepted
	}
	code = m.applyWhole(e, fx)
	m.quietUntil = m.dueAt()
	if invariant.Enabled && code == event.Accepted {
		if err := m.Check(); err != nil {
			panic(err)
		}
	}
	return m.seq, code
}

// applyWhole is Apply for all there may be to do.
func (m *Machine) applyWhole(e event.Event, fx *event.Effects) event.Reject {
	m.seq++
	m.fx = fx
	fx.Begin(m.seq)
	m.refusal = refusal{}
	m.touched = m.touched[:0]
	m.changed = m.changed[:0]
	m.equities = m.equities[:0]
	m.stats.Events++
	if code := m.accept(e); code != event.Accepted {
		m.reject(code)
		return code
	}
	if m.heldMarks > 0 {
		// Who began to wait for a mark in this event may find it here.
		for _, s := range m.touched {
			m.station(s)
		}
		m.expireHolds()
	}
	if m.mode == event.Live {
		m.handle()
		if k := e[0].Kind(); len(m.stocked) > 0 && (e[0].Has(event.FlagTime) || k == event.KindTick || k == event.KindTime) {
			m.offload()
		}
	} else {
		for _, s := range m.touched {
			m.accounts.At(s).Listed = false
			m.station(s)
		}
	}
	m.reportFunds()
	return event.Accepted
}

// accept checks e and, unless it is refused, makes its own change.
func (m *Machine) accept(e event.Event) event.Reject {
	if len(e) == 0 || !e.Plain() && e.Validate() != nil {
		return event.Malformed
	}
	h := &e[0]
	sender, code := m.checkSource(e)
	if code != event.Accepted {
		return code
	}
	m.now = m.time
	if h.Has(event.FlagTime) {
		m.now = max(m.time, h.Time())
	}
	if code := m.apply(e); code != event.Accepted {
		return code
	}
	if h.Has(event.FlagTime) && !m.timed {
		m.timed = true
		m.startTime()
	}
	m.time = m.now
	if h.Has(event.FlagSource) {
		m.noteSource(sender, e)
	}
	return event.Accepted
}

// checkSource refuses what a source has sent before. It returns the source's
// index, or -1 for one not known yet.
func (m *Machine) checkSource(e event.Event) (int, event.Reject) {
	h := &e[0]
	if !h.Has(event.FlagSource) {
		return -1, event.Accepted
	}
	i := m.findSource(e.Source())
	if i < 0 {
		if len(m.sources) == cap(m.sources) {
			return i, m.noRoom(event.Sources, m.limits.Sources)
		}
		return i, event.Accepted
	}
	if h.SourceSequence() <= m.sources[i].highest {
		m.refusal.RankedAt = m.sources[i].highest
		return i, event.Duplicate
	}
	return i, event.Accepted
}

func (m *Machine) noteSource(i int, e event.Event) {
	if i < 0 {
		m.sources = append(m.sources, source{id: e.Source()})
		i = len(m.sources) - 1
	}
	m.sources[i].highest = e[0].SourceSequence()
}

// timedNow reports whether the time is known while the event is being applied.
func (m *Machine) timedNow(h *event.Record) bool { return m.timed || h.Has(event.FlagTime) }

// startTime is called at the first t: what happened before it counts as having
// happened then, so nothing is stale or due before any t.
func (m *Machine) startTime() {
	for i := range m.contracts {
		m.contracts[i].startTime(m.now)
	}
	m.timers.begin(m.now)
}

// noRoom refuses for lack of capacity.
func (m *Machine) noRoom(r event.Resource, limit int) event.Reject {
	m.refusal.Candidates = uint32(r)
	m.refusal.RankedAt = uint64(limit)
	return event.Capacity
}

// refusal is what a refusal would refer to, gathered while the event is checked: the
// part of an Effect that refusals have. It is cleared for every event, so it is kept
// small.
type refusal struct {
	Flags            event.EffectFlags
	Rank, Candidates uint32
	Account          event.AccountID
	Symbol           event.SymbolID
	Fund             event.FundID
	Order            event.OrderID
	RankedAt         uint64
	Qty              fixedpoint.Qty
	Price            fixedpoint.Price
	Amount, Balance  fixedpoint.Amount
	Room             fixedpoint.Int128
}

// reject reports a refusal with what it refers to, and an alarm where a capacity
// is exhausted.
func (m *Machine) reject(code event.Reject) {
	m.stats.Rejected[code]++
	r := &m.refusal
	x := event.Effect{
		Kind: event.EffectRejected, Reason: uint8(code), Flags: r.Flags, Rank: r.Rank, Candidates: r.Candidates,
		Account: r.Account, Symbol: r.Symbol, Fund: r.Fund, Order: r.Order, RankedAt: r.RankedAt,
		Qty: r.Qty, Price: r.Price, Amount: r.Amount, Balance: r.Balance, Room: r.Room,
	}
	m.fx.Append(x)
	if code == event.Capacity {
		x.Kind, x.Reason = event.EffectAlarm, uint8(event.AlarmCapacity)
		m.fx.Append(x)
	}
}

// apply dispatches on the kind. Each handler checks first and changes then.
func (m *Machine) apply(e event.Event) event.Reject {
	h := &e[0]
	switch h.Kind() {
	case event.KindTick:
		return m.applyTick(h)
	case event.KindFill:
		return m.applyFill(h)
	case event.KindTrade:
		return m.applyTrade(e)
	case event.KindTransfer:
		return m.applyTransfer(h)
	case event.KindOrderFill:
		return m.applyOrderFill(h)
	case event.KindOrderDone:
		return m.applyOrderDone(h)
	case event.KindDepth:
		return m.applyDepth(h)
	case event.KindTime:
		return event.Accepted
	case event.KindAck:
		return m.applyAck(h)
	case event.KindHalt:
		return m.applyHalt(h, true)
	case event.KindResume:
		return m.applyHalt(h, false)
	case event.KindAccount:
		return m.applyAccount(h)
	case event.KindAccountClose:
		return m.applyAccountClose(h)
	case event.KindAccountState:
		return m.applyAccountState(e)
	case event.KindMode:
		return m.applyMode(h)
	case event.KindFund:
		return m.applyFund(e)
	case event.KindFundTransfer:
		return m.applyFundTransfer(h)
	case event.KindFundFill:
		return m.applyFundFill(h)
	case event.KindSymbol:
		return m.applySymbol(e)
	}
	return event.Malformed
}

func (m *Machine) applyAck(h *event.Record) event.Reject {
	seq, i := h.AckSequence(), h.AckIndex()
	if seq >= m.seq {
		m.refusal.RankedAt = m.seq
		return event.Overflow
	}
	if !m.acked || seq > m.ackSeq || seq == m.ackSeq && i > m.ackIndex {
		m.ackSeq, m.ackIndex, m.acked = seq, i, true
	}
	return event.Accepted
}

// applyMode switches assessment; going live assesses every account once.
func (m *Machine) applyMode(h *event.Record) event.Reject {
	was := m.mode
	m.mode = event.EngineMode(h.Code())
	if was != event.Live && m.mode == event.Live {
		for s := range m.accounts.Slots() {
			if m.accounts.Open(s) {
				m.touch(s)
			}
		}
	}
	return event.Accepted
}

// touch puts an account on the list of those whose health the event may have
// changed; handle picks from it those that need a decision.
func (m *Machine) touch(s account.Slot) {
	m.unsettle(s)
	if a := m.accounts.At(s); !a.Listed {
		a.Listed = true
		m.touched = append(m.touched, s)
	}
}

// Symbols yields the contracts by id with their names.
func (m *Machine) Symbols(yield func(event.SymbolID, event.Name) bool) {
	for _, i := range m.byID {
		if !yield(m.contracts[i].id, m.contracts[i].name) {
			return
		}
	}
}

// Marks yields the contracts that have a mark by id, with that and the time of their
// last tick: who feeds ticks again after a restart begins there.
func (m *Machine) Marks(yield func(id event.SymbolID, mark fixedpoint.Price, last int64) bool) {
	for _, i := range m.byID {
		if c := &m.contracts[i]; c.mark != 0 && !yield(c.id, c.mark, c.last) {
			return
		}
	}
}

// Funds yields the funds by name.
func (m *Machine) Funds(yield func(event.FundID, event.Name) bool) {
	for _, i := range m.fundNames {
		if !yield(m.funds[i].ID, m.funds[i].Name) {
			return
		}
	}
}

// Arenas yields the memory that was preallocated and grows with the limits: to count
// it, or to tell the system what it is. Nobody writes to it. Scratch that grows to
// the largest counterparty-liquidation is not among it.
func (m *Machine) Arenas(yield func([]byte) bool) {
	for a := range m.accounts.Arenas {
		if !yield(a) {
			return
		}
	}
	for a := range m.index.Arenas {
		if !yield(a) {
			return
		}
	}
	_ = yield(arena.Of(m.orders.orders)) && yield(arena.Of(m.touched)) && yield(arena.Of(m.fired)) &&
		yield(arena.Of(m.tiers)) && yield(arena.Of(m.timers.heap))
}

// Stats counts what a machine has done and how full it is.
type Stats struct {
	Events   uint64
	Quiet    uint64                    // of these, how many decided nothing and were booked the short way
	Looked   uint64                    // accounts that marks had looked at
	Rejected [event.RejectCodes]uint64 // by code

	Accounts, Positions, Symbols, FundCount, OpenOrders, Sources int

	Bytes int // preallocated, see [Machine.Arenas]
}

// Stats returns the machine's counters and the use of its capacities.
func (m *Machine) Stats() Stats {
	s := m.stats
	s.Accounts, s.Positions = m.accounts.Len(), m.accounts.Held()
	s.Symbols, s.FundCount = len(m.contracts), len(m.funds)
	s.OpenOrders, s.Sources = m.orders.open, len(m.sources)
	for a := range m.Arenas {
		s.Bytes += len(a)
	}
	return s
}

// amount rounds a value at 1e-16 half-even to 1e-8, for display.
func amount(v fixedpoint.Int256) fixedpoint.Int128 { return shown(v, fixedpoint.One) }

// shown divides half-even; every sum that is shown fits 128 bits by the bounds of
// what it is a sum of.
func shown(v fixedpoint.Int256, d int64) fixedpoint.Int128 {
	return rounded(v, d, fixedpoint.HalfEven)
}

func rounded(v fixedpoint.Int256, d int64, r fixedpoint.Rounding) fixedpoint.Int128 {
	if n, ok := v.Int128(); ok {
		return n.Div(d, r)
	}
	num, den := [1]fixedpoint.Int256{v}, [1]fixedpoint.Int256{fixedpoint.Int256From(d)}
	q, _ := fixedpoint.QuoProducts(num[:], den[:], r)
	n, ok := q.Int128()
	if !ok {
		panic("machine: a sum of bounded values does not fit 128 bits")
	}
	return n
}

// fits is a+b, and whether it fits; the least int64 does not.
func fits(a, b fixedpoint.Amount) (fixedpoint.Amount, bool) {
	s := a + b
	return s, (a^s)&(b^s) >= 0 && s != -1<<63
}

// fitsLess is a-b, and whether it fits, also for a b whose negative does not.
func fitsLess(a, b fixedpoint.Amount) (fixedpoint.Amount, bool) {
	d := a - b
	return d, (a^b)&(a^d) >= 0 && d != -1<<63
}
