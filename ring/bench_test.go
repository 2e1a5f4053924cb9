package ring

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
)

// What one hand-over costs, in nanoseconds per record from a producer's claim to
// the consumer's release, at full speed and including the wait for the slower
// side. Producer and consumer each have a CPU where the shape says wait=spin.

const (
	benchSize  = 1 << 12
	benchRound = 1 << 18 // records per b.Loop iteration, so that its own cost vanishes
)

// rec64 fills a cache line, rec56 does with its sequence word before it.
type (
	rec64 struct{ a [8]int64 }
	rec56 struct{ a [7]int64 }
)

// fill stores word by word: an array literal would be built on the stack and
// copied in wider words, which the CPU cannot forward from the narrow stores.
func (e *rec64) fill(s int64) {
	a := &e.a
	a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7] = s, s+1, s+2, s+3, s+4, s+5, s+6, s+7
}

func (e *rec56) fill(s int64) {
	a := &e.a
	a[0], a[1], a[2], a[3], a[4], a[5], a[6] = s, s, s, s, s, s, s
}

// needCPUs skips shapes whose spinning threads would take each other's CPU:
// they would measure the scheduler.
func needCPUs(b *testing.B, n int) {
	if runtime.NumCPU() < n || runtime.GOMAXPROCS(0) < n {
		b.Skipf("%d spinning threads need as many CPUs, here are %d", n, min(runtime.NumCPU(), runtime.GOMAXPROCS(0)))
	}
}

// rounds gathers what each round of b.Loop took. Its median is the figure to
// quote on a machine that others use too; the best is what the code can do.
type rounds struct {
	events  int // in a round
	perUnit []float64
}

func (r *rounds) time(f func()) {
	start := time.Now()
	f()
	r.perUnit = append(r.perUnit, float64(time.Since(start).Nanoseconds())/float64(r.events))
}

func (r *rounds) report(b *testing.B, unit string) {
	slices.Sort(r.perUnit)
	b.ReportMetric(r.perUnit[len(r.perUnit)/2], "ns/"+unit)
	b.ReportMetric(r.perUnit[0], "best-ns/"+unit)
	b.ReportMetric(0, "ns/op")
}

func BenchmarkRingSPSC(b *testing.B) {
	for _, batch := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) { benchSPSC(b, batch) })
	}
}

func benchSPSC(b *testing.B, batch int) {
	needCPUs(b, 2)
	r := mustNew[rec64](b, Config{Size: benchSize, Wait: Spin})
	c := mustProcessor(b, r, nil)
	p := r.Producer()
	sum := make(chan int64)
	go func() {
		defer pin(1)()
		sum <- drainSum(c)
	}()
	unpin := pin(0)
	sent, timed := int64(0), rounds{events: benchRound}
	for b.Loop() {
		timed.time(func() {
			produceRound(b, p, batch)
			sent += benchRound
			for c.Released() < Sequence(sent) {
				pause()
			}
		})
	}
	r.Close()
	unpin()
	if got, want := <-sum, sent*(sent-1)+7*sent; got != want {
		b.Fatalf("checksum %d, want %d: records were lost or torn", got, want)
	}
	timed.report(b, "event")
}

func produceRound(b *testing.B, p *Producer[rec64], batch int) {
	for range benchRound / batch {
		lo, err := p.Claim(batch)
		if err != nil {
			b.Fatal(err)
		}
		for s := lo; s < lo+Sequence(batch); s++ {
			p.At(s).fill(int64(s))
		}
		p.Publish(lo, batch)
	}
}

func drainSum(c *Processor[rec64]) int64 {
	sum := int64(0)
	for {
		lo, hi, err := c.Next()
		if err != nil {
			return sum
		}
		for s := lo; s < hi; s++ {
			e := c.At(s)
			sum += e.a[0] + e.a[7]
		}
		c.Release(hi)
	}
}

