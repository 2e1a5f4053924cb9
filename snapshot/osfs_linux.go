package snapshot

import (
	"os"

	"golang.org/x/sys/unix"
)

// dropCache evicts the clean pages of f. It is advice: where the system does
// not take it, reading back checks memory instead of the disk, and no error
// would change what the caller does.
func dropCache(f *os.File) {
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
