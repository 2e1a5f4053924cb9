package bench_test

import (
	"testing"
	"time"

	"github.com/backstop-fund/backstop/bench"
	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/ring"
)

// spinning is how a core runs that has a CPU of its own, the second: whoever feeds
// and reads it has the first.
func spinning() core.Config {
	return core.Config{Wait: ring.Spin, Thread: core.Thread{
		Spin: true, Lock: true, Pin: bench.CanPin, CPU: bench.CPU(1), FIFO: *fifo,
	}}
}

// BenchmarkPipe is the whole path at full speed, ring to core to ring: nine fills
// and a tick that comes as a datagram, and over again. One tick in fifty makes a
// decision, which the venue answers.
func BenchmarkPipe(b *testing.B) {
	const round = 1 << 14
	for _, n := range sizes() {
		b.Run("accounts="+power(n), func(b *testing.B) {
			needCPUs(b, 2)
			shape := exchange(n)
			shape.Distress = 1
			stages.last = nil // room for another of this size
			p, err := bench.OpenPipe(shape, spinning(), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer bench.Pin(bench.CPU(0))()
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

// BenchmarkTickToDecision is the time from when a tick was due to when the
// liquidation order it causes has been read, at a fixed rate of events: nine fills
// and a tick, of which one in ten decides, and is answered. idle-* is the same
// schedule with nothing to do: the machine's own part.
func BenchmarkTickToDecision(b *testing.B) {
	spins, parks := spinning(), core.Config{Wait: ring.Park}
	for _, c := range []struct {
		name           string
		rate, accounts int // rate in events a second
		config         core.Config
	}{
		{"rate=1e6/accounts=1e4", 1e6, 1e4, spins},
		{"rate=1e6/accounts=1e6", 1e6, 1e6, spins},
		{"rate=1e5/accounts=1e6", 1e5, 1e6, spins},
		{"rate=1e4/accounts=1e4/wait=Park", 1e4, 1e4, parks},
	} {
		if c.accounts <= most() {
			b.Run(c.name, func(b *testing.B) { tickToDecision(b, c.rate, c.accounts, c.config) })
		}
	}
}

func tickToDecision(b *testing.B, rate, accounts int, config core.Config) {
	needCPUs(b, 2)
	shape := exchange(accounts)
	shape.Distress = shape.Contracts / 10
	interval := time.Second / time.Duration(rate)
	events := rate / 5 // a loop of b: a fifth of a second
	var (
		start  time.Time
		first  event.OrderID            // of the loop
		due    = make([]int, 0, events) // the events that cause its orders
		taken  = bench.NewLatencies(1 << 22)
		idle   = bench.NewLatencies(1 << 22)
		counts bool
	)
	stages.last = nil // room for another of this size
	p, err := bench.OpenPipe(shape, config, func(order event.OrderID) {
		if counts {
			taken.Add(time.Since(start) - time.Duration(due[order-first])*interval)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	defer bench.Pin(bench.CPU(0))()
	counts, first = true, event.OrderID(shape.Distress+1)
	for b.Loop() {
		start = time.Now()
		bench.Paced(start, events, interval, func(i int) {
			if p.Step() {
				due = append(due, i)
			}
		}, p.Poll)
		if err := p.Drain(); err != nil {
			b.Fatal(err)
		}
		first += event.OrderID(len(due))
		due = due[:0]
		start = time.Now()
		bench.Paced(start, events/10, interval, func(i int) { idle.Add(time.Since(start) - time.Duration(i)*interval) }, func() {})
	}
	if n := int(first) - 1 - shape.Distress; taken.Len() != n || n < b.N*events/110 {
		b.Fatalf("workload drifted: %d decisions of %d ticks in %d events", taken.Len(), n, b.N*events)
	}
	percentiles(b, taken, "")
	percentiles(b, idle, "idle-")
	b.ReportMetric(0, "ns/op")
	mustClose(b, p)
}

// cycle is how many events of a market's stream have one tick, where each decides
// and is answered.
const cycle = 11

func mustClose(t testing.TB, p *bench.Pipe) {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Error("Close:", err)
	}
}
