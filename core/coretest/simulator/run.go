package simulator

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"syscall"

	"github.com/cespare/xxhash/v2"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/coretest/simdisk"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/snapshot"
)

// Report says what a run came to.
type Report struct {
	Events    int // sequences in the end, acknowledgements among them
	Effects   int // delivered, those delivered again among them
	Restarts  int // of all kinds
	Cuts      int // losses of power
	Faults    int // operations that were made to fail
	Snapshots int // published
	Elsewhere int // of them by a follower in a process of its own
	Restored  int // restarts that began with a snapshot
	Adopted   int // of them with one that was taken elsewhere
	Orphaned  int // times that the process that follows died alone
	Pruned    int // segments removed
	Verified  int // snapshots found to be what leads to them
	Torn      int // restarts that found a torn tail
	Ops       int // on the disk
	Trace     uint64
}

// Add adds another run's counts.
func (r *Report) Add(o Report) {
	r.Events += o.Events
	r.Effects += o.Effects
	r.Restarts += o.Restarts
	r.Cuts += o.Cuts
	r.Faults += o.Faults
	r.Snapshots += o.Snapshots
	r.Elsewhere += o.Elsewhere
	r.Restored += o.Restored
	r.Adopted += o.Adopted
	r.Orphaned += o.Orphaned
	r.Pruned += o.Pruned
	r.Verified += o.Verified
	r.Torn += o.Torn
	r.Ops += o.Ops
}

// world is a run as it goes.
type world struct {
	plan *Plan
	tape *tape
	twin *twin

	disk    *simdisk.Disk
	off     bool // the power is
	process process
	hit     [processes]bool     // an operation of it failed that was to, since it began
	locks   [processes][]string // it holds
	cutAt   int                 // the operation before which the power goes; negative for none
	failAt  int                 // the one that fails
	failure error

	engine *core.Manual
	feed   *core.Producer
	// follower is the one in a process of its own, nil while there is none.
	follower *core.Follower
	out      *core.Effects
	batch    []event.Effect

	log    []entry // what each sequence stands for, from 1
	next   int     // of the tape
	acked  id      // the last acknowledgement
	had    id      // the last effect the consumer has had
	seen   uint64  // no effect of a later sequence has left this engine
	synced uint64  // durable, by the engine's own word, in any earlier life too
	stays  uint64  // event of the oldest snapshot for which the journal was pruned
	trace  *xxhash.Digest
	report Report
	buffer []byte
}

// Run carries a plan out and returns what it came to; the error is the first promise
// that was broken.
func (p *Plan) Run() (report Report, err error) {
	w := &world{plan: p, cutAt: -1, failAt: -1, trace: xxhash.New(), disk: &simdisk.Disk{Lies: p.Lies}, batch: make([]event.Effect, 256)}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
		w.report.Trace = w.trace.Sum64()
		report = w.report
	}()
	if p.tape == nil {
		if p.tape, err = record(p.Seed, p.Events); err != nil {
			return w.report, err
		}
	}
	w.tape = p.tape
	if w.twin, err = newTwin(w.tape); err != nil {
		return w.report, err
	}
	if err := w.open(); err != nil {
		return w.report, fmt.Errorf("the first opening: %w", err)
	}
	for i, a := range p.Actions {
		if err := w.do(a); err != nil {
			return w.report, fmt.Errorf("action %d, %v: %w", i, a, err)
		}
	}
	if err := w.finish(); err != nil {
		return w.report, fmt.Errorf("in the end: %w", err)
	}
	return w.report, nil
}

// chance is an action's own.
func (a Action) chance() *rand.Rand { return rand.New(rand.NewPCG(a.Seed, 22)) }

func (w *world) do(a Action) error {
	var err error
	switch a.Do {
	case Send:
		w.send(a.N)
	case Apply:
		for n := 0; n < a.N && w.engine.Apply(); n++ {
		}
	case Record:
		_, err = w.engine.Record()
	case Sync:
		err = w.engine.Sync()
	case Seal:
		err = w.engine.Seal()
	case Prepare:
		err = w.engine.Prepare()
	case Follow:
		err = w.follow(a.N)
	case Snapshot:
		err = w.snapshot()
	case Prune:
		err = w.prune()
	case Read:
		return w.read(a.N)
	case Ack:
		w.ack(a.N)
	case Kill:
		return w.restart(a, false)
	case Cut:
		return w.restart(a, true)
	case CutAt:
		w.cutAt = w.disk.Ops() + a.N
	case Fail:
		faults := []error{syscall.EIO, syscall.ENOSPC, simdisk.ErrShort}
		w.failAt, w.failure = w.disk.Ops()+a.N, faults[a.Seed%3]
	case Stop:
		return w.stop(a)
	case KillFollower:
		w.orphan()
	}
	return w.after(a, err)
}

