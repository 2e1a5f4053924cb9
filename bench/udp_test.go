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

// udpContracts is how many contracts the ticks are of.
const udpContracts = 50

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
	took    *bench.Latencies // from when a tick was due until it was applied; nil for none

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
	if r.took != nil {
		r.took.Add(time.Duration(r.clock() - rec.MarkTime()))
	}
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

// settle waits until n ticks are applied, or no more come.
func (r *receiver) settle(n int64) (all bool) {
	for quiet := time.Now(); r.applied.Load() < n; {
		before := r.applied.Load()
		time.Sleep(time.Millisecond)
		if r.applied.Load() != before {
			quiet = time.Now()
		}
		if time.Since(quiet) > 100*time.Millisecond {
			return false
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
// accounts that it does not hurt. A round is a tenth of a second. The figures are the
// medians of the rounds' percentiles, and the lowest, which is what is left on a
// machine that others use too.
func BenchmarkUDPOneWay(b *testing.B) {
	needCPUs(b, 2)
	const sent, interval = 2_000, 50 * time.Microsecond
	for _, way := range udpWays {
		b.Run(way.name, func(b *testing.B) {
			var p50, p99 rounds
			for b.Loop() {
				r := receive(b, way.busy, 1)
				r.took = bench.NewLatencies(sent)
				unpin := bench.Pin(bench.CPU(0))
				start, due := time.Now(), r.clock()
				bench.Paced(start, sent, interval, func(i int) {
					r.send(b, due+int64(i)*int64(interval))
				}, func() {})
				unpin()
				if !r.settle(sent) {
					b.Fatalf("%d of %d datagrams lost on loopback: %v", sent-r.applied.Load(), sent, r.adapter.Stats())
				}
				r.close(b)
				p50, p99 = append(p50, r.took.At(500)), append(p99, r.took.At(990))
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
// a tenth of a second each, up to the first at which any is. What ends the search is
// the receiver, or the sender, which keeps a CPU and cannot send faster: then the
// figure is a lower bound, and sender-bound is 1.
func BenchmarkUDPIngest(b *testing.B) {
	needCPUs(b, 2)
	for _, way := range udpWays {
		for _, ticks := range []int{1, udptick.EthernetTicks} {
			b.Run(fmt.Sprintf("%s/ticks=%d", way.name, ticks), func(b *testing.B) {
				best, bound := 0.0, 0.0
				for b.Loop() {
					rate, sender := ingest(b, way.busy, ticks)
					if rate > best {
						best = rate
						bound = 0
						if sender {
							bound = 1
						}
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

// ingest returns the highest rate without a loss, and whether the sender ended the
// search.
func ingest(b *testing.B, busy bool, ticks int) (rate float64, sender bool) {
	const lasts = 100 * time.Millisecond
	for try := 20_000.0; ; try *= 1.25 {
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
			return rate, false
		}
		if took > lasts+lasts/20 { // late by more than a twentieth: that was not the rate
			return max(rate, float64(n)/took.Seconds()), true
		}
		rate = try
	}
}
