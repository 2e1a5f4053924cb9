package journal

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Writer appends events to a journal, a group at a time. It belongs to one
// goroutine; Written, Durable and Err are for any, and Prepare is for one other.
//
// Whatever of it fails, it has failed for good: every later call returns the same
// error, and what is not durable then never will be.
type Writer struct {
	folder *Folder
	size   int64 // of new segments

	segment Segment
	file    File
	offset  int64 // where the next frame goes
	chain   uint64
	sealed  bool // the last frame says that all before it is durable

	buf   []byte // the group at hand, behind room for its header
	count int    // events in it

	written atomic.Uint64
	durable atomic.Uint64
	failure atomic.Pointer[error]

	preparing sync.Mutex
	next      File         // the segment to come, while it is being made
	made      atomic.Int64 // parts of it there are
	wanted    atomic.Int64 // parts there are to be
}

// Append adds an event to the group at hand, under the next sequence, and returns
// the n bytes of room that it has there, for the caller to fill. It returns nil,
// and adds nothing, if the group has no such room, which there is after the next
// Write; or if n is less than 1 or more than a group holds.
func (w *Writer) Append(n int) []byte {
	from := len(w.buf)
	if n < 1 || n > cap(w.buf)-alignment-from {
		return nil
	}
	w.buf = w.buf[:from+n]
	w.count++
	return w.buf[from:]
}

// Appended is the sequence of the last event of the group at hand, or before it.
func (w *Writer) Appended() uint64 { return w.written.Load() + uint64(w.count) }

// Written is the sequence of the last event that was written, durable or not.
func (w *Writer) Written() uint64 { return w.written.Load() }

// Durable is the sequence of the last event that survives a loss of power.
func (w *Writer) Durable() uint64 { return w.durable.Load() }

// Err returns the error that ended the writer, an ErrFailed, or nil.
func (w *Writer) Err() error {
	if failed := w.failure.Load(); failed != nil {
		return *failed
	}
	return nil
}

// fail ends the writer.
func (w *Writer) fail(err error) error {
	err = fmt.Errorf("%w: %w", ErrFailed, err)
	w.failure.CompareAndSwap(nil, &err)
	return w.Err()
}

// Write writes the group at hand as one frame, if there is anything in it.
func (w *Writer) Write() error {
	if err := w.Err(); err != nil || w.count == 0 {
		return err
	}
	// Behind a group there must be room for a seal or an epoch, and for the end.
	if w.offset+int64(frameSize+padded(len(w.buf)-frameSize)+2*frameSize) > w.segment.Size {
		if err := w.change(); err != nil {
			return err
		}
	}
	if err := w.put(KindGroup); err != nil {
		return err
	}
	w.written.Add(uint64(w.count))
	w.buf, w.count = w.buf[:frameSize], 0
	return nil
}

// put writes one frame: the group at hand, or one without events.
func (w *Writer) put(kind Kind) error {
	f := Frame{Kind: kind, First: w.written.Load() + 1, Durable: w.durable.Load(), Chain: w.chain}
	b := w.buf[:frameSize]
	if kind == KindGroup {
		f.Count, f.length = w.count, len(w.buf)-frameSize
		b = w.buf[:frameSize+padded(f.length)]
		clear(b[len(w.buf):])
	}
	hash := putFrame(b, &f, w.segment.Salt, b[frameSize:])
	if _, err := w.file.WriteAt(b, w.offset); err != nil {
		return w.fail(err)
	}
	w.chain, w.offset, w.sealed = hash, w.offset+int64(len(b)), kind != KindGroup
	return nil
}

// Sync makes durable what is written.
func (w *Writer) Sync() error {
	if err := w.Err(); err != nil || w.durable.Load() == w.written.Load() {
		return err
	}
	return w.sync()
}

func (w *Writer) sync() error {
	if err := w.file.Sync(); err != nil {
		return w.fail(err)
	}
	w.durable.Store(w.written.Load())
	return nil
}

// Commit is Write and Sync: one write and one fdatasync for the group at hand.
func (w *Writer) Commit() error {
	if err := w.Write(); err != nil {
		return err
	}
	return w.Sync()
}

// Seal commits the group at hand, and writes and syncs an empty frame that says
// so, unless the last one does: from then on no damage to what is there goes
// unnoticed. It is for when there is nothing else to write.
func (w *Writer) Seal() error {
	if err := w.Commit(); err != nil || w.sealed {
		return err
	}
	return w.describe(KindSeal)
}

// describe writes a frame that says that all before it is durable, as it is.
func (w *Writer) describe(kind Kind) error {
	if err := w.put(kind); err != nil {
		return err
	}
	return w.sync()
}

// Close seals the journal, unless it has failed, and closes the segment. The
// folder stays open. No Prepare may be running.
func (w *Writer) Close() error {
	err := w.Seal()
	if w.next != nil {
		err = errors.Join(err, w.next.Close())
		w.next = nil
	}
	if w.file == nil {
		return err
	}
	file := w.file
	w.file = nil
	closed := file.Close()
	if w.Err() == nil {
		w.fail(errClosed)
	}
	return errors.Join(err, closed)
}

// errClosed is why a closed writer writes nothing.
var errClosed = errors.New("closed")
