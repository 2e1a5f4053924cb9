package machine

import (
	"slices"
	"strings"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/fund"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/core/offload"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// contract is a perpetual contract: its settings, its mark, and the inventory its
// fund holds of it.
type contract struct {
	id   event.SymbolID
	name event.Name
	fund int32

	tick         fixedpoint.Price
	lot          fixedpoint.Qty
	liqFee       fixedpoint.Rate
	full         bool
	liqAttempts  int32
	orderTimeout int64
	tryMarket    bool
	whole        bool
	capShare     fixedpoint.Rate
	maxDeviation fixedpoint.Rate
	maxAge       int64
	maxJump      fixedpoint.Rate
	maxHold      int64
	policy       event.Policy
	score        event.Score
	maxCounter   int
	offload      offload.Settings
	tiers        margin.Tiers

	mark     fixedpoint.Price // last accepted; 0 before the first
	markTime int64            // its own time; 0 if it came before any t
	last     int64            // own time of the last tick, accepted as the mark or not
	halted   bool
	suspect  bool // the last tick was flagged

	held      fixedpoint.Price // a mark that jumped too far; 0 if none
	heldTime  int64            // its own time
	heldSince int64
	heldMore  uint8 // further ticks since the hold began

	bid, ask   fixedpoint.Qty
	depthTime  int64
	depthKnown bool

	inventory    fund.Inventory
	sliceFrom    int64 // when the inventory became non-zero or the last slice was sent; 0 while nothing is held
	offloadOrder event.OrderID

	rankings [2]ranking // of longs and of shorts

	// most is at least the largest |qty| anyone has held since it was last counted:
	// a bound for the overflow check, not part of the state.
	most fixedpoint.Qty
}

const (
	longs  = 0
	shorts = 1
)

func (c *contract) startTime(now int64) {
	if c.mark != 0 && c.markTime == 0 {
		c.markTime = now
	}
	if c.held != 0 && c.heldSince == 0 {
		c.heldSince = now
		if c.heldTime == 0 {
			c.heldTime = now
		}
	}
	if c.depthKnown && c.depthTime == 0 {
		c.depthTime = now
	}
	if c.inventory.Qty != 0 && c.sliceFrom == 0 {
		c.sliceFrom = now
	}
}

// later is t+d, or the end of time.
func later(t, d int64) int64 {
	if s := t + d; s >= t {
		return s
	}
	return 1<<63 - 1
}

// age is how long ago something of time at was.
func (m *Machine) age(at int64) int64 { return m.now - at }

// blocked reports whether positions in c cannot be closed now: no first mark, the
// mark is old, held or suspect, or the contract is halted.
func (m *Machine) blocked(c *contract) bool {
	return c.mark == 0 || c.halted || c.suspect || c.held != 0 ||
		m.timed && c.markTime != 0 && m.age(c.markTime) > c.maxAge
}

// contractOf returns the index of a symbol's contract, or -1 with the refusal
// noted.
func (m *Machine) contractOf(id event.SymbolID) int32 {
	m.refusal.Symbol = id
	m.refusal.Flags |= event.HasSymbol
	return m.symbolIDs.Find(uint64(id))
}

// checkPositive is the code for quantities and prices that must be above zero.
func checkPositive(values ...int64) event.Reject {
	code := event.Accepted
	for _, v := range values {
		switch {
		case v == 0:
			return event.Zero
		case v < 0:
			code = event.Sign
		}
	}
	return code
}

// second is how far ahead of t a tick's own time may be.
const second = int64(1e9)

// applyTick stores a mark, holds it, or notes that it is suspect.
func (m *Machine) applyTick(h *event.Record) event.Reject {
	i := m.contractOf(h.Symbol())
	if i < 0 {
		return event.UnknownSymbol
	}
	c := &m.contracts[i]
	mark := h.Mark()
	if code := checkPositive(int64(mark)); code != event.Accepted {
		return code
	}
	if h.Has(event.FlagIndex) {
		if code := checkPositive(int64(h.Index())); code != event.Accepted {
			return code
		}
	}
	timed := m.timedNow(h)
	own := int64(0)
	if timed {
		own = m.now
	}
	if h.Has(event.FlagMarkTime) {
		own = h.MarkTime()
		if own <= c.last {
			m.refusal.RankedAt = uint64(c.last)
			return event.LateTick
		}
		if latest := later(m.now, second); timed && own > latest {
			m.refusal.RankedAt = uint64(latest)
			return event.FutureTime
		}
	}
	if !h.Has(event.FlagSuspect) && m.wouldOverflow(i, mark) {
		return event.Overflow
	}
	c.last = max(c.last, own)
	c.rankings[longs].made, c.rankings[shorts].made = 0, 0 // of record until the next tick, be it the mark or not
	if h.Has(event.FlagSuspect) {
		c.suspect = true
		return event.Accepted
	}
	c.suspect = false
	switch {
	case c.mark == 0 || c.maxJump == 0 || near(mark, c.mark, c.maxJump):
		m.setMark(i, mark, own)
	case c.held == 0:
		c.held, c.heldTime, c.heldSince, c.heldMore = mark, own, m.now, 0
		m.heldMarks++
		m.alarmHeld(c, 0)
	case near(mark, c.held, c.maxJump):
		m.setMark(i, mark, own)
	default:
		c.held, c.heldTime = mark, own
		if c.heldMore++; c.heldMore == 2 {
			m.alarmHeld(c, 1)
			m.setMark(i, mark, own)
		}
	}
	return event.Accepted
}

// near reports |p - q| <= q x part.
func near(p, q fixedpoint.Price, part fixedpoint.Rate) bool {
	return !fixedpoint.Mul64(int64(q), int64(part)).Less(fixedpoint.Mul64(int64(p-q), fixedpoint.One).Abs())
}

func (m *Machine) alarmHeld(c *contract, forced uint32) {
	m.fx.Append(event.Effect{
		Kind: event.EffectAlarm, Flags: event.HasSymbol, Reason: uint8(event.AlarmMarkHeld),
		Symbol: c.id, Mark: c.held, Price: c.mark, Rank: forced,
	})
}

// setMark accepts a mark; a hold ends with it, and so does the ranking of record.
func (m *Machine) setMark(i int32, mark fixedpoint.Price, own int64) {
	c := &m.contracts[i]
	if c.held != 0 {
		c.held, c.heldMore = 0, 0
		m.heldMarks--
	}
	c.mark, c.markTime = mark, own
	c.rankings[longs].made, c.rankings[shorts].made = 0, 0
	m.endWaits(i)
	m.touchHolders(i)
}

// endWaits lets those try again who waited for a mark of one of their contracts.
func (m *Machine) endWaits(i int32) {
	for p := m.accounts.FirstHolder(i); p != account.None; {
		pos := m.accounts.Position(p)
		if a := m.accounts.At(pos.Account); a.Waiting && pos.Qty != 0 {
			a.Waiting = false
		}
		p = m.accounts.NextHolder(pos)
	}
}

// touchHolders puts everyone on the list who holds the contract: a dense scan,
// whose place the trigger index takes.
func (m *Machine) touchHolders(i int32) {
	if m.mode != event.Live {
		return
	}
	for p := m.accounts.FirstHolder(i); p != account.None; {
		pos := m.accounts.Position(p)
		m.touch(pos.Account)
		p = m.accounts.NextHolder(pos)
	}
}

// wouldOverflow reports whether at the mark some position held now, by an account
// or the fund, would have a mark value that does not fit an Amount.
func (m *Machine) wouldOverflow(i int32, mark fixedpoint.Price) bool {
	c := &m.contracts[i]
	if !overflows(c.most, mark) {
		return false
	}
	c.most = max(c.inventory.Qty, -c.inventory.Qty)
	for p := m.accounts.FirstHolder(i); p != account.None; {
		pos := m.accounts.Position(p)
		c.most = max(c.most, pos.Qty, -pos.Qty)
		p = m.accounts.NextHolder(pos)
	}
	return overflows(c.most, mark)
}

func overflows(q fixedpoint.Qty, p fixedpoint.Price) bool {
	_, ok := fixedpoint.Quote(q, p)
	return !ok
}

// expireHolds accepts the latest of the marks that were held for max_hold.
func (m *Machine) expireHolds() {
	for _, i := range m.byID {
		c := &m.contracts[i]
		if c.held == 0 || !m.timed || m.now-c.heldSince < c.maxHold {
			continue
		}
		m.alarmHeld(c, 1)
		if m.wouldOverflow(i, c.held) {
			// A position grew while it was held: the old mark stays, and goes stale.
			c.held, c.heldMore = 0, 0
			m.heldMarks--
			m.touchHolders(i)
			continue
		}
		m.setMark(i, c.held, c.heldTime)
	}
}

func (m *Machine) applyHalt(h *event.Record, halt bool) event.Reject {
	i := m.contractOf(h.Symbol())
	if i < 0 {
		return event.UnknownSymbol
	}
	m.contracts[i].halted = halt
	if !halt {
		m.touchHolders(i)
	}
	return event.Accepted
}

func (m *Machine) applyDepth(h *event.Record) event.Reject {
	i := m.contractOf(h.Symbol())
	if i < 0 {
		return event.UnknownSymbol
	}
	if h.Bid() < 0 || h.Ask() < 0 {
		return event.Sign
	}
	c := &m.contracts[i]
	c.bid, c.ask, c.depthKnown, c.depthTime = h.Bid(), h.Ask(), true, m.now
	return event.Accepted
}

// applySymbol creates or updates a contract.
func (m *Machine) applySymbol(e event.Event) event.Reject {
	s := &m.settings
	e.SymbolSettings(s)
	i := m.contractOf(s.ID)
	isNew := i < 0
	fundIndex := int32(-1)
	if s.Set&event.SetFund != 0 {
		fundIndex = m.fundOf(s.Fund)
	}
	var next contract
	if isNew {
		next = newContract(s)
	} else {
		next = m.contracts[i]
	}
	switch {
	case fundIndex < 0 && s.Set&event.SetFund != 0:
		return event.UnknownFund
	case isNew && m.symbolNamed(s.Name), !isNew && next.name != s.Name:
		return event.Exists
	case isNew && fundIndex < 0:
		return event.UnknownFund
	}
	if code := m.checkSettings(&next, s, isNew); code != event.Accepted {
		return code
	}
	switch {
	case !isNew && fundIndex >= 0 && fundIndex != next.fund && m.isHeld(&next):
		return event.Held
	case isNew && len(m.contracts) == cap(m.contracts):
		return m.noRoom(event.Symbols, m.limits.Symbols)
	}
	next.set(s, isNew)
	if fundIndex >= 0 {
		next.fund = fundIndex
	}
	if isNew {
		m.contracts = append(m.contracts, next)
		m.addSymbol(int32(len(m.contracts) - 1))
		return event.Accepted
	}
	if next.score != m.contracts[i].score {
		next.rankings[longs].made, next.rankings[shorts].made = 0, 0
	}
	m.contracts[i] = next
	m.touchHolders(i)
	return event.Accepted
}

func (m *Machine) addSymbol(i int32) {
	id := m.contracts[i].id
	m.symbolIDs.Put(uint64(id), i)
	at, _ := slices.BinarySearchFunc(m.byID, id, func(j int32, id event.SymbolID) int {
		if m.contracts[j].id < id {
			return -1
		}
		return 1
	})
	m.byID = slices.Insert(m.byID, at, i)
}

func (m *Machine) symbolNamed(n event.Name) bool {
	for i := range m.contracts {
		if m.contracts[i].name == n {
			return true
		}
	}
	return false
}

// newContract has the defaults of EVENTS.md.
func newContract(s *event.SymbolSettings) contract {
	return contract{
		id: s.ID, name: s.Name, fund: -1,
		liqAttempts: 3, orderTimeout: 5 * second,
		capShare: fixedpoint.One, maxDeviation: fixedpoint.One / 20,
		maxAge: 5 * second, maxHold: second, maxCounter: 10_000,
		offload: offload.Settings{
			Interval: 10 * second, Fraction: fixedpoint.One / 10,
			MaxDepthFraction: fixedpoint.One / 20, Slippage: fixedpoint.One / 100,
		},
	}
}

// fullSizeLots is the default of full_size.
const fullSizeLots = 20

// checkSettings refuses settings that make no contract: numbers out of range, a
// broken tier table, a tick or lot that does not divide the old one.
func (m *Machine) checkSettings(c *contract, s *event.SymbolSettings, isNew bool) event.Reject {
	given := func(f event.SymbolFields) bool { return isNew || s.Set&f != 0 }
	if given(event.SetTick) && s.Tick == 0 || given(event.SetLot) && s.Lot == 0 {
		return event.Zero
	}
	if code := checkRanges(s); code != event.Accepted {
		return code
	}
	if given(event.SetTiers) {
		if fault, number, right := margin.CheckTiers(s.Tiers); fault != event.TiersFit {
			m.refusal.Candidates, m.refusal.Rank, m.refusal.Amount = uint32(fault), uint32(number), right
			return event.BadTiers
		}
	}
	switch {
	case isNew:
	case given(event.SetTick) && c.tick%s.Tick != 0:
		m.refusal.Price = c.tick
		return event.NotDivisible
	case given(event.SetLot) && c.lot%s.Lot != 0:
		m.refusal.Qty = c.lot
		return event.NotDivisible
	}
	return event.Accepted
}

// checkRanges refuses numbers that mean nothing: below zero, zero where something
// must be, a part above the whole.
func checkRanges(s *event.SymbolSettings) event.Reject {
	const whole = fixedpoint.One
	for _, r := range [...]struct {
		f         event.SymbolFields
		v         int64
		low, high int64
	}{
		{event.SetTick, int64(s.Tick), 1, 1<<63 - 1},
		{event.SetLot, int64(s.Lot), 1, 1<<63 - 1},
		{event.SetLiqFee, int64(s.LiqFee), 0, whole},
		{event.SetLiqAttempts, int64(s.LiqAttempts), 1, 1<<31 - 1},
		{event.SetOrderTimeout, s.OrderTimeout, 1, 1<<63 - 1},
		{event.SetCapShare, int64(s.CapShare), 0, 1<<63 - 1},
		{event.SetMaxDeviation, int64(s.MaxDeviation), 0, 1<<63 - 1},
		{event.SetMaxAge, s.MaxAge, 1, 1<<63 - 1},
		{event.SetMaxJump, int64(s.MaxJump), 0, 1<<63 - 1},
		{event.SetMaxHold, s.MaxHold, 0, 1<<63 - 1},
		{event.SetMaxCounterparties, int64(s.MaxCounterparties), 1, 1<<32 - 1},
		{event.SetInterval, s.Interval, 1, 1<<63 - 1},
		{event.SetFraction, int64(s.Fraction), 1, whole},
		{event.SetFullSize, int64(s.FullSize), 0, 1<<63 - 1},
		{event.SetMaxDepthFraction, int64(s.MaxDepthFraction), 1, whole},
		{event.SetSlippage, int64(s.Slippage), 0, whole},
	} {
		switch {
		case s.Set&r.f == 0:
		case r.v < 0:
			return event.Sign
		case r.v < r.low:
			return event.Zero
		case r.v > r.high:
			return event.Overflow
		}
	}
	for _, t := range s.Tiers {
		if t.MaxLeverage < 0 {
			return event.Sign
		}
	}
	return event.Accepted
}

// set takes over what s gives. Requires that checkSettings accepted it.
func (c *contract) set(s *event.SymbolSettings, isNew bool) {
	has := func(f event.SymbolFields) bool { return s.Set&f != 0 }
	assign := func(f event.SymbolFields, do func()) {
		if has(f) {
			do()
		}
	}
	assign(event.SetTick, func() { c.tick = s.Tick })
	assign(event.SetLot, func() { c.lot = s.Lot })
	assign(event.SetLiqFee, func() { c.liqFee = s.LiqFee })
	assign(event.SetLiquidation, func() { c.full = s.Full })
	assign(event.SetLiqAttempts, func() { c.liqAttempts = int32(s.LiqAttempts) })
	assign(event.SetOrderTimeout, func() { c.orderTimeout = s.OrderTimeout })
	assign(event.SetTryMarket, func() { c.tryMarket = s.TryMarket })
	assign(event.SetTakeover, func() { c.whole = s.Whole })
	assign(event.SetCapShare, func() { c.capShare = s.CapShare })
	assign(event.SetMaxDeviation, func() { c.maxDeviation = s.MaxDeviation })
	assign(event.SetMaxAge, func() { c.maxAge = s.MaxAge })
	assign(event.SetMaxJump, func() { c.maxJump = s.MaxJump })
	assign(event.SetMaxHold, func() { c.maxHold = s.MaxHold })
	assign(event.SetTiers, func() { c.tiers.Set(s.Tiers) })
	assign(event.SetPolicy, func() { c.policy = s.Policy })
	assign(event.SetScore, func() { c.score = s.Score })
	assign(event.SetMaxCounterparties, func() { c.maxCounter = int(s.MaxCounterparties) })
	assign(event.SetOffload, func() { c.offload.Off = s.OffloadOff })
	assign(event.SetInterval, func() { c.offload.Interval = s.Interval })
	assign(event.SetFraction, func() { c.offload.Fraction = s.Fraction })
	if isNew {
		// More lots than fit mean that every slice is a full one.
		full, ok := fixedpoint.Mul64(int64(c.lot), fullSizeLots).Int64()
		if !ok {
			full = 1<<63 - 1
		}
		c.offload.FullSize = fixedpoint.Qty(full)
	}
	assign(event.SetFullSize, func() { c.offload.FullSize = s.FullSize })
	assign(event.SetMaxDepthFraction, func() { c.offload.MaxDepthFraction = s.MaxDepthFraction })
	assign(event.SetSlippage, func() { c.offload.Slippage = s.Slippage })
}

// isHeld reports whether anyone holds the contract or still owes a fee for it, or
// its fund has inventory or an order in it.
func (m *Machine) isHeld(c *contract) bool {
	i := m.symbolIDs.Find(uint64(c.id))
	return m.accounts.FirstHolder(i) != account.None || c.inventory.Qty != 0 || c.offloadOrder != 0
}

func compareNames(a, b event.Name) int { return strings.Compare(string(a[:]), string(b[:])) }
