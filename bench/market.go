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
	Accounts  int  // that hold positions
	Contracts int  // numbered from 1
	Positions int  // of each account, in contracts of its own choice
	Leverage  int  // of the boldest account, from 2; 0 means 2
	Crowded   bool // every account is short in contract 1 by its first position
	Distress  int  // contracts, from 1 on, that one more account is below its margin in, always
}

// ErrShape marks a Shape no market can have.
var ErrShape = errors.New("bench: bad shape")

func (s Shape) validate() error {
	switch {
	case s.Accounts < 1, s.Contracts < 1:
		return fmt.Errorf("%w: %d accounts and %d contracts, want at least 1 of each", ErrShape, s.Accounts, s.Contracts)
	case s.Positions < 1, s.Positions > s.Contracts:
		return fmt.Errorf("%w: %d positions an account, want 1 to the %d contracts", ErrShape, s.Positions, s.Contracts)
	case s.Distress < 0, s.Distress > s.Contracts:
		return fmt.Errorf("%w: distress in %d contracts, want 0 to the %d there are", ErrShape, s.Distress, s.Contracts)
	case s.Leverage != 0 && (s.Leverage < 2 || s.Leverage > maxLeverage):
		return fmt.Errorf("%w: leverage %d, want 2 to %d, or 0 for 2", ErrShape, s.Leverage, maxLeverage)
	}
	return nil
}

// extra is room for accounts beside those of the market and the distressed.
const extra = 64

// Limits are the capacities of a machine that holds the market, a few accounts
// more, and an order for every sixteenth account.
func (s Shape) Limits() machine.Limits {
	return machine.Limits{
		Accounts: s.Accounts + s.Distress + extra, Positions: (s.Accounts + s.Distress + extra) * s.Positions,
		Symbols: s.Contracts, Funds: 1, Orders: max(1<<12, s.Accounts/16), Sources: 1,
	}
}

const (
	fills  = 9 // before each tick
	unit   = fixedpoint.One
	lot    = unit / 1000
	step   = unit / 10_000 // of marks
	center = 1_000 * unit  // of all marks
	swing  = center / 100  // how far a mark may be away from it while someone is in distress
	fund   = event.FundID(1)

	// Nobody comes near its maintenance margin at this leverage while marks stay
	// within swing.
	maxLeverage = 50
)

// epoch is when every market begins, in nanoseconds since 1970; an event takes
// a microsecond.
const (
	epoch       = 1_760_131_033_000_000_000
	microsecond = 1_000
)

// tiers are like published ones: a position of a holder is in one of the first
// three, that of an account in distress in the last.
var tiers = []event.Tier{
	{Cap: 50_000 * unit, MMR: unit / 250},
	{Floor: 50_000 * unit, Cap: 600_000 * unit, MMR: unit / 200, Cum: 50 * unit},
	{Floor: 600_000 * unit, Cap: 3_000_000 * unit, MMR: unit / 100, Cum: 3_050 * unit},
	{Floor: 3_000_000 * unit, Cap: 12_000_000 * unit, MMR: unit / 40, Cum: 48_050 * unit},
	{Floor: 12_000_000 * unit, MMR: unit / 20, Cum: 348_050 * unit},
}

// Market is a seeded stream of events. It belongs to one goroutine.
type Market struct {
	shape   Shape
	marks   []fixedpoint.Price // by contract
	random  uint64
	step    int    // of the cycle
	visited int    // the last account visited
	visits  int    // in this pass
	pass    int    // how often all were visited before
	ticks   uint64 // so far
	due     uint64 // decisions that ticks so far cause
	sent    int64  // events so far
	orders  event.OrderID
	stride  int
	current event.SymbolID // of the last tick

	records   []event.Record // reused
	positions []event.PositionState
}

