package core

import (
	"context"
	"fmt"
	"time"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/ring"
	"github.com/backstop-fund/backstop/snapshot"
)

// command is something to do on the core's goroutine, between two events.
type command struct {
	run   func()
	after ring.Sequence // not before all input records below it are applied
	done  chan struct{} // closed when it has run
}

// View runs f between two events, after everything whose Send returned before
// the call is applied. The machine it gets is the follower's, if there is one in
// the process, so that the core never waits for a reader; otherwise it is the
// core's, which stands still for it: f copies what it wants and returns. It must
// not change the machine, keep it, or call the engine; a panic in it stops the
// follower, or the engine like one in the machine.
//
// If ctx ends before f has begun, f never runs and the error is ctx's. Otherwise
// it is ErrClosed, a *Fault, or what ended the follower.
func (e *Engine) View(ctx context.Context, f func(*machine.Machine)) error {
	if !e.config.follows() {
		return e.do(ctx, func() { f(e.loop.machine) })
	}
	var at uint64
	if err := e.do(ctx, func() { at = e.loop.applied }); err != nil {
		return err
	}
	return e.ask(ctx, at, func(x *Follower) { f(x.replica.machine) })
}

// LastApplied returns the highest sequence accepted from a source, 0 if none:
// after a restart a sender goes on behind it. It asks the core, which has it at
// hand. Errors are those of a View without a follower.
func (e *Engine) LastApplied(ctx context.Context, source event.Source) (sequence uint64, err error) {
	err = e.do(ctx, func() { sequence = e.loop.machine.LastApplied(source) })
	return sequence, err
}

// Snapshot takes one now, between two events. It contains everything whose Send
// returned before the call. The follower takes it, at a sequence at which its
// effect chain and the core's can be compared; without a journal the core does,
// and stands still for it.
//
// Errors are View's, ErrConfig where this engine takes none, ErrDiverged if the
// chains differ, and those of snapshot.Store.Commit: with snapshot.ErrRetire the
// snapshot was taken all the same.
func (e *Engine) Snapshot(ctx context.Context) (info snapshot.Info, err error) {
	var failed error
	switch {
	case e.store == nil:
		return info, fmt.Errorf("%w: a snapshot needs a Dir", ErrConfig)
	case e.config.FollowElsewhere:
		return info, fmt.Errorf("%w: FollowElsewhere: the process that follows takes the snapshots", ErrConfig)
	case e.config.follows():
		err = e.ask(ctx, 0, func(x *Follower) { info, failed = e.compareAndSnapshot(ctx, x) })
	default:
		err = e.do(ctx, func() { info, failed = e.takeSnapshot() })
	}
	if err != nil {
		return snapshot.Info{}, err
	}
	return info, failed
}

// nudgePause is how long a command waits between two tries to wake a core whose
// input ring is full, and which is therefore awake: short to a person, long to
// the core.
const nudgePause = time.Millisecond

// do has f run by the core and waits until it has.
func (e *Engine) do(ctx context.Context, f func()) error {
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-e.done:
		return e.ended()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	// The cursor covers what was published before this call, whoever did.
	c := &command{run: f, after: e.input.Stats().Cursor, done: make(chan struct{})}
	e.pending.Store(c)
	retry := time.NewTicker(nudgePause)
	defer retry.Stop()
	for nudged := false; ; {
		if !nudged {
			nudged = e.nudge()
		}
		select {
		case <-c.done:
			return nil
		case <-e.done:
			return e.missed(c)
		case <-ctx.Done():
			if e.pending.CompareAndSwap(c, nil) {
				return context.Cause(ctx)
			}
			ctx = context.Background() // f has begun
		case <-retry.C:
		}
	}
}

// missed is what became of a command when the core has ended.
func (e *Engine) missed(c *command) error {
	e.pending.Store(nil)
	select {
	case <-c.done:
		return nil
	default:
		return e.ended()
	}
}

// nudge puts a record that is no event into the input ring, so that the core
// comes by even if nobody feeds. It reports false if there was no room.
func (e *Engine) nudge() bool {
	lo, err := e.nudger.TryClaim(1)
	if err != nil {
		return err != ring.ErrFull
	}
	*e.nudger.At(lo) = event.Record{}
	e.nudger.Publish(lo, 1)
	return true
}

// serve runs the pending command once the core has got as far as it asks.
func (e *Engine) serve(at ring.Sequence) {
	c := e.pending.Load()
	if c == nil || c.after > at || !e.pending.CompareAndSwap(c, nil) {
		return
	}
	c.run()
	close(c.done)
}
