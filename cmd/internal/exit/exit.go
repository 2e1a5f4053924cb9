// Package exit is the meaning of the program's exit codes, which scripts and
// service managers act on.
//
//	0    ok
//	1    failure: none of the below; the message says what
//	2    usage: the command line is not one the program has
//	3    bad input or configuration: a line, a file or a setting must change
//	4    data corrupt: what is on disk is not what was written
//	5    unavailable: somebody else has it, or nobody is there; trying later may do
//	130  interrupted by a signal before the work was done
//
// An error is given its code where it is understood, by [With]; [Of] reads it
// where the program ends.
package exit

import (
	"errors"
	"fmt"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event/ndjson"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/snapshot"
)

// Code is what the process returns to who started it.
type Code int

// The codes of the package doc.
const (
	OK          Code = 0
	Failure     Code = 1
	Usage       Code = 2
	BadInput    Code = 3
	Corrupt     Code = 4
	Unavailable Code = 5
	Interrupted Code = 130
)

// coded is an error whose code is known.
type coded struct {
	error
	code Code
}

func (c *coded) Unwrap() error { return c.error }

// With returns err with an exit code, which is stronger than what Of would make
// of it, and than a code it has already. Nil stays nil.
func With(code Code, err error) error {
	if err == nil {
		return nil
	}
	return &coded{err, code}
}

// Errorf is With of a new error.
func Errorf(code Code, format string, args ...any) error {
	return &coded{fmt.Errorf(format, args...), code}
}

// kinds are the codes of errors that packages below name; the first that fits
// counts.
var kinds = []struct {
	kind error
	code Code
}{
	{core.ErrDiffers, Corrupt},
	{snapshot.ErrCorrupt, Corrupt},
	{snapshot.ErrLocked, Unavailable},
	{snapshot.ErrVersion, BadInput},
	{journal.ErrDamaged, Corrupt},
	{journal.ErrVersion, BadInput},
	{journal.ErrGone, BadInput},
	{journal.ErrOptions, BadInput},
	{snapshot.ErrMismatch, BadInput}, // intact, but written by other rules or under larger limits
	{core.ErrConfig, BadInput},
	{core.ErrAck, BadInput},
	{core.ErrNothingBefore, BadInput},
	{core.ErrNotDurable, Unavailable},
	{machine.ErrLimits, BadInput},
}

// Of returns the exit code of an error: OK of nil, the one With gave it, the one
// its kind has, else Failure.
func Of(err error) Code {
	if err == nil {
		return OK
	}
	if c, ok := errors.AsType[*coded](err); ok {
		return c.code
	}
	if _, ok := errors.AsType[*ndjson.SyntaxError](err); ok {
		return BadInput
	}
	for _, k := range kinds {
		if errors.Is(err, k.kind) {
			return k.code
		}
	}
	return Failure
}
