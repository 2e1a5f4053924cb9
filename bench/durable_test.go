package bench_test

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/backstop-fund/backstop/bench"
	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/ring"
)

var wholeRecovery = flag.Bool("recovery", false, "recovery of 1e6 accounts and 1e7 events, which takes a minute to prepare")

// BenchmarkDurableEffect is the time from when an event was due to when its
// effect has been read, which is after the fdatasync of its group. One event in
// sixteen has an effect, all of them when idle. bare-* is the same schedule with a
// goroutine that only writes and syncs a frame: the disk's part, and that of a thread
// that waits for it beside one that is busy.
func BenchmarkDurableEffect(b *testing.B) {
	for _, c := range []struct {
		rate           string
		interval       time.Duration
		events, effect int // in a loop; one in so many has an effect
	}{
		{"idle", 2 * time.Millisecond, 100, 1},
		{"1e5", 10 * time.Microsecond, 2e4, 16},
		{"1e6", time.Microsecond, 2e5, 16},
	} {
		b.Run("rate="+c.rate, func(b *testing.B) {
			e, err := core.Open(core.Config{
				Dir: filepath.Join(b.TempDir(), "data"), Limits: exchange(10).Limits(),
				InputSize: 1 << 16, EffectsSize: 1 << 16, Wait: ring.Park, AutoAck: true, FollowElsewhere: true,
			})
			if err != nil {
				b.Fatal(err)
			}
			in, out := e.Producer(), e.Effects()
			var bare *bareDisk
			if c.rate == "idle" {
				bare = newBareDisk(b)
			}
			var start time.Time
			buf, taken := make([]event.Effect, 64), bench.NewLatencies(1<<22)
			sent, first := uint64(0), uint64(0) // events in all, and before the loop
			due := func(seq uint64) time.Duration { return time.Duration(seq-first-1) * c.interval }
			read := 0
			poll := func() {
				n, err := out.Poll(buf)
				if err != nil {
					b.Fatal(err)
				}
				for i := range buf[:n] {
					taken.Add(time.Since(start) - due(buf[i].Seq))
				}
				read += n
			}
			for b.Loop() {
				first, read = sent, 0
				start = time.Now()
				bench.Paced(start, c.events, c.interval, func(i int) {
					r := event.Time(int64(sent + 1))
					if i%c.effect == 0 {
						r = event.Halt(1) // refused
					}
					for !in.Offer(r) {
						poll()
					}
					sent++
				}, func() { poll(); runtime.Gosched() })
				for read < (c.events+c.effect-1)/c.effect {
					poll()
				}
				if bare != nil {
					b.StopTimer()
					bare.run(c.events, c.interval)
					b.StartTimer()
				}
			}
			percentiles(b, taken, "")
			if bare != nil {
				percentiles(b, bare.taken, "bare-")
			}
			b.ReportMetric(0, "ns/op")
			if err := e.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// bareDisk is a file that was written before, in which frames are written and synced.
type bareDisk struct {
	file  journal.File
	frame [112]byte // of one record
	at    int64
	taken *bench.Latencies
	err   error
}

func newBareDisk(b *testing.B) *bareDisk {
	file, err := journal.OS().Edit(filepath.Join(b.TempDir(), "bare"))
	if err == nil {
		_, err = file.WriteAt(make([]byte, 1<<20), 0)
	}
	if err = errors.Join(err, file.Sync()); err != nil {
		b.Fatal(err)
	}
	d := &bareDisk{file: file, taken: bench.NewLatencies(1 << 20)}
	b.Cleanup(func() {
		if err := errors.Join(d.err, file.Close()); err != nil {
			b.Error(err)
		}
	})
	return d
}

func (d *bareDisk) run(n int, interval time.Duration) {
	due, done := make(chan time.Time), make(chan struct{})
	go func() {
		defer close(done)
		for t := range due {
			_, err := d.file.WriteAt(d.frame[:], d.at)
			d.err = errors.Join(d.err, err, d.file.Sync())
			d.taken.Add(time.Since(t))
			d.at = (d.at + int64(len(d.frame))) % (1 << 19)
		}
	}()
	start := time.Now()
	bench.Paced(start, n, interval, func(i int) { due <- start.Add(time.Duration(i) * interval) }, runtime.Gosched)
	close(due)
	<-done
}

// manual is a market in an engine without goroutines.
type manual struct {
	*core.Manual
	market *bench.Market
	in     *core.Producer
	out    *core.Effects
	buf    []event.Effect
}

func openManual(b *testing.B, shape bench.Shape, c core.Config) *manual {
	b.Helper()
	market, err := bench.NewMarket(shape)
	if err != nil {
		b.Fatal(err)
	}
	c.Limits, c.AutoAck, c.EffectsSize = shape.Limits(), true, 1<<16
	c.SegmentSize = 256 << 20
	m, err := core.OpenManual(c)
	if err != nil {
		b.Fatal(err)
	}
	return &manual{m, market, m.Engine().Producer(), m.Engine().Effects(), make([]event.Effect, 1024)}
}

// send publishes an event, making room if there is none.
func (m *manual) send(b *testing.B, e event.Event) {
	for m.in.TrySend(e) != nil {
		m.settle(b)
	}
}

// next is nine fills and a tick, over and over.
func (m *manual) next(i int) event.Record {
	if i%10 != 9 {
		return m.market.Fill()
	}
	c, mark := m.market.Walk()
	return event.Tick(c, mark)
}

// settle applies, records and reads all there is.
func (m *manual) settle(b *testing.B) {
	for m.Apply() {
	}
	for more := true; more; {
		var err error
		if more, err = m.Record(); err != nil {
			b.Fatal(err)
		}
	}
	for n := 1; n > 0; {
		var err error
		if n, err = m.out.Poll(m.buf); err != nil {
			b.Fatal(err)
		}
	}
}

func (m *manual) follow(b *testing.B) {
	for n := 1; n > 0; {
		var err error
		if n, err = m.Follow(1 << 16); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFollowerSnapshot is a step of the core, one event, while nothing else
// happens and while the follower, on another CPU, takes a snapshot.
func BenchmarkFollowerSnapshot(b *testing.B) {
	n := most()
	b.Run("accounts="+power(n), func(b *testing.B) {
		needCPUs(b, 2)
		stages.last = nil
		m := openManual(b, exchange(n), core.Config{Dir: filepath.Join(b.TempDir(), "data")})
		m.market.Opening(func(e event.Event) bool { m.send(b, e); return true })
		m.settle(b)
		m.follow(b)
		runtime.GC()
		defer bench.Pin(bench.CPU(0))()
		before, during := bench.NewLatencies(1<<24), bench.NewLatencies(1<<24)
		i := 0
		step := func(l *bench.Latencies) {
			m.send(b, event.Event{m.next(i)})
			i++
			begun := time.Now()
			m.Apply()
			l.Add(time.Since(begun))
			if i%1024 == 0 {
				m.settle(b)
			}
		}
		var took rounds
		for b.Loop() {
			for range 1 << 18 {
				step(before)
			}
			m.settle(b)
			m.follow(b)
			done := make(chan error)
			go func() {
				begun := time.Now()
				_, err := m.Follower().Snapshot()
				took = append(took, time.Since(begun))
				done <- err
			}()
			for taking := true; taking && during.Len() < 1<<24-1; {
				step(during)
				select {
				case err := <-done:
					if taking = false; err != nil {
						b.Fatal(err)
					}
				default:
				}
			}
		}
		percentiles(b, before, "before-")
		percentiles(b, during, "during-")
		b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "ns/snapshot")
		b.ReportMetric(0, "ns/op")
		if err := m.Kill(); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkRecovery opens a folder with a snapshot of so many accounts and a
// journal of so many events after it.
func BenchmarkRecovery(b *testing.B) {
	accounts, events := 100_000, 1_000_000
	switch {
	case testing.Short():
		accounts, events = 10_000, 100_000
	case *wholeRecovery:
		accounts, events = 1_000_000, 10_000_000
	}
	b.Run(fmt.Sprintf("accounts=%s/events=1e%d", power(accounts), int(math.Round(math.Log10(float64(events))))), func(b *testing.B) {
		stages.last = nil
		dir := filepath.Join(b.TempDir(), "data")
		m := openManual(b, exchange(accounts), core.Config{Dir: dir})
		m.market.Opening(func(e event.Event) bool { m.send(b, e); return true })
		m.settle(b)
		if _, err := m.Snapshot(); err != nil {
			b.Fatal(err)
		}
		for i := range events {
			m.send(b, event.Event{m.next(i)})
		}
		m.settle(b)
		want := m.Machine().Digest()
		if err := errors.Join(m.Seal(), m.Kill()); err != nil {
			b.Fatal(err)
		}
		m = nil
		runtime.GC()
		var took rounds
		for b.Loop() {
			m, err := core.OpenManual(core.Config{Dir: dir, Limits: exchange(accounts).Limits(), AutoAck: true, FollowElsewhere: true, SegmentSize: 256 << 20})
			if err != nil {
				b.Fatal(err)
			}
			r := m.Engine().Recovery()
			if r.Replayed != uint64(events) || r.Snapshot.Path == "" || m.Machine().Digest() != want {
				b.Fatalf("recovered %+v, want %d events after a snapshot, and the same state", r, events)
			}
			took = append(took, r.Elapsed)
			if err := m.Kill(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "ns/recovery")
		b.ReportMetric(0, "ns/op")
	})
}
