package ring

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// TestLotLosesNoWakeup lets two goroutines hand a turn back and forth, each
// going to sleep as soon as it is not its own. One lost wake-up ends the game.
func TestLotLosesNoWakeup(t *testing.T) {
	const turns = 20_000
	var l lot
	l.init()
	var turn atomic.Int64
	player := func(parity int64) {
		for {
			w := newWaiter(Park, &l)
			now := turn.Load()
			for ; now%2 != parity && now < turns; now = turn.Load() {
				w.vain = looksToSleep // no pause before the sleep: every turn is a race
				w.idle()
			}
			w.done()
			if now >= turns {
				return
			}
			turn.Store(now + 1)
			l.wake()
		}
	}
	within(t, func() {
		var players sync.WaitGroup
		players.Go(func() { player(0) })
		players.Go(func() { player(1) })
		players.Wait()
	})
	if l.sleepers.Load() != 0 {
		t.Errorf("%d sleepers left in the lot", l.sleepers.Load())
	}
}

// TestParkLosesNoWakeup passes one record at a time through two rings of one
// slot in a circle, with a pause about as long as it takes to fall asleep. All
// four waits are hit: for a record, for room, and each on both sides.
func TestParkLosesNoWakeup(t *testing.T) {
	rounds := 3_000
	if raceEnabled {
		rounds = 1_000
	}
	for _, mode := range []Mode{SingleProducer, MultiProducer} {
		there := mustNew[int64](t, Config{Size: 1, Producers: mode, Wait: Park})
		back := mustNew[int64](t, Config{Size: 1, Producers: mode, Wait: Park})
		in, out := mustProcessor(t, there, nil), mustProcessor(t, back, nil)
		p, q := there.Producer(), back.Producer()
		pass := func(c *Processor[int64], p *Producer[int64]) bool {
			lo, hi, err := c.Next()
			if err != nil {
				return false
			}
			publishOne(t, p, *c.At(lo))
			c.Release(hi)
			return true
		}
		within(t, func() {
			var echo sync.WaitGroup
			echo.Go(func() {
				for i := 0; pass(in, q); i++ {
					dawdle(i % 300)
				}
				back.Close()
			})
			for i := range rounds {
				publishOne(t, p, int64(i))
				dawdle(i % 500)
				lo, hi, err := out.Next()
				if err != nil || *out.At(lo) != int64(i) {
					t.Errorf("%v: round %d: %v", mode, i, err)
					break
				}
				out.Release(hi)
			}
			there.Close()
			if _, _, err := out.Next(); err != ErrClosed {
				t.Errorf("%v: at the end: %v", mode, err)
			}
			echo.Wait()
		})
		for _, l := range []*lot{&there.readers, &there.writers, &back.readers, &back.writers} {
			if n := l.sleepers.Load(); n != 0 {
				t.Errorf("%v: %d sleepers left in a lot", mode, n)
			}
		}
	}
}

// TestSpinNextNeverSleeps lets a reader of a ring whose others park look in vain,
// far longer than those would: it is never among the sleepers, and still sees
// each record, and the end.
func TestSpinNextNeverSleeps(t *testing.T) {
	for _, end := range []error{ErrClosed, ErrStopped} {
		r := mustNew[int64](t, Config{Size: 8, Producers: MultiProducer, Wait: Park})
		c, p := mustProcessor[int64](t, r, nil), r.Producer()
		var read atomic.Int64
		var reading sync.WaitGroup
		reading.Go(func() {
			for {
				_, hi, err := c.SpinNext()
				if err != nil {
					if err != end {
						t.Errorf("SpinNext: %v, want %v", err, end)
					}
					return
				}
				c.Release(hi)
				read.Store(int64(hi))
			}
		})
		within(t, func() {
			for n := range int64(20) {
				for range 10 * looksToSleep {
					runtime.Gosched()
					if s := r.readers.sleepers.Load(); s != 0 {
						t.Errorf("%d sleepers before record %d, want a reader that spins", s, n)
						break
					}
				}
				lo, err := p.Claim(1)
				if err != nil {
					t.Error(err)
				}
				p.Publish(lo, 1)
				for read.Load() <= n {
					runtime.Gosched()
				}
			}
			if end == ErrStopped {
				c.Stop()
			} else {
				r.Close()
			}
			reading.Wait()
		})
	}
}

