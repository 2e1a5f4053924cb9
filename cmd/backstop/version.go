package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/snapshot"
)

func newVersion() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print what this program was built from",
		Long: `Print what this program was built from, as the Go command noted it down, and the
versions of the rules and of the snapshot format it has. A state is continued only
by a program with the same rules.`,
		Example: "  backstop version --output ndjson",
		Args:    usage(cobra.NoArgs),
	}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return report.One(cmd.OutOrStdout(), *output, buildRecord())
	}
	return cmd
}

// buildRecord is what is known of this build. Revision and time are there when it
// was built from a repository.
func buildRecord() report.Record {
	r := report.Record{{Name: "version", Value: "unknown"}}
	if info, ok := debug.ReadBuildInfo(); ok {
		r[0].Value = info.Main.Version
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				r = append(r, report.Field{Name: "revision", Value: s.Value})
			case "vcs.time":
				r = append(r, report.Field{Name: "time", Value: s.Value})
			case "vcs.modified":
				r = append(r, report.Field{Name: "modified", Value: s.Value == "true"})
			}
		}
	}
	return append(r,
		report.Field{Name: "go", Value: runtime.Version()},
		report.Field{Name: "platform", Value: runtime.GOOS + "/" + runtime.GOARCH},
		report.Field{Name: "rules", Value: machine.RulesVersion},
		report.Field{Name: "snapshot_format", Value: snapshot.FormatVersion},
	)
}
