package core_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
	"github.com/backstop-fund/backstop/ring"
)

// BenchmarkTick is what a tick that hurts nobody costs from Send to the core
// being through with it, at full speed, in nanoseconds per event: on two CPUs
// the slower of producer and core.
func BenchmarkTick(b *testing.B) {
	for _, wait := range []ring.WaitStrategy{ring.Park, ring.Yield, ring.Spin} {
		b.Run(fmt.Sprintf("wait=%v", wait), func(b *testing.B) {
			if wait == ring.Spin && runtime.NumCPU() < 2 {
				b.Skip("spinning wants two CPUs")
			}
			e := open(b, core.Config{Wait: wait, AutoAck: true})
			p := e.Producer()
			mustSend(b, p, venue(8)...)
			digestOf(b, e) // all of it is applied
			b.ReportAllocs()
			for applied := e.Stats().Applied; b.Loop(); {
				for i := range 1 << 14 {
					if err := p.Send(event.Event{event.Tick(btc, fixedpoint.Price(900+i%2)*unit)}); err != nil {
						b.Fatal(err)
					}
				}
				applied += 1 << 14
				for e.Stats().Applied < applied {
					runtime.Gosched()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N<<14), "ns/event")
			b.ReportMetric(0, "ns/op")
			if s := e.Stats(); s.Refused != 0 {
				b.Fatalf("workload drifted: %d events refused", s.Refused)
			}
			mustClose(b, e)
		})
	}
}

// BenchmarkRoundTrip is the time from Send to the event's one effect in the hands
// of the same goroutine, one event at a time.
func BenchmarkRoundTrip(b *testing.B) {
	for _, wait := range []ring.WaitStrategy{ring.Park, ring.Yield, ring.Spin} {
		b.Run(fmt.Sprintf("wait=%v", wait), func(b *testing.B) {
			if wait == ring.Spin && runtime.NumCPU() < 2 {
				b.Skip("spinning wants two CPUs")
			}
			e := open(b, core.Config{Wait: wait, AutoAck: true})
			p, x := e.Producer(), e.Effects()
			buf := make([]event.Effect, 8)
			var took []time.Duration
			for b.Loop() {
				begun := time.Now()
				if err := p.Send(refusal(1)); err != nil {
					b.Fatal(err)
				}
				if n, err := x.Next(buf); n != 1 || err != nil {
					b.Fatal(n, err)
				}
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			for _, q := range []struct {
				name string
				part float64
			}{{"p50-ns", 0.5}, {"p99-ns", 0.99}, {"p99.9-ns", 0.999}, {"max-ns", 1}} {
				b.ReportMetric(float64(took[int(q.part*float64(len(took)-1))]), q.name)
			}
			mustClose(b, e)
		})
	}
}

// BenchmarkEffects moves effects through the ring at full speed to a consumer
// that acknowledges every batch, in nanoseconds per effect.
func BenchmarkEffects(b *testing.B) {
	e := open(b, core.Config{Wait: ring.Yield})
	p, x := e.Producer(), e.Effects()
	seen := 0
	var reading sync.WaitGroup
	reading.Go(func() {
		for buf := make([]event.Effect, 64); ; {
			n, err := x.Next(buf)
			if err != nil {
				return
			}
			seen += n
			if err := x.Ack(buf[n-1].Seq, buf[n-1].Index); err != nil && err != core.ErrClosed {
				b.Error(err)
			}
		}
	})
	for b.Loop() {
		for i := range 1 << 12 {
			if err := p.Send(refusal(i)); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N<<12), "ns/effect")
	b.ReportMetric(0, "ns/op")
	mustClose(b, e)
	reading.Wait()
	if seen != b.N<<12 {
		b.Fatalf("%d effects of %d events", seen, b.N<<12)
	}
}
