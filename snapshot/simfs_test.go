package snapshot

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
)

// simFS is a disk in memory that remembers what has been synced. Its power can
// be cut after any operation, and any operation can be made to fail.
//
// What a cut leaves is what a file system may leave: names of folders that were
// not synced changed or not, each on its own, and the sectors written since a
// file's last sync as they were, as written, zero, or garbage.
type simFS struct {
	names   map[string]*simFile // as a running process sees them
	durable map[string]*simFile // as they are after a cut
	pending []nameOp            // what leads from durable to names, in order
	locked  bool

	ops   []string                           // every operation so far, by kind
	fault func(op int, kind string) error    // what the operation does instead, if not nil
	lies  struct{ sync, syncDir, data bool } // seeded bugs: reports success, does nothing, or the wrong thing
}

// simFile is an inode; a folder is one without contents.
type simFile struct {
	folder bool
	data   []byte
	synced []byte
}

// A nameOp gives name to file, or takes it away where file is nil. A rename is
// one op, as it is on a disk with a journal of its own.
type nameOp struct {
	name, gone string
	file       *simFile
}

var (
	errPower = errors.New("power is off")
	errShort = errors.New("short") // asks for half of a read or write without an error
)

const sector = 512

func newSimFS() *simFS {
	return &simFS{names: map[string]*simFile{}, durable: map[string]*simFile{}}
}

// clone is the same disk, locked as it is, with no fault and nothing counted.
func (f *simFS) clone() *simFS {
	copies := map[*simFile]*simFile{nil: nil}
	file := func(old *simFile) *simFile {
		if copies[old] == nil && old != nil {
			copies[old] = &simFile{old.folder, bytes.Clone(old.data), bytes.Clone(old.synced)}
		}
		return copies[old]
	}
	c := newSimFS()
	for name, old := range f.names {
		c.names[name] = file(old)
	}
	for name, old := range f.durable {
		c.durable[name] = file(old)
	}
	for _, op := range f.pending {
		c.pending = append(c.pending, nameOp{op.name, op.gone, file(op.file)})
	}
	c.locked, c.lies = f.locked, f.lies
	return c
}

// restart cuts the power, keeps what rng lets survive, and starts again.
func (f *simFS) restart(rng *rand.Rand) *simFS {
	after := newSimFS()
	after.lies = f.lies
	after.durable = maps.Clone(f.durable)
	for _, op := range f.pending {
		if rng.IntN(2) == 0 {
			op.apply(after.durable)
		}
	}
	for name, file := range after.durable {
		if dir := filepath.Dir(name); dir != "." && after.durable[dir] == nil {
			delete(after.durable, name)
			continue
		}
		after.durable[name] = file.survive(rng)
	}
	after.names = maps.Clone(after.durable)
	return after
}

func (op nameOp) apply(names map[string]*simFile) {
	delete(names, op.gone)
	if op.file != nil {
		names[op.name] = op.file
	}
}

// survive is the file as a cut leaves it.
func (s *simFile) survive(rng *rand.Rand) *simFile {
	if s.folder || bytes.Equal(s.data, s.synced) {
		return &simFile{s.folder, bytes.Clone(s.synced), bytes.Clone(s.synced)}
	}
	low, high := min(len(s.synced), len(s.data)), max(len(s.synced), len(s.data))
	b := make([]byte, low+rng.IntN(high-low+1))
	for at := 0; at < len(b); at += sector {
		end := min(at+sector, len(b))
		switch rng.IntN(4) {
		case 0:
			copy(b[at:end], s.synced[min(at, len(s.synced)):])
		case 1, 2:
			copy(b[at:end], s.data[min(at, len(s.data)):])
		default:
			for i := at; i < end; i++ {
				b[i] = byte(rng.Uint32())
			}
		}
	}
	return &simFile{data: b, synced: bytes.Clone(b)}
}

// step counts an operation and says what it fails with.
func (f *simFS) step(kind string) error {
	f.ops = append(f.ops, kind)
	if f.fault != nil {
		return f.fault(len(f.ops)-1, kind)
	}
	return nil
}

