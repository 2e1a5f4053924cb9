package bench_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/backstop-fund/backstop/bench"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/core/udptick"
	"github.com/backstop-fund/backstop/ring"
)

// What a tick costs a machine alone when all accounts hold its contract and none
// is hurt: each of them is looked at.
func BenchmarkApplyTick(b *testing.B) {
	for _, accounts := range []int{1e4, 1e5} {
		b.Run(fmt.Sprintf("scan/accounts=%.0e", float64(accounts)), func(b *testing.B) {
			shape := bench.Shape{Accounts: accounts, Contracts: 1, Positions: 1}
			market, err := bench.NewMarket(shape)
			if err != nil {
				b.Fatal(err)
			}
			m, fx := alone(b, shape, market)
			opening := fx.Count()
			var took rounds
			for b.Loop() {
				tick := nextTick(market)
				took.time(func() { m.Apply(tick, fx) })
			}
			if n := fx.Count() - opening; n != 0 {
				b.Fatalf("workload drifted: %d effects of ticks that hurt nobody", n)
			}
			took.report(b, accounts, "account")
			b.ReportMetric(float64(took[len(took)/2]), "ns/tick")
		})
	}
}

func nextTick(m *bench.Market) event.Event {
	for {
		if _, t, isTick := m.Next(); isTick {
			return event.Event{event.Tick(event.SymbolID(t.Instrument), t.Mark).At(t.TimeNanos)}
		}
	}
}

func alone(b *testing.B, shape bench.Shape, market *bench.Market) (*machine.Machine, *event.Effects) {
	m, err := machine.New(shape.Limits())
	if err != nil {
		b.Fatal(err)
	}
	fx := event.NewEffects(64, discard{})
	for e := range market.Opening {
		if _, code := m.Apply(e, fx); code != event.Accepted {
			b.Fatal(e[0].Kind(), code)
		}
	}
	if s := m.Stats(); s.Accounts != shape.Accounts || s.Positions != shape.Accounts*shape.Positions {
		b.Fatalf("%d accounts and %d positions of %+v", s.Accounts, s.Positions, shape)
	}
	return m, fx
}

type discard struct{}

func (discard) Effects([]event.Effect) {}

// From the bytes of a datagram to its ticks as events: framing, sequence, value,
// newest of its symbol. Between them, the next datagram is written: the price of
// that is in the figure.
func BenchmarkUDPDecode(b *testing.B) {
	const symbols = 1 << 10
	for _, ticks := range []int{1, udptick.EthernetTicks} {
		b.Run(fmt.Sprintf("ticks=%d", ticks), func(b *testing.B) {
			var sink counter
			feed, err := udptick.NewFeed(udptick.Config{}, &sink)
			if err != nil {
				b.Fatal(err)
			}
			session, err := udptick.MakeSession("bench")
			if err != nil {
				b.Fatal(err)
			}
			from, datagram, list := netip.MustParseAddr("127.0.0.1"), []byte(nil), make([]udptick.Tick, ticks)
			sent, now := 0, int64(1_760_131_033_000_000_000)
			b.ReportAllocs()
			for b.Loop() {
				now++
				for i := range list {
					list[i] = udptick.Tick{Instrument: uint32((sent + i) % symbols), Mark: 100, TimeNanos: now}
				}
				datagram = udptick.AppendPacket(datagram[:0], session, uint64(sent+1), list...)
				feed.Receive(udptick.LineA, from, datagram, now)
				sent += ticks
			}
			if int(sink) != sent {
				b.Fatalf("workload drifted: %d of %d ticks are new", sink, sent)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(sent), "ns/tick")
		})
	}
}

type counter int

func (c *counter) Offer(event.Record) bool { *c++; return true }

