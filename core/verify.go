package core

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/snapshot"
)

var (
	// ErrDiffers means that a snapshot, whose bytes are as they were written, is not
	// the state that the one before it and the journal lead to. One of the machines
	// that made the two is wrong, or the one that compares them: keep the folder, and
	// verify it by another build, or on another machine.
	ErrDiffers = errors.New("core: snapshot is not what the one before it and the journal lead to")
	// ErrNothingBefore means that there is nothing to reach a snapshot from: no
	// snapshot before it, or none from which the journal goes on, and not its first
	// event. That is how it always is with the oldest one of a pruned journal.
	ErrNothingBefore = errors.New("core: not verifiable: nothing before it")
)

// Verification is what Verify has found out about a snapshot.
type Verification struct {
	Snapshot snapshot.Info
	// From is the sequence of the snapshot it was to be reached from; 0 is the
	// beginning of the journal.
	From uint64
	// Events is how many of the journal were applied on the way.
	Events uint64
	// Elapsed is how long it took.
	Elapsed time.Duration
	// Err is nil if the snapshot is, byte for byte, what From and the journal lead
	// to. It is ErrDiffers, with the *snapshot.DifferenceError that says where, if it
	// is something else; ErrNothingBefore; snapshot.ErrCorrupt or journal.ErrDamaged
	// if something on the way is not as it was written; a *Fault if the machine
	// panicked; ErrConfig if other rules wrote it; or an error of the disk.
	Err error
}

// Verify finds out of each snapshot in c.Dir, the oldest first, whether it is what
// the snapshot before it and the journal lead to: a machine that begins with the
// file of the one before, or with nothing where the journal has its first event, is
// fed the journal, and what it encodes to is compared with the file byte by byte. It
// begins anew for each. A damaged snapshot is passed over for the one before, as in
// recovery.
//
// Nothing is locked or written, and it may run beside an engine and its follower: a
// snapshot retired meanwhile is passed over. It takes the memory of one machine.
//
// Of the Config it uses Dir, Shard, FS and Progress; Limits for what begins with
// nothing and does not say them; and AutoAck, which allows a snapshot without any
// effects although there are some that nobody has acknowledged.
//
// The error is about all of it: ErrConfig, those of journal.Open, that of the disk,
// or the cause of ctx, which comes with what was verified before.
func Verify(ctx context.Context, c Config) ([]Verification, error) {
	v, err := newVerifier(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("core: verify: %w", err)
	}
	var found []Verification
	for i := range v.snapshots {
		x, _ := v.verify(i)
		if ctx.Err() != nil {
			return found, context.Cause(ctx)
		}
		if !errors.Is(x.Err, errRetired) {
			found = append(found, x)
		}
	}
	if n := len(found); n > 0 {
		v.progress.leap(found[n-1].From, v.progress.Total)
		v.progress.finish(found[n-1].Snapshot.Sequence)
	}
	return found, nil
}

// errRetired marks a snapshot that is not there any more.
var errRetired = errors.New("retired meanwhile")

// verifier verifies the snapshots that a folder had when it was made.
type verifier struct {
	ctx       context.Context
	config    Config
	store     *snapshot.Store
	snapshots []snapshot.Info // the oldest first
	ahead     []int64         // bytes of the journal before each, and before the end, as progress counts them
	progress  progress
}

func newVerifier(ctx context.Context, c Config) (*verifier, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	if !c.journals() {
		return nil, fmt.Errorf("%w: want a Dir with snapshots and a journal", ErrConfig)
	}
	v := &verifier{ctx: ctx, config: c}
	if v.store, err = snapshot.OpenStore(c.Dir, c.Keep, snapshot.Options{FS: c.FS, ReadOnly: true}); err != nil {
		return nil, err
	}
	if v.snapshots, err = v.store.List(); err != nil {
		return nil, err
	}
	slices.Reverse(v.snapshots)
	folder, err := v.journal()
	if err != nil {
		return nil, err
	}
	v.measure(folder.Segments())
	return v, nil
}

// journal is the journal as it is now.
func (v *verifier) journal() (*journal.Folder, error) {
	return journal.Open(v.config.Dir, v.config.journalOptions(true))
}

// measure adds up the segments on the way to each snapshot.
func (v *verifier) measure(segments []journal.Segment) {
	now := time.Now()
	v.progress = progress{tell: v.config.Progress, begun: now, last: now}
	before := uint64(0)
	for _, info := range v.snapshots {
		v.ahead = append(v.ahead, v.progress.Total)
		for i, s := range segments {
			if s.First <= info.Sequence && (i+1 == len(segments) || segments[i+1].First > before) {
				v.progress.Total += s.Size
			}
		}
		before = info.Sequence
	}
	v.ahead = append(v.ahead, v.progress.Total)
}

// verify verifies the i-th snapshot. It returns the machine that was led to it, if
// that is what it is.
func (v *verifier) verify(i int) (x Verification, r *replica) {
	x.Snapshot = v.snapshots[i]
	begun := time.Now()
	// What is gone between two looks was retired or pruned: what is left is looked at
	// anew, as often as there can be something to lose.
	for range v.snapshots {
		if r, x.Err = v.attempt(&x, v.ahead[i]); !errors.Is(x.Err, fs.ErrNotExist) {
			break
		}
	}
	x.Elapsed = time.Since(begun)
	return x, r
}

func (v *verifier) attempt(x *Verification, ahead int64) (r *replica, err error) {
	d, err := v.store.Open(x.Snapshot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errRetired
	}
	if err != nil {
		return nil, err
	}
	r, err = v.reach(x, d, ahead)
	if err = errors.Join(err, d.Close()); err != nil {
		return nil, err
	}
	return r, nil
}