// errBroken marks a promise that was broken, whatever has failed before.
var errBroken = errors.New("broken")

// follow has the follower go on, and take a snapshot where one is due.
func (w *world) follow(n int) error {
	if w.plan.Config.FollowElsewhere {
		return w.elsewhere(func(f *core.Follower) error {
			if _, err := f.Step(n); err != nil || !f.Ready() {
				return err
			}
			return w.took(f.Snapshot())
		})
	}
	if _, err := w.engine.Follow(n); err != nil || !w.engine.Follower().Ready() {
		return err
	}
	return w.snapshot()
}

// snapshot takes one against the core or, where the journal lags behind that or the
// core is in another process, of what the follower has.
func (w *world) snapshot() error {
	if w.plan.Config.FollowElsewhere {
		return w.elsewhere(func(f *core.Follower) error { return w.took(f.Snapshot()) })
	}
	info, err := w.engine.Snapshot()
	if errors.Is(err, core.ErrNotDurable) {
		info, err = w.engine.Follower().Snapshot()
	}
	return w.took(info, err)
}

// took looks at a snapshot that was taken. One of what may still be lost would be
// taken for a state that events lead to when these are gone.
func (w *world) took(info snapshot.Info, err error) error {
	if errors.Is(err, core.ErrNotDurable) {
		return nil
	}
	if err != nil {
		return err
	}
	if durable := max(w.synced, w.engine.Engine().Stats().Durable); info.Sequence > durable {
		return fmt.Errorf("%w: a snapshot of event %d, and %d are durable", errBroken, info.Sequence, durable)
	}
	w.report.Snapshots++
	fmt.Fprint(w.trace, info.Sequence)
	return nil
}

// after looks at what became of the engine in an action. One whose journal failed
// has ended, and begins anew: its disk may be fine now.
func (w *world) after(a Action, err error) error {
	ended := w.engine.Engine().Err()
	switch {
	case w.off:
		return w.restart(a, true)
	case errors.Is(err, errBroken):
		return err
	case (err != nil || ended != nil) && !w.hit[engine]:
		return fmt.Errorf("nothing failed, and the engine says %w", errors.Join(err, ended))
	case ended != nil:
		return w.restart(a, a.Seed%2 == 0)
	}
	return nil
}

// operation is what the disk asks before each.
func (w *world) operation(op simdisk.Op) error {
	w.trace.WriteString(op.Kind)
	w.trace.WriteString(op.Name)
	w.report.Ops++
	if op.Kind == "lock" {
		w.locks[w.process] = append(w.locks[w.process], op.Name)
	}
	switch {
	case w.off || w.cutAt >= 0 && op.N >= w.cutAt:
		w.off = true
		return simdisk.ErrPower
	case op.N == w.failAt:
		err := w.failure
		if err == simdisk.ErrShort && op.Kind != "write" && op.Kind != "read" {
			err = syscall.EIO
		}
		w.hit[w.process] = true
		w.report.Faults++
		return err
	}
	return nil
}

// send puts events of the tape into the ring, as long as there is room.
func (w *world) send(n int) {
	for ; n > 0 && w.next < len(w.tape.ends); n-- {
		if w.feed.TrySend(w.tape.event(w.next)) != nil {
			return
		}
		w.log = append(w.log, entry{tape: w.next})
		w.next++
	}
}

// consumer does something at the reading end, and notes the ack that went into the
// ring by the way, if one did.
func (w *world) consumer(do func() error) error {
	free := w.engine.Engine().Stats().InputFree
	err := do()
	if w.engine.Engine().Stats().InputFree < free {
		w.log = append(w.log, entry{tape: -1, ack: w.acked})
	}
	return err
}

