package journal

import (
	"io"

	"github.com/backstop-fund/backstop/snapshot"
)

// FS is what a journal needs of a file system: that of the snapshots, which may
// lie in the same folder, and files that are written in place. [OS] is the
// machine's; a test brings one that fails or crashes where it says.
type FS interface {
	snapshot.FS
	// Edit opens a file for reading and writing in place, private to its owner,
	// and creates it empty if it is not there.
	Edit(name string) (File, error)
}

// File is a file that is written in place.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes what was written survive a loss of power, and the file's length
	// if that has changed. It is fdatasync, where there is one.
	Sync() error
}
