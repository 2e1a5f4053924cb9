package ring

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var waits = []WaitStrategy{Park, Yield, Spin}

// TestCloseMidStream closes a ring under several busy producers, some of them
// waiting for room: what they published before they were refused is handled.
func TestCloseMidStream(t *testing.T) {
	for _, wait := range waits {
		for round := range 20 {
			r := mustNew[int64](t, Config{Size: 8, Producers: MultiProducer, Wait: wait})
			var published, handled atomic.Int64
			c := mustProcessor(t, r, HandlerFunc[int64](func(rec *int64, _ Sequence, _ bool) {
				handled.Add(*rec)
				*rec = 0
			}))
			within(t, func() {
				var producing, consuming sync.WaitGroup
				for range 3 {
					p := r.Producer()
					producing.Go(func() {
						for {
							lo, err := p.Claim(2)
							if err == ErrClosed {
								return
							}
							if err != nil {
								t.Errorf("claim: %v", err)
								return
							}
							*p.At(lo), *p.At(lo + 1) = 1, 1
							p.Publish(lo, 2)
							published.Add(2)
						}
					})
				}
				consuming.Go(func() {
					if err := c.Run(); err != nil {
						t.Errorf("Run: %v", err)
					}
				})
				for published.Load() < int64(10*round) {
					runtime.Gosched()
				}
				r.Close()
				producing.Wait()
				consuming.Wait()
			})
			if handled.Load() != published.Load() {
				t.Fatalf("%v: %d handled of %d published", wait, handled.Load(), published.Load())
			}
			if s := r.Stats(); !s.Closed || s.Stopped || s.Cursor != s.Gating || s.Free != s.Capacity {
				t.Errorf("%v: stats at the end: %+v", wait, s)
			}
		}
	}
}

// TestCloseWaitsForOpenClaims: a claim made before the close counts, even if it
// is published after.
func TestCloseWaitsForOpenClaims(t *testing.T) {
	for _, mode := range []Mode{SingleProducer, MultiProducer} {
		r := mustNew[int64](t, Config{Size: 4, Producers: mode})
		c, p := mustProcessor(t, r, nil), r.Producer()
		lo, err := p.Claim(3)
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		r.Close()
		if _, err := p.TryClaim(1); err != ErrClosed {
			t.Errorf("%v: claim after close: %v", mode, err)
		}
		if _, err := p.Claim(1); err != ErrClosed {
			t.Errorf("%v: waiting claim after close: %v", mode, err)
		}
		if lo, hi, err := c.TryNext(); lo != hi || err != nil {
			t.Errorf("%v: [%d, %d) %v with an open claim", mode, lo, hi, err)
		}
		p.Publish(lo, 2)
		p.Abandon(lo+2, 1)
		if lo, hi, err := c.Next(); lo != 0 || hi != 2 || err != nil {
			t.Errorf("%v: [%d, %d) %v, want [0, 2)", mode, lo, hi, err)
		}
		c.Release(2)
		if _, _, err := c.Next(); err != ErrClosed {
			t.Errorf("%v: drained: %v, want ErrClosed", mode, err)
		}
	}
}

// TestClaimDuringClose: between the two steps of a close, the end of the claims
// and the notice of it, a claim that has not seen the notice is too late anyhow.
func TestClaimDuringClose(t *testing.T) {
	r := mustNew[int64](t, Config{Size: 4, Producers: MultiProducer})
	mustProcessor(t, r, nil)
	p := r.Producer()
	publishOne(t, p, 1)
	r.claimed.at.Add(int64(closedAt))
	within(t, func() {
		if _, err := p.Claim(1); err != ErrClosed {
			t.Errorf("claim: %v", err)
		}
		if _, err := p.TryClaim(1); err != ErrClosed {
			t.Errorf("TryClaim: %v", err)
		}
	})
}

