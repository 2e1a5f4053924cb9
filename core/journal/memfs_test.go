package journal

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/backstop-fund/backstop/snapshot"
)

// memFS is a disk in memory whose power never fails; single operations do, if a
// test says so. What a loss of power does is for core/coretest.
type memFS struct {
	mu     sync.Mutex
	files  map[string]*memFile
	locked bool

	ops   []string                        // by kind, those that can fail
	fault func(op int, kind string) error // what the operation does instead, if not nil
}

type memFile struct {
	fs   *memFS
	data []byte
}

// errShort asks for half of a write.
var errShort = fmt.Errorf("short write: %w", io.ErrShortWrite)

func newMemFS() *memFS { return &memFS{files: map[string]*memFile{}} }

// clone is the same disk, unlocked, without faults.
func (m *memFS) clone() *memFS {
	c := newMemFS()
	for name, f := range m.files {
		c.files[name] = &memFile{c, bytes.Clone(f.data)}
	}
	return c
}

// op counts an operation and fails it, if it is to fail. It returns with m locked.
func (m *memFS) op(kind string) error {
	m.mu.Lock()
	m.ops = append(m.ops, kind)
	if m.fault == nil {
		return nil
	}
	return m.fault(len(m.ops)-1, kind)
}

func (m *memFS) Mkdir(string) error {
	defer m.mu.Unlock()
	return m.op("mkdir")
}

func (m *memFS) SyncDir(string) error {
	defer m.mu.Unlock()
	return m.op("syncdir")
}

func (m *memFS) Lock(string) (io.Closer, error) {
	defer m.mu.Unlock()
	if err := m.op("lock"); err != nil {
		return nil, err
	}
	if m.locked {
		return nil, snapshot.ErrLocked
	}
	m.locked = true
	return memLock{m}, nil
}

type memLock struct{ fs *memFS }

func (l memLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	l.fs.locked = false
	return nil
}

func (m *memFS) Create(string) (snapshot.File, error) { panic("a journal does not use Create") }

func (m *memFS) Open(name string) (snapshot.File, error) {
	defer m.mu.Unlock()
	if err := m.op("open"); err != nil {
		return nil, err
	}
	if f := m.files[name]; f != nil {
		return f, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func (m *memFS) Edit(name string) (File, error) {
	defer m.mu.Unlock()
	if err := m.op("edit"); err != nil {
		return nil, err
	}
	if m.files[name] == nil {
		m.files[name] = &memFile{fs: m}
	}
	return m.files[name], nil
}

func (m *memFS) Rename(from, to string) error {
	defer m.mu.Unlock()
	if err := m.op("rename"); err != nil {
		return err
	}
	m.files[to] = m.files[from]
	delete(m.files, from)
	return nil
}

func (m *memFS) Remove(name string) error {
	defer m.mu.Unlock()
	if err := m.op("remove"); err != nil {
		return err
	}
	if m.files[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(m.files, name)
	return nil
}

func (m *memFS) List(dir string) (entries []snapshot.Entry, err error) {
	defer m.mu.Unlock()
	if err := m.op("list"); err != nil {
		return nil, err
	}
	for name, f := range m.files {
		if filepath.Dir(name) == dir {
			entries = append(entries, snapshot.Entry{Name: filepath.Base(name), Size: int64(len(f.data))})
		}
	}
	return entries, nil
}

func (f *memFile) ReadAt(b []byte, at int64) (int, error) {
	defer f.fs.mu.Unlock()
	if err := f.fs.op("read"); err != nil {
		return 0, err
	}
	if at >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(b []byte, at int64) (int, error) {
	defer f.fs.mu.Unlock()
	err := f.fs.op("write")
	switch err {
	case nil:
	case errShort:
		b = b[:len(b)/2]
	default:
		return 0, err
	}
	if grow := int(at) + len(b) - len(f.data); grow > 0 {
		f.data = append(f.data, make([]byte, grow)...)
	}
	return copy(f.data[at:], b), err
}

func (f *memFile) Sync() error {
	defer f.fs.mu.Unlock()
	return f.fs.op("sync")
}

func (f *memFile) Write([]byte) (int, error) { panic("a journal does not use Write") }

func (f *memFile) Close() error { return nil }

func (f *memFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.data)), nil
}
