package journal

import (
	"errors"
	"fmt"
)

// Kinds of errors, for errors.Is. A folder in use by another process is
// snapshot.ErrLocked.
var (
	// ErrDamaged marks every error that means "events that were acknowledged are
	// not as they were written": the journal must not be continued.
	ErrDamaged = errors.New("journal: acknowledged data is damaged")
	// ErrVersion marks an intact segment in a version of the format this build
	// does not read.
	ErrVersion = errors.New("journal: unknown format version")
	// ErrFailed marks the end of a writer: a write or sync failed, at this call or
	// an earlier one. It wraps the cause, and is never tried again.
	ErrFailed = errors.New("journal: writing failed")
	// ErrGone means that the sequence asked for is older than the first segment.
	ErrGone = errors.New("journal: older than the first segment")
	// ErrAgain means that a Tail has nothing to read yet.
	ErrAgain = errors.New("journal: nothing yet")
	// ErrOptions marks every error about Options no journal can have.
	ErrOptions = errors.New("journal: bad options")
)

// DamageError is an [ErrDamaged].
type DamageError struct {
	File     string
	Offset   int64  // of the bad frame or header in it
	Sequence uint64 // the first that cannot be read; 0 if that is not known
	What     string
}

func (e *DamageError) Error() string {
	at := ""
	if e.Sequence != 0 {
		at = fmt.Sprintf(", sequence %d", e.Sequence)
	}
	return fmt.Sprintf("%v: %s at offset %d%s: %s", ErrDamaged, e.File, e.Offset, at, e.What)
}

// Is reports that a DamageError is an [ErrDamaged].
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

// VersionError is an [ErrVersion].
type VersionError struct {
	Got uint32 // the segment's format version
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("journal: format version %d, this build reads %d", e.Got, FormatVersion)
}

// Is reports that a VersionError is an [ErrVersion].
func (e *VersionError) Is(target error) bool { return target == ErrVersion }
