package bench_test

import (
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstop-fund/backstop/bench"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/core/udptick"
)

const (
	// udpContracts is how many contracts the ticks are of.
	udpContracts = 50
	// udpRound is how many datagrams a round of BenchmarkUDPOneWay has, and udpInterval
	// the time between two: short enough to be left alone now and then.
	udpRound    = 100
	udpInterval = 50 * time.Microsecond
)

// receiver is an adapter with its thread, and a machine to which it applies what
// comes in at once: two threads, the sender's and this one, are what two CPUs have.
type receiver struct {
	*stage
	adapter *udptick.Adapter
	ended   chan error
	start   time.Time
	base    int64 // the time at start
	applied atomic.Int64
	refused atomic.Int64
	// took is from when a tick was due until it was applied, of the last few.
	took [udpRound]atomic.Int64

	conn     net.Conn
	session  udptick.Session
	sequence uint64
	datagram []byte
	ticks    []udptick.Tick
}

// udpWays are the receive paths that are compared.
var udpWays = []struct {
	name string
	busy bool
}{{"busy", true}, {"portable", false}}

// receive opens a receiver of datagrams of so many ticks.
func receive(b *testing.B, busy bool, ticks int) *receiver {
	b.Helper()
	if busy && runtime.GOOS != "linux" {
		b.Skip("busy polling is for Linux")
	}
	r := &receiver{
		stage: build(b, bench.Shape{Accounts: 1_000, Contracts: udpContracts, Positions: 3}, machine.New),
		ended: make(chan error, 1), start: time.Now(), ticks: make([]udptick.Tick, ticks), datagram: make([]byte, 0, 2_000), sequence: 1,
	}
	r.base = r.now + 1_000_000
	var err error
	if r.session, err = udptick.MakeSession("bench"); err != nil {
		b.Fatal(err)
	}
	if r.adapter, err = udptick.Listen(udptick.Config{}, udptick.Sockets{
		A: udptick.Inlet{Listen: "127.0.0.1:0"}, Buffer: 4 << 20, BusyPoll: busy, Now: r.clock,
	}, r); err != nil {
		b.Fatal(err)
	}
	if r.conn, err = net.Dial("udp", r.adapter.Addr().String()); err != nil {
		b.Fatal(err)
	}
	go func() { r.ended <- r.adapter.Run() }()
	for busy && r.adapter.Thread() == 0 {
		runtime.Gosched() // until it has a thread
	}
	if busy && bench.CanPin {
		bench.PinThread(r.adapter.Thread(), bench.CPU(1)) // as taskset would
	}
	return r
}

// clock is the time of both ends.
func (r *receiver) clock() int64 { return r.base + int64(time.Since(r.start)) }

// Offer applies a tick.
func (r *receiver) Offer(rec event.Record) bool {
	if _, code := r.Apply(append(r.records[:0], rec), r.fx); code != event.Accepted {
		r.refused.Add(1)
	}
	r.fx.Flush()
	r.took[r.applied.Load()%udpRound].Store(r.clock() - rec.MarkTime())
	r.applied.Add(1)
	return true
}

// send sends a datagram of ticks, of different contracts, that were due at a time.
func (r *receiver) send(b *testing.B, due int64) {
	for i := range r.ticks {
		c := event.SymbolID(1 + (r.sequence+uint64(i))%udpContracts)
		r.ticks[i] = udptick.Tick{Instrument: uint32(c), Mark: r.market.Mark(c), TimeNanos: due}
	}
	r.datagram = udptick.AppendPacket(r.datagram[:0], r.session, r.sequence, r.ticks...)
	r.sequence += uint64(len(r.ticks))
	if _, err := r.conn.Write(r.datagram); err != nil {
		b.Fatal(err)
	}
}

// settle waits until n ticks are applied, or some were lost: the system says so, or
// where it does not, nothing comes any more.
func (r *receiver) settle(n int64) (all bool) {
	begun := time.Now()
	for r.applied.Load() < n {
		time.Sleep(100 * time.Microsecond)
		x := r.adapter.Receptions()[0]
		switch {
		case x.Dropped > 0, !x.CountsLost && time.Since(begun) > time.Second, time.Since(begun) > 10*time.Second:
			return false
		case x.CountsLost && time.Since(begun) > 10*time.Millisecond:
			// What was dropped last is told with the next datagram.
			r.conn.Write(udptick.AppendHeartbeat(nil, r.session, r.sequence))
		}
	}
	return true
}