// NewMarket returns a market at its beginning. The error is ErrShape.
func NewMarket(shape Shape) (*Market, error) {
	if err := shape.validate(); err != nil {
		return nil, err
	}
	shape.Leverage = max(shape.Leverage, 2)
	m := &Market{
		shape: shape, marks: make([]fixedpoint.Price, shape.Contracts), random: 1,
		orders:    event.OrderID(shape.Distress), // sent when the market opens
		records:   make([]event.Record, 0, event.MaxRecords),
		positions: make([]event.PositionState, shape.Positions),
	}
	for i := range m.marks {
		m.marks[i] = center
	}
	// Accounts are visited in an order that memory does not follow, each once
	// before any is visited again.
	for m.stride = shape.Accounts*5/8 | 1; gcd(m.stride, shape.Accounts) != 1; m.stride += 2 {
	}
	m.stride %= shape.Accounts
	return m, nil
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Opening yields the events that build the market: a fund, contracts, marks and
// accounts, and the answers to the first order for each account in distress. An
// event is valid until the next one.
func (m *Market) Opening(yield func(event.Event) bool) {
	name := func(format string, args ...any) event.Name {
		n, ok := event.MakeName(fmt.Sprintf(format, args...))
		if !ok {
			panic("bench: a name that is none")
		}
		return n
	}
	put := func(r event.Record) bool { return yield(append(m.records[:0], r)) }
	ok := yield(event.AppendFund(m.records, event.FundSettings{ID: fund, Name: name("USDT")})) &&
		put(event.FundTransfer(fund, 10_000_000_000*unit, event.FundDeposit)) &&
		put(event.SetMode(event.Loading))
	for c := 1; ok && c <= m.shape.Contracts; c++ {
		ok = yield(event.AppendSymbol(m.records, &event.SymbolSettings{
			ID: event.SymbolID(c), Name: name("C%dUSDT", c), Fund: fund, Tick: unit / 100, Lot: lot, MaxAge: 3_600e9, Tiers: tiers,
			Set: event.SetFund | event.SetTick | event.SetLot | event.SetMaxAge | event.SetTiers,
		})) && put(event.Tick(event.SymbolID(c), center).At(epoch))
	}
	for a := 0; ok && a < m.shape.Accounts; a++ {
		ok = yield(m.Account(a))
	}
	for c := 1; ok && c <= m.shape.Distress; c++ {
		ok = yield(m.distressed(c))
	}
	ok = ok && put(event.SetMode(event.Live))
	for c := 1; ok && c <= m.shape.Distress; c++ {
		ok = put(event.OrderDone(event.OrderID(c), event.Rejected))
	}
}

// Account makes account a, from 0, what it is when the market opens, but at the
// marks as they are now: bought at them, with the wallet its leverage asks for.
// The event is valid until the market's next one.
func (m *Market) Account(a int) event.Event {
	notional := fixedpoint.Amount(0)
	for i := range m.positions {
		p := event.PositionState{Symbol: m.held(a, i), Qty: m.qty(a, i)}
		cost, _ := fixedpoint.Quote(p.Qty, m.Mark(p.Symbol))
		p.Value = int64(cost)
		m.positions[i] = p
		notional += max(cost, -cost)
	}
	// In thousandths, so that accounts come in all leverages.
	leverage := 2_000 + fixedpoint.Amount(mix(uint64(a))>>33)%(fixedpoint.Amount(m.shape.Leverage-2)*1_000+1)
	return event.AppendAccountState(m.records,
		event.AccountReplacement{Account: account(a), Wallet: notional / leverage * 1_000}, m.positions)
}

// distressed is a long of 20,000,000 whose equity is half of the margin it needs,
// and which is neither healthy nor bankrupt anywhere a mark may go.
func (m *Market) distressed(contract int) event.Event {
	const qty, value = 20_000 * unit, 20_000 * center
	m.positions[0] = event.PositionState{Symbol: event.SymbolID(contract), Qty: qty, Value: value}
	return event.AppendAccountState(m.records,
		event.AccountReplacement{Account: account(m.shape.Accounts + contract - 1), Wallet: (value/20 - 348_050*unit) / 2}, m.positions[:1])
}

func account(i int) event.AccountID { return event.AccountID(i + 1) }

// mix makes numbers that have nothing to do with each other of 0, 1, 2, ...
func mix(v uint64) uint64 {
	v += 0x9e3779b97f4a7c15
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}

// held is the i-th contract that account a holds.
func (m *Market) held(a, i int) event.SymbolID {
	n, p := m.shape.Contracts, m.shape.Positions
	if m.shape.Crowded {
		if i == 0 {
			return 1
		}
		i, n, p = i-1, n-1, p-1
	}
	at := int(mix(uint64(a))>>8&0xffffff) + i*n/p
	return event.SymbolID(m.shape.Contracts - n + at%n + 1)
}

// qty is what account a holds at first of its i-th contract: 1 to 1,000, every
// second time short.
func (m *Market) qty(a, i int) fixedpoint.Qty {
	r := mix(uint64(a)<<8 | uint64(i))
	q := (1_000 + fixedpoint.Qty(r>>1&0xffffff)%999_000) * lot
	if r&1 == 1 || m.shape.Crowded && i == 0 {
		return -q
	}
	return q
}

// Next returns the next event of the stream: a record, or the tick that a
// datagram brings. isTick says which. Ticks go through the contracts in turn; one
// in a contract with an account in distress is followed by the venue's answer to
// the order it causes.
func (m *Market) Next() (r event.Record, t udptick.Tick, isTick bool) {
	m.sent++
	switch m.step {
	case fills:
		m.step = 0
		if int(m.current)%m.shape.Contracts < m.shape.Distress { // the next one's
			m.step = fills + 1
			m.due++
		}
		return r, m.tick(), true
	case fills + 1:
		m.step = 0
		m.orders++
		return event.OrderDone(m.orders, event.Rejected), t, false
	}
	m.step++
	return m.Fill(), t, false
}

// Now is the time of the stream, in nanoseconds since 1970.
func (m *Market) Now() int64 { return epoch + m.sent*microsecond }

// visit chooses an account: each once, then each once more. The stream has to be
// made faster than the core takes it, so nothing is divided here.
func (m *Market) visit() (a, pass int) {
	if m.visits++; m.visits > m.shape.Accounts {
		m.visits = 1
		m.pass++
	}
	if m.visited += m.stride; m.visited >= m.shape.Accounts {
		m.visited -= m.shape.Accounts
	}
	return m.visited, m.pass
}

// Fill makes a position of some account larger by a thirty-second at the mark, or
// smaller again.
func (m *Market) Fill() event.Record {
	a, pass := m.visit()
	i := pass % m.shape.Positions
	qty := m.qty(a, i) / 32 / lot * lot
	if pass/m.shape.Positions%2 == 1 {
		qty = -qty
	}
	c := m.held(a, i)
	return event.Fill(account(a), c, event.Both, qty, m.Mark(c), 0)
}

// Transfer is a funding payment to some account, or back.
func (m *Market) Transfer() event.Record {
	a, pass := m.visit()
	return event.Transfer(account(a), fixedpoint.Amount(1-2*(pass%2))*unit/10, event.TransferFunding)
}

// Mark is a contract's latest.
func (m *Market) Mark(c event.SymbolID) fixedpoint.Price { return m.marks[c-1] }

// Walk moves the next contract's mark by a draw from about a normal distribution
// of one basis point. While there is distress, it turns around at the swing.
func (m *Market) Walk() (event.SymbolID, fixedpoint.Price) {
	m.current = m.current%event.SymbolID(m.shape.Contracts) + 1
	m.ticks++
	m.random ^= m.random << 13
	m.random ^= m.random >> 7
	m.random ^= m.random << 17
	// Four uniform numbers of 16 bits have a deviation of 37,837 about their mean.
	r := m.random
	draw := int64(r&0xffff+r>>16&0xffff+r>>32&0xffff+r>>48) - 2*0xffff
	at := &m.marks[m.current-1]
	move := fixedpoint.Price(draw*(int64(*at)/step)/(10_000*37_837)) * step
	if next := *at + move - center; m.shape.Distress > 0 && (next > swing || next < -swing) {
		move = -move
	}
	*at += move
	return m.current, *at
}

func (m *Market) tick() udptick.Tick {
	c, mark := m.Walk()
	return udptick.Tick{Instrument: uint32(c), Mark: mark, TimeNanos: m.Now()}
}
