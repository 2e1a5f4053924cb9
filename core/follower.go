package core

import (
	"errors"
	"fmt"
	"time"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/snapshot"
)

// ErrDiverged means that the follower, which applies the journal, came to other
// effects than the engine that wrote it. The snapshot is thrown away. One of the
// two machines is wrong, and so is the one memory or the one build it runs in:
// stop, keep the folder, and find out with backstop verify.
var ErrDiverged = errors.New("core: follower and engine have different effects")

// ErrNotDurable refuses a snapshot of a sequence that the journal could still
// lose.
var ErrNotDurable = errors.New("core: not durable yet")

// Follower is a second machine, which applies what an engine writes into its
// journal, as far behind as it likes. It takes the snapshots, and it is what
// readers look at. It never holds up the engine: it reads files.
//
// An engine has one, on a goroutine of its own. OpenFollower gives one for
// another process, which drives it: it belongs to one goroutine at a time, and
// how to wait when there is nothing to apply is that one's decision.
type Follower struct {
	config   Config
	replica  *replica
	tail     *journal.Tail
	folder   *journal.Folder
	store    *snapshot.Store
	recovery Recovery

	// durable is the highest sequence known to be durable: what the writer says,
	// or, in another process, the frames.
	durable func() uint64
	seen    uint64
	// limit is up to where it may go: nil in another process, where the files tell.
	limit func() uint64

	snapshotAt   uint64 // next one due at this sequence
	snapshotTime int64  // of the events, at the last one
	requested    bool   // one is due, whenever that was
	ready        bool   // a snapshot is due, and all applied is durable
	diverged     error  // an ErrDiverged, once that is found
	takenAt      uint64 // the last attempt was at this sequence
	taken        bool   // and succeeded
}

// OpenFollower opens a follower of the journal in c.Dir, which an engine in
// another process writes with FollowElsewhere. It begins with the newest good
// snapshot. Of the Config it uses what concerns machine, Dir and snapshots.
//
// Errors are those of Open. The folder may be empty: the engine comes later.
func OpenFollower(c Config) (*Follower, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	if !c.journals() {
		return nil, fmt.Errorf("%w: a follower needs a Dir with a journal", ErrConfig)
	}
	f := &Follower{config: c}
	if f.store, err = snapshot.OpenStore(c.Dir, c.Keep, snapshot.Options{FS: c.FS}); err == nil {
		f.folder, err = journal.Open(c.Dir, c.journalOptions(true))
	}
	if err == nil {
		f.durable = func() uint64 { return f.seen }
		err = f.begin()
	}
	if err != nil {
		return nil, fmt.Errorf("core: follow: %w", errors.Join(err, f.Close()))
	}
	return f, nil
}

// begin restores the newest snapshot and goes to its place in the journal.
func (f *Follower) begin() (err error) {
	begun := time.Now()
	if f.replica, err = newReplica(&f.config); err != nil {
		return err
	}
	from, recovery, err := f.replica.restore(f.store, f.folder, func(from uint64) (frames, error) {
		return journal.NewTail(f.folder, from, f.limit)
	})
	if err != nil {
		return err
	}
	f.tail = from.(*journal.Tail)
	m := f.replica.machine
	if err := rules(f.folder, m.Sequence()+1); err != nil {
		return err
	}
	recovery.Sequence, recovery.Effects, recovery.Elapsed = m.Sequence(), len(f.replica.kept.effects), time.Since(begun)
	f.recovery = recovery
	f.seen = recovery.Snapshot.Sequence // or it would have no name
	f.schedule()
	return nil
}

// schedule sets when the next snapshot is due.
func (f *Follower) schedule() {
	m := f.replica.machine
	f.requested = false
	f.snapshotAt, f.snapshotTime = nextMultiple(m.Sequence(), f.config.SnapshotEvery), m.Time()
}

// Recovery returns what OpenFollower found.
func (f *Follower) Recovery() Recovery { return f.recovery }

// Machine is the follower's, to look at between two steps.
func (f *Follower) Machine() *machine.Machine { return f.replica.machine }

// Durable is the highest sequence that is known to survive a loss of power.
func (f *Follower) Durable() uint64 { return f.durable() }

// Unacknowledged are the effects that the consumer has not acknowledged, valid
// until the next step.
func (f *Follower) Unacknowledged() []event.Effect {
	f.replica.flush()
	return f.replica.kept.effects
}

// Request has a snapshot be due at once, whatever SnapshotEvery and SnapshotAfter
// say.
func (f *Follower) Request() { f.requested = true }

// Due reports whether SnapshotEvery, SnapshotAfter or Request ask for a snapshot.
func (f *Follower) Due() bool {
	m := f.replica.machine
	after := f.config.SnapshotAfter
	return f.requested || m.Sequence() >= f.snapshotAt || after > 0 && m.Time()-f.snapshotTime >= int64(after)
}

// Step applies up to n events and returns how many that were: 0 if there are none
// yet. It stops where a snapshot is due and all that was applied is durable, as
// Ready then says: the caller takes one before the next step.
func (f *Follower) Step(n int) (int, error) {
	from := f.replica.machine.Sequence()
	if f.ready = false; n < 1 {
		return 0, nil
	}
	until := from + uint64(n)
	if f.limit != nil {
		until = min(until, f.limit())
	}
	err := f.advance(until)
	return int(f.replica.machine.Sequence() - from), err
}

// Ready reports whether the last step stopped for a snapshot.
func (f *Follower) Ready() bool { return f.ready }

// advance applies what there is, up to and with a sequence.
func (f *Follower) advance(until uint64) error {
	r := f.replica
	for r.machine.Sequence() < until {
		if len(r.rest) == 0 {
			frame, err := f.tail.Next()
			if err == journal.ErrAgain {
				f.ready = f.Due() && f.durable() >= r.machine.Sequence()
				return nil
			}
			if err != nil {
				return err
			}
			f.seen = max(f.seen, frame.Durable)
			if frame.Count > 0 && frame.Last() > r.machine.Sequence() {
				if err := r.feed(frame); err != nil {
					return err
				}
			}
			if f.ready = f.Due() && f.durable() >= r.machine.Sequence(); f.ready {
				return nil
			}
		}
		if err := r.applySafely(until); err != nil {
			return err
		}
		if len(r.rest) == 0 {
			r.flush()
		}
	}
	return nil
}

// Snapshot takes one of what was applied. It is ErrNotDurable if the journal could
// still lose an event of it; other errors are those of snapshot.Store.Commit.
func (f *Follower) Snapshot() (snapshot.Info, error) {
	r := f.replica
	r.flush()
	if durable := f.durable(); durable < r.machine.Sequence() {
		return snapshot.Info{}, fmt.Errorf("%w: event %d, the last durable one is %d", ErrNotDurable, r.machine.Sequence(), durable)
	}
	f.schedule()
	f.ready = false
	info, err := f.store.Commit(header(&f.config, r.machine, r.chain), r.encode)
	f.takenAt, f.taken = r.machine.Sequence(), err == nil
	return info, err
}

// Close gives back what OpenFollower took. It takes no snapshot.
func (f *Follower) Close() error {
	var failed []error
	if f.tail != nil {
		failed = append(failed, f.tail.Close())
	}
	if f.store != nil {
		failed = append(failed, f.store.Close())
	}
	return errors.Join(failed...)
}