// TestWaitingClaimSurvivesClose: a producer already waiting for room has its
// place before the close, and gets it when the consumer drains.
func TestWaitingClaimSurvivesClose(t *testing.T) {
	for _, wait := range waits {
		r := mustNew[int64](t, Config{Size: 2, Producers: MultiProducer, Wait: wait})
		sum := int64(0)
		c := mustProcessor(t, r, HandlerFunc[int64](func(rec *int64, _ Sequence, _ bool) { sum += *rec }))
		p := r.Producer()
		publishOne(t, p, 1)
		publishOne(t, p, 2)
		within(t, func() {
			var waiting sync.WaitGroup
			waiting.Go(func() { publishOne(t, p, 4) })
			for r.claimed.at.Load() < 3 {
				runtime.Gosched()
			}
			r.Close()
			if err := c.Run(); err != nil {
				t.Errorf("%v: Run: %v", wait, err)
			}
			waiting.Wait()
		})
		if sum != 7 {
			t.Errorf("%v: handled %d, want all three: 7", wait, sum)
		}
	}
}

func publishOne(t *testing.T, p *Producer[int64], v int64) {
	t.Helper()
	lo, err := p.Claim(1)
	if err != nil {
		t.Errorf("claim: %v", err)
		return
	}
	*p.At(lo) = v
	p.Publish(lo, 1)
}

// TestPanickingHandler: everything before the bad record is handled and
// released, nothing after it is, and nobody is left waiting.
func TestPanickingHandler(t *testing.T) {
	boom := errors.New("boom")
	for _, mode := range []Mode{SingleProducer, MultiProducer} {
		for _, wait := range waits {
			r := mustNew[int64](t, Config{Size: 8, Producers: mode, Wait: wait})
			var handled []Sequence
			bad := mustProcessor(t, r, HandlerFunc[int64](func(rec *int64, seq Sequence, _ bool) {
				if *rec == 13 {
					panic(boom)
				}
				handled = append(handled, seq)
			}))
			var beside, behind atomic.Int64
			sibling := mustProcessor(t, r, HandlerFunc[int64](func(*int64, Sequence, bool) { beside.Add(1) }))
			after := mustProcessor(t, r, HandlerFunc[int64](func(*int64, Sequence, bool) { behind.Add(1) }), bad)
			p := r.Producer()
			var badErr, siblingErr, afterErr, claimErr error
			within(t, func() {
				var all sync.WaitGroup
				all.Go(func() { badErr = bad.Run() })
				all.Go(func() { siblingErr = sibling.Run() })
				all.Go(func() { afterErr = after.Run() })
				all.Go(func() {
					for i := int64(0); claimErr == nil; i++ {
						var lo Sequence
						if lo, claimErr = p.Claim(1); claimErr == nil {
							*p.At(lo) = i
							p.Publish(lo, 1)
						}
					}
				})
				all.Wait()
			})
			var fault *HandlerError
			if !errors.As(badErr, &fault) || fault.Sequence != 13 || !errors.Is(badErr, boom) ||
				badErr.Error() != "ring: handler failed at sequence 13: boom" {
				t.Errorf("%v, %v: Run: %v", mode, wait, badErr)
			} else if !strings.Contains(string(fault.Stack), "TestPanickingHandler") {
				t.Errorf("the stack does not show the handler:\n%s", fault.Stack)
			}
			if r.Err() != badErr {
				t.Errorf("Err: %v, want %v", r.Err(), badErr)
			}
			if siblingErr != ErrStopped || afterErr != ErrStopped || claimErr != ErrStopped {
				t.Errorf("%v, %v: sibling %v, dependent %v, claim %v: want ErrStopped", mode, wait, siblingErr, afterErr, claimErr)
			}
			if len(handled) != 13 || bad.Released() != 13 || behind.Load() != 13 || beside.Load() < 14 {
				t.Errorf("%v, %v: handled %v, released %d, behind %d, beside %d: want 13, 13, 13, more",
					mode, wait, handled, bad.Released(), behind.Load(), beside.Load())
			}
			if *bad.At(13) != 13 {
				t.Errorf("record 13 is now %d", *bad.At(13))
			}
			if err := bad.Run(); err != ErrStopped || len(handled) != 13 {
				t.Errorf("second Run: %v after %d records", err, len(handled))
			}
			if s := r.Stats(); !s.Stopped || s.Gating != 13 {
				t.Errorf("stats: %+v", s)
			}
		}
	}
}

