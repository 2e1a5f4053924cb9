package core

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/backstop-fund/backstop/snapshot"
)

// ask is something to do on the follower's goroutine, between two events.
type ask struct {
	run   func(*Follower)
	after uint64       // not before this event is applied
	begun atomic.Int32 // 1: it runs or has run, 2: it never will
	done  chan struct{}
}

// ask has the follower do something, and waits until it has.
func (e *Engine) ask(ctx context.Context, after uint64, f func(*Follower)) error {
	a := &ask{run: f, after: after, done: make(chan struct{})}
	select {
	case e.asks <- a:
	case <-e.followed:
		return e.unfollowed()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
		if a.begun.CompareAndSwap(0, 2) {
			return context.Cause(ctx)
		}
	case <-e.followed:
	}
	select {
	case <-a.done:
		return nil
	case <-e.followed:
	}
	select {
	case <-a.done:
		return nil
	default:
		return e.unfollowed()
	}
}

// unfollowed is why the follower does nothing any more.
func (e *Engine) unfollowed() error {
	if err := e.counters.following.Load(); err != nil {
		return *err
	}
	return e.ended()
}

const (
	// followStep is how many events the follower applies before it looks for
	// something else to do.
	followStep = 4096
	// followPause is how long it leaves the journal alone when it has caught up:
	// short to a reader, and long enough to find more than one group then.
	followPause = time.Millisecond
	// comparePause is how long it waits for the journal to get as far as the core.
	comparePause = 100 * time.Microsecond
)

// following is what the follower's goroutine works on.
type following struct {
	*Follower
	waiting []*ask
}

// follow is the follower's goroutine.
func (e *Engine) follow() {
	defer close(e.followed)
	defer func() {
		if cause := recover(); cause != nil {
			e.followErr = &Fault{Sequence: e.counters.followed.Load(), Cause: cause, Stack: debug.Stack()}
			e.counters.following.Store(&e.followErr)
		}
	}()
	err := e.followAll()
	if e.followErr = err; err != nil && e.Err() == nil {
		e.counters.following.Store(&err)
	}
}

func (e *Engine) followAll() error {
	f := &following{Follower: e.newFollower()}
	if err := f.begin(); err != nil {
		return err
	}
	defer f.tail.Close()
	for {
		ended := e.wholeJournal() // looked at before the rest is applied
		from := f.replica.machine.Sequence()
		if _, err := f.Step(followStep); err != nil {
			return err
		}
		now := f.replica.machine.Sequence()
		e.counters.followed.Store(now)
		f.answer(now)
		switch {
		case f.Due():
			// The disk is not the follower's to mend: Stats tells, and the next one is
			// due as if this one had been taken.
			_, _ = e.compareAndSnapshot(context.Background(), f.Follower)
			f.schedule()
		case ended && now == e.followable():
			return e.lastSnapshot(f.Follower)
		}
		if f.diverged != nil {
			return f.diverged
		}
		e.await(f, now > from)
	}
}

// newFollower is the one in the engine's process, yet to begin.
func (e *Engine) newFollower() *Follower {
	return &Follower{config: e.config, folder: e.folder, store: e.store, durable: e.recorder.writer.Durable, limit: e.followable}
}

// followable is up to where the follower may go: what is in the files, and not
// ahead of the core, with which it is to be compared.
func (e *Engine) followable() uint64 {
	return min(e.recorder.writer.Written(), e.counters.applied.Load())
}

// wholeJournal reports whether core and recorder have ended, so that nothing more
// comes.
func (e *Engine) wholeJournal() bool {
	select {
	case <-e.done:
	default:
		return false
	}
	select {
	case <-e.recorded:
		return true
	default:
		return false
	}
}

// await takes what readers ask, and waits for something to do unless there is.
func (e *Engine) await(f *following, busy bool) {
	for {
		select {
		case a := <-e.asks:
			f.waiting = append(f.waiting, a)
			busy = true
			continue
		default:
		}
		if busy {
			return
		}
		pause := time.NewTimer(followPause)
		select {
		case a := <-e.asks:
			f.waiting = append(f.waiting, a)
		case <-pause.C:
			e.awaitNews(f)
		}
		pause.Stop()
		return
	}
}

// awaitNews waits until the journal has grown, somebody asks, or all has ended.
func (e *Engine) awaitNews(f *following) {
	if f.replica.machine.Sequence() < e.recorder.writer.Written() || len(f.waiting) > 0 {
		return // the core is on its way there
	}
	select {
	case a := <-e.asks:
		f.waiting = append(f.waiting, a)
	case <-e.news:
	case <-e.closing: // core and recorder end in a moment
	case <-e.done:
	case <-e.recorded:
	}
}

// answer does what is asked and whose event is applied.
func (f *following) answer(now uint64) {
	rest := f.waiting[:0]
	for _, a := range f.waiting {
		if a.after > now {
			rest = append(rest, a)
			continue
		}
		if a.begun.CompareAndSwap(0, 1) {
			a.run(f.Follower)
			close(a.done)
		}
	}
	f.waiting = rest
}

// checkpoint is the core's effect chain at a sequence.
type checkpoint struct {
	sequence uint64
	chain    effectChain
}

// compareAndSnapshot goes to a sequence the core names, compares the effects so
// far, and takes a snapshot once that sequence is durable. ctx ends the wait for
// the core.
func (e *Engine) compareAndSnapshot(ctx context.Context, f *Follower) (info snapshot.Info, err error) {
	var at checkpoint
	if err = e.do(ctx, func() { at = checkpoint{e.loop.applied, e.loop.out.chain} }); err != nil {
		return info, err // at the end the last snapshot is taken in a moment
	}
	for err == nil && (f.replica.machine.Sequence() < at.sequence || f.durable() < at.sequence) {
		if err = f.pass(at.sequence); err != nil {
			break
		}
		select {
		case <-e.recorded:
			err = e.Err()
		default:
			time.Sleep(comparePause)
		}
	}
	if err == nil {
		info, err = f.snapshotAgainst(at)
	}
	e.counters.snapshot(info, err)
	return info, err
}

// pass applies what there is up to a sequence, and stops for no snapshot.
func (f *Follower) pass(sequence uint64) error {
	for {
		before := f.replica.machine.Sequence()
		f.ready = false
		if err := f.advance(sequence); err != nil || f.replica.machine.Sequence() == before && !f.ready {
			return err
		}
		if f.ready {
			f.schedule()
		}
	}
}

// snapshotAgainst takes a snapshot if the effects so far are those of the core.
func (f *Follower) snapshotAgainst(at checkpoint) (snapshot.Info, error) {
	f.replica.flush()
	if got := f.replica.kept.chain; got != at.chain {
		f.diverged = fmt.Errorf("%w: effect chain %016x at event %d, the engine's is %016x", ErrDiverged, got, at.sequence, at.chain)
		return snapshot.Info{}, f.diverged
	}
	return f.Snapshot()
}

// lastSnapshot is taken at the end, unless the engine ended badly.
func (e *Engine) lastSnapshot(f *Follower) error {
	if e.Err() != nil || f.taken && f.takenAt == e.loop.applied {
		return nil
	}
	info, err := f.snapshotAgainst(checkpoint{e.loop.applied, e.loop.out.chain})
	e.counters.snapshot(info, err)
	return err
}
