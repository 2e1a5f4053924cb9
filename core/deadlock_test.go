package core_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/ring"
)

// tiny has the smallest rings there are: one effect fills one of them.
func tiny(wait ring.WaitStrategy) core.Config {
	return core.Config{InputSize: event.MaxRecords, EffectsSize: 1, Wait: wait}
}

// arrange runs f with each way to wait, and ends the test binary with all stacks
// if it hangs.
func arrange(t *testing.T, f func(*testing.T, ring.WaitStrategy)) {
	for _, wait := range []ring.WaitStrategy{ring.Park, ring.Yield} {
		t.Run(wait.String(), func(t *testing.T) {
			hung := time.AfterFunc(time.Minute, func() { panic(t.Name() + " hangs: a deadlock of full rings") })
			defer hung.Stop()
			f(t, wait)
		})
	}
}

// refusal is an event with exactly one effect, which says its number.
func refusal(n int) event.Event { return event.Event{event.Halt(event.SymbolID(n))} }

// inOrder fails unless effects are those of the refusals from number next on.
func inOrder(t *testing.T, next int, batch []event.Effect) {
	t.Helper()
	for i := range batch {
		if x := &batch[i]; x.Kind != event.EffectRejected || x.Symbol != event.SymbolID(next+i) {
			t.Fatalf("effect %d is %s", next+i, show(x))
		}
	}
}

func mustAck(t *testing.T, x *core.Effects, last *event.Effect) {
	t.Helper()
	if err := x.Ack(last.Seq, last.Index); err != nil {
		t.Fatal(err)
	}
}

// blocked waits until the engine stands: input and effects rings full.
func blocked(e *core.Engine) {
	for s := e.Stats(); s.InputFree > 0 || s.Unacknowledged < s.EffectsSize; s = e.Stats() {
		time.Sleep(100 * time.Microsecond)
	}
}

// One goroutine feeds until nothing fits, and only then reads.
func TestOneGoroutine(t *testing.T) {
	const total = 5_000
	arrange(t, func(t *testing.T, wait ring.WaitStrategy) {
		e := open(t, tiny(wait))
		p, x := e.Producer(), e.Effects()
		buf := make([]event.Effect, 3)
		full := 0
		for sent, seen := 0, 0; seen < total; {
			if sent < total {
				err := p.TrySend(refusal(sent))
				if err == nil {
					sent++
					continue
				}
				if err != core.ErrFull {
					t.Fatal(err)
				}
				full++
			}
			n, err := x.Poll(buf)
			if err != nil {
				t.Fatal(err)
			}
			if n > 0 {
				inOrder(t, seen, buf[:n])
				seen += n
				mustAck(t, x, &buf[n-1])
			}
		}
		if full == 0 {
			t.Error("workload drifted: the input ring was never full")
		}
		mustClose(t, e)
	})
}

