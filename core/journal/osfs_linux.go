package journal

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync leaves out what recovery does not need, such as the time of the
// write: on a file of a fixed size that saves a write to the file system's own
// log. Whatever error comes back, it is not called again.
func datasync(f *os.File) error {
	if err := unix.Fdatasync(int(f.Fd())); err != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}
