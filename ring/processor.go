package ring

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"
)

// Handler is the code for each record a Processor hands on.
type Handler[T any] interface {
	// Handle is called once for each published record, in order. rec is the
	// record in its slot: valid during the call, and for those who depend on
	// this processor to read, so changes to it are for them. endOfBatch is true
	// for the last record before the processor looks for more: the moment to
	// flush what was gathered. A panic halts the ring at this sequence.
	Handle(rec *T, seq Sequence, endOfBatch bool)
}

// HandlerFunc makes a Handler of a function.
type HandlerFunc[T any] func(rec *T, seq Sequence, endOfBatch bool)

// Handle calls f.
func (f HandlerFunc[T]) Handle(rec *T, seq Sequence, endOfBatch bool) { f(rec, seq, endOfBatch) }

// HandlerError says which record a handler could not handle. That record, and
// all after it, stay in the ring; nothing that gates on the processor passes it.
type HandlerError struct {
	// Sequence is the record's.
	Sequence Sequence
	// Cause is what the handler panicked with, or what was given to Fail.
	Cause any
	// Stack is the handler's, as text.
	Stack []byte
}

func (e *HandlerError) Error() string {
	return fmt.Sprintf("ring: handler failed at sequence %d: %v", e.Sequence, e.Cause)
}

// Unwrap returns the cause if it is an error.
func (e *HandlerError) Unwrap() error {
	err, _ := e.Cause.(error)
	return err
}

// Processor takes records out of a ring, a batch at a time. It belongs to one
// goroutine at a time; only Stop and Released are for any.
//
// There are two ways to use one. With a Handler: Run, or Poll where the caller
// has a loop of its own. Without, for a loop that cannot afford a call through
// an interface for each record: Next or TryNext, At, Release.
type Processor[T any] struct {
	_ [padBytes]byte
	// next is the first sequence not released, available one past the last that
	// the barrier was seen to let through.
	next, available Sequence
	slots           memory
	ring            *Ring[T]
	barrier         *Barrier
	handler         Handler[T]
	handling        Sequence // for the error, if the handler panics
	stopped         atomic.Bool
	feeds           atomic.Bool // other processors depend on this one
	running         atomic.Bool
	// released is next for the others: written once a batch, read by producers
	// or by the processors that depend on this one.
	released cell
}

// NewProcessor attaches a consumer that sees each record after all the given
// processors have released it, or, without any, once it is published. handler
// may be nil for a processor used by Next. All processors are attached before
// the first claim; later, or after a processor of another ring, is ErrConfig.
func (r *Ring[T]) NewProcessor(handler Handler[T], after ...*Processor[T]) (*Processor[T], error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sealed {
		return nil, fmt.Errorf("%w: processor attached after the first claim: it would miss records", ErrConfig)
	}
	for i, up := range after {
		if up == nil || up.ring != r {
			return nil, fmt.Errorf("%w: dependency %d is not a processor of this ring", ErrConfig, i)
		}
	}
	p := &Processor[T]{slots: r.records, ring: r, handler: handler, barrier: r.Barrier(after...)}
	for _, up := range after {
		up.feeds.Store(true)
		r.gates = slices.DeleteFunc(r.gates, func(c *cell) bool { return c == &up.released })
	}
	r.gates = append(r.gates, &p.released)
	return p, nil
}

// Run handles records until the ring is closed and drained, and then returns
// nil. It returns ErrStopped after Stop or when another processor has halted the
// ring, and a *HandlerError if the handler panics: all before that record is
// then released, and the ring halted.
func (p *Processor[T]) Run() error {
	if p.handler == nil {
		return fmt.Errorf("%w: Run of a processor without a handler", ErrConfig)
	}
	if p.running.Swap(true) {
		return fmt.Errorf("%w: Run of a processor that is running", ErrConfig)
	}
	defer p.running.Store(false)
	for {
		lo, hi, err := p.Next()
		if err == nil {
			err = p.handle(lo, hi)
		}
		switch err {
		case nil:
		case ErrClosed:
			return nil
		default:
			return err
		}
	}
}

// Poll handles what can be read now, and returns how many records that were: at
// least all that was published when it was called, but no endless stream. It
// never waits. The error is as for Next, or a *HandlerError; records handled
// before it are counted.
func (p *Processor[T]) Poll() (int, error) {
	if p.handler == nil {
		return 0, fmt.Errorf("%w: Poll of a processor without a handler", ErrConfig)
	}
	handled := 0
	for last := p.next + p.ring.size; p.next < last; {
		lo, hi, err := p.TryNext()
		if err != nil || lo == hi {
			return handled, err
		}
		err = p.handle(lo, hi)
		handled += int(p.next - lo)
		if err != nil {
			return handled, err
		}
	}
	return handled, nil
}

// handle hands a batch to the handler and releases it.
func (p *Processor[T]) handle(lo, hi Sequence) (err error) {
	p.handling = lo
	defer p.rescue(hi, &err)
	for s := lo; s < hi; s++ {
		p.handling = s
		p.handler.Handle(p.At(s), s, s == hi-1)
	}
	p.handling = hi
	p.Release(hi)
	return nil
}

