package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/snapshot"
)

const followLong = `Follows the journal of an engine that runs in another process, "backstop serve
--follow-elsewhere", and takes the snapshots for it. That saves the engine's process the
memory of a second machine and its share of a CPU; they are spent here. Whether the
engine is there, comes later or is started anew does not matter.

--snapshot-every, --snapshot-after, --keep, --auto-ack, --max-accounts and the others
mean what they mean for serve. --auto-ack and the limits must be what the engine has, or
the machine here would come to another state.

The follower in the engine's own process compares its effects with the engine's before
each snapshot. This one cannot; "backstop verify" is what compares its snapshots with
the journal.

Signals: SIGTERM is a clean stop with exit code 0, SIGINT one with 130, SIGUSR1 takes a
snapshot. A clean stop takes a snapshot of what is applied, if anything is new. With
--once it is taken at the end of what is written, and the exit code is 5 if it is not
known to be durable by then: an engine that died has not said so, and says it when it
is started again.

The exit code is 4 if the journal is damaged, 5 if another process takes the snapshots.`

const followExample = `  backstop follow /var/lib/backstop --snapshot-every 1000000
  backstop follow /var/lib/backstop --once`

func newFollow() *cobra.Command {
	var c core.Config
	cmd := &cobra.Command{
		Use:     "follow FOLDER",
		Short:   "Take the snapshots of an engine in another process",
		Long:    followLong,
		Example: followExample,
		Args:    usage(cobra.ExactArgs(1)),
	}
	snapshotFlags(cmd, &c)
	autoAck := autoAckFlag(cmd)
	once := cmd.Flags().Bool("once", false, "go to the end of what is written, take a snapshot, and end")
	limits := limitFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c.Dir, c.Limits, c.AutoAck = args[0], *limits, *autoAck
		f := &follower{log: newLog(cmd.ErrOrStderr()), asked: make(chan os.Signal, 1)}
		notifySnapshot(f.asked)
		defer signal.Stop(f.asked)
		return f.run(cmd.Context(), c, *once)
	}
	return cmd
}

// snapshotFlags gives cmd the flags that say when snapshots are taken and how many
// stay.
func snapshotFlags(cmd *cobra.Command, c *core.Config) {
	f := cmd.Flags()
	f.Uint64Var(&c.SnapshotEvery, "snapshot-every", 0, "`events` from one snapshot to the next; 0 takes them at a clean stop and on SIGUSR1 only")
	f.DurationVar(&c.SnapshotAfter, "snapshot-after", 0, "`time` of the events from one snapshot to the next; 0 does not look at it")
	f.IntVar(&c.Keep, "keep", 0, "`snapshots` to keep; 0 is 3")
}

// follower is one that runs.
type follower struct {
	*core.Follower
	log   zerolog.Logger
	asked chan os.Signal
	taken uint64 // sequence of the newest snapshot
	begun time.Time
}

const (
	// followBatch is how many events are applied before anything else is looked at.
	followBatch = 4096
	// followRest is how long a follower that has caught up leaves the files alone: at
	// first, and when nothing has come for a while.
	followRest, followLongRest = time.Millisecond, 64 * time.Millisecond
	// followPatience is how long the end waits for the engine to say that what was
	// applied is durable; it says so within a millisecond.
	followPatience = time.Second
)

// errOnce is the cause of an end at the end of what is written.
var errOnce = errors.New("the end of what is written")

func (f *follower) run(ctx context.Context, c core.Config, once bool) (err error) {
	f.begun = time.Now()
	if f.Follower, err = core.OpenFollower(c); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	f.logRecovery()
	cause, err := f.follow(ctx, once)
	if err != nil {
		return err
	}
	f.log.Info().Str("cause", cause.Error()).Msg("stopping")
	err = f.last()
	if errors.Is(err, core.ErrNotDurable) && !once {
		f.log.Warn().Err(err).Msg("no last snapshot was taken")
		err = nil
	}
	f.log.Info().Uint64("applied", f.Machine().Sequence()).Uint64("durable", f.Durable()).Uint64("snapshot", f.taken).Msg("stopped")
	switch {
	case err != nil:
		return err
	case cause == errOnce || terminated(ctx):
		return nil
	}
	return cause
}

// follow goes on until something ends it, which is the cause.
func (f *follower) follow(ctx context.Context, once bool) (cause, err error) {
	rest, behind, vain := followRest, true, 0
	for ctx.Err() == nil {
		n, err := f.Step(followBatch)
		if err != nil {
			return nil, err
		}
		if f.Ready() {
			f.take()
			continue
		}
		if n > 0 {
			rest, vain = followRest, 0
			f.look()
			continue
		}
		// An end must look like one as often as it takes to tell it from damage.
		if vain++; once && vain < looks {
			continue
		}
		if behind {
			behind = false
			f.log.Info().Uint64("sequence", f.Machine().Sequence()).Int64("millis", time.Since(f.begun).Milliseconds()).Msg("caught up")
		}
		if once {
			return errOnce, nil
		}
		f.await(ctx, rest)
		rest = min(2*rest, followLongRest)
	}
	return context.Cause(ctx), nil
}

// look takes a signal, if there is one.
func (f *follower) look() {
	select {
	case <-f.asked:
		f.Request()
	default:
	}
}

// await waits for a while, or until something is to be done.
func (f *follower) await(ctx context.Context, rest time.Duration) {
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.asked:
		f.Request()
	case <-ctx.Done():
	}
}

// take takes a snapshot. A disk that fails is not the follower's to mend: it goes on,
// and the next one is due as if this one had been taken.
func (f *follower) take() {
	if err := f.snapshot("snapshot"); err != nil {
		f.log.Error().Err(err).Msg("no snapshot was taken")
	}
}

func (f *follower) snapshot(message string) error {
	info, err := f.Snapshot()
	if err != nil && !errors.Is(err, snapshot.ErrRetire) {
		return err
	}
	f.taken = info.Sequence
	f.log.Info().Str("file", info.Path).Uint64("sequence", info.Sequence).AnErr("warning", err).Msg(message)
	return nil
}

// last takes the last snapshot, unless there is nothing new in it. What was applied
// may have to become durable first.
func (f *follower) last() error {
	for until := time.Now().Add(followPatience); f.Machine().Sequence() > f.taken; time.Sleep(followRest) {
		f.Request()
		if _, err := f.Step(followBatch); err != nil {
			return err
		}
		if f.Ready() {
			return f.snapshot("last snapshot")
		}
		if time.Now().After(until) {
			return f.snapshot("last snapshot") // or what is missing
		}
	}
	return nil
}

func (f *follower) logRecovery() {
	r := f.Recovery()
	for _, why := range r.Skipped {
		f.log.Warn().Err(why).Msg("a damaged snapshot was passed over: the journal has what came after the one restored")
	}
	f.taken = r.Snapshot.Sequence
	f.log.Info().Str("file", r.Snapshot.Path).Uint64("sequence", r.Sequence).Int64("millis", r.Elapsed.Milliseconds()).Msg("following")
}
