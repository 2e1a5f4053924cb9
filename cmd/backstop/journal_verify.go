package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/cmd/internal/terminal"
	"github.com/backstop-fund/backstop/core/journal"
)

const journalVerifyLong = `Reads every frame of a journal: checksums, sequences and the chain that joins them,
from segment to segment. Nothing is changed. Beside a running engine it reads as far
as the engine has written.

The exit code is 4 if events that were acknowledged are damaged or missing; the
message names file, offset and sequence. A torn tail, which nobody was told about, is
none: the next start of the engine sets it to zero.`

func newJournalVerify() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "verify FOLDER",
		Short:   "Verify every frame of a journal",
		Long:    journalVerifyLong,
		Example: "  backstop journal verify /var/lib/backstop\n  backstop journal verify /var/lib/backstop --output ndjson",
		Args:    usage(cobra.ExactArgs(1)),
	}
	progress := watching(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		log, err := openEventLog(args[0])
		if err != nil {
			return err
		}
		x := &journalSummary{}
		damage := x.read(cmd, log, progress())
		if err := errors.Join(x.print(cmd.OutOrStdout(), *output, log, damage), log.Close()); err != nil {
			return err
		}
		return damage
	}
	return cmd
}

// journalSummary is what was seen on the way through a journal.
type journalSummary struct {
	frames, events uint64
	bytes          int64 // of events
	durable        uint64
	last           uint64
}

// read goes through all of it. The error is where and why that ends before the end.
func (x *journalSummary) read(cmd *cobra.Command, log *eventLog, progress *terminal.Progress) error {
	defer progress.End()
	if err := log.seek(0); err != nil {
		return err
	}
	for {
		f, err := log.frames.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		log.frame = f
		x.frames++
		x.events += uint64(f.Count)
		x.bytes += int64(len(f.Payload))
		x.durable, x.last = f.Durable, f.Last()
		if x.frames%(1<<8) == 0 {
			if err := context.Cause(cmd.Context()); err != nil {
				return err
			}
			done, total := log.progress()
			progress.Step(done, total, func() string { return "event " + grouped(int64(x.last)) })
		}
	}
}

func (x *journalSummary) print(w io.Writer, f report.Format, log *eventLog, damage error) error {
	segments := log.folder.Segments()
	verdict, torn := "verified", false
	if r, ok := log.frames.(*journal.Reader); ok {
		torn = r.End().Torn
	}
	switch {
	case errors.Is(damage, journal.ErrDamaged):
		verdict = "damaged"
	case damage != nil:
		verdict = "not read to its end"
	case log.live:
		verdict = "verified as far as it is written"
	}
	return report.One(w, f, report.Record{
		{Name: "verdict", Value: verdict},
		{Name: "segments", Value: len(segments)},
		{Name: "first_event", Value: log.first()},
		{Name: "last_event", Value: x.last},
		{Name: "known_durable", Value: x.durable},
		{Name: "events", Value: x.events},
		{Name: "frames", Value: x.frames},
		{Name: "event_bytes", Value: x.bytes},
		{Name: "torn_tail", Value: torn},
		{Name: "rules_version", Value: segments[len(segments)-1].Rules},
		{Name: "shard", Value: segments[0].Shard},
	})
}
