package core

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/ring"
)

// loop is what the core's goroutine works on. Nobody else touches it before that
// goroutine has ended.
type loop struct {
	input   *ring.Processor[event.Record]
	machine *machine.Machine
	fx      *event.Effects
	out     outbox

	// event is the event being put together from the ring; what is published may
	// end, for now, in the middle of one.
	event event.Event
	// applied is the sequence of the last event applied, for a Fault: a machine
	// that panicked need not know its own.
	applied    uint64
	refused    uint64
	snapshotAt uint64 // the next periodic snapshot; the last sequence if none are taken
	closeErr   error
	ended      bool // in good order
}

// gather is how many effects are handed to the ring at once: enough to make the
// hand-over cheap, few enough to stay in the nearest cache.
const gather = 64

// connect attaches the core to both rings and puts the effects to deliver again
// in front of all others. Requires: they fit in the ring.
func (l *loop) connect(e *Engine, from *replica, size int) (err error) {
	if l.input, err = e.input.NewProcessor(nil); err != nil {
		return err
	}
	l.machine = from.machine
	l.applied = l.machine.Sequence()
	l.snapshotAt = nextMultiple(l.applied, e.config.SnapshotEvery)
	if e.config.journals() {
		l.snapshotAt = nextMultiple(0, 0) // the follower's to take
	}
	l.event = make(event.Event, 0, event.MaxRecords)
	l.out = outbox{ring: e.output.Producer(), size: size, spins: e.config.Thread.Spin, chain: from.kept.chain, compared: e.config.follows()}
	l.fx = event.NewEffects(gather, &l.out)
	l.out.publish(from.kept.effects)
	l.count(&e.counters)
	return nil
}

// nextMultiple is the first multiple of step after n; the last sequence there is
// when step is 0.
func nextMultiple(n, step uint64) uint64 {
	if step == 0 || n > ^uint64(0)-step {
		return ^uint64(0)
	}
	return n - n%step + step
}

// run is the core's goroutine: one wait, then a whole batch. It tells Open first
// whether it has the thread it is to run on, and ends if it has not.
func (e *Engine) run(started chan<- error) {
	var err error
	if e.granted, err = e.config.Thread.enter(); err != nil {
		started <- err
		return
	}
	started <- nil
	defer close(e.done)
	defer e.rescue()
	l := &e.loop
	for {
		lo, hi, err := l.next()
		if err != nil { // everything that will ever be published is applied
			break
		}
		e.applyBatch(lo, hi)
	}
	if e.store != nil && !e.config.journals() {
		_, l.closeErr = e.takeSnapshot()
	}
	l.ended = true
}

// applyBatch applies what is in the ring from one sequence to another.
func (e *Engine) applyBatch(lo, hi ring.Sequence) {
	l := &e.loop
	for s, seen := lo, lo; s < hi; s++ {
		if s == seen && hi-s > 1 {
			seen = l.ahead(s, hi)
		}
		e.take(l.input.At(s))
	}
	l.fx.Flush()
	l.input.Release(hi)
	l.count(&e.counters)
	e.serve(hi)
}

// next waits for a batch.
func (l *loop) next() (lo, hi ring.Sequence, err error) {
	if l.out.spins {
		return l.input.SpinNext()
	}
	return l.input.Next()
}

// take adds a record to the event at hand, and applies it when it is whole.
func (e *Engine) take(r *event.Record) {
	l := &e.loop
	l.event = append(l.event, *r)
	if len(l.event) <= l.event[0].More() {
		return
	}
	if l.event[0].Kind() != event.KindNone { // a nudge
		seq, code := l.machine.Apply(l.event, l.fx)
		l.applied = seq
		if code != event.Accepted {
			l.refused++
		}
	}
	l.event = l.event[:0]
	if l.applied >= l.snapshotAt {
		// The disk is not the core's to mend: Stats tells, and the next one is due
		// as if this one had been taken.
		_, _ = e.takeSnapshot()
		l.snapshotAt = nextMultiple(l.applied, e.config.SnapshotEvery)
	}
}

// Fault is the end of an engine whose machine, or a function given to View,
// panicked, or whose journal could not be written.
type Fault struct {
	// Sequence is the event's that was being applied, or, with Kind
	// event.KindNone, the last one's that was. Where the journal failed it is the
	// last one's that is durable.
	Sequence uint64
	// Kind is what was being applied.
	Kind event.Kind
	// Cause is what was panicked with, or the journal's error.
	Cause any
	// Stack is the core's goroutine's, as text. Where the journal failed there is
	// none.
	Stack []byte
}

func (f *Fault) Error() string {
	if err := f.Unwrap(); errors.Is(err, journal.ErrFailed) {
		return fmt.Sprintf("core: stopped: no event after %d is durable: %v", f.Sequence, err)
	}
	if f.Kind == event.KindNone {
		return fmt.Sprintf("core: stopped after event %d: panic: %v", f.Sequence, f.Cause)
	}
	return fmt.Sprintf("core: stopped at event %d (%v): panic: %v", f.Sequence, f.Kind, f.Cause)
}

// Unwrap returns the cause if it is an error.
func (f *Fault) Unwrap() error {
	err, _ := f.Cause.(error)
	return err
}

// errExited is the cause when a function given to View calls runtime.Goexit.
var errExited = errors.New("function ended the core's goroutine")

// rescue makes a Fault of a panic, and ends all waiting for the core.
func (e *Engine) rescue() {
	l := &e.loop
	if l.ended {
		return
	}
	f := &Fault{Sequence: l.applied, Cause: recover(), Stack: debug.Stack()}
	if f.Cause == nil {
		f.Cause = errExited
	}
	if len(l.event) > 0 && len(l.event) > l.event[0].More() {
		f.Sequence, f.Kind = l.applied+1, l.event[0].Kind()
	}
	e.fault.CompareAndSwap(nil, f)
	l.input.Stop()
	e.effects.keeper.Stop()
	// What was decided before stands; what the event at hand had begun does not.
	for _, x := range l.fx.All() {
		if x.Seq <= l.applied {
			l.out.overrun = append(l.out.overrun, x)
		}
	}
	l.count(&e.counters)
}
