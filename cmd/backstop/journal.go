package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/terminal"
	"github.com/backstop-fund/backstop/core"
)

func newJournal() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "journal",
		Short: "Read the journal of an engine as text, verify it, remove its oldest part",
		Args:  usage(cobra.NoArgs),
		RunE:  needsCommand,
	}
	cmd.AddCommand(newJournalDump(), newJournalVerify(), newJournalPrune())
	return cmd
}

// watching gives cmd the flag that silences its progress, and returns where that
// goes.
func watching(cmd *cobra.Command) func() *terminal.Progress {
	quiet := cmd.Flags().Bool("quiet", false, "print no progress")
	return func() *terminal.Progress {
		if *quiet {
			return terminal.NewProgress(io.Discard)
		}
		return terminal.NewProgress(cmd.ErrOrStderr())
	}
}

// replayed shows how far one replay after the other has come with a journal, and how
// fast.
func replayed(progress *terminal.Progress) func(core.Progress) {
	var base uint64 // where it began
	var last time.Duration
	begun := false
	return func(p core.Progress) {
		if !begun || p.Elapsed < last {
			base, begun = p.Snapshot, true
		}
		last = p.Elapsed
		progress.Step(int(p.Done>>10), int(p.Total>>10), func() string {
			rate := float64(p.Sequence-min(base, p.Sequence)) / max(p.Elapsed, time.Millisecond).Seconds()
			return fmt.Sprintf("event %s  %s/s", grouped(int64(p.Sequence)), grouped(int64(rate)))
		})
	}
}
