package machine

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/adl"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/fund"
	"github.com/backstop-fund/backstop/core/internal/invariant"
	"github.com/backstop-fund/backstop/fixedpoint"
	"github.com/backstop-fund/backstop/snapshot"
)

// ErrState marks a snapshot whose fields make no state of this machine: other
// rules, more than its limits, or a digest that does not match what was read.
var ErrState = fmt.Errorf("machine: %w", snapshot.ErrMismatch)

// reader reads fields and remembers the first thing that made no sense.
type reader struct {
	*snapshot.Section
	err error
}

func (r *reader) count(what string, most int) int {
	n := r.U32()
	if int64(n) > int64(most) {
		r.fail("%d %s, the limit is %d", n, what, most)
		return 0
	}
	return int(n)
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{ErrState}, args...)...)
	}
}

func (r *reader) name() (n event.Name) {
	r.Raw(n[:])
	return n
}

func (r *reader) done() error {
	if err := r.Section.Done(); err != nil {
		return err
	}
	return r.err
}

// Decode restores a machine with limits l from a snapshot's sections, and compares
// the digest of what it restored with the one stored. Limits may differ from those
// of the writer as long as the state fits.
func Decode(l Limits, dec *snapshot.Decoder) (*Machine, error) {
	m, err := New(l)
	if err == nil {
		err = m.Restore(dec)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Restore is Decode into a machine that is as New has made it. After an error it is
// good for nothing.
func (m *Machine) Restore(dec *snapshot.Decoder) error {
	for _, s := range [...]struct {
		id   uint32
		read func(*reader)
	}{
		{sectionEngine, m.readEngine},
		{sectionFunds, m.readFunds},
		{sectionContracts, m.readContracts},
		{sectionAccounts, m.readAccounts},
		{sectionPositions, m.readPositions},
		{sectionOrders, m.readOrders},
		{sectionSources, m.readSources},
		{sectionRankings, m.readRankings},
	} {
		r := &reader{Section: dec.Section(s.id)}
		s.read(r)
		if err := r.done(); err != nil {
			return err
		}
	}
	if got := m.Digest(); got != dec.Digest() {
		return fmt.Errorf("%w: restored state has digest %x, the snapshot says %x", ErrState, got, dec.Digest())
	}
	for s := range m.accounts.Slots() {
		if m.accounts.Open(s) {
			m.station(s)
		}
	}
	if invariant.Enabled {
		m.startLedger()
	}
	return nil
}

// startLedger takes what is in the books as having come in from outside.
func (m *Machine) startLedger() {
	t := m.Totals()
	m.ledger = conservation{money: t.Money, qty: t.Qty}
}

func (m *Machine) readEngine(r *reader) {
	if v := r.U32(); v != RulesVersion {
		r.fail("rules version %d, this build has %d", v, RulesVersion)
	}
	m.seq = r.U64()
	m.time = r.I64()
	m.now = m.time // by which marks are blocked or not
	how := r.U8()
	m.timed, m.acked = how&1 != 0, how&2 != 0
	m.mode = event.EngineMode(r.U8())
	m.ackSeq = r.U64()
	m.ackIndex = r.U32()
	m.orders.last = event.OrderID(r.U64())
}

func (m *Machine) readFunds(r *reader) {
	for range r.count("funds", m.limits.Funds) {
		f := fund.Fund{ID: event.FundID(r.U64()), Name: r.name()}
		f.Cash = fixedpoint.Amount(r.I64())
		f.Cap = fixedpoint.Rate(r.I64())
		f.ADLOnly = r.U8() != 0
		if m.fundIDs.Find(uint64(f.ID)) >= 0 {
			r.fail("fund %d twice", f.ID)
			return
		}
		m.funds = append(m.funds, f)
		m.addFund(int32(len(m.funds) - 1))
	}
}

func (m *Machine) readContracts(r *reader) {
	for range r.count("symbols", m.limits.Symbols) {
		c := contract{id: event.SymbolID(r.U64()), name: r.name()}
		c.fund = m.fundIDs.Find(r.U64())
		for _, v := range c.settings() {
			*v = r.I64()
		}
		how := r.U8()
		c.full, c.tryMarket, c.whole, c.offload.Off = how&1 != 0, how&2 != 0, how&4 != 0, how&8 != 0
		c.halted, c.suspect, c.depthKnown = how&16 != 0, how&32 != 0, how&64 != 0
		c.policy, c.score = event.Policy(r.U8()), event.Score(r.U8())
		c.heldMore = r.U8()
		c.liqAttempts = int32(r.U32())
		c.maxCounter = int(r.U32())
		c.offloadOrder = event.OrderID(r.U64())
		tiers := m.settings.Tiers[:0]
		for range r.count("tiers", event.MaxTiers) {
			tiers = append(tiers, event.Tier{
				Floor: fixedpoint.Amount(r.I64()), Cap: fixedpoint.Amount(r.I64()), MMR: fixedpoint.Rate(r.I64()),
				Cum: fixedpoint.Amount(r.I64()), MaxLeverage: fixedpoint.Rate(r.I64()),
			})
		}
		if c.fund < 0 || m.symbolIDs.Find(uint64(c.id)) >= 0 || len(tiers) == 0 || c.tick <= 0 || c.lot <= 0 {
			r.fail("contract %d is none", c.id)
			return
		}
		c.tiers = &m.tiers[len(m.contracts)]
		c.tiers.Set(tiers)
		c.noteSize(0, c.inventory.Qty)
		if c.held != 0 {
			m.heldMarks++
		}
		m.contracts = append(m.contracts, c)
		m.addSymbol(int32(len(m.contracts) - 1))
		m.noteStock(int32(len(m.contracts) - 1))
	}
}

func (m *Machine) readAccounts(r *reader) {
	for range r.count("accounts", m.limits.Accounts) {
		id, owner := event.AccountID(r.U64()), event.AccountID(r.U64())
		if m.accounts.Find(id) != account.None {
			r.fail("account %d twice", id)
			return
		}
		s, _ := m.accounts.Add(id, owner, event.Cross)
		a := m.accounts.At(s)
		a.Wallet = fixedpoint.Amount(r.I64())
		t := timer{due: r.I64(), timeout: r.I64(), slot: s}
		if t.due == 0 {
			t.due = never
		}
		if t.timeout != 0 {
			m.timers.start(t)
		}
		a.Attempts = int32(r.U32())
		a.Mode = event.AccountMode(r.U8())
		a.Flags = account.Flags(r.U8())
		how := r.U8()
		a.RoundFilled, a.RoundTried, a.Waiting = how&1 != 0, how&2 != 0, how&8 != 0
		last := r.U64()
		if how&4 != 0 {
			if a.LastReduced = m.symbolIDs.Find(last); a.LastReduced < 0 {
				r.fail("account %d reduced symbol %d, which does not exist", id, last)
			}
		}
	}
}

func (m *Machine) readPositions(r *reader) {
	for range r.count("positions", m.limits.Positions) {
		id, symbol, side := event.AccountID(r.U64()), event.SymbolID(r.U64()), event.PositionSide(r.U8())
		s, c := m.accounts.Find(id), m.symbolIDs.Find(uint64(symbol))
		if s == account.None || c < 0 || m.accounts.Lookup(s, symbol, side) != account.None {
			r.fail("position of account %d in symbol %d belongs nowhere", id, symbol)
			return
		}
		i := m.accounts.Insert(s, symbol, side, c)
		p := m.accounts.Position(i)
		m.setQty(i, fixedpoint.Qty(r.I64()))
		p.Cost = fixedpoint.Amount(r.I64())
		fee := fixedpoint.Amount(r.I64())
		*m.accounts.Fee(i) = fee
		m.accounts.At(s).Pending += fee
	}
}

func (m *Machine) readOrders(r *reader) {
	var finished []order
	for range r.count("orders", m.limits.Orders) {
		o := order{id: event.OrderID(r.U64()), account: event.AccountID(r.U64())}
		o.contract = m.symbolIDs.Find(r.U64())
		o.side = event.PositionSide(r.U8())
		how := r.U8()
		o.offload, o.done = how&1 != 0, how&2 != 0
		o.qty, o.filled = fixedpoint.Qty(r.I64()), fixedpoint.Qty(r.I64())
		o.limit = fixedpoint.Price(r.I64())
		o.doneSeq = r.U64()
		s := m.accounts.Find(o.account)
		if o.contract < 0 || o.id == 0 || o.id > m.orders.last || m.orders.find(o.id) != nil ||
			!o.done && !o.offload && s == account.None {
			r.fail("order %d belongs nowhere", o.id)
			return
		}
		switch {
		case o.done:
			finished = append(finished, o)
			o.done = false
		case !o.offload:
			m.accounts.At(s).Orders++
		}
		m.orders.put(o)
	}
	slices.SortFunc(finished, func(a, b order) int { return cmp.Compare(a.doneSeq, b.doneSeq) })
	for i := range finished {
		m.orders.finish(m.orders.find(finished[i].id), finished[i].doneSeq)
	}
	for _, t := range m.timers.heap {
		if a := m.accounts.At(t.slot); a.Orders == 0 {
			r.fail("account %d has a round that is due and no order of it", a.ID)
		}
	}
}

func (m *Machine) readSources(r *reader) {
	for range r.count("sources", m.limits.Sources) {
		s := source{id: event.Source{Number: r.U64(), Name: r.name()}}
		s.highest = r.U64()
		m.sources = append(m.sources, s)
	}
}

func (m *Machine) readRankings(r *reader) {
	for _, i := range m.byID {
		for side := range m.contracts[i].rankings {
			k := &m.contracts[i].rankings[side]
			if k.made = r.U64(); k.made == 0 {
				continue
			}
			for range r.count("members of a ranking", 2*m.limits.Positions) {
				x := adl.Member{Account: event.AccountID(r.U64())}
				how := r.U8()
				x.Side, x.Long, x.InProfit = event.PositionSide(how&3), how&4 != 0, how&8 != 0
				x.Wallet, x.Entry = fixedpoint.Amount(r.I64()), fixedpoint.Price(r.I64())
				x.Cost, x.Mark = fixedpoint.Amount(r.I64()), fixedpoint.Price(r.I64())
				for _, v := range x.Wides() {
					v.Lo, v.Hi = r.U64(), r.I64()
				}
				k.members = append(k.members, x)
			}
			k.begin(len(k.members))
			for j := range k.places {
				k.places[j].at = account.None
			}
		}
	}
}
