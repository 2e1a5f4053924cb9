package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/report"
)

const rootLong = `The insurance fund of a perpetual-futures exchange, as a deterministic engine
in memory: it liquidates, takes over bankrupt positions, deleverages
counterparties and sells off what the fund holds.

Exit codes:
  0    ok
  1    failure
  2    usage: see the command's --help
  3    bad input or configuration
  4    data corrupt
  5    unavailable: in use by somebody else, or nobody there
  130  interrupted by SIGINT or SIGTERM (serve and follow end with 0 on SIGTERM)`

// newRoot returns the program's commands.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "backstop",
		Short:         "The insurance fund of a perpetual-futures exchange",
		Long:          rootLong,
		Args:          usage(cobra.NoArgs),
		SilenceErrors: true, // run prints them, once
		SilenceUsage:  true, // an error says what to do; a page of flags would hide it
		RunE:          needsCommand,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return exit.Errorf(exit.Usage, "%w; see '%s --help'", err, cmd.CommandPath())
	})
	root.AddCommand(newApply(), newServe(), newFollow(), newDemo(), newFeed(), newTap(), newInspect(), newJournal(), newReplay(), newVerify(), newVersion())
	return root
}

// needsCommand is what a command that only groups others does.
func needsCommand(cmd *cobra.Command, _ []string) error {
	return exit.Errorf(exit.Usage, "no command given: want %s; see '%s --help'", strings.Join(commandNames(cmd), ", "), cmd.CommandPath())
}

// commandNames are those a person would look for.
func commandNames(cmd *cobra.Command) []string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// usage makes an error of check one of usage, and a group's one about the
// command it does not have.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil {
			return nil
		}
		if cmd.HasSubCommands() {
			err = fmt.Errorf("unknown command %q: want %s", args[0], strings.Join(commandNames(cmd), ", "))
		}
		return exit.Errorf(exit.Usage, "%w; see '%s --help'", err, cmd.CommandPath())
	}
}

// outputFlag gives cmd the flag that says how it reports.
func outputFlag(cmd *cobra.Command) *report.Format {
	f := report.Table
	cmd.Flags().VarP(&f, "output", "o", "print a table for people or NDJSON for programs")
	return &f
}
