package simdisk

import (
	"errors"
	"io"
	"io/fs"
)

// File is an open file of a [Disk].
type File struct {
	disk     *Disk
	name     string
	file     *inode
	writable bool
	at       int64 // where Write goes on
}

// Write writes where the last Write ended. A short one has no error: some writers
// forget theirs.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.write(p, f.at)
	f.at += int64(n)
	if errors.Is(err, ErrShort) {
		err = nil
	}
	return n, err
}

// WriteAt writes anywhere. What lies between the end and there becomes zero.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.write(p, off)
	if errors.Is(err, ErrShort) {
		err = io.ErrShortWrite
	}
	return n, err
}

func (f *File) write(p []byte, off int64) (int, error) {
	err := f.disk.step("write", f.name)
	if !f.writable {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: fs.ErrPermission}
	}
	if err == ErrPower {
		return 0, err
	}
	n := len(p)
	if err != nil {
		n /= 2
	}
	f.file.write(p[:n], int(off))
	if f.disk.Lies.Data && n > 0 {
		f.file.data[int(off)+n-1] ^= 4
	}
	return n, err
}

// ReadAt reads anywhere, what others have written since as well.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	err := f.disk.step("read", f.name)
	if errors.Is(err, ErrShort) {
		p, err = p[:len(p)/2], io.EOF
	}
	if err != nil && err != io.EOF {
		return 0, err
	}
	if off > int64(len(f.file.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.file.data[off:])
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

// Truncate cuts the file, or lengthens it by zeros.
func (f *File) Truncate(size int64) error {
	if err := f.disk.step("truncate", f.name); err != nil {
		return err
	}
	f.file.truncate(int(size))
	return nil
}

// Sync makes contents and length durable.
func (f *File) Sync() error {
	err := f.disk.step("sync", f.name)
	switch {
	case err == ErrPower:
	case err != nil:
		f.file.forsake()
	case !f.disk.Lies.Sync:
		f.file.sync()
	}
	return err
}

// Size returns the length in bytes.
func (f *File) Size() (int64, error) {
	return int64(len(f.file.data)), f.disk.step("size", f.name)
}

// Close closes the file, whatever it returns.
func (f *File) Close() error { return f.disk.step("close", f.name) }
