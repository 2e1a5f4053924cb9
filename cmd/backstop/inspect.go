package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/snapshot"
)

func newInspect() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect",
		Short: "Print what a file on disk says, and whether it can be believed",
		Args:  usage(cobra.NoArgs),
		RunE:  needsCommand,
	}
	cmd.AddCommand(newInspectSnapshot(), newInspectJournal())
	return cmd
}

const inspectLong = `Prints header, capacities, sections, chunks and digest of a snapshot file, and
whether every checksum of it is met. Of a folder, a line for each snapshot in it,
the newest first. Nothing is locked or written: it may run beside the engine.

Of a damaged file it prints what can still be read. The exit code is 4 if any file
is damaged.`

func newInspectSnapshot() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "snapshot FILE|FOLDER",
		Short:   "Verify a snapshot, or a folder of them, and print what is in it",
		Long:    inspectLong,
		Example: "  backstop inspect snapshot /var/lib/backstop/snapshots\n  backstop inspect snapshot 00000000000000000050.snapshot --output ndjson",
		Args:    usage(cobra.ExactArgs(1)),
	}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		info, err := os.Stat(args[0])
		if err != nil {
			return exit.With(exit.BadInput, err)
		}
		if info.IsDir() {
			return inspectFolder(cmd.OutOrStdout(), *output, args[0])
		}
		found, err := examine(args[0])
		if err != nil {
			return err
		}
		if err := found.print(cmd.OutOrStdout(), *output); err != nil {
			return err
		}
		return found.fault
	}
	return cmd
}

// examined is a snapshot file as far as it could be read.
type examined struct {
	path   string
	layout snapshot.Layout
	fault  error // why it cannot be believed, or nil
}

// examine reads and verifies a file. The error is that of the disk.
func examine(path string) (*examined, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, exit.With(exit.BadInput, err)
	}
	defer f.Close() // read only: there is nothing to lose
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	x := &examined{path: path}
	x.layout, x.fault = snapshot.Inspect(f, info.Size())
	x.layout.Size = info.Size()
	if x.fault == nil {
		_, x.fault = snapshot.NewDecoder(f, info.Size())
	}
	if x.fault != nil {
		x.fault = fmt.Errorf("%s: %w", path, x.fault)
		if !errors.Is(x.fault, snapshot.ErrCorrupt) && !errors.Is(x.fault, snapshot.ErrVersion) {
			return nil, x.fault
		}
	}
	return x, nil
}

// verdict is the outcome of the verification in a word.
func (x *examined) verdict() string {
	switch {
	case x.fault == nil:
		return "verified"
	case errors.Is(x.fault, snapshot.ErrVersion):
		return "unknown format"
	}
	return "corrupt"
}

func (x *examined) summary() report.Record {
	l := &x.layout
	return report.Record{
		{Name: "file", Value: x.path},
		{Name: "result", Value: x.verdict()},
		{Name: "sequence", Value: l.Header.Sequence},
		{Name: "rules", Value: l.Header.Rules},
		{Name: "shard", Value: l.Header.Shard},
		{Name: "chain", Value: fmt.Sprintf("%016x", l.Header.Chain)},
		{Name: "bytes", Value: l.Size},
		{Name: "chunks", Value: len(l.Chunks)},
		{Name: "table_offset", Value: l.Table},
		{Name: "digest", Value: hex.EncodeToString(l.Digest[:])},
	}
}

// capacityNames are those of a header's capacities, in the order in which package
// core writes them.
var capacityNames = []string{"accounts", "positions", "symbols", "funds", "orders", "sources"}

func (x *examined) capacities() []report.Record {
	var records []report.Record
	for i, n := range x.layout.Header.Capacities {
		name := fmt.Sprintf("#%d", i)
		if i < len(capacityNames) {
			name = capacityNames[i]
		}
		records = append(records, report.Record{{Name: "capacity", Value: name}, {Name: "limit", Value: n}})
	}
	return records
}

func (x *examined) sections() []report.Record {
	var records []report.Record
	chunks := x.layout.Chunks
	for len(chunks) > 0 {
		id, n := chunks[0].Section, 0
		var raw, stored uint64
		for n < len(chunks) && chunks[n].Section == id {
			raw += uint64(chunks[n].Raw)
			stored += uint64(chunks[n].Stored)
			n++
		}
		chunks = chunks[n:]
		records = append(records, report.Record{
			{Name: "section", Value: id}, {Name: "chunks", Value: n},
			{Name: "raw_bytes", Value: raw}, {Name: "stored_bytes", Value: stored},
		})
	}
	return records
}

func (x *examined) chunks() []report.Record {
	var records []report.Record
	for _, c := range x.layout.Chunks {
		records = append(records, report.Record{
			{Name: "chunk", Value: fmt.Sprintf("%d/%d", c.Section, c.Index)}, {Name: "offset", Value: c.Offset},
			{Name: "raw_bytes", Value: c.Raw}, {Name: "stored_bytes", Value: c.Stored},
			{Name: "codec", Value: c.Codec.String()},
			{Name: "stored_crc32c", Value: fmt.Sprintf("%08x", c.StoredSum)},
			{Name: "raw_xxh64", Value: fmt.Sprintf("%016x", c.RawSum)},
		})
	}
	return records
}

// print prints the file from the whole to the parts.
func (x *examined) print(w io.Writer, f report.Format) error {
	if err := report.One(w, f, x.summary()); err != nil {
		return err
	}
	for _, part := range [][]report.Record{x.capacities(), x.sections(), x.chunks()} {
		if f == report.Table && len(part) > 0 {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		if err := report.Many(w, f, part); err != nil {
			return err
		}
	}
	return nil
}

// inspectFolder prints a summary of each snapshot in a folder, the newest first.
func inspectFolder(w io.Writer, f report.Format, dir string) error {
	store, err := snapshot.OpenStore(dir, 1, snapshot.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	list, err := store.List()
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return exit.Errorf(exit.BadInput, "%s: no snapshots in this folder", dir)
	}
	var records []report.Record
	var faults []error
	for _, info := range list {
		x, err := examine(info.Path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // retired by the engine meanwhile
		}
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