// read takes effects, and compares each with the twin's.
func (w *world) read(n int) error {
	for n > 0 {
		got := 0
		err := w.consumer(func() (err error) {
			got, err = w.out.Poll(w.batch[:min(n, len(w.batch))])
			return err
		})
		if err != nil && !w.hit[engine] && !w.off {
			return err
		}
		if got == 0 {
			return nil
		}
		if err := w.delivered(w.batch[:got]); err != nil {
			return err
		}
		n -= got
	}
	return nil
}

func (w *world) delivered(effects []event.Effect) error {
	s := w.engine.Engine().Stats()
	limit := s.Durable
	if w.plan.Config.Journal == core.JournalAsync {
		limit = s.Written
	}
	for i := range effects {
		x := &effects[i]
		if err := w.twin.expect(w.log, x); err != nil {
			return err
		}
		if x.Seq > limit {
			return fmt.Errorf("effect (%d, %d) has left, and the journal has %d", x.Seq, x.Index, limit)
		}
		w.had, w.seen = idOf(x), max(w.seen, x.Seq)
		w.buffer, _ = x.AppendBinary(w.buffer[:0])
		w.trace.Write(w.buffer)
	}
	w.report.Effects += len(effects)
	return nil
}

// ack acknowledges what the consumer has had, but for the last few.
func (w *world) ack(but int) {
	if at := w.twin.read - 1 - but; at >= 0 {
		w.acknowledge(idOf(&w.twin.pending[at]))
	}
}

func (w *world) acknowledge(to id) {
	if !to.after(w.acked) {
		return
	}
	_ = w.consumer(func() error {
		before := w.acked
		w.acked = to
		err := w.out.Ack(to.seq, to.index)
		if err != nil {
			w.acked = before // the engine has ended; the effects come again
		}
		return err
	})
}

// stop ends the engine in good order, and opens another.
func (w *world) stop(a Action) error {
	err := w.engine.Close()
	switch {
	case err != nil && !w.hit[engine] && !w.off:
		return fmt.Errorf("nothing failed, and the engine does not close: %w", err)
	case err != nil || w.off:
		return w.restart(a, w.off)
	}
	// All that went in has been applied and is durable. What nobody has read may be
	// read still.
	w.synced = uint64(len(w.log))
	if err := w.rest(); err != nil {
		return err
	}
	w.dies(engine)
	return w.reopen(a, w.synced)
}

// rest reads what a closed engine has left.
func (w *world) rest() error {
	for {
		n, err := w.out.Poll(w.batch)
		if n == 0 || err != nil {
			return nil
		}
		for i := range w.batch[:n] {
			x := &w.batch[i]
			if err := w.twin.expect(w.log, x); err != nil {
				return err
			}
			w.had, w.seen = idOf(x), max(w.seen, x.Seq)
		}
		w.report.Effects += n
	}
}

// restart ends the engine where it is: with the power, or only its process.
func (w *world) restart(a Action, power bool) error {
	s := w.engine.Engine().Stats()
	w.synced = max(w.synced, s.Durable)
	least := w.powerless()
	if !power {
		least = max(least, s.Written, w.seen)
	}
	if power {
		w.cut(a.chance())
	} else {
		w.dies(engine)
	}
	return w.reopen(a, least)
}

// powerless is up to which event a loss of power leaves everything.
func (w *world) powerless() uint64 {
	if w.plan.Config.Journal == core.JournalSync {
		return max(w.synced, w.seen)
	}
	return w.synced
}

// reopen opens an engine on what is left, and holds it to what was promised. Now and
// then the opening fails first, or the power goes in the middle of it.
func (w *world) reopen(a Action, least uint64) error {
	w.report.Restarts++
	r := a.chance()
	w.calm()
	switch r.IntN(6) {
	case 0:
		w.cutAt = w.disk.Ops() + r.IntN(30)
	case 1:
		w.failAt, w.failure = w.disk.Ops()+r.IntN(30), []error{syscall.EIO, syscall.ENOSPC, simdisk.ErrShort}[r.IntN(3)]
	}
	for tries := 0; ; tries++ {
		err := w.open()
		if err == nil && !w.off {
			break
		}
		switch {
		case w.off:
			w.cut(r)
			least = w.powerless()
		case w.hit[engine]:
			w.dies(engine)
		default:
			return fmt.Errorf("nothing failed, and the engine does not open: %w\n%v", err, w.disk)
		}
		w.calm()
		if tries > 3 {
			return fmt.Errorf("the engine does not open: %w", err)
		}
	}
	return w.resumed(least)
}

