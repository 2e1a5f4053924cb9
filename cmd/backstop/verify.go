package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/snapshot"
)

const verifyLong = `Finds out of every snapshot in a folder, the oldest first, whether it is what the
snapshot before it and the journal lead to: a machine begins with the file of the one
before, or with nothing where the journal has its first event, applies the journal up
to the snapshot, and what it would write is compared with the file byte by byte.

Nothing is locked or written, and it may run beside the engine and its follower. It
takes the memory and the time of a recovery.

The oldest snapshot of a journal that was pruned has nothing before it: it is "not
verifiable", which is no error. A damaged one is passed over for the one before it.

The exit code is 4 if a snapshot is something else, or if a snapshot or the journal is
damaged; the message names event, file, section and offset. Then keep the folder: one
of the machines that made the two is wrong, or the one that compares them. It is 3 for
a snapshot of other rules than this program has.`

const verifyExample = `  backstop verify /var/lib/backstop
  backstop verify /var/lib/backstop --output ndjson`

func newVerify() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "verify FOLDER",
		Short:   "Verify snapshots against what the journal leads to",
		Long:    verifyLong,
		Example: verifyExample,
		Args:    usage(cobra.ExactArgs(1)),
	}
	autoAck := autoAckFlag(cmd)
	progress := watching(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dir := args[0]
		if err := dataFolder(dir); err != nil {
			return err
		}
		drawn := progress()
		found, err := core.Verify(cmd.Context(), core.Config{Dir: dir, AutoAck: *autoAck, Progress: replayed(drawn)})
		drawn.End()
		if err == nil && len(found) == 0 {
			return exit.Errorf(exit.BadInput, "%s: no snapshots in this folder", dir)
		}
		return errors.Join(printVerified(cmd.OutOrStdout(), *output, found), err, wrong(found))
	}
	return cmd
}

// autoAckFlag gives cmd the flag that says what the engine had.
func autoAckFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("auto-ack", false, "the engine runs with --auto-ack, so that its snapshots carry no effects")
}

// dataFolder refuses what cannot be a folder with journal and snapshots.
func dataFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return exit.With(exit.BadInput, err)
	}
	if !info.IsDir() {
		return exit.Errorf(exit.BadInput, "%s: want a folder with journal and snapshots", dir)
	}
	return nil
}

// wrong are the errors of snapshots that are not what they should be.
func wrong(found []core.Verification) error {
	var all []error
	for _, x := range found {
		if x.Err != nil && verdictOf(x.Err) != notVerifiable {
			all = append(all, x.Err)
		}
	}
	return errors.Join(all...)
}

const notVerifiable = "not verifiable: nothing before it"

// verdictOf is the outcome for a snapshot in a few words.
func verdictOf(err error) string {
	switch {
	case err == nil:
		return "verified"
	case errors.Is(err, core.ErrDiffers):
		return "differs"
	case errors.Is(err, core.ErrNothingBefore): // what is there may be damaged, which is its own line
		return notVerifiable
	case errors.Is(err, snapshot.ErrCorrupt):
		return "damaged"
	case errors.Is(err, journal.ErrDamaged):
		return "journal damaged"
	}
	return "failed"
}

func printVerified(w io.Writer, f report.Format, found []core.Verification) error {
	var records []report.Record
	for _, x := range found {
		why := ""
		if x.Err != nil {
			why = x.Err.Error()
		}
		r := report.Record{
			{Name: "file", Value: x.Snapshot.Path},
			{Name: "verdict", Value: verdictOf(x.Err)},
			{Name: "event", Value: x.Snapshot.Sequence},
			{Name: "from", Value: x.From},
			{Name: "events", Value: x.Events},
			{Name: "millis", Value: x.Elapsed.Milliseconds()},
		}
		if f == report.NDJSON { // in a table it would be wider than all the rest
			r = append(r, report.Field{Name: "why", Value: why})
		}
		records = append(records, r)
	}
	if err := report.Many(w, f, records); err != nil {
		return fmt.Errorf("printing what was found: %w", err)
	}
	return nil
}
