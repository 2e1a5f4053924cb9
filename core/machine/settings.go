package machine

import (
	"slices"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/core/offload"
	"github.com/backstop-fund/backstop/fixedpoint"
)

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
	if isNew {
		next.tiers = &m.tiers[len(m.contracts)]
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
	return m.accounts.Holders(i) != 0 || c.inventory.Qty != 0 || c.offloadOrder != 0
}
