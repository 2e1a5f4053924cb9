package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/core/journal"
)

const inspectJournalLong = `Prints the header of a segment of a journal and its frames with their offsets, kinds,
sequences and chain, as far as they are sound. Of a folder, a line for each segment.
Nothing is locked or written: it may run beside the engine.

The exit code is 4 if a header is damaged, or a frame that was acknowledged.`

func newInspectJournal() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "journal FILE|FOLDER",
		Short:   "Print a segment of a journal, or a list of them",
		Long:    inspectJournalLong,
		Example: "  backstop inspect journal /var/lib/backstop\n  backstop inspect journal 00000000000000000001.journal --output ndjson",
		Args:    usage(cobra.ExactArgs(1)),
	}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		info, err := os.Stat(args[0])
		if err != nil {
			return exit.With(exit.BadInput, err)
		}
		if info.IsDir() {
			return inspectJournalFolder(cmd.OutOrStdout(), *output, args[0])
		}
		x, err := examineSegment(args[0])
		if err != nil {
			return err
		}
		if err := x.print(cmd.OutOrStdout(), *output); err != nil {
			return err
		}
		return x.fault
	}
	return cmd
}

// examinedSegment is a segment file as far as it is sound.
type examinedSegment struct {
	header journal.Segment
	frames []journal.Frame // without payloads
	lens   []int
	events int
	end    journal.End
	fault  error
}

// examineSegment reads a file. The error is that of the disk.
func examineSegment(path string) (*examinedSegment, error) {
	x := &examinedSegment{}
	x.header, x.end, x.fault = journal.Inspect(nil, path, func(f *journal.Frame) {
		kept := *f
		kept.Payload = nil
		x.frames, x.lens = append(x.frames, kept), append(x.lens, len(f.Payload))
		x.events += f.Count
	})
	if x.fault != nil && !errors.Is(x.fault, journal.ErrDamaged) && !errors.Is(x.fault, journal.ErrVersion) {
		return nil, x.fault
	}
	return x, nil
}

func (x *examinedSegment) verdict() string {
	switch {
	case errors.Is(x.fault, journal.ErrVersion):
		return "unknown format"
	case x.fault != nil:
		return "damaged"
	case x.end.Torn:
		return "torn tail"
	}
	return "sound"
}

func (x *examinedSegment) summary() report.Record {
	s := &x.header
	return report.Record{
		{Name: "file", Value: s.Path},
		{Name: "verdict", Value: x.verdict()},
		{Name: "segment", Value: s.Number},
		{Name: "first_event", Value: s.First},
		{Name: "events", Value: x.events},
		{Name: "frames", Value: len(x.frames)},
		{Name: "used_bytes", Value: x.end.Offset},
		{Name: "size_bytes", Value: s.Size},
	}
}

// print prints the header by its table of offsets, then the frames.
func (x *examinedSegment) print(w io.Writer, f report.Format) error {
	s := &x.header
	header := append(x.summary(), report.Record{
		{Name: "rules_version", Value: s.Rules},
		{Name: "shard", Value: s.Shard},
		{Name: "chain", Value: fmt.Sprintf("%016x", s.Chain)},
		{Name: "salt", Value: fmt.Sprintf("%016x", s.Salt)},
	}...)
	if err := report.One(w, f, header); err != nil {
		return err
	}
	if f == report.Table && len(x.frames) > 0 {
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	var records []report.Record
	for i := range x.frames {
		r := &x.frames[i]
		records = append(records, report.Record{
			{Name: "offset", Value: r.Offset},
			{Name: "kind", Value: r.Kind.String()},
			{Name: "first", Value: r.First},
			{Name: "events", Value: r.Count},
			{Name: "payload_bytes", Value: x.lens[i]},
			{Name: "durable", Value: r.Durable},
			{Name: "chain", Value: fmt.Sprintf("%016x", r.Chain)},
			{Name: "hash", Value: fmt.Sprintf("%016x", r.Hash)},
		})
	}
	return report.Many(w, f, records)
}

// inspectJournalFolder prints a summary of each segment in a folder.
func inspectJournalFolder(w io.Writer, f report.Format, dir string) error {
	folder, err := journal.Open(dir, journal.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	segments := folder.Segments()
	if len(segments) == 0 {
		return exit.Errorf(exit.BadInput, "%s: no journal in this folder", dir)
	}
	var records []report.Record
	var faults []error
	for _, s := range segments {
		x, err := examineSegment(s.Path)
		if err != nil {
			return err
		}
		records = append(records, x.summary())
		faults = append(faults, x.fault)
	}
	if err := report.Many(w, f, records); err != nil {
		return err
	}
	return errors.Join(faults...)
}
