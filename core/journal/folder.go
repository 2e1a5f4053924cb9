package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	suffix    = ".journal"
	nextName  = "next.journal.tmp" // the segment to come
	lockName  = "journal.lock"
	seqDigits = 20 // the greatest uint64 has as many
)

// Sizes of Options that name none.
const (
	defaultSegment = 64 << 20
	defaultGroup   = 1 << 20
	// smallestSegment holds a few frames; so little is of use in tests.
	smallestSegment = 4 << 10
)

// Options say how a journal works; the zero value is what one wants first.
type Options struct {
	// FS is the file system, nil for that of the machine.
	FS FS
	// ReadOnly opens the folder beside a process that owns it: no lock is taken
	// and nothing is written. Only Remove removes.
	ReadOnly bool
	// SegmentSize is the size of new segments in bytes, a multiple of 8. 0 means
	// 64 MiB.
	SegmentSize int64
	// GroupSize is how many bytes of events a frame may hold: at least the longest
	// event, at most half a segment and MaxGroup. 0 means 1 MiB, or a quarter
	// of the segment if that is less.
	GroupSize int
	// Rules and Shard are written into new segments. A folder of another shard is
	// refused.
	Rules, Shard uint32
	// First is the first sequence of a journal that begins. 0 means 1.
	First uint64
	// Salt tells the frames of new segments from whatever else may lie on a disk:
	// a number nobody can guess, or, where the same input is to make the same
	// bytes, one that is given.
	Salt uint64
}

// complete fills in what is left out and refuses what cannot be.
func (o Options) complete() (Options, error) {
	if o.FS == nil {
		o.FS = OS()
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = defaultSegment
	}
	if o.SegmentSize < smallestSegment || o.SegmentSize%alignment != 0 {
		return o, fmt.Errorf("%w: SegmentSize %d: want at least %d, and a multiple of %d", ErrOptions, o.SegmentSize, smallestSegment, alignment)
	}
	most := min(int(o.SegmentSize/2), MaxGroup)
	if o.GroupSize == 0 {
		o.GroupSize = min(defaultGroup, int(o.SegmentSize/4))
	}
	if o.GroupSize < 1 || o.GroupSize > most {
		return o, fmt.Errorf("%w: GroupSize %d: want 1 to %d, half the segment or MaxGroup", ErrOptions, o.GroupSize, most)
	}
	if o.First == 0 {
		o.First = 1
	}
	return o, nil
}

// Folder is a folder with a journal, opened. It belongs to one goroutine at a
// time; the readers and the writer it gives have their own.
type Folder struct {
	dir      string
	options  Options
	fs       FS
	lock     io.Closer // nil when read-only or closed
	segments []Segment // in order
}

