// Package simdisk decides what a loss of power may leave of the files a program
// wrote: a disk in memory that knows what has been synced, whose power can be cut
// after any operation, and any of whose operations can be made to fail.
//
//	name, its folder synced since it changed      as it is
//	name, not synced                              changed or not, each on its own
//	byte that no unsynced write has changed       as it is
//	those of a sector that one has                as they were, as written, torn, zero or garbage
//	length, not synced                            anything between old and new
//
// A sync that fails has synced nothing, and the next one that succeeds does not
// make up for it: the system has marked the pages clean. They read as written for
// as long as the power lasts.
//
// Everything is determined by the calls and by the numbers drawn from the source
// given to [Disk.Restart], so a seed tells a run. A disk belongs to one goroutine.
// It is tests' own: it knows neither snapshots nor journals, and both are tested on
// it through a few lines that give its methods their types.
package simdisk

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
)

// Sector is the piece of a file that a loss of power keeps or loses, in bytes.
const Sector = 512

var (
	// ErrPower is what every operation says once the power is off.
	ErrPower = errors.New("simdisk: power is off")
	// ErrShort, as a fault of a write or read, has half of it done.
	ErrShort = errors.New("simdisk: short")
	// ErrLocked is what Lock says of a name that somebody has.
	ErrLocked = errors.New("simdisk: locked")
)

// Op is one operation on a disk.
type Op struct {
	N    int    // from 0, in the order of the calls
	Kind string // "write", "sync", "rename", ... as the methods are called, in lower case
	Name string // of the file or folder
}

func (o Op) String() string { return fmt.Sprintf("%d %s %s", o.N, o.Kind, filepath.Base(o.Name)) }

// Disk is a file system. The zero value is empty but for the folders "." and "/".
type Disk struct {
	// Fault is called before each operation, if set. If it returns an error the
	// operation does nothing, or half of a write or read, and returns that error.
	Fault func(Op) error
	// Lies are seeded bugs of the disk: it reports success and does nothing, or the
	// wrong thing. They are the canaries of who tests on it.
	Lies Lies

	names   map[string]*inode // as a running program sees them
	durable map[string]*inode // as a loss of power leaves them
	pending []change          // what leads from durable to names, in order
	locked  map[string]bool
	ops     int
}

// Lies are what a disk pretends to do.
type Lies struct {
	Sync    bool // says that a file is synced
	SyncDir bool // says that a folder is
	Data    bool // flips a bit of each write
}

// A change gives name to a file, or takes it away where file is nil. A rename is
// one change, as it is on a file system with a journal of its own.
type change struct {
	name, gone string
	file       *inode
}

func (c change) apply(names map[string]*inode) {
	delete(names, c.gone)
	if c.file != nil {
		names[c.name] = c.file
	}
}

func (d *Disk) change(c change) {
	if d.names == nil {
		d.names = map[string]*inode{}
	}
	c.apply(d.names)
	d.pending = append(d.pending, c)
}

// Ops returns how many operations there have been.
func (d *Disk) Ops() int { return d.ops }

// step counts an operation and says what it fails with.
func (d *Disk) step(kind, name string) error {
	op := Op{d.ops, kind, name}
	d.ops++
	if d.Fault != nil {
		return d.Fault(op)
	}
	return nil
}

// CutAt is a fault: the power goes before operation n and stays off.
func CutAt(n int) func(Op) error {
	return func(op Op) error {
		if op.N >= n {
			return ErrPower
		}
		return nil
	}
}

// FailAt is a fault: operation n fails with err, those after it work.
func FailAt(n int, err error) func(Op) error {
	return func(op Op) error {
		if op.N == n {
			return err
		}
		return nil
	}
}

// Record is a fault that lets everything work and notes it.
func Record(ops *[]Op) func(Op) error {
	return func(op Op) error {
		*ops = append(*ops, op)
		return nil
	}
}

// root tells the folders that need not be made.
func root(dir string) bool { return filepath.Dir(dir) == dir }

func missing(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist} }

// Mkdir creates a folder.
func (d *Disk) Mkdir(dir string) error {
	if err := d.step("mkdir", dir); err != nil {
		return err
	}
	if d.names[dir] != nil {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: fs.ErrExist}
	}
	d.change(change{name: dir, file: &inode{folder: true}})
	return nil
}

