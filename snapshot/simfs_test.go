package snapshot

import (
	"errors"
	"io"

	"github.com/backstop-fund/backstop/core/coretest/simdisk"
)

// simFS is the simulated disk in this package's types.
type simFS struct{ *simdisk.Disk }

func newSimFS() simFS { return simFS{new(simdisk.Disk)} }

func (f simFS) clone() simFS { return simFS{f.Clone()} }

func (f simFS) Lock(name string) (io.Closer, error) {
	l, err := f.Disk.Lock(name)
	if errors.Is(err, simdisk.ErrLocked) {
		err = ErrLocked
	}
	return l, err
}

func (f simFS) Create(name string) (File, error) { return opened(f.Disk.Create(name)) }

func (f simFS) Open(name string) (File, error) { return opened(f.Disk.Open(name)) }

// opened keeps a nil file from becoming a File that is not.
func opened(f *simdisk.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (f simFS) List(dir string) (entries []Entry, err error) {
	err = f.Disk.List(dir, func(name string, size int64) { entries = append(entries, Entry{name, size}) })
	return entries, err
}