// config is that of every process.
func (w *world) config() core.Config {
	c := w.plan.Config
	c.FS, c.Limits = Disk{w.disk}, w.tape.limits
	return c
}

func (w *world) open() (err error) {
	w.disk.Fault = w.operation
	if w.engine, err = core.OpenManual(w.config()); err != nil {
		return err
	}
	e := w.engine.Engine()
	w.feed, w.out = e.Producer(), e.Effects()
	return nil
}

// resumed holds a new engine to what the one before has promised: it has every event
// up to least, none that was not sent, and is in the state that these lead to.
func (w *world) resumed(least uint64) error {
	got := w.engine.Engine().Stats().Applied
	fmt.Fprint(w.trace, got)
	if w.engine.Engine().Recovery().Torn {
		w.report.Torn++
	}
	if w.engine.Engine().Recovery().Snapshot.Path != "" {
		w.report.Restored++
		if w.plan.Config.FollowElsewhere {
			w.report.Adopted++
		}
	}
	switch {
	case got < least:
		return fmt.Errorf("the engine resumes after event %d; %d are promised to be there", got, least)
	case got > uint64(len(w.log)):
		return fmt.Errorf("the engine resumes after event %d; only %d were sent", got, len(w.log))
	}
	w.log = w.log[:got]
	w.next = 0
	for i := len(w.log) - 1; i >= 0 && w.next == 0; i-- {
		if w.log[i].tape >= 0 {
			w.next = w.log[i].tape + 1
		}
	}
	if w.twin.sequence() > got { // async: effects have left whose events are lost
		var err error
		if w.twin, err = newTwin(w.tape); err != nil {
			return err
		}
	}
	w.twin.advance(w.log, got)
	if w.engine.Machine().Digest() != w.twin.machine.Digest() {
		return fmt.Errorf("after event %d the engine resumes in another state than these events lead to", got)
	}
	return w.consumerResumes()
}

// consumerResumes goes on at the reading end: what was not acknowledged comes again,
// unless the consumer knows that it has had it.
func (w *world) consumerResumes() error {
	w.twin.read = 0
	seq, index, _ := w.twin.machine.Acked()
	w.acked = id{seq, index}
	if got, want := w.engine.Engine().Recovery().Effects, len(w.twin.pending); got != want {
		return fmt.Errorf("%d effects are to come again, want %d: those after (%d, %d)", got, want, seq, index)
	}
	w.seen = min(w.seen, uint64(len(w.log)))
	if n := len(w.twin.pending); n == 0 || w.had.after(idOf(&w.twin.pending[n-1])) {
		w.had = w.acked // async: its events are lost, others take their place
	}
	if !w.plan.Forgets && w.had.after(w.acked) {
		w.acknowledge(w.had)
		w.twin.skip(w.had)
	}
	return nil
}

var errStuck = errors.New("stuck: everybody has had a hundred turns, and nothing moves")

// finish lets everything come to rest, ends the engine, and looks at what it leaves.
func (w *world) finish() error {
	w.cutAt, w.failAt = -1, -1
	for idle := 0; ; {
		before := [...]int{len(w.log), w.report.Effects, w.twin.read, int(w.engine.Engine().Stats().Durable)}
		for _, a := range []Action{{Send, 1000, 0}, {Apply, 1000, 0}, {Record, 1, 0}, {Sync, 1, 0}, {Prepare, 1, 0}, {Follow, 1000, 0}, {Read, 1000, 0}, {Ack, 0, 0}} {
			if err := w.do(a); err != nil {
				return err
			}
		}
		if w.next == len(w.tape.ends) && w.engine.Engine().Stats().Durable == uint64(len(w.log)) && w.twin.sequence() == uint64(len(w.log)) && w.twin.read == len(w.twin.pending) {
			break
		}
		w.twin.advance(w.log, w.engine.Engine().Stats().Durable)
		if before == [...]int{len(w.log), w.report.Effects, w.twin.read, int(w.engine.Engine().Stats().Durable)} {
			if idle++; idle > 100 {
				return errStuck
			}
		}
	}
	if err := w.do(Action{Do: Stop, Seed: 3}); err != nil {
		return err
	}
	w.report.Events = len(w.log)
	if err := w.engine.Close(); err != nil {
		return err
	}
	w.disk.Unlock()
	return w.leaves()
}