// Lock takes the lock file name, creating it, until the result is closed.
func (d *Disk) Lock(name string) (io.Closer, error) {
	if err := d.step("lock", name); err != nil {
		return nil, err
	}
	if d.locked[name] {
		return nil, fmt.Errorf("%s: %w", name, ErrLocked)
	}
	if d.names[name] == nil {
		d.change(change{name: name, file: &inode{}})
	}
	if d.locked == nil {
		d.locked = map[string]bool{}
	}
	d.locked[name] = true
	return lock{d, name}, nil
}

// lock is one that is held.
type lock struct {
	disk *Disk
	name string
}

// Close gives it back, whatever it returns.
func (l lock) Close() error {
	delete(l.disk.locked, l.name)
	return l.disk.step("unlock", l.name)
}

// Unlock gives all locks back, as the end of their processes does.
func (d *Disk) Unlock() { clear(d.locked) }

// Release gives one lock back, as the end of its process does.
func (d *Disk) Release(name string) { delete(d.locked, name) }

// Create opens a new, or emptied, file.
func (d *Disk) Create(name string) (*File, error) {
	if err := d.step("create", name); err != nil {
		return nil, err
	}
	file := d.names[name]
	if file == nil {
		file = &inode{}
		d.change(change{name: name, file: file})
	}
	file.truncate(0)
	return &File{d, name, file, true, 0}, nil
}

// Open opens a file for reading.
func (d *Disk) Open(name string) (*File, error) { return d.open(name, false) }

// Edit opens a file for reading and writing in place; an absent one is created.
func (d *Disk) Edit(name string) (*File, error) {
	if d.names[name] == nil {
		return d.Create(name)
	}
	return d.open(name, true)
}

func (d *Disk) open(name string, writable bool) (*File, error) {
	if err := d.step("open", name); err != nil {
		return nil, err
	}
	if file := d.names[name]; file != nil {
		return &File{d, name, file, writable, 0}, nil
	}
	return nil, missing("open", name)
}

// Rename replaces newName by oldName.
func (d *Disk) Rename(oldName, newName string) error {
	if err := d.step("rename", newName); err != nil {
		return err
	}
	file := d.names[oldName]
	if file == nil {
		return missing("rename", oldName)
	}
	d.change(change{name: newName, gone: oldName, file: file})
	return nil
}

// Remove removes a file.
func (d *Disk) Remove(name string) error {
	if err := d.step("remove", name); err != nil {
		return err
	}
	if d.names[name] == nil {
		return missing("remove", name)
	}
	d.change(change{gone: name})
	return nil
}

// List calls yield for each file of dir, by name.
func (d *Disk) List(dir string, yield func(name string, size int64)) error {
	if err := d.step("list", dir); err != nil {
		return err
	}
	if d.names[dir] == nil && !root(dir) {
		return missing("list", dir)
	}
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		if file := d.names[name]; filepath.Dir(name) == dir && !file.folder {
			yield(filepath.Base(name), int64(len(file.data)))
		}
	}
	return nil
}

// SyncDir makes the names of dir durable.
func (d *Disk) SyncDir(dir string) error {
	if err := d.step("syncdir", dir); err != nil || d.Lies.SyncDir {
		return err
	}
	if d.durable == nil {
		d.durable = map[string]*inode{}
	}
	d.pending = slices.DeleteFunc(d.pending, func(c change) bool {
		if filepath.Dir(cmp.Or(c.name, c.gone)) != dir {
			return false
		}
		c.apply(d.durable)
		return true
	})
	return nil
}

// Put writes a file as it has always been there, synced, without an operation.
func (d *Disk) Put(name string, data []byte) {
	file := &inode{data: bytes.Clone(data), length: len(data)}
	change{name: name, file: file}.apply(d.made(&d.names))
	change{name: name, file: file}.apply(d.made(&d.durable))
}

func (d *Disk) made(m *map[string]*inode) map[string]*inode {
	if *m == nil {
		*m = map[string]*inode{}
	}
	return *m
}

// Bytes returns what a file holds, for a test to look at or to damage; nil if there
// is none.
func (d *Disk) Bytes(name string) []byte {
	if file := d.names[name]; file != nil {
		file.own()
		return file.data
	}
	return nil
}

// Names returns all files, sorted.
func (d *Disk) Names() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		if !d.names[name].folder {
			names = append(names, name)
		}
	}
	return names
}

// String shows what the disk holds, for a failed test.
func (d *Disk) String() string {
	var b bytes.Buffer
	for _, name := range d.Names() {
		fmt.Fprintf(&b, "%s %d bytes\n", name, len(d.names[name].data))
	}
	return b.String()
}
