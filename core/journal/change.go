package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Unprepared reports whether it is time to make the next segment: half of this
// one is full. It is for the writer's goroutine.
func (w *Writer) Unprepared() bool { return w.offset > w.segment.Size/2 && !w.prepared.Load() }

// Prepare makes the next segment, full of zeros, if it is not there yet. That
// takes as long as writing a segment takes, so another goroutine than the
// writer's calls it, whenever Unprepared says so. If nobody does, or it is late,
// the writer does it at the change of segments.
//
// An error is no end of the writer, which tries once more when it must: but then
// that is one.
func (w *Writer) Prepare() error {
	w.preparing.Lock()
	defer w.preparing.Unlock()
	return w.prepare()
}

// prepare requires the lock.
func (w *Writer) prepare() error {
	if w.prepared.Load() {
		return nil
	}
	path := w.folder.nextPath()
	err := w.folder.fs.Remove(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = w.folder.fill(path, w.size)
	}
	if err != nil {
		return fmt.Errorf("journal: prepare a segment of %d bytes: %w", w.size, err)
	}
	w.prepared.Store(true)
	return nil
}

func (f *Folder) nextPath() string { return filepath.Join(f.dir, nextName) }

// fill makes a file of zeros that survives a loss of power. What it could not
// finish it removes: the room on the disk may be needed.
func (f *Folder) fill(path string, size int64) error {
	file, err := f.fs.Edit(path)
	if err != nil {
		return err
	}
	for at := int64(0); at < size && err == nil; at += int64(len(zeros)) {
		_, err = file.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at)
	}
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = f.fs.SyncDir(f.dir)
	}
	if err != nil {
		return errors.Join(err, f.fs.Remove(path))
	}
	return nil
}

// change ends the segment and goes on in the next one. The order of its steps is
// in the package doc.
func (w *Writer) change() error {
	if err := w.Sync(); err != nil {
		return err
	}
	w.preparing.Lock()
	defer w.preparing.Unlock()
	if err := w.prepare(); err != nil {
		return w.fail(err)
	}
	next := w.segment.next(w.folder.options, w.size)
	next.First = w.written.Load() + 1
	end := Frame{Kind: KindEnd, First: next.First, Durable: w.durable.Load(), Chain: w.chain}
	var b [frameSize]byte
	next.Chain = putFrame(b[:], &end, w.segment.Salt, nil)
	if err := w.folder.stamp(&next); err != nil {
		return w.fail(err)
	}
	if err := w.end(b[:]); err != nil {
		return w.fail(err)
	}
	file, err := w.folder.christen(&next)
	if err != nil {
		return w.fail(err)
	}
	w.prepared.Store(false)
	w.begin(next, file)
	return nil
}

// next is the segment after s, but for what only its writer knows.
func (s *Segment) next(o Options, size int64) Segment {
	return Segment{Number: s.Number + 1, Size: size, Rules: o.Rules, Shard: o.Shard, Salt: o.Salt}
}

// stamp writes the header of the next segment into the prepared file.
func (f *Folder) stamp(s *Segment) error {
	file, err := f.fs.Edit(f.nextPath())
	if err != nil {
		return err
	}
	if _, err = file.WriteAt(s.appendTo(nil), 0); err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// end writes the end frame and closes the segment.
func (w *Writer) end(frame []byte) error {
	_, err := w.file.WriteAt(frame, w.offset)
	if err == nil {
		err = w.file.Sync()
	}
	file := w.file
	w.file = nil
	return errors.Join(err, file.Close())
}

// christen gives the prepared segment its name and opens it.
func (f *Folder) christen(s *Segment) (File, error) {
	s.Path = f.path(s.First)
	if err := f.fs.Rename(f.nextPath(), s.Path); err != nil {
		return nil, err
	}
	if err := f.fs.SyncDir(f.dir); err != nil {
		return nil, err
	}
	return f.fs.Edit(s.Path)
}

// begin goes to the start of a segment.
func (w *Writer) begin(s Segment, file File) {
	w.segment, w.file = s, file
	w.offset, w.chain, w.sealed = headerSize, s.Chain, true
}
