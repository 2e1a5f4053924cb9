//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package snapshot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Lock creates a file that must not exist and removes it when closed. This is
// what is left without a lock of the system: after a crash the file remains,
// and the error says to remove it.
func (osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w: %s exists; if no process uses the folder, remove it", ErrLocked, name)
	}
	if err != nil {
		return nil, err
	}
	return lockFile{f}, nil
}

type lockFile struct{ *os.File }

func (l lockFile) Close() error {
	return errors.Join(l.File.Close(), os.Remove(l.Name()))
}
