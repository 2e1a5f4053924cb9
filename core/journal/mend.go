package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Write returns a writer that goes on where r has ended: Next has returned
// io.EOF. It sets a torn tail to zero, makes sure that all r has read is durable,
// says so in the journal, and begins one if there is none. The reader is closed.
//
// Requires: nobody has written since.
// Errors are ErrDamaged or those of the disk; the folder may be opened again.
func (f *Folder) Write(r *Reader) (*Writer, error) {
	if f.lock == nil {
		return nil, fmt.Errorf("journal: %s is not open for writing: %w", f.dir, fs.ErrPermission)
	}
	w := &Writer{folder: f, size: f.options.SegmentSize, buf: make([]byte, frameSize, frameSize+f.options.GroupSize+alignment)}
	w.written.Store(r.end.Sequence)
	w.durable.Store(r.end.Sequence)
	err := r.Close()
	switch {
	case err != nil:
	case r.end.File == "":
		err = w.create()
	case r.ended:
		err = w.resume(r)
	default:
		err = w.mend(r)
	}
	if err != nil {
		if w.file != nil {
			err = errors.Join(err, w.file.Close())
		}
		return nil, fmt.Errorf("journal: go on after sequence %d: %w", r.end.Sequence, err)
	}
	return w, nil
}

// create makes the first segment. The folder's own entry must survive, or its files
// would not: whoever made the folder may have come no further.
func (w *Writer) create() error {
	if err := w.folder.fs.SyncDir(filepath.Dir(w.folder.dir)); err != nil {
		return err
	}
	if err := w.prepare(w.parts()); err != nil {
		return err
	}
	first := (&Segment{}).next(w.folder.options, w.size)
	first.First = w.written.Load() + 1
	if err := w.folder.stamp(&first); err != nil {
		return err
	}
	return w.adopt(first)
}

// resume finishes a change of segments that a crash has interrupted. The end
// frame must be durable before the name is, or the name would be evidence
// against it.
func (w *Writer) resume(r *Reader) error {
	next, fits, err := w.folder.next(&r.frame, r.segment.Number+1)
	if err == nil && !fits {
		err = r.damage("segment %d has gone since it was read", r.segment.Number+1)
	}
	if err == nil {
		err = w.settle(r)
	}
	if err != nil {
		return err
	}
	file := w.file
	w.file = nil
	if err := file.Close(); err != nil {
		return err
	}
	return w.adopt(next)
}

// adopt goes on in the prepared segment, whose header is written.
func (w *Writer) adopt(s Segment) error {
	file, err := w.folder.christen(&s)
	if err != nil {
		return err
	}
	w.made.Store(0)
	w.begin(s, file)
	w.folder.segments = append(w.folder.segments, s)
	return nil
}

// mend makes the end of the last segment what the reader took it for. The segment's
// name must be durable before anything in it is: whoever gave it may have died before
// the folder was synced.
func (w *Writer) mend(r *Reader) error {
	w.segment, w.offset, w.chain, w.sealed = r.segment, r.offset, r.chain, r.sealed
	err := w.settle(r)
	if err == nil {
		err = w.folder.fs.SyncDir(w.folder.dir)
	}
	if err != nil || w.sealed {
		return err
	}
	return w.describe(KindEpoch)
}

// settle makes durable what the reader has found in the last segment, and
// nothing else.
func (w *Writer) settle(r *Reader) error {
	var err error
	if w.file, err = w.folder.fs.Edit(r.segment.Path); err != nil {
		return err
	}
	if r.end.Torn {
		err = blank(w.file, r.offset, r.segment.Size)
	}
	if err == nil {
		err = rewrite(w.file, r.doubt, r.offset)
	}
	if err == nil {
		err = w.file.Sync()
	}
	return err
}

// blank sets to zero what is not.
func blank(file File, from, to int64) error {
	return pieces(file, from, to, func(b []byte, at int64) error {
		if isZero(b) {
			return nil
		}
		_, err := file.WriteAt(zeros[:len(b)], at)
		return err
	})
}

// rewrite writes once more what no frame says was durable: if the disk refused
// it once, the system may hold it as if it had not.
func rewrite(file File, from, to int64) error {
	return pieces(file, from, to, func(b []byte, at int64) error {
		_, err := file.WriteAt(b, at)
		return err
	})
}

// pieces reads a part of a file piece by piece.
func pieces(file File, from, to int64, do func(b []byte, at int64) error) error {
	buf := make([]byte, min(to-from, int64(len(zeros))))
	for at := from; at < to; at += int64(len(buf)) {
		b := buf[:min(int64(len(buf)), to-at)]
		if err := readFull(file, b, at); err != nil {
			return err
		}
		if err := do(b, at); err != nil {
			return err
		}
	}
	return nil
}
