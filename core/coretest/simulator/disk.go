package simulator

import (
	"errors"
	"io"

	"github.com/backstop-fund/backstop/core/coretest/simdisk"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/snapshot"
)

// Disk is a simulated disk in the types of journal and snapshots.
type Disk struct{ *simdisk.Disk }

var _ journal.FS = Disk{}

// Lock is the disk's, with the error that says so.
func (d Disk) Lock(name string) (io.Closer, error) {
	l, err := d.Disk.Lock(name)
	if errors.Is(err, simdisk.ErrLocked) {
		err = snapshot.ErrLocked
	}
	return l, err
}

// Create is the disk's.
func (d Disk) Create(name string) (snapshot.File, error) {
	return opened[snapshot.File](d.Disk.Create(name))
}

// Open is the disk's.
func (d Disk) Open(name string) (snapshot.File, error) {
	return opened[snapshot.File](d.Disk.Open(name))
}

// Edit is the disk's.
func (d Disk) Edit(name string) (journal.File, error) { return opened[journal.File](d.Disk.Edit(name)) }

// opened keeps a nil file from becoming an interface that is not nil.
func opened[F any](f *simdisk.File, err error) (file F, _ error) {
	if err != nil {
		return file, err
	}
	return any(f).(F), nil
}

// List is the disk's.
func (d Disk) List(dir string) (entries []snapshot.Entry, err error) {
	err = d.Disk.List(dir, func(name string, size int64) {
		entries = append(entries, snapshot.Entry{Name: name, Size: size})
	})
	return entries, err
}
