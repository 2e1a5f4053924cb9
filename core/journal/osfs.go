package journal

import (
	"os"

	"github.com/backstop-fund/backstop/snapshot"
)

// OS returns the file system of the machine.
func OS() FS { return osFS{snapshot.OS()} }

type osFS struct{ snapshot.FS }

func (osFS) Edit(name string) (File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

type osFile struct{ *os.File }

func (f osFile) Sync() error { return datasync(f.File) }