// A consumer that answers every effect by an event, as a venue answers orders,
// while another goroutine keeps the input ring full.
func TestConsumerAnswers(t *testing.T) {
	const total = 4_000
	arrange(t, func(t *testing.T, wait ring.WaitStrategy) {
		e := open(t, tiny(wait))
		var feeding sync.WaitGroup
		p := e.Producer()
		feeding.Go(func() {
			for n := range total {
				if err := p.Send(refusal(n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
		x, answers := e.Effects(), e.Producer()
		buf := make([]event.Effect, 1)
		owed := 0
		for seen := 0; seen < total; seen++ {
			if _, err := x.Next(buf); err != nil {
				t.Fatal(err)
			}
			inOrder(t, seen, buf)
			mustAck(t, x, &buf[0])
			for owed++; owed > 0 && answers.TrySend(event.Event{event.Time(1)}) == nil; owed-- {
			}
		}
		feeding.Wait()
		mustClose(t, e)
	})
}

// The consumer stalls until everything is full and every producer waits, then
// goes on.
func TestConsumerStalls(t *testing.T) {
	const producers, each = 3, 1_500
	arrange(t, func(t *testing.T, wait ring.WaitStrategy) {
		e := open(t, tiny(wait))
		var feeding sync.WaitGroup
		for range producers {
			p := e.Producer()
			feeding.Go(func() {
				for n := range each {
					if err := p.Send(refusal(n)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		buf := make([]event.Effect, 8)
		x := e.Effects()
		for seen := 0; seen < producers*each; {
			if seen%1_000 == 0 && seen < 3_000 {
				blocked(e)
			}
			n, err := x.Next(buf[:1])
			if err != nil {
				t.Fatal(err)
			}
			seen += n
			mustAck(t, x, &buf[n-1])
		}
		feeding.Wait()
		mustClose(t, e)
	})
}

// An ack that meets a full input ring does not wait; a later call sends it.
func TestAckMeetsFullInput(t *testing.T) {
	arrange(t, func(t *testing.T, wait ring.WaitStrategy) {
		c := tiny(wait)
		c.EffectsSize = 2 * event.MaxRecords
		e := open(t, c)
		p, x := e.Producer(), e.Effects()
		mustSend(t, p, refusal(0))
		buf := make([]event.Effect, 1)
		if _, err := x.Next(buf); err != nil {
			t.Fatal(err)
		}
		resume := hold(t, e)
		for n := 1; p.TrySend(refusal(n)) == nil; n++ {
		}
		mustAck(t, x, &buf[0])
		resume()
		var seen [2]bool
		for i := range seen {
			if err := e.View(context.Background(), func(m *machine.Machine) { _, _, seen[i] = m.Acked() }); err != nil {
				t.Fatal(err)
			}
			if _, err := x.Poll(buf); err != nil {
				t.Fatal(err)
			}
		}
		if seen != [2]bool{false, true} {
			t.Errorf("the machine knew of the ack before and after the poll: %v, want false and true", seen)
		}
		mustClose(t, e)
	})
}

// hold stops the core between two events until resume is called.
func hold(t *testing.T, e *core.Engine) (resume func()) {
	t.Helper()
	held, release, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- e.View(context.Background(), func(*machine.Machine) {
			close(held)
			<-release
		})
	}()
	<-held
	return func() {
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A consumer that acknowledges an effect only when it has the next one is always
// one behind; it needs a second slot and no more.
func TestConsumerOneBehind(t *testing.T) {
	const total = 2_000
	arrange(t, func(t *testing.T, wait ring.WaitStrategy) {
		c := tiny(wait)
		c.EffectsSize = 2
		e := open(t, c)
		p, x := e.Producer(), e.Effects()
		var feeding sync.WaitGroup
		feeding.Go(func() {
			for n := range total {
				if err := p.Send(refusal(n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
		buf, last := make([]event.Effect, 1), event.Effect{}
		for seen := range total {
			if _, err := x.Next(buf); err != nil {
				t.Fatal(err)
			}
			inOrder(t, seen, buf)
			if seen > 0 {
				mustAck(t, x, &last)
			}
			last = buf[0]
		}
		feeding.Wait()
		mustClose(t, e)
	})
}

// One event has many times the effects the ring holds.
func TestEventLargerThanRing(t *testing.T) {
	arrange(t, func(t *testing.T, wait ring.WaitStrategy) {
		events := crash(300)
		_, want := alone(t, events)
		last := want[len(want)-1]
		if last.Index < 500 {
			t.Fatalf("workload drifted: the last event has %d effects", last.Index+1)
		}
		c := tiny(wait)
		c.AutoAck = true
		e := open(t, c)
		p, x := e.Producer(), e.Effects()
		var feeding sync.WaitGroup
		feeding.Go(func() {
			mustSend(t, p, events...)
			mustClose(t, e)
		})
		got, err := drain(x, 5, nil)
		if err != core.ErrClosed {
			t.Error(err)
		}
		feeding.Wait()
		sameEffects(t, got, want)
	})
}

// crash ends with one tick that breaks so many longs at once.
func crash(longs int) []event.Event {
	events := venue(longs + 1)
	events = append(events,
		event.Event{event.Transfer(event.AccountID(longs+1), 1_000_000*unit, event.TransferDeposit)},
		event.Event{event.Tick(btc, 1000*unit).At(1_760_131_033_000_000_000)})
	for i := range longs {
		events = append(events, event.AppendTrade(nil, event.TradeLegs{
			Symbol: btc, Qty: unit, Price: 1000 * unit, Buyer: event.AccountID(i + 1), Seller: event.AccountID(longs + 1),
		}))
	}
	return append(events, event.Event{event.Tick(btc, 904*unit).At(1_760_131_034_000_000_000)})
}

// Nobody reads. Close ends all the same, with producers waiting for room, and
// what was sent is in the effects, which are read afterwards.
func TestCloseUndrained(t *testing.T) {
	arrange(t, func(t *testing.T, wait ring.WaitStrategy) {
		e := open(t, tiny(wait))
		var feeding sync.WaitGroup
		var sent [3]int
		for i := range sent {
			p := e.Producer()
			feeding.Go(func() {
				for {
					if err := p.Send(refusal(i)); err != nil {
						if err != core.ErrClosed {
							t.Error(err)
						}
						return
					}
					sent[i]++
				}
			})
		}
		blocked(e)
		mustClose(t, e)
		feeding.Wait()
		var seen [len(sent)]int
		_, err := drain(e.Effects(), 3, func(x *event.Effect) { seen[x.Symbol]++ })
		if err != core.ErrClosed {
			t.Error("after the last effect:", err)
		}
		if seen != sent || sent[0]+sent[1]+sent[2] < event.MaxRecords {
			t.Errorf("%v effects of %v events", seen, sent)
		}
		if err := e.Effects().Ack(1, 0); err != core.ErrClosed {
			t.Errorf("Ack after Close: %v, want %v", err, core.ErrClosed)
		}
		if n, err := e.Effects().Poll(make([]event.Effect, 1)); n != 0 || err != core.ErrClosed {
			t.Errorf("Poll after the end: %d, %v", n, err)
		}
		mustClose(t, e)
	})
}

// Close comes while the consumer sleeps in Next, reads, or polls.
func TestCloseWhileReading(t *testing.T) {
	arrange(t, func(t *testing.T, wait ring.WaitStrategy) {
		for n := range 50 {
			e := open(t, tiny(wait))
			p, x := e.Producer(), e.Effects()
			var got []event.Effect
			var reading sync.WaitGroup
			reading.Go(func() {
				var err error
				got, err = drain(x, 2, func(last *event.Effect) { _ = x.Ack(last.Seq, last.Index) })
				if err != core.ErrClosed {
					t.Error(err)
				}
			})
			for i := range n {
				mustSend(t, p, refusal(i))
			}
			mustClose(t, e)
			reading.Wait()
			inOrder(t, 0, got)
			if len(got) != n {
				t.Fatalf("%d effects of %d events", len(got), n)
			}
			if err := p.Send(refusal(0)); err != core.ErrClosed {
				t.Fatalf("Send after Close: %v", err)
			}
		}
	})
}

// Commands meet full rings: they wait no longer than they are told to, and run
// once there is room.
func TestCommandsMeetFullRings(t *testing.T) {
	arrange(t, func(t *testing.T, wait ring.WaitStrategy) {
		c := tiny(wait)
		c.Dir = t.TempDir()
		e := open(t, c)
		p, x := e.Producer(), e.Effects()
		sent := 0
		for p.TrySend(refusal(sent)) == nil || e.Stats().InputFree > 0 {
			sent++
		}
		blocked(e)
		soon, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		if _, err := e.Snapshot(soon); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Snapshot of a stuck engine: %v", err)
		}
		var asking sync.WaitGroup
		var asked []uint64
		for range 3 {
			asking.Go(func() {
				info, err := e.Snapshot(context.Background())
				if err != nil {
					t.Error(err)
				}
				if err := e.View(context.Background(), func(m *machine.Machine) { asked = append(asked, info.Sequence, m.Sequence()) }); err != nil {
					t.Error(err)
				}
			})
		}
		buf := make([]event.Effect, 16)
		stop := make(chan struct{})
		var reading sync.WaitGroup
		reading.Go(func() {
			for {
				n, err := x.Poll(buf)
				if err != nil {
					t.Error(err)
				}
				if n > 0 {
					mustAck(t, x, &buf[n-1])
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
		asking.Wait()
		close(stop)
		reading.Wait()
		if len(asked) != 6 || slices.Min(asked) < uint64(sent)/2 {
			t.Errorf("sequences seen by commands: %v, of %d events and the acks", asked, sent)
		}
		mustClose(t, e)
	})
}
