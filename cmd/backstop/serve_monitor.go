package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"time"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/snapshot"
)

// watch is what the monitor saw a second ago.
type watch struct {
	stats  core.Stats
	sent   uint64 // of standard input
	stalls int    // seconds for which the engine has waited for acknowledgements
}

// startMonitor has SIGUSR1 taken care of from its return on.
func (s *server) startMonitor(ctx context.Context) {
	asked := make(chan os.Signal, 1)
	notifySnapshot(asked)
	s.tasks.Go(func() {
		defer signal.Stop(asked)
		s.monitor(ctx, asked)
	})
}

// monitor says what happens to the engine without anybody asking, and takes a
// snapshot when somebody does.
func (s *server) monitor(ctx context.Context, asked <-chan os.Signal) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	var w watch
	for {
		select {
		case <-asked:
			// In its own time: while the core waits for the consumer, so does this.
			s.tasks.Go(func() { s.takeSnapshot(ctx) })
		case <-ticker.C:
			s.failing(s.look(&w))
		case <-ctx.Done():
			return
		}
	}
}

func (s *server) takeSnapshot(ctx context.Context) {
	info, err := s.engine.Snapshot(ctx)
	if err != nil && !errors.Is(err, snapshot.ErrRetire) {
		s.log.Error().Err(err).Msg("no snapshot was taken")
		return
	}
	s.log.Info().Str("file", info.Path).Uint64("sequence", info.Sequence).AnErr("warning", err).Msg("snapshot on request")
}

// stallWarning is how often a stalled engine is mentioned, in seconds.
const stallWarning = 10

// look compares the engine with what it was a second ago. The error is a stall
// that cannot end.
func (s *server) look(w *watch) error {
	now := s.engine.Stats()
	if now.SnapshotFailures > w.stats.SnapshotFailures {
		s.log.Error().Err(now.SnapshotErr).Uint64("failures", now.SnapshotFailures).Msg("no snapshot was taken")
	}
	if now.Snapshots > w.stats.Snapshots {
		s.log.Info().Str("file", now.LastSnapshot.Path).Uint64("sequence", now.LastSnapshot.Sequence).Msg("snapshot")
	}
	if now.FollowerErr != nil && w.stats.FollowerErr == nil {
		s.log.Error().Err(now.FollowerErr).Msg("the follower has ended: no snapshots and no views until a restart")
	}
	full := now.Unacknowledged >= now.EffectsSize && now.Applied == w.stats.Applied
	if !full {
		w.stalls = 0
	} else if w.stalls++; w.stalls%stallWarning == 1 {
		s.log.Warn().Int("unacknowledged", now.Unacknowledged).Msg("no room for more effects until the consumer acknowledges some")
	}
	var sent uint64
	if s.lines != nil {
		sent = s.lines.sent.Load()
	}
	stuck := w.stalls > 1 && sent == w.sent && sent%2 == 1
	w.stats, w.sent = now, sent
	if stuck && s.flags.effects == "-" {
		return exit.Errorf(exit.Failure, "%d effects are unacknowledged, all there is room for, and no acknowledgement can come while the event before it on standard input waits: acknowledge in time, raise --effects-buffer, or use --auto-ack", now.Unacknowledged)
	}
	return nil
}
