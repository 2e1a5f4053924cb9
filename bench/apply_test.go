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
// same with every holder looked at.
func BenchmarkApplyTick(b *testing.B) {
	for _, n := range sizes() {
		b.Run("crossed=0/accounts="+power(n), func(b *testing.B) { tickCrossesNothing(b, open(b, exchange(n))) })
		b.Run("1bp/accounts="+power(n), func(b *testing.B) { tickWalks(b, open(b, exchange(n)), 1_000, 1_000) })
	}
	n := min(1e5, most())
	b.Run("1bp/scan/accounts="+power(n), func(b *testing.B) {
		tickWalks(b, build(b, exchange(n), machine.NewScan), 50, 1)
	})
}

func tickCrossesNothing(b *testing.B, s *stage) {
	const round = 1_000
	i := 0
	ticks := func() {
		for range round {
			c := event.SymbolID(i%s.shape.Contracts + 1)
			s.tick(b, c, s.market.Mark(c)+fixedpoint.Price(i/s.shape.Contracts%2)*unit/10_000)
			i++
		}
	}
	// Whoever has a trigger between the two marks gets another one.
	for range 2 * s.shape.Contracts {
		ticks()
	}
	looked := s.Stats().Looked
	var took rounds
	for b.Loop() {
		took.time(ticks)
	}
	noAllocations(b, ticks)
	if n := s.Stats().Looked - looked; n != 0 {
		b.Fatalf("workload drifted: %d accounts looked at by ticks that cross nothing", n)
	}
	took.report(b, round, "tick")
	s.mend(b)
}

// tickWalks takes time by rounds of so many ticks, after some to warm up.
func tickWalks(b *testing.B, s *stage, round, warm int) {
	ticks := func() {
		for range round {
			c, mark := s.market.Walk()
			s.tick(b, c, mark)
		}
	}
	for range warm { // until as many accounts are near a trigger as ever
		ticks()
		s.mend(b)
	}
	var took rounds
	looked, orders, applied := uint64(0), 0, 0
	for b.Loop() {
		before := s.Stats().Looked
		took.time(ticks)
		looked += s.Stats().Looked - before
		orders += s.counts[event.EffectLiquidate]
		applied += round
		s.mend(b)
	}
	noAllocations(b, func() { ticks(); s.mend(b) })
	took.report(b, round, "tick")
	b.ReportMetric(float64(looked)/float64(applied), "looked/tick")
	b.ReportMetric(float64(orders)/float64(applied), "orders/tick")
}

// BenchmarkApplyFill makes one position after the other larger or smaller by a
// thirty-second, of accounts in an order that memory does not follow.
func BenchmarkApplyFill(b *testing.B) {
	for _, n := range sizes() {
		b.Run("accounts="+power(n), func(b *testing.B) {
			s := open(b, exchange(n))
			quiet(b, s, "fill", s.market.Fill)
		})
	}
}

// BenchmarkApplyTransfer is a funding payment to one account after the other.
func BenchmarkApplyTransfer(b *testing.B) {
	for _, n := range sizes() {
		b.Run("accounts="+power(n), func(b *testing.B) {
			s := open(b, exchange(n))
			quiet(b, s, "transfer", s.market.Transfer)
		})
	}
}

// quiet applies events that decide nothing.
func quiet(b *testing.B, s *stage, what string, next func() event.Record) {
	const round = 1_000
	events := func() {
		for range round {
			s.record(b, next())
		}
	}
	var took rounds
	for b.Loop() {
		took.time(events)
	}
	noAllocations(b, events)
	s.expect(b, event.EffectLiquidate, 0)
	s.expect(b, event.EffectBankrupt, 0)
	took.report(b, round, what)
	s.mend(b)
}

// BenchmarkMemory is what a machine takes, all in, for each account it has room
// for with its three positions. It measures no time.
func BenchmarkMemory(b *testing.B) {
	n := most()
	b.Run("accounts="+power(n), func(b *testing.B) {
		s := open(b, exchange(n))
		for b.Loop() {
		}
		b.ReportMetric(float64(s.memory)/float64(n), "B/account")
		b.ReportMetric(0, "ns/op")
	})
}
