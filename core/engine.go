package core

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/backstop-fund/backstop/core/event"
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
	closing  chan struct{}   // closed by Close, before the rings are
	done     chan struct{}   // closed when the core's goroutine has ended
	memory   int             // bytes of the machine
	huge     int             // of them in huge pages

	// Two cache lines between what different goroutines write at every event.
	_       [128]byte
	effects Effects // the consumer's
	_       [128]byte
	loop    loop // the core's goroutine's until done is closed
	_       [128]byte

	fault atomic.Pointer[Fault]

	// turn holds a token for the one caller whose command may be pending, nudger
	// is that caller's.
	turn    chan struct{}
	nudger  *ring.Producer[event.Record]
	pending atomic.Pointer[command]

	counters counters

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
}

// Open builds an engine, restores the newest good snapshot of c.Dir, and starts
// the core's goroutine, which Close ends.
//
// Damaged snapshots are passed over for older ones, which Recovery reports. If
// all are damaged the error is snapshot.ErrCorrupt. A snapshot that is intact
// but cannot be used, because another version of the rules or format wrote it or
// the Limits do not hold it, is an error of its own and never passed over: an
// older state would quietly take its place. Other errors are ErrConfig,
// machine.ErrLimits, snapshot.ErrLocked if another process has the folder, those
// of the disk, and those of the system about c.Thread: fs.ErrPermission where a
// right is missing, which the text names.
func Open(c Config) (*Engine, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	var store *snapshot.Store
	if c.Dir != "" {
		if store, err = snapshot.OpenStore(c.Dir, c.Keep, snapshot.Options{}); err != nil {
			return nil, fmt.Errorf("core: open: %w", err)
		}
	}
	e, err := open(c, store)
	if err != nil {
		err = fmt.Errorf("core: open: %w", err)
		if store != nil {
			err = errors.Join(err, store.Close())
		}
		return nil, err
	}
	return e, nil
}

func open(c Config, store *snapshot.Store) (*Engine, error) {
	e := &Engine{
		config:  c,
		store:   store,
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		turn:    make(chan struct{}, 1),
	}
	m, unacknowledged, err := e.restore()
	if err != nil {
		return nil, err
	}
	if err := e.connect(m, unacknowledged); err != nil {
		return nil, err
	}
	for arena := range m.Arenas {
		e.memory += len(arena)
		e.huge += inHugePages(arena)
	}
	started := make(chan error)
	go c.Thread.carry(func() { e.run(started) })
	if err := <-started; err != nil {
		return nil, err
	}
	return e, nil
}

// connect builds the rings and who stands at them.
func (e *Engine) connect(m *machine.Machine, unacknowledged []event.Effect) error {
	var err error
	if e.input, err = ring.New[event.Record](ring.Config{
		Size: e.config.InputSize, Producers: ring.MultiProducer, Wait: e.config.Wait,
	}); err != nil {
		return fmt.Errorf("%w: InputSize: %w", ErrConfig, err)
	}
	size := e.config.EffectsSize
	for size < len(unacknowledged) && size > 0 {
		size *= 2
	}
	if e.output, err = ring.New[event.Effect](ring.Config{Size: size, Wait: e.config.Wait}); err != nil {
		return fmt.Errorf("%w: EffectsSize: %w", ErrConfig, err)
	}
	e.nudger = e.input.Producer()
	if err := e.effects.connect(e, m); err != nil {
		return err
	}
	return e.loop.connect(e, m, size, unacknowledged)
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
// applied, a snapshot is taken if there is a Dir, and the core's goroutine ends.
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
		if f := e.fault.Load(); f != nil {
			e.closeErr = f
		}
		if e.store != nil {
			e.closeErr = errors.Join(e.closeErr, e.store.Close())
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
