package main

import (
	"bufio"
	"errors"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/event/ndjson"
)

const journalDumpLong = `Prints the events of a journal as NDJSON, as EVENTS.md defines it, one a line, in their
order: acknowledgements and refused events too. "backstop apply" of all of it, with the
engine's limits, ends in the engine's state and digest.

Names are those that were bound when the event came, so the events before --from are
applied too, from the newest snapshot before it or from the beginning. A pruned journal
begins behind the oldest snapshot from which it goes on.`

func newJournalDump() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "dump FOLDER",
		Short:   "Print the events of a journal as NDJSON",
		Long:    journalDumpLong,
		Example: "  backstop journal dump /var/lib/backstop | backstop apply --quiet --state\n  backstop journal dump /var/lib/backstop --from 5000 --until 5010",
		Args:    usage(cobra.ExactArgs(1)),
	}
	from := cmd.Flags().Uint64("from", 0, "first `event` to print; 0 for the first there is")
	until := cmd.Flags().Uint64("until", 0, "last `event` to print; 0 for the last there is")
	limits := limitFlags(cmd)
	progress := watching(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *until == 0 {
			*until = ^uint64(0)
		}
		p, err := openPast(cmd, args[0], *from, limits)
		if err != nil {
			return err
		}
		d := &dumper{past: p, from: *from, effects: event.NewEffects(64, nil), out: bufio.NewWriterSize(cmd.OutOrStdout(), 1<<16)}
		err = bindAll(&d.names, p.machine)
		if err == nil {
			err = p.play(cmd, *until, progress(), d.event)
		}
		if flushed := d.out.Flush(); err == nil {
			err = flushed
		}
		return errors.Join(err, p.log.Close())
	}
	return cmd
}

// dumper prints events, and has a machine apply them: only it knows which names are
// bound when.
type dumper struct {
	past    *past
	from    uint64
	names   ndjson.Names
	effects *event.Effects
	out     *bufio.Writer
}

func (d *dumper) event(seq uint64, e event.Event) error {
	if seq >= d.from {
		if _, err := d.out.Write(append(ndjson.AppendEvent(d.out.AvailableBuffer(), &d.names, e), '\n')); err != nil {
			return err
		}
	}
	d.effects.Reset()
	_, code := d.past.machine.Apply(e, d.effects)
	if code == event.Accepted && isCreation(e) {
		return bindAll(&d.names, d.past.machine)
	}
	return nil
}
