package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/event/ndjson"
	"github.com/backstop-fund/backstop/core/machine"
)

const applyLong = `Reads events, one JSON object a line, from FILE or standard input, applies each,
and prints its effects at once. There are no threads, no clock and no files
behind it: the same lines give the same output, on every machine.

A line that is not a well-formed event ends the run with exit code 3 and
"line:column: what" on standard error; nothing of it is applied. An event that the
rules refuse is a "rejected" effect, and the run goes on.`

const applyExample = `  backstop apply events.ndjson --state
  generate | backstop apply --quiet --state | tail -n 1`

func newApply() *cobra.Command {
	var state, quiet bool
	cmd := &cobra.Command{
		Use:     "apply [FILE]",
		Short:   "Apply events from a file and print their effects",
		Long:    applyLong,
		Example: applyExample,
		Args:    usage(cobra.MaximumNArgs(1)),
	}
	cmd.Flags().BoolVar(&state, "state", false, "print accounts, funds and the state digest after the last effect")
	cmd.Flags().BoolVar(&quiet, "quiet", false, "print no effects")
	limits := limitFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		input, err := openInput(cmd, args)
		if err != nil {
			return err
		}
		defer input.Close() // read only: there is nothing to lose
		m, err := machine.New(*limits)
		if err != nil {
			return err
		}
		a := newApplier(m, cmd.OutOrStdout(), quiet)
		err = a.run(cmd.Context(), input)
		if err == nil && state {
			a.printState()
		}
		if flushed := a.out.Flush(); err == nil {
			err = flushed
		}
		return err
	}
	return cmd
}

// openInput opens the file a command is given, or standard input for none and
// for "-".
func openInput(cmd *cobra.Command, args []string) (io.ReadCloser, error) {
	if len(args) == 0 || args[0] == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	f, err := os.Open(args[0])
	if err != nil {
		return nil, exit.With(exit.BadInput, err)
	}
	return f, nil
}

// applier drives a machine from lines and writes down what comes of it.
type applier struct {
	machine *machine.Machine
	names   ndjson.Names
	decoder *ndjson.Decoder
	effects *event.Effects
	records []event.Record
	out     *bufio.Writer
	quiet   bool
}

func newApplier(m *machine.Machine, out io.Writer, quiet bool) *applier {
	a := &applier{
		machine: m,
		effects: event.NewEffects(64, nil),
		records: make([]event.Record, 0, event.MaxRecords),
		out:     bufio.NewWriterSize(out, 1<<16),
		quiet:   quiet,
	}
	a.decoder = ndjson.NewDecoder(&a.names)
	return a
}

// run applies all lines of input. Effects leave the buffer when it is full, and
// before the input has to be waited for.
func (a *applier) run(ctx context.Context, input io.Reader) error {
	lines := newLineReader(flushBefore{newInterruptible(ctx, input), a.out})
	for {
		line, err := lines.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after event %d: %w", a.machine.Sequence(), err)
		}
		if err := a.apply(line); err != nil {
			return err
		}
	}
}

func (a *applier) apply(line []byte) error {
	e, err := a.decoder.Decode(line, a.records)
	if err != nil || e == nil {
		return err
	}
	return a.event(e)
}

// event applies one event and prints what comes of it.
func (a *applier) event(e event.Event) error {
	_, code := a.machine.Apply(e, a.effects)
	if code == event.Accepted && isCreation(e) {
		if err := bindAll(&a.names, a.machine); err != nil {
			return err
		}
	}
	all := a.effects.All()
	for i := range all {
		if !a.quiet {
			a.print(ndjson.AppendEffect(a.out.AvailableBuffer(), &a.names, &all[i]))
		}
	}
	a.effects.Reset()
	return nil
}

// print writes a line. A fault of the output stays with the writer, whose Flush
// returns it.
func (a *applier) print(line []byte) { _, _ = a.out.Write(append(line, '\n')) }

// printState prints accounts by id, funds by name, and the digest.
func (a *applier) printState() {
	viewer := a.machine.Viewer()
	var account event.AccountView
	for _, id := range a.machine.AccountIDs(nil) {
		if viewer.Account(id, &account) {
			a.print(ndjson.AppendAccount(a.out.AvailableBuffer(), &a.names, &account))
		}
	}
	var fund event.FundView
	for id := range a.machine.Funds {
		if a.machine.Fund(id, &fund) {
			a.print(ndjson.AppendFund(a.out.AvailableBuffer(), &a.names, &fund))
		}
	}
	a.print(ndjson.AppendDigest(a.out.AvailableBuffer(), a.machine.Sequence(), a.machine.Digest()))
}