// TestHandlerThatExits: runtime.Goexit leaves no panic to recover, but the
// record is not handled either.
func TestHandlerThatExits(t *testing.T) {
	r := mustNew[int64](t, Config{Size: 4})
	c := mustProcessor(t, r, HandlerFunc[int64](func(_ *int64, seq Sequence, _ bool) {
		if seq == 1 {
			runtime.Goexit()
		}
	}))
	p := r.Producer()
	for i := range int64(4) {
		publishOne(t, p, i)
	}
	within(t, func() {
		var running sync.WaitGroup
		running.Go(func() { t.Errorf("Run returned %v", c.Run()) })
		running.Wait()
	})
	var fault *HandlerError
	if !errors.As(r.Err(), &fault) || fault.Sequence != 1 || c.Released() != 1 {
		t.Errorf("Err %v, released %d; want a fault at 1", r.Err(), c.Released())
	}
	if _, err := p.Claim(2); err != ErrStopped {
		t.Errorf("claim: %v", err)
	}
}

// TestStop: the batch in hand is finished, the rest stays, nobody waits on.
func TestStop(t *testing.T) {
	for _, wait := range waits {
		r := mustNew[int64](t, Config{Size: 8, Wait: wait})
		idle := mustProcessor(t, r, HandlerFunc[int64](func(*int64, Sequence, bool) {}))
		p := r.Producer()
		var runErr, claimErr error
		within(t, func() {
			var all sync.WaitGroup
			all.Go(func() { runErr = idle.Run() })
			for !idle.running.Load() {
				runtime.Gosched()
			}
			if err := idle.Run(); !errors.Is(err, ErrConfig) {
				t.Errorf("second Run at the same time: %v", err)
			}
			idle.Stop()
			all.Wait()
			_, claimErr = p.Claim(1)
		})
		if runErr != ErrStopped || claimErr != ErrStopped || r.Err() != nil {
			t.Errorf("%v: Run %v, claim %v, Err %v", wait, runErr, claimErr, r.Err())
		}
	}
}

// TestStopFreesWaitingProducers: no consumer will ever make room again.
func TestStopFreesWaitingProducers(t *testing.T) {
	for _, mode := range []Mode{SingleProducer, MultiProducer} {
		for _, wait := range waits {
			r := mustNew[int64](t, Config{Size: 2, Producers: mode, Wait: wait})
			c, p := mustProcessor(t, r, nil), r.Producer()
			publishOne(t, p, 1)
			var err error
			within(t, func() {
				var waiting sync.WaitGroup
				waiting.Go(func() { _, err = p.Claim(2) })
				if wait == Park {
					for r.writers.sleepers.Load() == 0 {
						runtime.Gosched()
					}
				}
				time.Sleep(time.Millisecond) // asleep by now, or in its loop
				c.Stop()
				waiting.Wait()
			})
			if err != ErrStopped {
				t.Errorf("%v, %v: claim: %v", mode, wait, err)
			}
			if lo, hi, err := c.TryNext(); lo != hi || err != ErrStopped {
				t.Errorf("%v, %v: [%d, %d) %v after Stop", mode, wait, lo, hi, err)
			}
		}
	}
}

// TestPoll embeds both ends in one goroutine: what TryClaim refuses, Poll makes
// room for.
func TestPoll(t *testing.T) {
	r := mustNew[int64](t, Config{Size: 4})
	var sum, batches int64
	c := mustProcessor(t, r, HandlerFunc[int64](func(rec *int64, _ Sequence, endOfBatch bool) {
		sum += *rec
		if endOfBatch {
			batches++
		}
		if *rec == 100 {
			panic("enough")
		}
	}))
	p := r.Producer()
	for i := int64(1); i <= 99; {
		lo, err := p.TryClaim(1)
		if err == ErrFull {
			if n, err := c.Poll(); n != 4 || err != nil {
				t.Fatalf("Poll: %d, %v", n, err)
			}
			continue
		}
		*p.At(lo) = i
		p.Publish(lo, 1)
		i++
	}
	if n, err := c.Poll(); n != 3 || err != nil || sum != 99*100/2 || batches != 25 {
		t.Errorf("Poll: %d, %v; sum %d in %d batches", n, err, sum, batches)
	}
	publishOne(t, p, 0)
	publishOne(t, p, 100)
	if n, err := c.Poll(); n != 1 || err == nil || err.Error() != "ring: handler failed at sequence 100: enough" {
		t.Errorf("Poll: %d, %v", n, err)
	}
	if n, err := c.Poll(); n != 0 || err != ErrStopped {
		t.Errorf("Poll after a fault: %d, %v", n, err)
	}
}