// rescue makes an error of a handler that did not return. One that ended its
// goroutine, as t.FailNow does, leaves no panic behind, but the record is as
// little handled, and the producers would wait for ever.
func (p *Processor[T]) rescue(hi Sequence, err *error) {
	if p.handling == hi {
		return
	}
	cause := recover()
	if cause == nil {
		cause = errExited
	}
	*err = p.Fail(p.handling, cause)
}

// errExited is the cause when a handler calls runtime.Goexit.
var errExited = errors.New("handler ended its goroutine")

// Fail halts the ring because the record at seq cannot be handled: what is
// before it is released, it and all after it never are. It is for loops around
// Next; Run and Poll call it when the handler panics. Requires: seq is in the
// batch last returned by Next and not released. It returns a *HandlerError.
func (p *Processor[T]) Fail(seq Sequence, cause any) error {
	p.Release(seq)
	e := &HandlerError{Sequence: seq, Cause: cause, Stack: debug.Stack()}
	p.ring.failure.CompareAndSwap(nil, e)
	p.Stop()
	return e
}

// Stop halts the ring without draining it. This processor finishes the batch it
// has in hand and goes no further; Ring.Close is the end that loses nothing. Any
// goroutine may call it.
func (p *Processor[T]) Stop() {
	p.stopped.Store(true)
	p.ring.halt()
}

// Next waits until there is something to read and returns it as the range
// [lo, hi), without abandoned sequences and never empty. Until it is released
// the same range, or a longer one, comes back. The error is ErrClosed when the ring is
// closed and all of it is released, or ErrStopped.
func (p *Processor[T]) Next() (lo, hi Sequence, err error) {
	if lo, hi = p.readable(); lo < hi {
		return lo, hi, nil
	}
	w := newWaiter(p.ring.wait, &p.ring.readers)
	defer w.done()
	for {
		lo, hi, err = p.TryNext()
		if lo < hi || err != nil {
			return lo, hi, err
		}
		w.idle()
	}
}

// SpinNext is Next for a goroutine that must not give up its CPU: it waits as
// with Spin, whatever the ring's strategy, and the others may still park. One
// that looks more often than the ring asks needs no waking.
func (p *Processor[T]) SpinNext() (lo, hi Sequence, err error) {
	for {
		if lo, hi, err = p.TryNext(); lo < hi || err != nil {
			return lo, hi, err
		}
		pause()
	}
}

// TryNext is Next without waiting: lo equals hi if there is nothing to read now.
func (p *Processor[T]) TryNext() (lo, hi Sequence, err error) {
	// The state is older than the look at the sequences. So what was published
	// before a halt is seen before the halt is.
	state := p.ring.state.Load()
	if lo, hi = p.readable(); lo < hi {
		return lo, hi, nil
	}
	switch {
	case state&stateClosed != 0 && int64(lo) == p.ring.end.Load():
		return lo, hi, ErrClosed
	case state&stateHalted != 0:
		return lo, hi, ErrStopped
	}
	return lo, hi, nil
}

// readable is what may be read now, without abandoned sequences. It asks the
// barrier only when its last answer is used up.
func (p *Processor[T]) readable() (lo, hi Sequence) {
	for !p.stopped.Load() {
		lo, hi = p.next, p.available
		if lo == hi {
			if hi = p.barrier.Available(lo); lo == hi {
				return lo, hi
			}
			p.available = hi
		}
		if p.ring.voidEnd.Load() <= int64(lo) {
			return lo, hi
		}
		if lo, hi = p.withoutVoids(lo, hi); lo < hi {
			return lo, hi
		}
	}
	return p.next, p.next
}

// withoutVoids releases the abandoned sequences a range begins with, and cuts
// off the rest from the next one on.
func (p *Processor[T]) withoutVoids(lo, hi Sequence) (Sequence, Sequence) {
	first := lo
	for first < hi && p.void(first) {
		first++
	}
	if first > lo {
		p.Release(first)
	}
	end := first
	for end < hi && !p.void(end) {
		end++
	}
	return first, end
}

func (p *Processor[T]) void(s Sequence) bool { return p.ring.voids[s&p.slots.mask] == s }

// At is the record of a sequence that Next returned and Release has not passed.
func (p *Processor[T]) At(seq Sequence) *T { return (*T)(p.slots.at(seq)) }

// Release says that all before hi is handled: once a batch, or more often to
// give room sooner. It panics if hi is not within what Next returned.
func (p *Processor[T]) Release(hi Sequence) {
	if hi < p.next || hi > p.available {
		panic(fmt.Sprintf("ring: release up to sequence %d: want %d to %d", hi, p.next, p.available))
	}
	p.next = hi
	if !p.ring.parks {
		storeRelease(&p.released.at, int64(hi))
		return
	}
	p.released.at.Store(int64(hi))
	p.ring.writers.wake()
	if p.feeds.Load() {
		p.ring.readers.wake()
	}
}

// Released is one past the last sequence this processor has released. Any
// goroutine may ask.
func (p *Processor[T]) Released() Sequence { return Sequence(p.released.at.Load()) }
