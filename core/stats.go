package core

import (
	"sync/atomic"

	"github.com/backstop-fund/backstop/snapshot"
)

// Stats is a look at an engine from outside. Its values are read one after
// another while the core runs: each is true of some moment during the call.
type Stats struct {
	// Applied is the sequence of the last event applied, refused ones included.
	Applied uint64
	// Refused counts the events refused, Effects the effects handed to the
	// consumer, both since Open.
	Refused, Effects uint64
	// InputSize and InputFree are the records the input ring has and has room for.
	InputSize, InputFree int
	// EffectsSize is the effects ring's size, Unread how many effects in it the
	// consumer has yet to read, and Unacknowledged how many of them to acknowledge.
	EffectsSize, Unread, Unacknowledged int
	// Written and Durable are the last events in the journal's files, and of those
	// that survive a loss of power; 0 without a journal. With JournalSync the effects
	// of what is applied and durable can be read.
	Written, Durable uint64
	// Followed is the last event the follower has applied, 0 without one.
	Followed uint64
	// FollowerErr is what ended the follower while the engine runs on, or nil.
	// ErrDiverged is an alarm: the follower came to other effects than the core.
	FollowerErr error
	// Snapshots and SnapshotFailures count those taken and those that could not
	// be, since Open.
	Snapshots, SnapshotFailures uint64
	// LastSnapshot is the newest one taken since Open.
	LastSnapshot snapshot.Info
	// SnapshotErr is the error of the last attempt at a snapshot, or nil.
	SnapshotErr error
	// Memory is what the machine set aside at Open, in bytes, and HugePages how much
	// of it the system keeps in huge pages (Linux, where transparent_hugepage is not
	// never).
	Memory, HugePages int
}

// counters are written by the core's goroutine, once a batch where they have
// changed, and read by Stats. They have their cache lines to themselves.
type counters struct {
	_       [128]byte
	applied atomic.Uint64
	refused atomic.Uint64
	effects atomic.Uint64
	_       [128]byte

	// Written by the follower, once a batch.
	followed  atomic.Uint64
	following atomic.Pointer[error]

	// Written at each snapshot.
	snapshots atomic.Uint64
	failures  atomic.Uint64
	taken     atomic.Pointer[snapshot.Info]
	failed    atomic.Pointer[error]
}

// count makes the loop's counts visible. A store waits for the cache line, so
// what has not changed is left alone.
func (l *loop) count(c *counters) {
	set(&c.applied, l.applied)
	set(&c.refused, l.refused)
	set(&c.effects, l.fx.Count())
}

func set(at *atomic.Uint64, v uint64) {
	if at.Load() != v {
		at.Store(v)
	}
}

// Stats may be called from any goroutine. It reads what the hot path writes, so
// it costs that path a cache miss or two: call it by the second, not in a loop.
// How full the machine's capacities are tells machine.Machine.Stats, in a View.
func (e *Engine) Stats() Stats {
	c := &e.counters
	in, out := e.input.Stats(), e.output.Stats()
	s := Stats{
		Applied: c.applied.Load(), Refused: c.refused.Load(), Effects: c.effects.Load(),
		InputSize: in.Capacity, InputFree: in.Free,
		EffectsSize: out.Capacity, Unacknowledged: int(out.Cursor - out.Gating),
		Snapshots: c.snapshots.Load(), SnapshotFailures: c.failures.Load(),
		Memory: e.memory, HugePages: e.huge,
	}
	if w := e.recorder.writer; w != nil {
		s.Written, s.Durable = w.Written(), w.Durable()
		if e.config.Journal == JournalSync {
			// The recorder opens the gate a moment later, and what is told here first would
			// be waited for in vain.
			s.Durable = min(s.Durable, e.gate.open.Load())
		}
	}
	s.Followed = c.followed.Load()
	if err := c.following.Load(); err != nil {
		s.FollowerErr = *err
	}
	// Between the two looks the reader may have gone on.
	s.Unread = max(0, int(out.Cursor-e.effects.reader.Released()))
	if taken := c.taken.Load(); taken != nil {
		s.LastSnapshot = *taken
	}
	if failed := c.failed.Load(); failed != nil {
		s.SnapshotErr = *failed
	}
	return s
}