// TestStoreIsOrderedBeforeTheLookForSleepers plays the moment in which one side
// goes to sleep while the other makes it happen, without the sleep: if the last
// look was in vain, there must have been a wake-up. With a plain MOV in place of
// Park's atomic store of the cursor, 6 to 9 rounds of 500,000 failed on two CPUs.
func TestStoreIsOrderedBeforeTheLookForSleepers(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("two threads at once need two CPUs")
	}
	for _, mode := range []Mode{SingleProducer, MultiProducer} {
		c := Config{Size: 1, Producers: mode, Wait: Park}
		t.Run(fmt.Sprintf("%v/publish", mode), func(t *testing.T) {
			r := mustNew[int64](t, c)
			reader, p := mustProcessor(t, r, nil), r.Producer()
			next, hi := Sequence(0), Sequence(0)
			raceToSleep(t, &r.readers,
				func() bool { _, hi, _ = reader.TryNext(); return hi > next },
				func() { next = hi; reader.Release(hi) },
				func() { p.Publish(must(p.Claim(1)), 1) })
		})
		t.Run(fmt.Sprintf("%v/release", mode), func(t *testing.T) {
			r := mustNew[int64](t, c)
			reader, p := mustProcessor(t, r, nil), r.Producer()
			p.Publish(must(p.Claim(1)), 1)
			lo := Sequence(0)
			raceToSleep(t, &r.writers,
				func() (ok bool) { s, err := p.TryClaim(1); lo = s; return err == nil },
				func() { p.Publish(lo, 1) },
				func() { _, hi, _ := reader.TryNext(); reader.Release(hi) })
		})
	}
}

func must(s Sequence, err error) Sequence {
	if err != nil {
		panic(err)
	}
	return s
}

// raceToSleep has one goroutine enter the lot and look, while another makes what
// is looked for happen; then done readies the next round.
func raceToSleep(t *testing.T, l *lot, look func() bool, done, happen func()) {
	rounds := int64(500_000)
	if raceEnabled || testing.Short() {
		rounds = 10_000
	}
	var ready, happened cell
	lost := 0
	within(t, func() {
		var sleeper sync.WaitGroup
		sleeper.Go(func() {
			for i := range rounds {
				ready.at.Store(i + 1)
				delay(i % 61)
				ticket := l.enter()
				seen := look()
				spinUntil(&happened, i+1)
				l.mu.Lock()
				if !seen && l.wakes == ticket {
					lost++
				}
				l.mu.Unlock()
				l.leave()
				if !seen && !look() {
					t.Errorf("round %d: nothing to see", i)
				}
				done()
			}
		})
		for i := range rounds {
			spinUntil(&ready, i+1)
			l.sleepers.Load() // brings the line near, so that the look is quick
			delay(i % 67)
			happen()
			happened.at.Store(i + 1)
		}
		sleeper.Wait()
	})
	if lost > 0 {
		t.Errorf("%d of %d sleepers would not have been woken", lost, rounds)
	}
}

// dawdle takes about as long as n looks, and sometimes lets others run.
func dawdle(n int) {
	for range n {
		pause()
	}
	if n%7 == 0 {
		runtime.Gosched()
	}
}

// delay takes about n times a nanosecond.
func delay(n int64) {
	for i := int64(0); i < n; i++ {
		runtime.KeepAlive(i)
	}
}

// spinUntil waits for another goroutine at close quarters.
func spinUntil(c *cell, v int64) {
	for looked := 0; c.at.Load() < v; looked++ {
		if looked > 10_000 {
			runtime.Gosched()
		}
	}
}

// TestStoreRelease hands a payload over by storeRelease alone: whoever sees the
// sequence sees the payload written before it.
func TestStoreRelease(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("two threads at once need two CPUs")
	}
	n := int64(2_000_000)
	if raceEnabled || testing.Short() {
		n = 100_000
	}
	var sequence, taken cell
	var payload [64]struct{ a, b int64 }
	within(t, func() {
		var writer sync.WaitGroup
		writer.Go(func() {
			for s := int64(1); s <= n; s++ {
				for i := 0; s-taken.at.Load() > int64(len(payload)); i++ {
					if i > looksToSleep {
						runtime.Gosched()
					}
				}
				payload[s%64].a, payload[s%64].b = s, -s
				storeRelease(&sequence.at, s)
			}
		})
		for s := int64(1); s <= n; s++ {
			for i := 0; sequence.at.Load() < s; i++ {
				if i > looksToSleep {
					runtime.Gosched()
				}
			}
			if p := payload[s%64]; p.a != s || p.b != -s {
				t.Errorf("sequence %d came before its payload: %+v", s, p)
				break
			}
			storeRelease(&taken.at, s)
		}
		storeRelease(&taken.at, n)
		writer.Wait()
	})
}
