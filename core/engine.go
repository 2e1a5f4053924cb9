package core

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/ring"
	"github.com/backstop-fund/backstop/snapshot"
)

// Engine is a machine on a goroutine of its own, between two rings. Its methods
// may be called from any goroutine.
type Engine struct {
	// Set by Open.
	config   Config
	input    *ring.Ring[event.Record]
	output   *ring.Ring[event.Effect]
	recovery Recovery
	granted  Granted
	store    *snapshot.Store // nil without a Dir
	folder   *journal.Folder // nil without a journal
	closing  chan struct{}   // closed by Close, before the rings are
	done     chan struct{}   // closed when the core's goroutine has ended
	memory   int             // bytes of the machine
	huge     int             // of them in huge pages
	recorded chan struct{}   // closed when the recorder's has, if there is a journal
	followed chan struct{}   // closed when the follower's has, if there is one
	news     chan struct{}   // holds a token when the journal has grown
	asks     chan *ask       // what the follower is to do between two events

	// Two cache lines between what different goroutines write at every event.
	_        [128]byte
	effects  Effects // the consumer's
	_        [128]byte
	loop     loop // the core's goroutine's until done is closed
	_        [128]byte
	recorder recorder // its goroutine's until recorded is closed
	gate     gate

	fault atomic.Pointer[Fault]

	// turn holds a token for the one caller whose command may be pending, nudger
	// is that caller's.
	turn    chan struct{}
	nudger  *ring.Producer[event.Record]
	pending atomic.Pointer[command]

	counters counters

	followErr error // what ended the follower, or its last snapshot; read once followed is closed

	closeOnce sync.Once
	closeErr  error
}

// Recovery says what Open found.
type Recovery struct {
	// Snapshot is the one restored; its Path is empty if there was none.
	Snapshot snapshot.Info
	// Skipped says of each newer snapshot why it could not be used: all are
	// damaged, for anything else Open is an error. Events between the one restored and
	// these are to be sent again.
	Skipped []error
	// Effects is how many effects are delivered again.
	Effects int
	// Replayed is how many events of the journal came after the snapshot, Sequence
	// the last of them.
	Replayed, Sequence uint64
	// Torn says that the journal ended with something that was never acknowledged;
	// it is gone.
	Torn bool
	// Elapsed is how long it took.
	Elapsed time.Duration
}

// Open builds an engine, restores the newest good snapshot of c.Dir, replays the
// journal from there, and starts the engine's goroutines, which Close ends.
//
// Damaged snapshots, and those whose chain the journal does not know, are passed
// over for older ones, which Recovery reports. If all are damaged, and the journal
// does not go back to the first event, the error is snapshot.ErrCorrupt. A snapshot
// that is intact but cannot be used, because another version of the rules or
// format wrote it or the Limits do not hold it, is an error of its own and never
// passed over: an older state would quietly take its place. A journal whose
// acknowledged events are damaged is journal.ErrDamaged, and nothing is changed.
// Other errors are ErrConfig, machine.ErrLimits, snapshot.ErrLocked if another
// process has the folder, those of the disk, and those of the system about
// c.Thread: fs.ErrPermission where a right is missing, which the text names. A
// machine that panics in the replay is a *Fault.
func Open(c Config) (*Engine, error) {
	e, err := assemble(c)
	if err != nil {
		return nil, err
	}
	started := make(chan error)
	go e.config.Thread.carry(func() { e.run(started) })
	if err := <-started; err != nil {
		return nil, fmt.Errorf("core: open: %w", errors.Join(err, e.abandon()))
	}
	if e.folder == nil {
		return e, nil
	}
	go e.prepareSegments()
	go e.record()
	if e.config.follows() {
		go e.follow()
	}
	return e, nil
}

// assemble builds an engine that has no goroutines yet.
func assemble(c Config) (*Engine, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	e := &Engine{
		config:   c,
		closing:  make(chan struct{}),
		done:     make(chan struct{}),
		recorded: make(chan struct{}),
		followed: make(chan struct{}),
		news:     make(chan struct{}, 1),
		asks:     make(chan *ask),
		turn:     make(chan struct{}, 1),
	}
	if err := e.build(); err != nil {
		return nil, fmt.Errorf("core: open: %w", errors.Join(err, e.abandon()))
	}
	return e, nil
}

func (e *Engine) build() error {
	c := &e.config
	from, err := newReplica(c)
	if err != nil {
		return err
	}
	var writer *journal.Writer
	if c.Dir != "" {
		if err := e.openDir(); err != nil {
			return err
		}
		if writer, err = e.recover(from); err != nil {
			return err
		}
	}
	e.memory, e.huge = HugePages(from.machine.Arenas)
	return e.connect(from, writer)
}