func (f *simFS) Mkdir(dir string) error {
	if err := f.step("mkdir"); err != nil {
		return err
	}
	if f.names[dir] != nil {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: fs.ErrExist}
	}
	f.change(nameOp{name: dir, file: &simFile{folder: true}})
	return nil
}

func (f *simFS) change(op nameOp) {
	op.apply(f.names)
	f.pending = append(f.pending, op)
}

func (f *simFS) Lock(name string) (io.Closer, error) {
	if err := f.step("lock"); err != nil {
		return nil, err
	}
	if f.locked {
		return nil, ErrLocked
	}
	if f.names[name] == nil {
		f.change(nameOp{name: name, file: &simFile{}})
	}
	f.locked = true
	return simLock{f}, nil
}

type simLock struct{ fs *simFS }

func (l simLock) Close() error {
	l.fs.locked = false
	return l.fs.step("unlock")
}

func (f *simFS) Create(name string) (File, error) {
	if err := f.step("create"); err != nil {
		return nil, err
	}
	file := f.names[name]
	if file == nil {
		file = &simFile{}
		f.change(nameOp{name: name, file: file})
	}
	file.data = nil
	return &simHandle{f, file}, nil
}

func (f *simFS) Open(name string) (File, error) {
	if err := f.step("open"); err != nil {
		return nil, err
	}
	if file := f.names[name]; file != nil {
		return &simHandle{f, file}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func (f *simFS) Rename(oldName, newName string) error {
	if err := f.step("rename"); err != nil {
		return err
	}
	file := f.names[oldName]
	if file == nil {
		return &fs.PathError{Op: "rename", Path: oldName, Err: fs.ErrNotExist}
	}
	f.change(nameOp{name: newName, gone: oldName, file: file})
	return nil
}

func (f *simFS) Remove(name string) error {
	if err := f.step("remove"); err != nil {
		return err
	}
	if f.names[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	f.change(nameOp{gone: name})
	return nil
}

func (f *simFS) List(dir string) ([]Entry, error) {
	if err := f.step("list"); err != nil {
		return nil, err
	}
	if f.names[dir] == nil {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: fs.ErrNotExist}
	}
	var entries []Entry
	for _, name := range slices.Sorted(maps.Keys(f.names)) {
		if filepath.Dir(name) == dir {
			entries = append(entries, Entry{filepath.Base(name), int64(len(f.names[name].data))})
		}
	}
	return entries, nil
}

func (f *simFS) SyncDir(dir string) error {
	if err := f.step("syncdir"); err != nil || f.lies.syncDir {
		return err
	}
	var rest []nameOp
	for _, op := range f.pending {
		if filepath.Dir(cmp.Or(op.name, op.gone)) == dir {
			op.apply(f.durable)
		} else {
			rest = append(rest, op)
		}
	}
	f.pending = rest
	return nil
}

// simHandle is an open file.
type simHandle struct {
	fs   *simFS
	file *simFile
}

func (h *simHandle) Write(p []byte) (int, error) {
	err := h.fs.step("write")
	n := len(p)
	if err != nil {
		n /= 2
	}
	h.file.data = append(h.file.data, p[:n]...)
	if h.fs.lies.data && n > 0 {
		h.file.data[len(h.file.data)-1] ^= 4
	}
	if errors.Is(err, errShort) {
		err = nil
	}
	return n, err
}

func (h *simHandle) ReadAt(p []byte, off int64) (int, error) {
	err := h.fs.step("read")
	if errors.Is(err, errShort) {
		p, err = p[:len(p)/2], io.EOF
	}
	if err != nil && err != io.EOF {
		return 0, err
	}
	if off > int64(len(h.file.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.file.data[off:])
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (h *simHandle) Sync() error {
	if err := h.fs.step("sync"); err != nil || h.fs.lies.sync {
		return err
	}
	h.file.synced = bytes.Clone(h.file.data)
	return nil
}

func (h *simHandle) Size() (int64, error) {
	return int64(len(h.file.data)), h.fs.step("size")
}

func (h *simHandle) Close() error { return h.fs.step("close") }

// String shows what the disk holds, for a failed test.
func (f *simFS) String() string {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(f.names)) {
		fmt.Fprintf(&b, "%s %d bytes\n", name, len(f.names[name].data))
	}
	return b.String()
}