// The whole path at full speed: nine fills, a tick that comes as a datagram and
// makes one decision, the venue's answer to it, and over again.
func BenchmarkPipe(b *testing.B) {
	const round = cycle * 1 << 7
	for _, c := range []struct{ accounts, contracts, positions int }{{1e3, 50, 3}, {1e4, 50, 3}} {
		b.Run(fmt.Sprintf("accounts=%.0e", float64(c.accounts)), func(b *testing.B) {
			needTwoCPUs(b)
			p, err := bench.OpenPipe(bench.Shape{Accounts: c.accounts, Contracts: c.contracts, Positions: c.positions}, ring.Yield, nil)
			if err != nil {
				b.Fatal(err)
			}
			var took rounds
			for b.Loop() {
				took.time(func() {
					for range round {
						p.Step()
					}
					err = p.Drain()
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			took.report(b, round, "event")
			mustClose(b, p)
		})
	}
}

// The time from when a tick was due to when the liquidation order it causes has
// been read, at a fixed rate of events of which one in eleven is such a tick.
// schedule-* is the same schedule with nothing to do: the machine's own part.
func BenchmarkTickToDecision(b *testing.B) {
	for _, c := range []struct {
		shape bench.Shape
		rate  int // events a second
		wait  ring.WaitStrategy
	}{
		// Less than a tenth of what the core can do, so that the figure is not that
		// of a queue.
		{bench.Shape{Accounts: 1e3, Contracts: 50, Positions: 3}, 10_000, ring.Yield},
		{bench.Shape{Accounts: 1e3, Contracts: 50, Positions: 3}, 10_000, ring.Park},
		{bench.Shape{Accounts: 1e4, Contracts: 50, Positions: 3}, 2_000, ring.Yield},
	} {
		b.Run(fmt.Sprintf("accounts=%.0e/contracts=%d/rate=%d/wait=%v", float64(c.shape.Accounts), c.shape.Contracts, c.rate, c.wait),
			func(b *testing.B) { tickToDecision(b, c.shape, c.rate, c.wait) })
	}
}

func tickToDecision(b *testing.B, shape bench.Shape, rate int, wait ring.WaitStrategy) {
	needTwoCPUs(b)
	interval := time.Second / time.Duration(rate)
	cycles := rate / cycle / 5 // a loop of b: a fifth of a second
	var (
		start  time.Time
		first  event.OrderID // of the loop
		taken  = bench.NewLatencies(1 << 22)
		paced  = bench.NewLatencies(1 << 22)
		counts bool
	)
	p, err := bench.OpenPipe(shape, wait, func(order event.OrderID) {
		if counts {
			due := time.Duration((int(order-first)+1)*cycle-2) * interval
			taken.Add(time.Since(start) - due)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	counts, first = true, event.OrderID(shape.Contracts+1)
	for b.Loop() {
		start = time.Now()
		bench.Paced(start, cycles*cycle, interval, func(int) { p.Step() }, p.Poll)
		if err := p.Drain(); err != nil {
			b.Fatal(err)
		}
		first += event.OrderID(cycles)
		start = time.Now()
		bench.Paced(start, cycles*cycle/10, interval, func(i int) { paced.Add(time.Since(start) - time.Duration(i)*interval) }, func() {})
	}
	if taken.Len() != b.N*cycles {
		b.Fatalf("workload drifted: %d decisions of %d ticks", taken.Len(), b.N*cycles)
	}
	for _, q := range []struct {
		name     string
		perMille int
	}{{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p99.9", 999}, {"max", 1000}} {
		b.ReportMetric(float64(taken.At(q.perMille)), q.name+"-ns")
	}
	b.ReportMetric(float64(paced.At(999)), "schedule-p99.9-ns")
	b.ReportMetric(float64(paced.At(1000)), "schedule-max-ns")
	b.ReportMetric(0, "ns/op")
	mustClose(b, p)
}

// rounds gathers what each loop took. Its median is the figure to quote on a
// machine that others use too; the best is what the code can do.
type rounds []time.Duration

func (r *rounds) time(f func()) {
	begun := time.Now()
	f()
	*r = append(*r, time.Since(begun))
}

// report gives both per one of the n things a loop did.
func (r rounds) report(b *testing.B, n int, what string) {
	slices.Sort(r)
	b.ReportMetric(float64(r[len(r)/2])/float64(n), "ns/"+what)
	b.ReportMetric(float64(r[0])/float64(n), "best-ns/"+what)
	b.ReportMetric(0, "ns/op")
}

// cycle is how many events of a market's stream have one tick.
const cycle = 11

// needTwoCPUs skips shapes with two busy threads where they would take each
// other's CPU: they would measure the scheduler.
func needTwoCPUs(b *testing.B) {
	if n := min(runtime.NumCPU(), runtime.GOMAXPROCS(0)); n < 2 {
		b.Skipf("two busy threads need as many CPUs, here is %d", n)
	}
}

func mustClose(t testing.TB, p *bench.Pipe) {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Error("Close:", err)
	}
}
