package ring

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

// traced is a record that says where it comes from, and where it has been. All
// of its words change together, so that a torn one shows.
type traced struct {
	producer, count int64
	sum             int64 // producer + count
	a, b            int64 // count, once A and B have handled it
}

// stressed is how many records a stress run moves. Spinning goroutines that
// outnumber the CPUs hold each other up by time slices, so they get few.
func stressed(goroutines int, wait WaitStrategy) int {
	n := 40_000
	if testing.Short() || raceEnabled {
		n = 8_000
	}
	if wait == Spin && goroutines > min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) {
		n = 24
	}
	return n
}

// TestStress moves records through each shape with each strategy, some claims
// given up, and wants each consumer to see every published record once, in the
// order of its producer, complete, and after the consumers it depends on.
func TestStress(t *testing.T) {
	for _, producers := range []int{1, 2, 3} {
		for _, diamond := range []bool{false, true} {
			for _, wait := range []WaitStrategy{Park, Yield, Spin} {
				for _, size := range []int{4, 1024} {
					name := fmt.Sprintf("producers=%d/diamond=%v/wait=%v/size=%d", producers, diamond, wait, size)
					t.Run(name, func(t *testing.T) { stress(t, producers, diamond, Config{Size: size, Wait: wait}) })
				}
			}
		}
	}
}

func stress(t *testing.T, producers int, diamond bool, c Config) {
	if producers > 1 {
		c.Producers = MultiProducer
	}
	r := mustNew[traced](t, c)
	consumers := 1
	var checks []*inOrder
	if diamond {
		consumers = 3
		a, b := newInOrder(t, producers), newInOrder(t, producers)
		a.mark = func(rec *traced) { rec.a = rec.count }
		b.mark = func(rec *traced) { rec.b = rec.count }
		c := newInOrder(t, producers)
		c.mark = func(rec *traced) {
			if rec.a != rec.count || rec.b != rec.count {
				t.Errorf("C got %+v before A and B were through", *rec)
			}
		}
		pa, pb := mustProcessor(t, r, a), mustProcessor(t, r, b)
		a.proc, b.proc, c.proc = pa, pb, mustProcessor(t, r, c, pa, pb)
		checks = []*inOrder{a, b, c}
	} else {
		check := newInOrder(t, producers)
		check.proc = mustProcessor(t, r, check)
		checks = []*inOrder{check}
	}
	each := stressed(producers+consumers, c.Wait) / producers
	within(t, func() {
		var consuming, producing sync.WaitGroup
		for _, check := range checks {
			consuming.Go(func() {
				if err := check.proc.Run(); err != nil {
					t.Errorf("Run: %v", err)
				}
			})
		}
		for i := range producers {
			p := r.Producer()
			producing.Go(func() { produce(t, p, i, each) })
		}
		producing.Wait()
		r.Close()
		consuming.Wait()
	})
	for i, check := range checks {
		for producer, count := range check.next {
			if count != int64(each) {
				t.Errorf("consumer %d saw %d records of producer %d, want %d", i, count, producer, each)
			}
		}
	}
}

// produce publishes the counts from 0 to n-1 in claims of random size. It gives
// up half of one claim in eight, and all of a second one opened meanwhile.
func produce(t *testing.T, p *Producer[traced], id, n int) {
	random := rand.New(rand.NewPCG(uint64(id), 1))
	for count := 0; count < n; {
		size := 1 + random.IntN(min(4, n-count))
		lo, err := p.Claim(size)
		if err != nil {
			t.Errorf("claim: %v", err)
			return
		}
		used, second := size, Sequence(-1)
		if random.IntN(8) == 0 {
			used = size / 2
			if s, err := p.TryClaim(1); err == nil {
				second = s
			}
		}
		for i := range used {
			*p.At(lo + Sequence(i)) = traced{int64(id), int64(count), int64(id + count), -1, -1}
			count++
		}
		if used > 0 {
			p.Publish(lo, used)
		}
		if used < size {
			p.Abandon(lo+Sequence(used), size-used)
		}
		if second >= 0 {
			p.Abandon(second, 1)
		}
	}
}

// inOrder checks what one consumer sees.
type inOrder struct {
	t    *testing.T
	proc *Processor[traced]
	next []int64 // by producer
	last Sequence
	mark func(*traced)
}

func newInOrder(t *testing.T, producers int) *inOrder {
	return &inOrder{t: t, next: make([]int64, producers), last: -1, mark: func(*traced) {}}
}

func (c *inOrder) Handle(rec *traced, seq Sequence, _ bool) {
	if seq <= c.last || rec.sum != rec.producer+rec.count || rec.count != c.next[rec.producer] {
		c.t.Errorf("sequence %d after %d: %+v, want count %d", seq, c.last, *rec, c.next[rec.producer])
	}
	c.last = seq
	c.next[rec.producer] = rec.count + 1
	c.mark(rec)
}
