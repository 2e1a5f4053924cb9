package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/terminal"
)

func newJournal() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "journal",
		Short: "Read the journal of an engine as text, verify it, remove its oldest part",
		Args:  usage(cobra.NoArgs),
		RunE:  needsCommand,
	}
	cmd.AddCommand(newJournalDump(), newJournalVerify())
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