// openDir takes the folder. Where another process follows, the snapshots are its.
func (e *Engine) openDir() (err error) {
	c := &e.config
	if e.store, err = snapshot.OpenStore(c.Dir, c.Keep, snapshot.Options{FS: c.FS, ReadOnly: c.FollowElsewhere}); err != nil {
		return err
	}
	folder, err := journal.Open(c.Dir, c.journalOptions(!c.journals()))
	if err != nil {
		return err
	}
	if !c.journals() {
		if s := folder.Segments(); len(s) > 0 {
			return fmt.Errorf("%w: JournalOff, and there is a journal: %s; move it away to go on from the snapshots alone", ErrConfig, s[0].Path)
		}
		return nil
	}
	e.folder = folder
	return nil
}

// abandon gives back what an engine has that does not run.
func (e *Engine) abandon() error {
	var failed []error
	if w := e.recorder.writer; w != nil {
		failed = append(failed, w.Close())
	}
	return errors.Join(append(failed, e.closeDir())...)
}

func (e *Engine) closeDir() error {
	var failed []error
	if e.folder != nil {
		failed = append(failed, e.folder.Close())
	}
	if e.store != nil {
		failed = append(failed, e.store.Close())
	}
	return errors.Join(failed...)
}

// connect builds the rings and who stands at them.
func (e *Engine) connect(from *replica, writer *journal.Writer) error {
	var err error
	if e.input, err = ring.New[event.Record](ring.Config{
		Size: e.config.InputSize, Producers: ring.MultiProducer, Wait: e.config.Wait,
	}); err != nil {
		return fmt.Errorf("%w: InputSize: %w", ErrConfig, err)
	}
	size := e.config.EffectsSize
	for size < len(from.kept.effects) && size > 0 {
		size *= 2
	}
	if e.output, err = ring.New[event.Effect](ring.Config{Size: size, Wait: e.config.Wait}); err != nil {
		return fmt.Errorf("%w: EffectsSize: %w", ErrConfig, err)
	}
	e.nudger = e.input.Producer()
	if err := e.effects.connect(e, from.machine); err != nil {
		return err
	}
	if err := e.recorder.connect(e, writer); err != nil {
		return err
	}
	return e.loop.connect(e, from, size)
}

// connect attaches the reading end.
func (x *Effects) connect(e *Engine, m *machine.Machine) (err error) {
	x.engine, x.auto, x.acks = e, e.config.AutoAck, e.input.Producer()
	x.acked.seq, x.acked.index, _ = m.Acked()
	x.known = x.acked
	if x.reader, err = e.output.NewProcessor(nil); err != nil {
		return err
	}
	x.keeper, err = e.output.NewProcessor(nil, x.reader)
	return err
}

// Recovery returns what Open found.
func (e *Engine) Recovery() Recovery { return e.recovery }

// Close ends the engine: no more input is taken, all that was published is
// applied and written down, the follower takes a snapshot, or without a journal
// the core if there is a Dir, and the goroutines end.
// Sends that wait for room still succeed. It never waits for the consumer, which
// may read what is left afterwards; with snapshots and without AutoAck it will
// come again after the next Open, so a process that wants to leave nothing stops
// feeding and lets Stats show no unacknowledged effects first.
//
// The error is that of the last snapshot, or the *Fault that ended the engine
// before. Closing again returns the same. It must not be called within View.
func (e *Engine) Close() error {
	e.closeOnce.Do(func() {
		close(e.closing)
		e.input.Close()
		// Stops the ring of effects, not their reader: the core waits no more.
		e.effects.keeper.Stop()
		<-e.done
		e.closeErr = e.loop.closeErr
		if e.folder != nil {
			<-e.recorded
		}
		if e.config.follows() {
			<-e.followed
			e.closeErr = e.followErr
		}
		if f := e.fault.Load(); f != nil {
			e.closeErr = f
		}
		if err := e.closeDir(); err != nil {
			e.closeErr = errors.Join(e.closeErr, err)
		}
	})
	return e.closeErr
}

// Err returns the *Fault that stopped the engine, or nil.
func (e *Engine) Err() error {
	if f := e.fault.Load(); f != nil {
		return f
	}
	return nil
}

// ended is what calls return that come after the engine's end.
func (e *Engine) ended() error {
	if err := e.Err(); err != nil {
		return err
	}
	return ErrClosed
}
