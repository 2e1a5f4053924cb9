package bench_test

import (
	"testing"

	"github.com/backstop-fund/backstop/bench"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// exchange is the market of most benchmarks: 50 contracts, three positions an
// account, leverages from 2 to 50.
func exchange(accounts int) bench.Shape {
	return bench.Shape{Accounts: accounts, Contracts: 50, Positions: 3, Leverage: 50}
}

// BenchmarkApplyTick is what a mark costs a machine alone. With crossed=0 it
// reaches no trigger, and so no account is looked at. With 1bp marks walk about as
// in a calm market, some accounts are looked at and a few liquidated; scan is the
// same with every holder looked at. With decides each mark liquidates one account.
func BenchmarkApplyTick(b *testing.B) {
	for _, n := range sizes() {
		b.Run("crossed=0/accounts="+power(n), func(b *testing.B) { tickCrossesNothing(b, open(b, exchange(n))) })
		b.Run("1bp/accounts="+power(n), func(b *testing.B) { tickWalks(b, open(b, exchange(n)), 2_000) })
	}
	n := min(1e5, most())
	b.Run("1bp/scan/accounts="+power(n), func(b *testing.B) {
		tickWalks(b, build(b, exchange(n), machine.NewScan), 0)
	})
	b.Run("decides/accounts=1e4", func(b *testing.B) {
		shape := exchange(1e4)
		shape.Distress = shape.Contracts
		tickDecides(b, build(b, shape, machine.New))
	})
}

// tickDecides times a tick in each contract, of which each has an account in
// distress. The venue's answers are not in the figure.
func tickDecides(b *testing.B, s *stage) {
	var took rounds
	round := func() {
		for i := range s.shape.Contracts {
			s.batch[i] = s.mark(s.market.Walk())
		}
		took.time(func() {
			for i := range s.shape.Contracts {
				s.Apply(s.batch[i:i+1], s.fx)
			}
			s.fx.Flush()
		})
		if len(s.orders) != s.shape.Contracts {
			b.Fatalf("workload drifted: %d decisions of %d ticks", len(s.orders), s.shape.Contracts)
		}
		for _, o := range s.orders {
			s.record(b, event.OrderDone(o.id, event.Rejected))
		}
		s.orders = s.orders[:0]
	}
	for b.Loop() {
		round()
	}
	took.report(b, s.shape.Contracts, "tick")
}

func tickCrossesNothing(b *testing.B, s *stage) {
	i := 0
	next := func() event.Record {
		c := event.SymbolID(i%s.shape.Contracts + 1)
		i++
		return s.mark(c, s.market.Mark(c)+fixedpoint.Price(i/s.shape.Contracts%2)*unit/10_000)
	}
	// Whoever has a trigger between the two marks gets another one.
	for range 100 {
		s.make(next)
		s.apply(b)
	}
	if looked, _ := s.measure(b, "tick", next); looked != 0 {
		b.Fatalf("workload drifted: %d accounts looked at by ticks that cross nothing", looked)
	}
}

// measure times batches of events. Between them orders are answered.
func (s *stage) measure(b *testing.B, what string, next func() event.Record) (looked uint64, orders int) {
	b.Helper()
	var took rounds
	batch := func() {
		s.make(next)
		took.time(func() { s.apply(b) })
	}
	for b.Loop() {
		before := s.Stats().Looked
		batch()
		looked += s.Stats().Looked - before
		orders += len(s.orders)
		s.answer(b)
	}
	noAllocations(b, func() { s.make(next); s.apply(b); s.answer(b) })
	took.report(b, batchSize, what)
	return looked, orders
}

// tickWalks measures after so many batches to warm up: until as many accounts are
// near a trigger as ever.
func tickWalks(b *testing.B, s *stage, warm int) {
	next := func() event.Record { return s.mark(s.market.Walk()) }
	for range warm {
		s.make(next)
		s.apply(b)
		s.answer(b)
	}
	looked, orders := s.measure(b, "tick", next)
	ticks := float64(b.N * batchSize)
	b.ReportMetric(float64(looked)/ticks, "looked/tick")
	b.ReportMetric(float64(orders)/ticks, "orders/tick")
}

// BenchmarkApplyFill makes one position after the other larger or smaller by a
// thirty-second, of accounts in an order that memory does not follow: one event
// after the other, and with a look ahead at those behind it, as the engine applies
// what has gathered in its ring.
func BenchmarkApplyFill(b *testing.B) { quiet(b, "fill", (*bench.Market).Fill) }

// BenchmarkApplyTransfer is a funding payment to one account after the other.
func BenchmarkApplyTransfer(b *testing.B) { quiet(b, "transfer", (*bench.Market).Transfer) }

// quiet measures events that hurt hardly anybody: only who is near its margin as it
// is may fall below it.
func quiet(b *testing.B, what string, next func(*bench.Market) event.Record) {
	for _, n := range sizes() {
		for _, ahead := range []string{"", "ahead/"} {
			b.Run(ahead+"accounts="+power(n), func(b *testing.B) {
				s := open(b, exchange(n))
				s.ahead = ahead != ""
				_, orders := s.measure(b, what, func() event.Record { return next(s.market) })
				s.ahead = false
				if orders > 2+b.N*batchSize/1_000 {
					b.Fatalf("workload drifted: %d orders because of %d events", orders, b.N*batchSize)
				}
			})
		}
	}
}

// BenchmarkMemory is what a machine takes, all in, for each account it has room
// for with its three positions: as the machine counts it, which must be what the
// heap grew by. It measures no time.
func BenchmarkMemory(b *testing.B) {
	n := most()
	b.Run("accounts="+power(n), func(b *testing.B) {
		s := open(b, exchange(n))
		for b.Loop() {
		}
		counted := s.Stats().Bytes
		if part := float64(s.memory) / float64(counted); part < 0.99 || part > 1.01 {
			b.Fatalf("%d bytes counted, and the heap grew by %d", counted, s.memory)
		}
		b.ReportMetric(float64(counted)/float64(n), "B/account")
		b.ReportMetric(0, "ns/op")
	})
}