// close ends the receiver, and the benchmark if it did anything but apply.
func (r *receiver) close(b *testing.B) {
	b.Helper()
	if err := r.adapter.Close(); err != nil {
		b.Error(err)
	}
	if err := <-r.ended; err != nil {
		b.Error(err)
	}
	r.conn.Close() // what was sent is sent
	if n := r.refused.Load(); n != 0 {
		b.Fatalf("workload drifted: %d ticks refused", n)
	}
}

// From when a tick was due to when the machine has applied it: a datagram over
// loopback every 50 us, by a sender that keeps its CPU, to a machine of 1,000
// accounts that it does not hurt. A round is 100 of them. The figures are the medians
// of the rounds' percentiles, and the lowest, which is what is left of the code on a
// machine that others use too.
func BenchmarkUDPOneWay(b *testing.B) {
	needCPUs(b, 2)
	for _, way := range udpWays {
		b.Run(way.name, func(b *testing.B) {
			r := receive(b, way.busy, 1)
			defer r.close(b)
			defer bench.Pin(bench.CPU(0))()
			var p50, p99 rounds
			sent := int64(0)
			for b.Loop() {
				due := r.clock()
				bench.Paced(time.Now(), udpRound, udpInterval, func(i int) {
					r.send(b, due+int64(i)*int64(udpInterval))
				}, func() {})
				if sent += udpRound; !r.settle(sent) {
					b.Fatalf("%d of %d datagrams lost on loopback: %v", sent-r.applied.Load(), sent, r.adapter.Stats())
				}
				l := bench.NewLatencies(udpRound)
				for i := range r.took {
					l.Add(time.Duration(r.took[i].Load()))
				}
				p50, p99 = append(p50, l.At(500)), append(p99, l.At(990))
			}
			for _, x := range []struct {
				name   string
				rounds rounds
			}{{"p50-ns", p50}, {"p99-ns", p99}} {
				slices.Sort(x.rounds)
				b.ReportMetric(float64(x.rounds[len(x.rounds)/2]), x.name)
				b.ReportMetric(float64(x.rounds[0]), "best-"+x.name)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// How many datagrams a second come in before some are lost: rates a quarter apart,
// a tenth of a second each, up to the first at which any is. Where the sender, which
// keeps a CPU, cannot send four times the best that came in whole, it ends the search:
// then the figure is a lower bound, and sender-bound is 1.
func BenchmarkUDPIngest(b *testing.B) {
	needCPUs(b, 2)
	for _, way := range udpWays {
		for _, ticks := range []int{1, udptick.EthernetTicks} {
			b.Run(fmt.Sprintf("%s/ticks=%d", way.name, ticks), func(b *testing.B) {
				best, bound := 0.0, 0.0
				for b.Loop() {
					if rate, ended := ingest(b, way.busy, ticks); rate > best {
						best, bound = rate, ended
					}
				}
				b.ReportMetric(best, "datagrams/s")
				b.ReportMetric(best*float64(ticks), "ticks/s")
				b.ReportMetric(bound, "sender-bound")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// ingest returns the highest rate without a loss, as it was, and 1 if the sender ended
// the search.
func ingest(b *testing.B, busy bool, ticks int) (best, bound float64) {
	const lasts = 100 * time.Millisecond
	for try := 20_000.0; try < 4*max(best, 20_000); try *= 1.25 {
		r := receive(b, busy, ticks)
		n := int(try * lasts.Seconds())
		unpin := bench.Pin(bench.CPU(0))
		start := time.Now()
		bench.Paced(start, n, time.Duration(float64(time.Second)/try), func(int) { r.send(b, r.clock()) }, func() {})
		took := time.Since(start)
		unpin()
		all := r.settle(int64(n * ticks))
		r.close(b)
		if !all {
			return best, 0
		}
		best = max(best, float64(n)/took.Seconds())
	}
	return best, 1
}
