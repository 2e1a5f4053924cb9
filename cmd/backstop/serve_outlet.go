package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/event/ndjson"
)

// outlet is where effects leave. It keeps what the engine delivered until the
// consumer acknowledges it, so that a consumer that connects again gets all of
// that again; the engine's effects ring bounds how much it is.
//
// One goroutine collects, one writes to the consumer, and any may acknowledge.
// None of them waits for another: an acknowledgement is taken while the consumer
// reads nothing, or the core would wait for it for ever.
type outlet struct {
	auto  bool          // what is written is acknowledged
	more  chan struct{} // holds a token when there may be something to write
	fed   chan struct{} // holds a token when there may be something to collect
	batch []event.Effect

	mu       sync.Mutex
	effects  *core.Effects
	kept     []event.Effect // not acknowledged, in order
	sent     int            // how many of kept the present consumer was given
	attached bool           // there is a consumer
	closing  bool           // the engine waits for nobody any more
	end      error          // after kept nothing comes any more, and why
}

func newOutlet(effects *core.Effects, auto bool) *outlet {
	return &outlet{
		effects: effects, auto: auto, batch: make([]event.Effect, 256),
		more: make(chan struct{}, 1), fed: make(chan struct{}, 1),
	}
}

// The engine is asked again after a pause that grows while nothing comes and
// begins anew with every event that is sent: its effects are there within
// microseconds, and an idle engine costs next to nothing. The longest pause is
// what an effect waits whose event was held up, by a snapshot for example.
const (
	shortestPause = 20 * time.Microsecond
	longestPause  = 10 * time.Millisecond
)

// collect takes effects from the engine until it has ended, and returns why it
// did: nil for Close.
func (o *outlet) collect() error {
	pause := shortestPause
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		n, err := o.poll()
		if err == core.ErrClosed {
			return nil
		}
		if err != nil {
			return err
		}
		if n > 0 {
			pause = shortestPause
			continue
		}
		timer.Reset(pause)
		select {
		case <-timer.C:
			pause = min(2*pause, longestPause)
		case <-o.fed:
			pause = shortestPause
		}
	}
}

// expect says that an event was sent, which may have effects.
func (o *outlet) expect() { signalOnce(o.fed) }

// signalOnce puts a token into c unless there is one.
func signalOnce(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// poll takes what the engine has now. Without acknowledgements the engine is not
// asked for more than a batch ahead of the consumer, so that it feels the
// consumer's pace all the same.
func (o *outlet) poll() (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.auto && len(o.kept) >= len(o.batch) && !o.closing {
		return 0, nil
	}
	n, err := o.effects.Poll(o.batch)
	if n > 0 {
		o.kept = append(o.kept, o.batch[:n]...)
	}
	if err != nil {
		o.end = err
	}
	if n > 0 || err != nil {
		signalOnce(o.more)
	}
	return n, err
}

// ack forgets what the consumer has.
func (o *outlet) ack(seq uint64, index uint32) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.effects.Ack(seq, index); err != nil {
		return err
	}
	n, _ := slices.BinarySearchFunc(o.kept, event.Effect{Seq: seq, Index: index}, compareIDs)
	if n < len(o.kept) && compareIDs(o.kept[n], event.Effect{Seq: seq, Index: index}) == 0 {
		n++
	}
	o.drop(n)
	return nil
}

func compareIDs(a, b event.Effect) int {
	switch {
	case a.Seq < b.Seq || a.Seq == b.Seq && a.Index < b.Index:
		return -1
	case a.Seq == b.Seq && a.Index == b.Index:
		return 0
	}
	return 1
}

// drop forgets the first n effects. They stay in memory until append moves what
// is left, which costs a copy of each effect or two, however they are dropped.
func (o *outlet) drop(n int) {
	o.kept = o.kept[n:]
	o.sent = max(0, o.sent-n)
}

// attach makes its caller the consumer, from the first effect that is not
// acknowledged on; false if there is another.
func (o *outlet) attach() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.attached {
		return false
	}
	o.attached, o.sent = true, 0
	return true
}

func (o *outlet) detach() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.attached = false
}

// take copies effects for the consumer. None and an end mean that it has all.
func (o *outlet) take(dst []event.Effect) (n int, end bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n = copy(dst, o.kept[o.sent:])
	o.sent += n
	return n, o.end != nil
}

// written is told what the consumer was given.
func (o *outlet) written(n int) {
	if !o.auto {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop(min(n, o.sent))
}

// close lets collect take all that is left. The engine is closed.
func (o *outlet) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closing = true
}

// undelivered is how many effects nobody was given, or nobody acknowledged.
func (o *outlet) undelivered() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.kept)
}

// errConsumerLeft is why write stops when the consumer's sending side is closed.
var errConsumerLeft = errors.New("the consumer has left")

// write writes effects to an attached consumer until the engine has ended and all
// is written (nil), ctx ends, or the consumer cannot be written to. What is
// there goes out at once; a flush waits for no further effect.
func (h *hub) write(ctx context.Context, w io.Writer) error {
	o := h.outlet
	out := bufio.NewWriterSize(w, 1<<16)
	batch := make([]event.Effect, len(o.batch))
	for {
		n, end := o.take(batch)
		for i := range batch[:n] {
			h.adopt(&batch[i])
			line := ndjson.AppendEffect(out.AvailableBuffer(), &h.names, &batch[i])
			if _, err := out.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		if n > 0 {
			o.written(n)
			continue
		}
		if err := out.Flush(); err != nil || end {
			return err
		}
		select {
		case <-o.more:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
