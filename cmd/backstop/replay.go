package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core/event"
)

const replayLong = `Applies the events of a journal again and prints their effects, as "backstop apply"
would: the same events give the same effects. Nothing is written, and it may run beside
the engine, whose machine it does not touch.

It begins at the first event of the journal, or at --from, with the newest snapshot
before that; where there is none it begins with nothing, and --max-accounts and the
others must be what the engine has. A pruned journal begins behind the oldest snapshot
from which it goes on.`

const replayExample = `  backstop replay /var/lib/backstop --until 4711 --state --quiet
  backstop replay /var/lib/backstop --from 4711 --until 4711`

func newReplay() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "replay FOLDER",
		Short:   "Apply the events of a journal again and print their effects",
		Long:    replayLong,
		Example: replayExample,
		Args:    usage(cobra.ExactArgs(1)),
	}
	f := cmd.Flags()
	from := f.Uint64("from", 0, "first `event` whose effects are printed; 0 for the first there is")
	until := f.Uint64("until", 0, "last `event` to apply; 0 for the last there is")
	state := f.Bool("state", false, "print accounts, funds and the state digest after the last effect")
	silent := f.Bool("no-effects", false, "print no effects")
	limits := limitFlags(cmd)
	progress := watching(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		last := *until
		if last == 0 {
			last = ^uint64(0)
		}
		start := *from
		if *silent && start == 0 {
			start = last // only the state is asked for: the nearest snapshot will do
		}
		p, err := openPast(cmd, args[0], start, limits)
		if err != nil {
			return err
		}
		a := newApplier(p.machine, cmd.OutOrStdout(), *silent)
		err = bindAll(&a.names, p.machine)
		if err == nil {
			err = p.play(cmd, last, progress(), func(seq uint64, e event.Event) error {
				a.quiet = *silent || seq < *from
				return a.event(e)
			})
		}
		if err == nil && *until != 0 && p.machine.Sequence() < *until {
			err = exit.Errorf(exit.BadInput, "%s: the journal ends with event %d", args[0], p.machine.Sequence())
		}
		if err == nil && *state {
			a.printState()
		}
		if flushed := a.out.Flush(); err == nil {
			err = flushed
		}
		return errors.Join(err, p.log.Close())
	}
	return cmd
}
