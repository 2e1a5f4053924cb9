package peers

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/Workiva/go-datastructures/queue"
	"github.com/puzpuzpuz/xsync/v4"

	"github.com/backstop-fund/backstop/bench"
	"github.com/backstop-fund/backstop/ring"
)

const (
	size  = 1 << 12 // of every queue
	round = 1 << 18 // records
)

// record is a cache line; with 56 bytes there is room for a sequence word.
type record struct{ a [7]int64 }

func (r *record) fill(v int64) {
	a := &r.a
	a[0], a[1], a[2], a[3], a[4], a[5], a[6] = v, v, v, v, v, v, v
}

// queueOf is how a round of some queue goes: produce puts in n records made of 0 to
// n-1, consume takes out n and adds up their first and last words.
type queueOf func(producers int, idle func()) (produce func(n int), consume func(n int) (sum int64))

func ours(batch int) queueOf {
	return func(producers int, idle func()) (func(int), func(int) int64) {
		c := ring.Config{Size: size, Wait: ring.Spin}
		if producers > 1 {
			c.Producers, c.Wait = ring.MultiProducer, ring.Yield
		}
		r, err := ring.New[record](c)
		if err != nil {
			panic(err)
		}
		p, err := r.NewProcessor(nil)
		if err != nil {
			panic(err)
		}
		return func(n int) {
				w := r.Producer()
				for i := 0; i < n; i += batch {
					lo, err := w.Claim(batch)
					if err != nil {
						panic(err)
					}
					for k := range batch {
						w.At(lo + ring.Sequence(k)).fill(int64(i + k))
					}
					w.Publish(lo, batch)
				}
			}, func(n int) (sum int64) {
				for n > 0 {
					lo, hi, err := p.Next()
					if err != nil {
						panic(err)
					}
					for s := lo; s < hi; s++ {
						r := p.At(s)
						sum += r.a[0] + r.a[6]
					}
					p.Release(hi)
					n -= int(hi - lo)
				}
				return sum
			}
	}
}

func channel(int, func()) (func(int), func(int) int64) {
	c := make(chan record, size)
	return func(n int) {
			var r record
			for i := range n {
				r.fill(int64(i))
				c <- r
			}
		}, func(n int) (sum int64) {
			for range n {
				r := <-c
				sum += r.a[0] + r.a[6]
			}
			return sum
		}
}

// workiva takes any value: records go through it as pointers to new ones.
func workiva(int, func()) (func(int), func(int) int64) {
	q := queue.NewRingBuffer(size)
	return func(n int) {
			for i := range n {
				r := new(record)
				r.fill(int64(i))
				if err := q.Put(r); err != nil {
					panic(err)
				}
			}
		}, func(n int) (sum int64) {
			for range n {
				v, err := q.Get()
				if err != nil {
					panic(err)
				}
				r := v.(*record)
				sum += r.a[0] + r.a[6]
			}
			return sum
		}
}

// xsyncQueue is its queue for one producer, or for many.
func xsyncQueue(producers int, idle func()) (func(int), func(int) int64) {
	var q interface {
		TryEnqueue(record) bool
		TryDequeue() (record, bool)
	} = xsync.NewSPSCQueue[record](size)
	if producers > 1 {
		q = xsync.NewMPMCQueue[record](size)
	}
	return func(n int) {
			var r record
			for i := range n {
				r.fill(int64(i))
				for !q.TryEnqueue(r) {
					idle()
				}
			}
		}, func(n int) (sum int64) {
			for n > 0 {
				r, ok := q.TryDequeue()
				if !ok {
					idle()
					continue
				}
				sum += r.a[0] + r.a[6]
				n--
			}
			return sum
		}
}

// transfer is one round: so many producers, one consumer, from a common start to
// when the consumer has all. With one producer both are pinned and never yield.
func transfer(b *testing.B, q queueOf, producers int) time.Duration {
	idle := runtime.Gosched
	if producers == 1 {
		idle = func() {}
	}
	produce, consume := q(producers, idle)
	ready, start, sums, done := make(chan bool), make(chan bool), make(chan int64), make(chan bool)
	pin := func(n int) func() {
		if producers > 1 {
			return func() {}
		}
		return bench.Pin(bench.CPU(n))
	}
	go func() {
		defer pin(1)()
		ready <- true
		<-start
		sums <- consume(producers * round)
	}()
	for range producers {
		go func() {
			defer pin(0)()
			ready <- true
			<-start
			produce(round)
			done <- true
		}()
	}
	for range producers + 1 {
		<-ready
	}
	begun := time.Now()
	close(start)
	sum := <-sums
	d := time.Since(begun)
	for range producers {
		<-done
	}
	if want := int64(producers) * round * (round - 1); sum != want {
		b.Fatalf("checksum %d, want %d: records were lost or torn", sum, want)
	}
	return d
}

var queues = []struct {
	name string
	make queueOf
}{{"channel", channel}, {"xsync", xsyncQueue}, {"workiva", workiva}}

// BenchmarkRingSPSC hands records from one pinned thread to another. Only ours has
// batches; the peers are what they are with every one of them.
func BenchmarkRingSPSC(b *testing.B) {
	needCPUs(b, 2)
	for _, batch := range []int{1, 16, 64} {
		versus(b, 1, batch)
	}
}

// BenchmarkRingMPSC has two and three producers. Whoever waits yields, so that
// they may be more than the CPUs.
func BenchmarkRingMPSC(b *testing.B) {
	for _, producers := range []int{2, 3} {
		for _, batch := range []int{1, 16} {
			versus(b, producers, batch)
		}
	}
}

func versus(b *testing.B, producers, batch int) {
	shape := fmt.Sprintf("batch=%d", batch)
	if producers > 1 {
		shape = fmt.Sprintf("producers=%d/batch=%d", producers, batch)
	}
	for _, q := range queues {
		b.Run(shape+"/peer="+q.name, func(b *testing.B) {
			against(b, producers*round, "event",
				func() time.Duration { return transfer(b, ours(batch), producers) },
				func() time.Duration { return transfer(b, q.make, producers) })
		})
	}
}
