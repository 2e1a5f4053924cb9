package snapshot

import "io"

// FS is the little a [Store] needs of a file system. [OS] is the machine's; a
// test brings one that fails or crashes where it says.
type FS interface {
	// Mkdir creates the folder dir, private to its owner; its parent must exist.
	// An existing folder is fs.ErrExist.
	Mkdir(dir string) error
	// Lock takes the exclusive lock file name until the result is closed or the
	// process ends. Someone else's lock is ErrLocked.
	Lock(name string) (io.Closer, error)
	// Create opens a new, or emptied, file for writing, private to its owner.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// Rename replaces newName by oldName, or does nothing.
	Rename(oldName, newName string) error
	// Remove removes a file.
	Remove(name string) error
	// List returns the files of dir in any order.
	List(dir string) ([]Entry, error)
	// SyncDir makes what was created, renamed and removed in dir survive a loss
	// of power.
	SyncDir(dir string) error
}

// File is an open file of an [FS]: written from start to end, or read anywhere.
type File interface {
	io.WriteCloser
	io.ReaderAt
	// Sync makes what was written survive a loss of power.
	Sync() error
	// Size returns the length of the file in bytes.
	Size() (int64, error)
}

// Entry is a file in a folder.
type Entry struct {
	Name string // without the folder
	Size int64  // in bytes
}
