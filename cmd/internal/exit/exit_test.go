package exit_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event/ndjson"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/snapshot"
)

// A setting nobody can act on without knowing that it is one: the code says so.
func Example() {
	err := exit.Errorf(exit.BadInput, "prices.csv:12: close %q: want a decimal", "n/a")
	fmt.Println(err)
	fmt.Println("exit code", exit.Of(err))
	// Output:
	// prices.csv:12: close "n/a": want a decimal
	// exit code 3
}

func TestOf(t *testing.T) {
	syntax := &ndjson.SyntaxError{Line: 3, Column: 7, What: "want a colon"}
	for _, c := range []struct {
		story string
		err   error
		want  exit.Code
	}{
		{"all went well", nil, exit.OK},
		{"nobody knows what it is", fs.ErrClosed, exit.Failure},
		{"a line", syntax, exit.BadInput},
		{"a line, wrapped", fmt.Errorf("init.ndjson: %w", syntax), exit.BadInput},
		{"a damaged file", &snapshot.ChecksumError{Part: snapshot.PartTable}, exit.Corrupt},
		{"a folder in use", snapshot.ErrLocked, exit.Unavailable},
		{"a file of a newer program", &snapshot.VersionError{Got: 9}, exit.BadInput},
		{"a damaged journal", &journal.DamageError{File: "x"}, exit.Corrupt},
		{"a journal of a newer program", &journal.VersionError{Got: 9}, exit.BadInput},
		{"events that were pruned", journal.ErrGone, exit.BadInput},
		{"a state beyond the limits", machine.ErrState, exit.BadInput},
		{"limits nothing can be built with", machine.ErrLimits, exit.BadInput},
		{"sizes nothing can be built with", core.ErrConfig, exit.BadInput},
		{"the history of another engine", core.ErrAck, exit.BadInput},
		{"a snapshot that nothing leads to", fmt.Errorf("%w: %w", core.ErrDiffers, &snapshot.DifferenceError{}), exit.Corrupt},
		{"a snapshot with nothing before it", core.ErrNothingBefore, exit.BadInput},
		{"a snapshot of what may be lost", core.ErrNotDurable, exit.Unavailable},
		{"a given code", exit.With(exit.Usage, fs.ErrNotExist), exit.Usage},
		{"a given code, wrapped", fmt.Errorf("feed: %w", exit.With(exit.Unavailable, fs.ErrNotExist)), exit.Unavailable},
		{"a given code over a kind", exit.With(exit.Failure, snapshot.ErrCorrupt), exit.Failure},
		{"a second code", exit.With(exit.Unavailable, exit.With(exit.BadInput, fs.ErrNotExist)), exit.Unavailable},
	} {
		t.Run(c.story, func(t *testing.T) {
			if got := exit.Of(c.err); got != c.want {
				t.Errorf("exit code %d, want %d: %v", got, c.want, c.err)
			}
		})
	}
}

func TestWith(t *testing.T) {
	if exit.With(exit.Failure, nil) != nil {
		t.Error("no error became one")
	}
	err := exit.With(exit.BadInput, fs.ErrNotExist)
	if !errors.Is(err, fs.ErrNotExist) || err.Error() != fs.ErrNotExist.Error() {
		t.Errorf("%v is not %v any more", err, fs.ErrNotExist)
	}
}