// reach leads a machine to the sequence of a snapshot and compares.
func (v *verifier) reach(x *Verification, d *snapshot.Decoder, ahead int64) (*replica, error) {
	c, err := v.configOf(d, x.Snapshot)
	if err != nil {
		return nil, err
	}
	folder, err := v.journal()
	if err != nil {
		return nil, err
	}
	r, from, err := v.begin(&c, d.Header(), folder)
	if err != nil {
		return nil, err
	}
	begun := r.machine.Sequence()
	x.From = begun
	v.progress.leap(begun, ahead)
	err = r.replay(interruptible{from, v.ctx}, x.Snapshot.Sequence, v.progress.frame)
	x.Events = r.machine.Sequence() - begun
	if err = errors.Join(err, from.Close()); err != nil {
		return nil, err
	}
	if r.machine.Sequence() != x.Snapshot.Sequence {
		return nil, &journal.DamageError{File: v.config.Dir, Sequence: r.machine.Sequence() + 1, What: fmt.Sprintf("the journal ends before event %d, of which there is a snapshot", x.Snapshot.Sequence)}
	}
	return r, r.differs(&c, d, x)
}

// differs compares a machine with a snapshot of the same sequence.
func (r *replica) differs(c *Config, d *snapshot.Decoder, x *Verification) error {
	err := d.Compare(header(c, r.machine, r.chain), r.encode)
	at, differs := errors.AsType[*snapshot.DifferenceError](err)
	if !differs {
		return err
	}
	from := "the beginning of the journal"
	if x.From > 0 {
		from = fmt.Sprintf("the snapshot of event %d", x.From)
	}
	what := ""
	if at.Part == snapshot.PartChunk {
		what = " (" + sectionName(at.Section) + ")"
	}
	if at.Section == effectsSection && d.Section(effectsSection).Left() == 0 {
		what += ": it has none of the effects that nobody has acknowledged, as one of an engine with AutoAck"
	}
	return fmt.Errorf("%w: %s, event %d, from %s: %w%s", ErrDiffers, x.Snapshot.Path, x.Snapshot.Sequence, from, err, what)
}

// sectionName is what is in a section.
func sectionName(id uint32) string {
	switch id {
	case effectsSection:
		return "effects"
	case chainSection:
		return "effect chain"
	}
	return machine.SectionName(id)
}

// configOf is that of a machine that is to become what a snapshot says.
func (v *verifier) configOf(d *snapshot.Decoder, info snapshot.Info) (Config, error) {
	c, h := v.config, d.Header()
	if h.Rules != machine.RulesVersion {
		return c, fmt.Errorf("%w: %s was written by version %d of the rules, this build has %d", ErrConfig, info.Path, h.Rules, machine.RulesVersion)
	}
	if l, ok := limitsOf(h.Capacities); ok {
		c.Limits = l
	}
	c.AutoAck = c.AutoAck && d.Section(effectsSection).Left() == 0
	return c, nil
}

// limitsOf are the limits that capacities gave.
func limitsOf(capacities []uint64) (l machine.Limits, ok bool) {
	all := [...]*int{&l.Accounts, &l.Positions, &l.Symbols, &l.Funds, &l.Orders, &l.Sources}
	if len(capacities) != len(all) {
		return l, false
	}
	for i, of := range all {
		*of = int(capacities[i])
	}
	return l, true
}

// begin makes a machine what the newest good snapshot before h says, or one that is
// at the beginning, and opens the journal there.
func (v *verifier) begin(c *Config, h snapshot.Header, folder *journal.Folder) (*replica, frames, error) {
	segments := folder.Segments()
	if len(segments) == 0 {
		if h.Chain != 0 {
			return nil, nil, &journal.DamageError{File: c.Dir, Sequence: h.Sequence, What: "the snapshot of this event was taken of a journal that is missing"}
		}
		return nil, nil, fmt.Errorf("%w: there is no journal in %s", ErrNothingBefore, c.Dir)
	}
	list, err := v.store.List()
	if err != nil {
		return nil, nil, err
	}
	var skipped []error
	for _, info := range list {
		if info.Sequence >= h.Sequence {
			continue
		}
		r, from, err := v.beginWith(c, info, folder)
		if err == nil {
			return r, from, nil
		}
		if !errors.Is(err, errUnmet) && !errors.Is(err, snapshot.ErrCorrupt) {
			return nil, nil, err
		}
		skipped = append(skipped, err)
	}
	if first := segments[0]; first.First != 1 {
		return nil, nil, errors.Join(fmt.Errorf("%w: %s begins at event %d", ErrNothingBefore, first.Path, first.First), errors.Join(skipped...))
	}
	r, err := newReplica(c)
	if err == nil {
		err = rules(folder, 1)
	}
	if err != nil {
		return nil, nil, err
	}
	from, err := folder.Read(1)
	return r, from, err
}

func (v *verifier) beginWith(c *Config, info snapshot.Info, folder *journal.Folder) (r *replica, from frames, err error) {
	d, err := v.store.Open(info)
	if err != nil {
		return nil, nil, err
	}
	if err = rules(folder, info.Sequence+1); err == nil {
		r, err = newReplica(c)
	}
	if err == nil {
		from, err = r.start(d, folder, func(from uint64) (frames, error) { return folder.Read(from) })
	}
	if err = errors.Join(err, d.Close()); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", info.Path, err)
	}
	return r, from, nil
}

// interruptible frames end with the cause of a context.
type interruptible struct {
	frames
	ctx context.Context
}

func (i interruptible) Next() (*journal.Frame, error) {
	if i.ctx.Err() != nil {
		return nil, context.Cause(i.ctx)
	}
	return i.frames.Next()
}
