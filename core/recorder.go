package core

import (
	"encoding/binary"
	"runtime"
	"time"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/ring"
)

// recorder writes what is in the input ring into the journal, as a consumer of
// its own beside the core. While it waits for the disk the ring fills, so the
// next group is what has come in meanwhile.
type recorder struct {
	input  *ring.Processor[event.Record]
	writer *journal.Writer
	wait   ring.WaitStrategy
	async  bool
	every  time.Duration // JournalAsync syncs so often
	synced time.Time     // when it last did

	room     []byte        // of the event at hand in the group, for records still to come
	prepare  chan struct{} // asks for the next segment
	prepared chan struct{} // closed when nobody prepares any more
}

// connect attaches the recorder to the input ring, or opens the gate for good if
// there is no journal.
func (r *recorder) connect(e *Engine, writer *journal.Writer) (err error) {
	if writer == nil {
		e.gate.init(e.config.Wait, always)
		return nil
	}
	e.gate.init(e.config.Wait, writer.Durable())
	r.writer, r.wait = writer, e.config.Wait
	r.async, r.every = e.config.Journal == JournalAsync, e.config.SyncEvery
	r.prepare, r.prepared = make(chan struct{}, 1), make(chan struct{})
	r.input, err = e.input.NewProcessor(nil)
	return err
}

// sealAfter is how long the recorder looks for more before it seals the journal.
const sealAfter = 200 * time.Microsecond

// record is the recorder's goroutine.
func (e *Engine) record() {
	defer close(e.recorded)
	r := &e.recorder
	err := e.recordAll()
	close(r.prepare)
	<-r.prepared
	if closed := r.writer.Close(); err == nil {
		err = closed
	}
	if err != nil {
		e.unrecorded(err)
		return
	}
	e.gate.raise(r.writer.Durable())
	e.gate.close()
}

// recordAll returns when everything is written that will ever be applied.
func (e *Engine) recordAll() error {
	for {
		lo, hi, err := e.recorder.next()
		if err == ring.ErrClosed || err == ring.ErrStopped {
			return nil
		}
		if err == nil {
			err = e.recordBatch(lo, hi)
		}
		if err != nil {
			return err
		}
	}
}

// prepareSegments is the goroutine that makes the next segment, a part at a time, while
// the recorder fills the one before. What it cannot make the recorder tries again,
// and if that fails too, it is the journal's end.
func (e *Engine) prepareSegments() {
	defer close(e.recorder.prepared)
	for range e.recorder.prepare {
		_ = e.recorder.writer.Prepare()
	}
}

// unrecorded ends the engine because its journal cannot be written: nothing more
// is taken, and no effect leaves whose event is not safe.
func (e *Engine) unrecorded(err error) {
	e.fault.CompareAndSwap(nil, &Fault{Sequence: e.recorder.writer.Durable(), Cause: err})
	e.recorder.input.Stop()
	e.effects.keeper.Stop()
	e.gate.close()
}

// recordBatch appends a batch, and all that has come meanwhile, and writes it as one
// group, or as several where it is more than one holds.
func (e *Engine) recordBatch(lo, hi ring.Sequence) error {
	r := &e.recorder
	for lo < hi {
		for lo < hi && r.take(r.input.At(lo)) {
			lo++
		}
		r.input.Release(lo) // what is in the group needs its place in the ring no more
		if lo == hi {
			lo, hi, _ = r.input.TryNext() // the end of all comes again
		} else if err := e.commitGroup(); err != nil {
			return err
		}
	}
	if len(r.room) > 0 {
		return nil // the rest of an event is just being published
	}
	return e.commitGroup()
}

// commitGroup writes the group at hand, and tells those who wait.
func (e *Engine) commitGroup() error {
	if err := e.recorder.commit(); err != nil {
		return err
	}
	e.tellRecorded()
	return nil
}

// tellRecorded tells those who wait how far the journal is.
func (e *Engine) tellRecorded() {
	r := &e.recorder
	if r.async {
		e.gate.raise(r.writer.Written())
	} else {
		e.gate.raise(r.writer.Durable())
	}
	if r.writer.Unprepared() {
		select {
		case r.prepare <- struct{}{}:
		default:
		}
	}
	select {
	case e.news <- struct{}{}:
	default:
	}
}

// take adds a record to the group at hand, and reports false if that has no room for
// its event. A nudge is no event, so it has no sequence and no place here.
func (r *recorder) take(rec *event.Record) bool {
	if len(r.room) == 0 {
		if rec.Kind() == event.KindNone {
			return true
		}
		if r.room = r.writer.Append((1 + rec.More()) * event.RecordSize); r.room == nil {
			return false
		}
	}
	for i, word := range rec {
		binary.LittleEndian.PutUint64(r.room[8*i:], word)
	}
	r.room = r.room[event.RecordSize:]
	return true
}

// commit writes the group at hand, and syncs it unless that may wait.
func (r *recorder) commit() error {
	if !r.async {
		return r.writer.Commit()
	}
	if err := r.writer.Write(); err != nil || time.Since(r.synced) < r.every {
		return err
	}
	r.synced = time.Now()
	return r.writer.Sync()
}

// next waits for a batch. If none comes for a while it seals the journal first,
// unless half an event is at hand, of which the rest is just being published.
func (r *recorder) next() (lo, hi ring.Sequence, err error) {
	if len(r.room) > 0 {
		return r.input.Next()
	}
	idle := sealAfter
	if r.async {
		idle = r.every
	}
	for begun := (time.Time{}); ; {
		if lo, hi, err = r.input.TryNext(); lo < hi || err != nil {
			return lo, hi, err
		}
		if begun.IsZero() {
			begun = time.Now()
		}
		waited := time.Since(begun)
		if waited > idle {
			break
		}
		r.pause(waited)
	}
	if err := r.writer.Seal(); err != nil {
		return 0, 0, err
	}
	return r.input.Next()
}

// pause passes the time between two looks for a batch. Who parks sleeps at last,
// so as not to take a CPU from those who have something to do.
func (r *recorder) pause(waited time.Duration) {
	switch {
	case r.wait == ring.Spin:
	case r.wait == ring.Park && waited > sealAfter/4:
		time.Sleep(sealAfter / 4)
	default:
		runtime.Gosched()
	}
}
