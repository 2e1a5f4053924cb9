package snapshot

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
	suffix     = ".snapshot"
	tempSuffix = suffix + ".tmp"
	lockName   = "snapshot.lock"
	seqDigits  = 20 // the greatest uint64 has as many
)

// Options say how a [Store] works; the zero value is what one wants first.
type Options struct {
	// Codec is how chunks are stored.
	Codec Codec
	// ReadOnly opens the folder beside a process that owns it: List, Open and
	// Newest work, no lock is taken and nothing is written or removed.
	ReadOnly bool
	// FS is the file system, nil for that of the machine.
	FS FS
}

// A Store keeps the newest few snapshots in a folder of their own.
//
// List, Open and Newest may run at any time and on any goroutine; Commit and
// Close on one at a time.
type Store struct {
	dir     string
	keep    int
	options Options
	fs      FS
	lock    io.Closer // nil when read-only or closed
}

// Info names a published snapshot. It has been renamed into place; whether its
// bytes are still good only opening it tells.
type Info struct {
	Sequence uint64 // the last event it contains
	Size     int64  // in bytes
	Path     string
}

// OpenStore opens the folder dir, creating it if its parent exists, as the home
// of the newest keep snapshots, at least 1. It locks the folder and removes
// files that a crash left half written; files with other names are let be.
//
// Errors are [ErrLocked] if another store has the folder, or those of the disk.
func OpenStore(dir string, keep int, o Options) (*Store, error) {
	if keep < 1 {
		return nil, fmt.Errorf("snapshot: keep %d snapshots in %s: at least 1 must stay", keep, dir)
	}
	if o.Codec > S2 {
		return nil, fmt.Errorf("snapshot: unknown codec %v", o.Codec)
	}
	s := &Store{dir: dir, keep: keep, options: o, fs: o.FS}
	if s.fs == nil {
		s.fs = OS()
	}
	if o.ReadOnly {
		return s, nil
	}
	if err := s.own(); err != nil {
		return nil, errors.Join(fmt.Errorf("snapshot: open store: %w", err), s.Close())
	}
	return s, nil
}

// own creates the folder, locks it and clears it of leftovers.
func (s *Store) own() error {
	err := s.fs.Mkdir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if s.lock, err = s.fs.Lock(filepath.Join(s.dir, lockName)); err != nil {
		return err
	}
	entries, err := s.fs.List(s.dir)
	if err != nil {
		return err
	}
	empty := true
	for _, e := range entries {
		if _, ok := parseName(e.Name, suffix); ok {
			empty = false
		}
		if _, ok := parseName(e.Name, tempSuffix); !ok {
			continue
		}
		if err := s.fs.Remove(filepath.Join(s.dir, e.Name)); err != nil {
			return err
		}
	}
	if !empty {
		return nil
	}
	// The folder's own entry must survive, or its files would not: whoever made the
	// folder may have come no further.
	return s.fs.SyncDir(filepath.Dir(s.dir))
}

// Close gives the folder back. The store takes no snapshots afterwards.
func (s *Store) Close() error {
	if s.lock == nil {
		return nil
	}
	lock := s.lock
	s.lock = nil
	if err := lock.Close(); err != nil {
		return fmt.Errorf("snapshot: close store: %w", err)
	}
	return nil
}

// List returns the published snapshots of the folder, the newest first.
func (s *Store) List() ([]Info, error) {
	entries, err := s.fs.List(s.dir)
	if err != nil {
		return nil, fmt.Errorf("snapshot: list: %w", err)
	}
	var infos []Info
	for _, e := range entries {
		if seq, ok := parseName(e.Name, suffix); ok {
			infos = append(infos, Info{Sequence: seq, Size: e.Size, Path: filepath.Join(s.dir, e.Name)})
		}
	}
	slices.SortFunc(infos, func(a, b Info) int {
		if a.Sequence > b.Sequence { // never equal: a name has one spelling
			return -1
		}
		return 1
	})
	return infos, nil
}

// Open verifies a snapshot from end to end and returns a decoder, which the
// caller closes. Errors are [ErrCorrupt], [ErrVersion], or those of the disk.
func (s *Store) Open(info Info) (*Decoder, error) {
	d, err := s.open(info.Path, info.Sequence)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", info.Path, err)
	}
	return d, nil
}

func (s *Store) open(path string, sequence uint64) (*Decoder, error) {
	f, err := s.fs.Open(path)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	d, err := NewDecoder(f, size)
	if err == nil && d.Header().Sequence != sequence {
		err = &LayoutError{Part: PartHeader, Offset: 24, What: "sequence of a file by this name", Got: d.Header().Sequence, Want: sequence}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	d.closer = f
	return d, nil
}

// Newest restores the newest snapshot that verifies and that try accepts, and
// returns which that was and why each newer one was not used. It hands try an
// open decoder, the newest first; try starts from an empty state each time,
// keeps nothing of the decoder, and refuses by an error: wrong rules, a chain
// value the journal does not know, a digest that does not come out.
//
// Without any snapshot the error is [ErrNone]. If there are some and none will
// do it is [ErrCorrupt], and it wraps the reasons.
func (s *Store) Newest(try func(*Decoder) error) (info Info, skipped []error, err error) {
	infos, err := s.List()
	if err != nil {
		return Info{}, nil, err
	}
	for _, info := range infos {
		err := s.attempt(info, try)
		if err == nil {
			return info, skipped, nil
		}
		skipped = append(skipped, err)
	}
	if len(infos) == 0 {
		return Info{}, nil, fmt.Errorf("%w in %s", ErrNone, s.dir)
	}
	return Info{}, skipped, fmt.Errorf("%w: none of %d in %s can be used:\n%w", ErrCorrupt, len(infos), s.dir, errors.Join(skipped...))
}

func (s *Store) attempt(info Info, try func(*Decoder) error) error {
	d, err := s.Open(info)
	if err != nil {
		return err
	}
	if err := errors.Join(try(d), d.Close()); err != nil {
		return fmt.Errorf("%s: %w", info.Path, err)
	}
	return nil
}

// name returns the path of a sequence's file, published or temporary.
func (s *Store) name(sequence uint64, suffix string) string {
	return filepath.Join(s.dir, fmt.Sprintf("%0*d%s", seqDigits, sequence, suffix))
}

// parseName returns the sequence of a file name this package gives.
func parseName(name, suffix string) (sequence uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != seqDigits || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	sequence, err := strconv.ParseUint(digits, 10, 64)
	return sequence, err == nil
}
