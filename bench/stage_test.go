package bench_test

import (
	"runtime"
	"testing"

	"github.com/backstop-fund/backstop/bench"
	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/fixedpoint"
)

const unit = fixedpoint.One

// stage is a market in a machine alone, without rings or goroutines, and the
// consumer of its effects, which remembers what it has to answer.
type stage struct {
	*machine.Machine
	shape   bench.Shape
	market  *bench.Market
	fx      *event.Effects
	now     int64
	memory  uint64 // of the machine as it was made, in bytes
	records [8]event.Record
	batch   [batchSize]event.Record
	ahead   bool // while it is applied
	ids     [machine.Lookahead]event.AccountID

	// As the consumer has them.
	ring    [1 << 12]event.Effect
	at      int
	counts  [64]int // by kind
	orders  []order
	changed []event.AccountID // went bankrupt, or gave to one that did
	stock   map[event.SymbolID]fixedpoint.Qty
}

// batchSize is how many events are made before they are applied and timed: few
// enough to stay near.
const batchSize = 500

// order awaits the venue's answer.
type order struct {
	id      event.OrderID
	account event.AccountID // 0 if it is the fund's
}

// Effects is the consumer's: it copies what it gets, as it would from a ring.
func (s *stage) Effects(batch []event.Effect) {
	for i := range batch {
		x := &s.ring[s.at%len(s.ring)]
		s.at++
		*x = batch[i]
		s.counts[x.Kind]++
		switch x.Kind {
		case event.EffectLiquidate, event.EffectOffload:
			s.orders = append(s.orders, order{x.Order, x.Account})
		case event.EffectBankrupt:
			s.changed = append(s.changed, x.Account)
		case event.EffectDeleverage:
			s.changed = append(s.changed, x.Counterparty)
		case event.EffectTakeover:
			s.stock[x.Symbol] += x.Qty
		}
	}
}

// stages keeps the last market, for the next benchmark that wants it.
var stages struct{ last *stage }

// open returns a machine with a market of the shape. Whoever used it before has
// mended it.
func open(b *testing.B, shape bench.Shape) *stage {
	b.Helper()
	if s := stages.last; s != nil && s.shape == shape {
		return s
	}
	stages.last = nil
	stages.last = build(b, shape, machine.New)
	return stages.last
}

func build(b *testing.B, shape bench.Shape, make_ func(machine.Limits) (*machine.Machine, error)) *stage {
	b.Helper()
	market, err := bench.NewMarket(shape)
	if err != nil {
		b.Fatal(err)
	}
	before := heap()
	m, err := make_(shape.Limits())
	if err != nil {
		b.Fatal(err)
	}
	s := &stage{
		Machine: m, shape: shape, market: market, now: market.Now(), memory: heap() - before,
		orders: make([]order, 0, shape.Limits().Orders), changed: make([]event.AccountID, 0, shape.Accounts+64),
		stock: map[event.SymbolID]fixedpoint.Qty{},
	}
	core.HugePages(m.Arenas) // as an engine has it
	s.fx = event.NewEffects(64, s)
	for e := range market.Opening {
		s.must(b, e)
	}
	if has := s.Stats(); has.Accounts != shape.Accounts+shape.Distress || has.Positions != shape.Accounts*shape.Positions+shape.Distress {
		b.Fatalf("%d accounts and %d positions of %+v", has.Accounts, has.Positions, shape)
	}
	s.expect(b, event.EffectLiquidate, shape.Distress)
	s.orders = s.orders[:0] // answered by the opening
	return s
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// must applies an event that is not to be refused, and flushes its effects.
func (s *stage) must(tb testing.TB, e event.Event) {
	if _, code := s.Apply(e, s.fx); code != event.Accepted {
		tb.Helper()
		tb.Fatalf("workload drifted: %v refused as %v", e[0].Kind(), code)
	}
	s.fx.Flush()
}

// record is must for an event of one record.
func (s *stage) record(tb testing.TB, r event.Record) { s.must(tb, append(s.records[:0], r)) }

// tick tells a mark.
func (s *stage) tick(tb testing.TB, c event.SymbolID, mark fixedpoint.Price) {
	s.record(tb, s.mark(c, mark))
}

// make makes a batch of events.
func (s *stage) make(next func() event.Record) {
	for i := range s.batch {
		s.batch[i] = next()
	}
}

// apply applies the batch: its effects are out when it ends. With ahead it looks at
// the accounts of the events to come, as the engine does.
func (s *stage) apply(tb testing.TB) {
	for i, seen := 0, 0; i < len(s.batch); i++ {
		if s.ahead && i == seen {
			ids := s.ids[:0]
			for ; seen < len(s.batch) && len(ids) < machine.Lookahead; seen++ {
				ids = s.batch[seen].Accounts(ids)
			}
			s.Ahead(ids)
		}
		if _, code := s.Apply(s.batch[i:i+1], s.fx); code != event.Accepted {
			tb.Fatalf("workload drifted: %v refused as %v", s.batch[i].Kind(), code)
		}
	}
	s.fx.Flush()
}

// mark is a tick of the next moment.
func (s *stage) mark(c event.SymbolID, mark fixedpoint.Price) event.Record {
	s.now += 1_000
	return event.Tick(c, mark).At(s.now)
}

// expect fails unless there were so many effects of a kind since the last mend.
func (s *stage) expect(b *testing.B, kind event.EffectKind, n int) {
	if got := s.counts[kind]; got != n {
		b.Helper()
		b.Fatalf("workload drifted: %d effects %v, want %d", got, kind, n)
	}
}

// mend makes the market what it was: it has its marks, and what answer does.
func (s *stage) mend(tb testing.TB) {
	for c := range s.shape.Contracts {
		c := event.SymbolID(c + 1)
		s.tick(tb, c, s.market.Mark(c))
	}
	s.answer(tb)
}

// answer ends all orders, and gives those who were in trouble or gave to one in
// trouble again what they had. Nothing is counted any more.
func (s *stage) answer(tb testing.TB) {
	for len(s.orders)+len(s.changed) > 0 {
		for _, id := range s.changed {
			s.renew(tb, id)
		}
		s.changed = s.changed[:0]
		n := len(s.orders)
		for _, o := range s.orders[:n] {
			if o.account != 0 {
				s.renew(tb, o.account)
			}
			s.record(tb, event.OrderDone(o.id, event.Rejected))
		}
		s.orders = s.orders[:copy(s.orders, s.orders[n:])]
	}
	for c, qty := range s.stock {
		if qty != 0 {
			s.record(tb, event.FundFill(1, c, -qty, s.market.Mark(c)))
			s.stock[c] = 0
		}
	}
	s.counts = [len(s.counts)]int{}
}

func (s *stage) renew(tb testing.TB, id event.AccountID) {
	if a := int(id) - 1; a < s.shape.Accounts {
		s.must(tb, s.market.Account(a))
	}
}
