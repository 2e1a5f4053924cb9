package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// parts is how many the next segment is made in: no smaller than they are written.
func (w *Writer) parts() int64 { return min(max(w.size/int64(len(zeros)), 1), 256) }

// Unprepared reports whether a part of the next segment is to be made: from the first
// eighth of this one on, in step with how it fills, so that all are there when an
// eighth is left. A segment made at once would keep the disk from the groups for as
// long as writing it takes. It is for the writer's goroutine.
func (w *Writer) Unprepared() bool {
	size, wanted := w.segment.Size, int64(0)
	if way := 8*w.offset - size; way > 0 {
		wanted = min(way*w.parts()/(6*size)+1, w.parts())
	}
	w.wanted.Store(wanted)
	return wanted > w.made.Load()
}

// Prepare makes what Unprepared has found to be missing of the next segment. Another
// goroutine than the writer's calls it, whenever Unprepared says so. If nobody does,
// or it is late, the writer does it at the change of segments, all at once.
//
// An error is no end of the writer, which tries once more when it must: but then
// that is one.
func (w *Writer) Prepare() error {
	w.preparing.Lock()
	defer w.preparing.Unlock()
	return w.prepare(w.wanted.Load())
}

// prepare makes the next segment up to a part. It requires the lock.
func (w *Writer) prepare(parts int64) error {
	for part := w.made.Load(); part < parts; part++ {
		if err := w.part(part); err != nil {
			err = errors.Join(err, w.unprepare())
			return fmt.Errorf("journal: prepare a segment of %d bytes: %w", w.size, err)
		}
		w.made.Store(part + 1)
	}
	return nil
}

// part writes one part of the next segment, zeros that survive a loss of power.
func (w *Writer) part(i int64) (err error) {
	path := w.folder.nextPath()
	if i == 0 {
		// Whatever is there was made for another change.
		if err := w.folder.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if w.next, err = w.folder.fs.Edit(path); err != nil {
			return err
		}
	}
	end := w.size * (i + 1) / w.parts()
	for at := w.size * i / w.parts(); at < end; at += int64(len(zeros)) {
		if _, err := w.next.WriteAt(zeros[:min(int64(len(zeros)), end-at)], at); err != nil {
			return err
		}
	}
	if err := w.next.Sync(); err != nil || i+1 < w.parts() {
		return err
	}
	file := w.next
	w.next = nil
	if err := file.Close(); err != nil {
		return err
	}
	return w.folder.fs.SyncDir(w.folder.dir)
}

// unprepare removes what there is of the next segment: the room on the disk may be
// needed.
func (w *Writer) unprepare() (err error) {
	if w.next != nil {
		err = w.next.Close()
		w.next = nil
	}
	w.made.Store(0)
	return errors.Join(err, w.folder.fs.Remove(w.folder.nextPath()))
}

func (f *Folder) nextPath() string { return filepath.Join(f.dir, nextName) }

// change ends the segment and goes on in the next one. The order of its steps is
// in the package doc.
func (w *Writer) change() error {
	if err := w.Sync(); err != nil {
		return err
	}
	w.preparing.Lock()
	defer w.preparing.Unlock()
	if err := w.prepare(w.parts()); err != nil {
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
	w.made.Store(0)
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