// BenchmarkRingMPSC yields where it has to wait, so that its threads may be more
// than the CPUs; wait=Spin wants one for each.
func BenchmarkRingMPSC(b *testing.B) {
	for _, producers := range []int{2, 3} {
		for _, batch := range []int{1, 16} {
			shape := fmt.Sprintf("producers=%d/batch=%d", producers, batch)
			b.Run(shape, func(b *testing.B) { benchMPSC(b, producers, batch, Yield) })
			b.Run(shape+"/wait=Spin", func(b *testing.B) { benchMPSC(b, producers, batch, Spin) })
		}
	}
}

func benchMPSC(b *testing.B, producers, batch int, wait WaitStrategy) {
	if wait == Spin {
		needCPUs(b, producers+1)
	}
	r := mustNew[rec56](b, Config{Size: benchSize, Producers: MultiProducer, Wait: wait})
	c := mustProcessor(b, r, nil)
	sum := make(chan int64)
	go func() {
		if wait == Spin {
			defer pin(producers)()
		}
		total := int64(0)
		for {
			lo, hi, err := c.Next()
			if err != nil {
				break
			}
			for s := lo; s < hi; s++ {
				e := c.At(s)
				total += e.a[0] + e.a[6]
			}
			c.Release(hi)
		}
		sum <- total
	}()
	start, done := make(chan int), make(chan bool)
	for i := range producers {
		p := r.Producer()
		go func() {
			if wait == Spin {
				defer pin(i)()
			}
			for n := range start {
				for range n / batch {
					lo, err := p.Claim(batch)
					if err != nil {
						panic(err)
					}
					for s := lo; s < lo+Sequence(batch); s++ {
						p.At(s).fill(1)
					}
					p.Publish(lo, batch)
				}
				done <- true
			}
		}()
	}
	sent, timed := 0, rounds{events: producers * benchRound}
	for b.Loop() {
		timed.time(func() {
			for range producers {
				start <- benchRound
			}
			for range producers {
				<-done
			}
			sent += producers * benchRound
			for c.Released() < Sequence(sent) {
				runtime.Gosched()
			}
		})
	}
	close(start)
	r.Close()
	if got, want := <-sum, int64(2*sent); got != want {
		b.Fatalf("checksum %d, want %d: records were lost or torn", got, want)
	}
	timed.report(b, "event")
}

// BenchmarkRingRoundTrip is the time from a publish to the answer in another
// ring: two hand-overs, with nothing else under way. idle=50us gives the other
// side time to fall asleep, and is not counted.
func BenchmarkRingRoundTrip(b *testing.B) {
	for _, wait := range []WaitStrategy{Spin, Yield, Park} {
		for _, idle := range []time.Duration{0, 50 * time.Microsecond} {
			b.Run(fmt.Sprintf("wait=%v/idle=%v", wait, idle), func(b *testing.B) { benchRoundTrip(b, wait, idle) })
		}
	}
}

func benchRoundTrip(b *testing.B, wait WaitStrategy, idle time.Duration) {
	needCPUs(b, 2)
	there, back := mustNew[rec64](b, Config{Size: 64, Wait: wait}), mustNew[rec64](b, Config{Size: 64, Wait: wait})
	in, out := mustProcessor(b, there, nil), mustProcessor(b, back, nil)
	p, q := there.Producer(), back.Producer()
	done := make(chan bool)
	go func() {
		defer close(done)
		for {
			_, hi, err := in.Next()
			if err != nil {
				return
			}
			in.Release(hi)
			q.Publish(must(q.Claim(1)), 1)
		}
	}()
	timed := rounds{events: 1}
	for b.Loop() {
		for start := time.Now(); time.Since(start) < idle; {
			pause()
		}
		timed.time(func() {
			p.Publish(must(p.Claim(1)), 1)
			_, hi, err := out.Next()
			if err != nil {
				b.Fatal(err)
			}
			out.Release(hi)
		})
	}
	there.Close()
	<-done
	timed.report(b, "trip")
}
