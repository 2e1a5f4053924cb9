package bench_test

import (
	"testing"

	"github.com/backstop-fund/backstop/bench"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// crowded is a market in which every account is short in contract 1, beside two
// other positions.
func crowded(accounts int) bench.Shape {
	s := exchange(accounts)
	s.Crowded = true
	return s
}

const crowd = event.SymbolID(1) // the contract all hold

// BenchmarkWorst are the events that take longest, each as one: from Apply to the
// last of its effects in the consumer's memory.
func BenchmarkWorst(b *testing.B) {
	n := most()
	b.Run("gap5pct/accounts="+power(n), func(b *testing.B) { gap(b, open(b, exchange(n))) })
	b.Run("resume", func(b *testing.B) { resume(b, open(b, crowded(n))) })
	b.Run("tiers", func(b *testing.B) { retier(b, open(b, crowded(n))) })
	b.Run("live", func(b *testing.B) { goLive(b, open(b, crowded(n))) })
	b.Run("adl11279", func(b *testing.B) { deleverage(b, 11_279) })
}

// gap has one contract after the other fall by a twentieth in one tick.
func gap(b *testing.B, s *stage) {
	c := event.SymbolID(0)
	prepare := func() {
		s.mend(b)
		c = c%event.SymbolID(s.shape.Contracts) + 1
	}
	fall := func() { s.tick(b, c, s.market.Mark(c)*19/20) }
	prepare()
	var took rounds
	looked, orders := uint64(0), 0
	for b.Loop() {
		prepare()
		before := s.Stats().Looked
		took.time(fall)
		looked += s.Stats().Looked - before
		orders += s.counts[event.EffectLiquidate]
		if s.counts[event.EffectLiquidate] == 0 {
			b.Fatal("workload drifted: a gap that hurts nobody")
		}
	}
	noAllocations(b, func() { prepare(); fall() })
	s.mend(b)
	took.worst(b, "event")
	b.ReportMetric(float64(looked)/float64(b.N), "looked/event")
	b.ReportMetric(float64(orders)/float64(b.N), "orders/event")
}

// resume halts all contracts, has the one that all are short in rise by a
// fortieth, and resumes it: then whom that hurt is liquidated.
func resume(b *testing.B, s *stage) {
	prepare := func() {
		s.mend(b)
		for c := range s.shape.Contracts {
			s.record(b, event.Halt(event.SymbolID(c+1)))
		}
		s.tick(b, crowd, s.market.Mark(crowd)*41/40)
		s.expect(b, event.EffectLiquidate, 0)
	}
	goOn := func() { s.record(b, event.Resume(crowd)) }
	restore := func() {
		s.tick(b, crowd, s.market.Mark(crowd))
		for c := range s.shape.Contracts {
			s.record(b, event.Resume(event.SymbolID(c+1)))
		}
	}
	var took rounds
	looked, orders := uint64(0), 0
	for b.Loop() {
		prepare()
		before := s.Stats().Looked
		took.time(goOn)
		looked += s.Stats().Looked - before
		orders += s.counts[event.EffectLiquidate]
		if s.counts[event.EffectLiquidate] == 0 {
			b.Fatal("workload drifted: nobody waited")
		}
		restore()
	}
	noAllocations(b, func() { prepare(); goOn(); restore() })
	s.mend(b)
	took.worst(b, "event")
	b.ReportMetric(float64(looked)/float64(b.N), "looked/event")
	b.ReportMetric(float64(orders)/float64(b.N), "orders/event")
}

// retier gives the contract that all hold a table of higher rates, and takes it
// back, which is not measured. It hurts nobody; everybody has to be judged anew.
func retier(b *testing.B, s *stage) {
	settings := event.SymbolSettings{ID: crowd, Name: name(b, "C1USDT"), Set: event.SetTiers}
	tables := [2][]event.Tier{
		{{MMR: unit / 80}},
		{{Cap: 50_000 * unit, MMR: unit / 250}, {Floor: 50_000 * unit, MMR: unit / 200, Cum: 50 * unit}},
	}
	change := func(tiers []event.Tier) {
		settings.Tiers = tiers
		s.must(b, event.AppendSymbol(s.records[:0], &settings))
	}
	s.mend(b)
	var took rounds
	for b.Loop() {
		took.time(func() { change(tables[0]) })
		change(tables[1])
	}
	s.expect(b, event.EffectLiquidate, 0)
	noAllocations(b, func() { change(tables[0]); change(tables[1]) })
	took.worst(b, "event")
}

// goLive ends a time of loading in which every account changed.
func goLive(b *testing.B, s *stage) {
	prepare := func() {
		s.record(b, event.SetMode(event.Loading))
		for range s.shape.Accounts {
			s.record(b, s.market.Transfer())
		}
	}
	live := func() { s.record(b, event.SetMode(event.Live)) }
	s.mend(b)
	var took rounds
	for b.Loop() {
		prepare()
		took.time(live)
	}
	s.expect(b, event.EffectLiquidate, 0)
	noAllocations(b, func() { prepare(); live() })
	took.worst(b, "event")
}

// deleverage has one long go bankrupt whose position takes that of so many shorts
// to close, for the fund takes none of it.
func deleverage(b *testing.B, shorts int) {
	s := build(b, bench.Shape{Accounts: shorts, Contracts: 1, Positions: 1, Crowded: true}, machine.New)
	s.must(b, event.AppendFund(s.records[:0], event.FundSettings{ID: 1, Name: name(b, "USDT"), ADLOnly: true, HasADLOnly: true}))
	s.must(b, event.AppendSymbol(s.records[:0], &event.SymbolSettings{
		ID: crowd, Name: name(b, "C1USDT"), MaxCounterparties: uint32(shorts), Set: event.SetMaxCounterparties,
	}))
	qty := fixedpoint.Qty(0)
	for a := range shorts {
		qty -= s.market.Account(a).Position(0).Qty
	}
	mark := s.market.Mark(crowd)
	value, _ := fixedpoint.Quote(qty, mark)
	prepare := func() {
		s.mend(b)
		s.must(b, event.AppendAccountState(s.records[:0],
			event.AccountReplacement{Account: event.AccountID(shorts + 1), Wallet: value / 16},
			[]event.PositionState{{Symbol: crowd, Qty: qty, Value: int64(value)}}))
	}
	fall := func() { s.tick(b, crowd, mark*15/16-unit) }
	var took rounds
	for b.Loop() {
		prepare()
		took.time(fall)
		s.expect(b, event.EffectDeleverage, shorts)
		s.expect(b, event.EffectTakeover, 0)
	}
	noAllocations(b, func() { prepare(); fall() })
	took.worst(b, "event")
}

// BenchmarkADLRank is a counterparty-liquidation against the many who are short in
// one contract, of a long so small that one of them is enough: rank is the first
// one after a new mark, next are those after it when each is an event of its own,
// and after is what one more takes in the same event.
func BenchmarkADLRank(b *testing.B) {
	for _, n := range sizes() {
		b.Run("holders="+power(n), func(b *testing.B) { rank(b, open(b, crowded(n))) })
	}
}

func rank(b *testing.B, s *stage) {
	const nexts = 50
	s.mend(b)
	only := func(only bool) {
		s.must(b, event.AppendFund(s.records[:0], event.FundSettings{ID: 1, Name: name(b, "USDT"), ADLOnly: only, HasADLOnly: true}))
	}
	only(true)
	i := 0
	newMark := func() {
		i++
		s.tick(b, crowd, s.market.Mark(crowd)+fixedpoint.Price(i%2)*unit/100)
	}
	// Long one lot, bankrupt as it comes.
	bankrupt := func(i int) {
		const lot = unit / 1000
		cost, _ := fixedpoint.Quote(lot, s.market.Mark(crowd)*101/100)
		s.must(b, event.AppendAccountState(s.records[:0],
			event.AccountReplacement{Account: event.AccountID(s.shape.Accounts + 1 + i), Wallet: 0},
			[]event.PositionState{{Symbol: crowd, Qty: lot, Value: int64(cost)}}))
	}
	var first, next, after rounds
	done := s.counts[event.EffectDeleverage]
	round := func() {
		newMark()
		first.time(func() { bankrupt(0) })
		next.time(func() {
			for range nexts {
				bankrupt(0)
			}
		})
		s.record(b, event.Halt(crowd))
		for i := range nexts {
			bankrupt(i)
		}
		after.time(func() { s.record(b, event.Resume(crowd)) })
		// All but the first, which is as long as one on its own.
		after[len(after)-1] = max(0, after[len(after)-1]-next[len(next)-1]/nexts)
		done += 1 + 2*nexts
	}
	for b.Loop() {
		round()
	}
	s.expect(b, event.EffectDeleverage, done)
	s.expect(b, event.EffectTakeover, 0)
	noAllocations(b, func() { newMark(); bankrupt(0); bankrupt(0) })
	only(false)
	s.mend(b)
	after.report(b, nexts-1, "after")
	next.report(b, nexts, "next")
	first.worst(b, "rank")
}

func name(tb testing.TB, s string) event.Name {
	n, ok := event.MakeName(s)
	if !ok {
		tb.Fatal("no name:", s)
	}
	return n
}
