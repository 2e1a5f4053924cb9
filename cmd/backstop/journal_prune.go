package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/core"
)

const journalPruneLong = `Removes the segments of a journal that nobody needs, the oldest first. The engine never
does that by itself.

What stays is everything from the oldest snapshot on that leads to the next one, which
is found out as "backstop verify" does it, and everything from the oldest event on
whose effect was not acknowledged then. So there are always two snapshots for the
engine to begin with, and their journal.

It may run beside the engine, and beside "backstop follow", which begins with a snapshot
of the folder and reads nothing that is older. A crash in the middle leaves the newest
segments, without a gap.

Where no snapshot leads to another nothing is removed, and the exit code is 3: keep at
least two (--keep) and take one more. It is 4, and nothing is removed, if a snapshot is
not what the one before it leads to, or the journal is damaged.`

const journalPruneExample = `  backstop journal prune /var/lib/backstop --dry-run
  backstop journal prune /var/lib/backstop`

func newJournalPrune() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "prune FOLDER",
		Short:   "Remove what no snapshot needs any more",
		Long:    journalPruneLong,
		Example: journalPruneExample,
		Args:    usage(cobra.ExactArgs(1)),
	}
	dry := cmd.Flags().Bool("dry-run", false, "say what would be removed, and remove nothing")
	autoAck := autoAckFlag(cmd)
	progress := watching(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := dataFolder(args[0]); err != nil {
			return err
		}
		drawn := progress()
		p, err := core.Prune(cmd.Context(), core.Config{Dir: args[0], AutoAck: *autoAck, Progress: replayed(drawn)}, *dry)
		drawn.End()
		if p.Keep == 0 {
			return err // before anything was to be removed
		}
		return errors.Join(printPruned(cmd.OutOrStdout(), *output, p, *dry), err)
	}
	return cmd
}

func printPruned(w io.Writer, f report.Format, p core.Pruned, dry bool) error {
	var records []report.Record
	var bytes int64
	for _, s := range p.Removed {
		bytes += s.Size
		records = append(records, report.Record{
			{Name: "file", Value: s.Path}, {Name: "first_event", Value: s.First}, {Name: "bytes", Value: s.Size},
		})
	}
	err := report.One(w, f, report.Record{
		{Name: "dry_run", Value: dry},
		{Name: "segments", Value: len(p.Removed)},
		{Name: "bytes", Value: bytes},
		{Name: "kept_from_event", Value: p.Keep},
		{Name: "because", Value: p.Why},
		{Name: "verified", Value: p.Verified.Snapshot.Path},
		{Name: "verified_from_event", Value: p.Verified.From},
	})
	if err == nil && f == report.Table && len(records) > 0 {
		_, err = fmt.Fprintln(w)
	}
	if err == nil {
		err = report.Many(w, f, records)
	}
	if err != nil {
		return fmt.Errorf("printing what was removed: %w", err)
	}
	return nil
}
