package bench

import (
	"errors"
	"fmt"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/core/udptick"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Shape says how large a market is.
type Shape struct {
	Accounts  int  // that hold positions and are never in danger
	Contracts int  // numbered from 1
	Positions int  // of each account, in contracts of its own choice
	Distress  bool // one more account per contract is below its margin, always
}

// ErrShape marks a Shape no market can have.
var ErrShape = errors.New("bench: bad shape")

func (s Shape) validate() error {
	switch {
	case s.Accounts < 1, s.Contracts < 1:
		return fmt.Errorf("%w: %d accounts and %d contracts, want at least 1 of each", ErrShape, s.Accounts, s.Contracts)
	case s.Positions < 1, s.Positions > s.Contracts:
		return fmt.Errorf("%w: %d positions an account, want 1 to the %d contracts", ErrShape, s.Positions, s.Contracts)
	}
	return nil
}

// Limits are the capacities of a machine that just holds the market.
func (s Shape) Limits() machine.Limits {
	return machine.Limits{
		Accounts: s.Accounts + s.Contracts, Positions: s.Accounts*s.Positions + s.Contracts,
		Symbols: s.Contracts, Funds: 1, Orders: max(1<<12, 2*s.Contracts), Sources: 1,
	}
}

// A cycle of the stream.
const (
	fills  = 9
	cycle  = fills + 2 // and the tick, and the answer
	unit   = fixedpoint.One
	lot    = unit / 1000
	center = 1_000 * unit // of all marks
	swing  = 40           // hundredths a mark may be away from it
	fund   = event.FundID(1)
)

// epoch is when every market begins, in nanoseconds since 1970; an event takes
// a microsecond.
const (
	epoch       = 1_760_131_033_000_000_000
	microsecond = 1_000
)

// Market is a seeded stream of events. It belongs to one goroutine.
type Market struct {
	shape   Shape
	marks   []int64 // by contract: hundredths from the centre
	random  uint64
	step    int    // of the cycle
	visits  int    // fills so far
	ticks   uint64 // so far
	sent    int64  // events so far
	orders  event.OrderID
	stride  int
	current event.SymbolID // of the last tick
}

// NewMarket returns a market at its beginning. The error is ErrShape.
func NewMarket(shape Shape) (*Market, error) {
	if err := shape.validate(); err != nil {
		return nil, err
	}
	m := &Market{shape: shape, marks: make([]int64, shape.Contracts), random: 1}
	if shape.Distress {
		m.orders = event.OrderID(shape.Contracts) // sent when the market opens
	}
	// Accounts are visited in an order that memory does not follow, each once
	// before any is visited again.
	for m.stride = shape.Accounts*5/8 | 1; gcd(m.stride, shape.Accounts) != 1; m.stride += 2 {
	}
	return m, nil
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Opening yields the events that build the market: a fund, contracts, marks and
// accounts, and, with Distress, the answers to the first order for each account
// that is below its margin. An event is valid until the next one.
func (m *Market) Opening(yield func(event.Event) bool) {
	var records []event.Record
	name := func(format string, args ...any) event.Name {
		n, ok := event.MakeName(fmt.Sprintf(format, args...))
		if !ok {
			panic("bench: a name that is none")
		}
		return n
	}
	put := func(e event.Event) bool {
		records = e[:0]
		return yield(e)
	}
	ok := put(event.AppendFund(records, event.FundSettings{ID: fund, Name: name("USDT")})) &&
		put(event.Event{event.FundTransfer(fund, 1_000_000*unit, event.FundDeposit)}) &&
		put(event.Event{event.SetMode(event.Loading)})
	for c := 1; ok && c <= m.shape.Contracts; c++ {
		ok = put(event.AppendSymbol(records[:0], &event.SymbolSettings{
			ID: event.SymbolID(c), Name: name("C%dUSDT", c), Fund: fund, Tick: unit / 100, Lot: lot,
			Set:   event.SetFund | event.SetTick | event.SetLot | event.SetTiers,
			Tiers: []event.Tier{{Cap: 1_000_000 * unit, MMR: unit / 200}},
		})) && put(event.Event{event.Tick(event.SymbolID(c), center)})
	}
	for a := 0; ok && a < m.shape.Accounts; a++ {
		ok = put(m.holder(records[:0], a))
	}
	for c := 1; ok && m.shape.Distress && c <= m.shape.Contracts; c++ {
		ok = put(m.distressed(records[:0], c))
	}
	ok = ok && put(event.Event{event.SetMode(event.Live)})
	for c := 1; ok && m.shape.Distress && c <= m.shape.Contracts; c++ {
		ok = put(event.Event{event.OrderDone(event.OrderID(c), event.Rejected)})
	}
}

// holder is an account with room to spare: every second one is short.
func (m *Market) holder(dst []event.Record, a int) event.Event {
	positions := make([]event.PositionState, m.shape.Positions)
	for i := range positions {
		qty, value := fixedpoint.Qty(unit), int64(center)
		if (a+i)%2 == 1 {
			qty, value = -qty, -value
		}
		positions[i] = event.PositionState{Symbol: m.held(a, i), Qty: qty, Value: value}
	}
	return event.AppendAccountState(dst, event.AccountReplacement{Account: account(a), Wallet: 100_000 * unit}, positions)
}

// distressed is a long whose equity is 4 at the centre, of which it needs 5, and
// which is neither healthy nor bankrupt anywhere a mark may go.
func (m *Market) distressed(dst []event.Record, contract int) event.Event {
	return event.AppendAccountState(dst,
		event.AccountReplacement{Account: account(m.shape.Accounts + contract), Wallet: 100 * unit},
		[]event.PositionState{{Symbol: event.SymbolID(contract), Qty: unit, Value: 1_096 * unit}})
}

func account(i int) event.AccountID { return event.AccountID(i + 1) }

// held is the i-th contract that account a holds.
func (m *Market) held(a, i int) event.SymbolID {
	return event.SymbolID((a+i*m.shape.Contracts/m.shape.Positions)%m.shape.Contracts + 1)
}

// Next returns the next event of the stream: a record, or the tick that a
// datagram brings. isTick says which. Ticks go through the contracts in turn.
func (m *Market) Next() (r event.Record, t udptick.Tick, isTick bool) {
	step := m.step
	if m.step++; m.step == cycle {
		m.step = 0
	}
	m.sent++
	switch step {
	case fills:
		return r, m.tick(), true
	case fills + 1:
		return m.answer(), t, false
	}
	return m.fill(), t, false
}

// Now is the time of the stream, in nanoseconds since 1970.
func (m *Market) Now() int64 { return epoch + m.sent*microsecond }

// fill adds a lot to a position, or takes it away again, at the mark.
func (m *Market) fill() event.Record {
	a := int(uint64(m.visits) * uint64(m.stride) % uint64(m.shape.Accounts))
	pass := m.visits / m.shape.Accounts
	m.visits++
	qty := fixedpoint.Qty(lot)
	if pass/m.shape.Positions%2 == 1 {
		qty = -qty
	}
	c := m.held(a, pass%m.shape.Positions)
	return event.Fill(account(a), c, event.Both, qty, m.mark(c), 0)
}

func (m *Market) mark(c event.SymbolID) fixedpoint.Price {
	return fixedpoint.Price(center + m.marks[c-1]*unit/100)
}

// tick moves the next contract's mark by a hundredth up or down.
func (m *Market) tick() udptick.Tick {
	m.current = m.current%event.SymbolID(m.shape.Contracts) + 1
	m.ticks++
	m.random ^= m.random << 13
	m.random ^= m.random >> 7
	m.random ^= m.random << 17
	at := &m.marks[m.current-1]
	if step := int64(m.random&2) - 1; *at+step >= -swing && *at+step <= swing {
		*at += step
	} else {
		*at -= step
	}
	return udptick.Tick{Instrument: uint32(m.current), Mark: m.mark(m.current), TimeNanos: m.Now()}
}

// answer is the venue's to the order that the last tick caused. Where none is in
// distress there is none, and it is one more fill.
func (m *Market) answer() event.Record {
	if !m.shape.Distress {
		return m.fill()
	}
	m.orders++
	return event.OrderDone(m.orders, event.Rejected)
}
