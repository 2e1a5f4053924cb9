package snapshot

import (
	"errors"
	"fmt"
)

// Kinds of errors, for errors.Is.
var (
	// ErrCorrupt marks every error that means "these are not the bytes that were
	// written". An older snapshot may still be good.
	ErrCorrupt = errors.New("snapshot: corrupt")
	// ErrVersion marks an intact file in a version of the format this build does
	// not read.
	ErrVersion = errors.New("snapshot: unknown format version")
	// ErrMismatch marks intact bytes that are not the fields the reader asked
	// for: whoever wrote the section and whoever reads it disagree.
	ErrMismatch = errors.New("snapshot: fields do not match")
	// ErrNone is returned by Newest for a folder without snapshots.
	ErrNone = errors.New("snapshot: none present")
	// ErrLocked means that another store has the folder open for writing.
	ErrLocked = errors.New("snapshot: folder is in use")
	// ErrRetire marks an error of Commit that left the new snapshot published
	// and an old one in place beyond the number to keep.
	ErrRetire = errors.New("snapshot: published, but an older one was not removed")
)

// Part names a piece of the format in an error.
type Part string

// The parts of a file.
const (
	PartHeader Part = "header"
	PartChunk  Part = "chunk"
	PartTable  Part = "table"
	PartFooter Part = "footer"
)

// place words a part for an error; a chunk is known by its section.
func place(p Part, section uint32, offset int64) string {
	if p == PartChunk {
		return fmt.Sprintf("section %d at offset %d", section, offset)
	}
	return fmt.Sprintf("%s at offset %d", p, offset)
}

// ChecksumError is an [ErrCorrupt]: bytes do not have the checksum that was
// stored with them, or a magic is not there.
type ChecksumError struct {
	Part    Part
	Section uint32 // of a chunk, else 0
	Offset  int64  // of the part in the file
	What    string // which checksum or magic
	Got     uint64 // of the bytes as they are
	Want    uint64 // as stored
}

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("snapshot: %s: %s %08x, want %08x", place(e.Part, e.Section, e.Offset), e.What, e.Got, e.Want)
}

// Is reports that a ChecksumError is an [ErrCorrupt].
func (e *ChecksumError) Is(target error) bool { return target == ErrCorrupt }

// LayoutError is an [ErrCorrupt]: a length, count or order that no writer of
// this format produces.
type LayoutError struct {
	Part    Part
	Section uint32 // of a chunk, else 0
	Offset  int64  // of the part or field in the file
	What    string // which field
	Got     uint64
	Want    uint64 // the only value, or the nearest bound, that would do
}

func (e *LayoutError) Error() string {
	return fmt.Sprintf("snapshot: %s: %s is %d, want %d", place(e.Part, e.Section, e.Offset), e.What, e.Got, e.Want)
}

// Is reports that a LayoutError is an [ErrCorrupt].
func (e *LayoutError) Is(target error) bool { return target == ErrCorrupt }

// VersionError is an [ErrVersion].
type VersionError struct {
	Got uint32 // the file's format version
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("snapshot: format version %d, this build reads %d", e.Got, FormatVersion)
}

// Is reports that a VersionError is an [ErrVersion].
func (e *VersionError) Is(target error) bool { return target == ErrVersion }

// MismatchError is an [ErrMismatch].
type MismatchError struct {
	Section uint32
	At      uint64 // position in the section's raw bytes
	Left    uint64 // raw bytes of the section from there on
	What    string // what was asked of them
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("snapshot: section %d at byte %d, with %d left: %s", e.Section, e.At, e.Left, e.What)
}

// Is reports that a MismatchError is an [ErrMismatch].
func (e *MismatchError) Is(target error) bool { return target == ErrMismatch }