// Open opens the folder dir, creating it if its parent exists, and checks that
// the headers of its segments fit each other. Unless it is read-only it locks
// the folder.
//
// Errors are ErrOptions, snapshot.ErrLocked, ErrDamaged, ErrVersion, or those of
// the disk.
func Open(dir string, o Options) (*Folder, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	f := &Folder{dir: dir, options: o, fs: o.FS}
	if !o.ReadOnly {
		if err := f.own(); err != nil {
			return nil, errors.Join(fmt.Errorf("journal: open %s: %w", dir, err), f.Close())
		}
	}
	if err := f.list(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// own creates the folder and locks it.
func (f *Folder) own() error {
	err := f.fs.Mkdir(f.dir)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f.lock, err = f.fs.Lock(filepath.Join(f.dir, lockName))
	return err
}

// Close gives the folder back. What was opened of it is closed before.
func (f *Folder) Close() error {
	if f.lock == nil {
		return nil
	}
	lock := f.lock
	f.lock = nil
	if err := lock.Close(); err != nil {
		return fmt.Errorf("journal: close %s: %w", f.dir, err)
	}
	return nil
}

// Segments are those there were at Open, less those that Remove has removed, in
// order.
func (f *Folder) Segments() []Segment { return slices.Clone(f.segments) }

// BeginAt sets the first sequence of a journal that has no segment yet.
func (f *Folder) BeginAt(first uint64) {
	if len(f.segments) == 0 {
		f.options.First = first
	}
}

// list reads the headers of all segments.
func (f *Folder) list() error {
	entries, err := f.fs.List(f.dir)
	if errors.Is(err, fs.ErrNotExist) && f.options.ReadOnly {
		entries, err = nil, nil // nothing was ever written
	}
	if err != nil {
		return fmt.Errorf("journal: list %s: %w", f.dir, err)
	}
	var segments []Segment
	for _, e := range entries {
		first, ok := parseName(e.Name)
		if !ok {
			continue
		}
		s, err := f.header(filepath.Join(f.dir, e.Name))
		if f.options.ReadOnly && errors.Is(err, fs.ErrNotExist) {
			continue // removed since by the owner: it was among the oldest
		}
		if err != nil {
			return err
		}
		if err := f.admit(&s, first, e.Size); err != nil {
			return err
		}
		segments = append(segments, s)
	}
	slices.SortFunc(segments, func(a, b Segment) int {
		if a.First < b.First { // never equal: a name has one spelling
			return -1
		}
		return 1
	})
	for i := 1; i < len(segments); i++ {
		if before, s := &segments[i-1], &segments[i]; s.Number != before.Number+1 {
			return &DamageError{File: s.Path, Sequence: s.First, What: fmt.Sprintf("segment %d comes after segment %d, which begins at sequence %d: those between are missing", s.Number, before.Number, before.First)}
		}
	}
	f.segments = segments
	return nil
}

// header reads the header of the segment at path.
func (f *Folder) header(path string) (Segment, error) {
	file, err := f.fs.Open(path)
	if err != nil {
		return Segment{}, fmt.Errorf("journal: %w", err)
	}
	var b [headerSize]byte
	err = readFull(file, b[:], 0)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = &DamageError{File: path, What: fmt.Sprintf("shorter than its header of %d bytes", headerSize)}
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return Segment{}, err
	}
	s, err := parseSegment(b[:])
	s.Path = path
	if d, ok := errors.AsType[*DamageError](err); ok {
		d.File = path
		return s, d
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// admit compares a header with the file it is in.
func (f *Folder) admit(s *Segment, first uint64, size int64) error {
	damaged := func(what string, args ...any) error {
		return &DamageError{File: s.Path, Sequence: first, What: fmt.Sprintf(what, args...)}
	}
	switch {
	case s.First != first:
		return damaged("the header says that it begins at sequence %d", s.First)
	case s.Size != size:
		return damaged("the file has %d bytes, its header says %d", size, s.Size)
	case s.Shard != f.options.Shard:
		return fmt.Errorf("%w: %s is of shard %d, want %d", ErrOptions, s.Path, s.Shard, f.options.Shard)
	}
	return nil
}

// next is the header of the prepared segment if it is the one that follows an
// end frame: the change to it was not finished.
func (f *Folder) next(end *Frame, number uint64) (Segment, bool, error) {
	s, err := f.header(filepath.Join(f.dir, nextName))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrDamaged), errors.Is(err, ErrVersion):
		return s, false, nil // it has no header yet
	case err != nil:
		return s, false, err
	}
	return s, s.Number == number && s.First == end.First && s.Chain == end.Hash && s.Shard == f.options.Shard, nil
}

// Remove removes the segments that hold nothing from sequence keep on, the
// oldest first, and returns them. It may run on a read-only folder beside the
// owner of the journal: nobody reads what is so old.
//
// Before anything goes, the folder is synced: what stands for the segments, a
// snapshot, may have got its name from somebody who died before he synced it.
func (f *Folder) Remove(keep uint64) (removed []Segment, err error) {
	for len(f.segments) > 1 && f.segments[1].First <= keep {
		s := f.segments[0]
		if len(removed) == 0 {
			err = f.fs.SyncDir(f.dir)
		}
		if err == nil {
			err = f.fs.Remove(s.Path)
		}
		if err == nil {
			err = f.fs.SyncDir(f.dir) // one by one, or a loss of power could leave a gap
		}
		if err != nil {
			return removed, fmt.Errorf("journal: %w", err)
		}
		removed = append(removed, s)
		f.segments = f.segments[1:]
	}
	return removed, nil
}

func (f *Folder) path(first uint64) string {
	return filepath.Join(f.dir, fmt.Sprintf("%0*d%s", seqDigits, first, suffix))
}

// parseName returns the first sequence of a segment by this name.
func parseName(name string) (first uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != seqDigits || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 10, 64)
	return first, err == nil
}
