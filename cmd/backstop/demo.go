package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/cmd/internal/terminal"
	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/fixedpoint"
)

const demoLong = `Shows what the engine is for, with nothing but this program: it opens one with
Binance's BTCUSDT and ETHUSDT margin tiers of August 2024, a fund, and synthetic
traders whose positions sum to zero; replays a crash as UDP datagrams over
loopback; answers its orders by a small venue with finite depth; and tells what
became of the traders and of the fund. At the end a snapshot is written, restored,
and compared with the live state by digest.

Time is the replay's own, so the same seed gives the same output to the last byte.

With --data journal and snapshots stay, and a run that was killed goes on where its
journal ends when it is started again: what happened before is gone through without the
engine, event by event as it was sent then, and the two have to meet in the same state.

--csv replays a file as "backstop feed csv" reads it (see its help), gzipped or
not, with candles in the order open, low, high, close. Contracts are BTC, BTCUSDT
or BTC/USDT, and likewise ETH; rows of others are passed over. A mark is replayed
if it lies at least --sample from the contract's last one, or a minute after it.

Depth, whales and fund are in proportion to --accounts.`

const demoExample = `  backstop demo
  backstop demo --seed 7 --accounts 2000 --output ndjson | tail -n 1
  backstop demo --csv spot_1m.csv.gz
  backstop demo --data /tmp/demo --effects /tmp/demo/effects.ndjson`

// demoFlags are the settings of a demonstration.
type demoFlags struct {
	csv      string
	sample   string
	data     string
	effects  string
	accounts int
	seed     uint64
	quiet    bool
	output   *report.Format
}

func newDemo() *cobra.Command {
	var d demoFlags
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "Replay a crash against 100,000 synthetic traders",
		Long:    demoLong,
		Example: demoExample,
		Args:    usage(cobra.NoArgs),
	}
	f := cmd.Flags()
	f.StringVar(&d.csv, "csv", "", "`file` of prices to replay instead of the synthetic crash")
	f.StringVar(&d.sample, "sample", "0.005", "least relative `move` that is replayed within a minute, of --csv")
	f.IntVar(&d.accounts, "accounts", 100_000, "synthetic `traders`")
	f.Uint64Var(&d.seed, "seed", 1, "`number` that all chance is drawn from")
	f.StringVar(&d.data, "data", "", "`folder` for journal and snapshots, which stay; a run that was killed goes on where it was")
	f.StringVar(&d.effects, "effects", "", "`file` to append every effect to as NDJSON, before it is acknowledged")
	f.BoolVar(&d.quiet, "quiet", false, "print no progress")
	d.output = outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return d.run(cmd) }
	return cmd
}

func (d *demoFlags) run(cmd *cobra.Command) (err error) {
	s, err := d.scenario()
	if err != nil {
		return err
	}
	watch := cmd.ErrOrStderr()
	if d.quiet {
		watch = io.Discard
	}
	dir, mode := d.data, core.JournalSync
	if dir == "" {
		mode = core.JournalOff
		if dir, err = os.MkdirTemp("", "backstop-demo-"); err != nil {
			return err
		}
		defer func() {
			if removed := os.RemoveAll(dir); err == nil {
				err = removed
			}
		}()
	}
	start := time.Now()
	outcome, err := s.play(cmd.Context(), dir, d.effects, mode, terminal.NewProgress(watch))
	if err != nil {
		return err
	}
	fmt.Fprintf(watch, "done in %v\n", time.Since(start).Round(100*time.Millisecond)) // nobody depends on it
	if err := outcome.print(cmd.OutOrStdout(), *d.output); err != nil {
		return fmt.Errorf("printing the outcome: %w", err)
	}
	return outcome.verdict()
}

// scenario is what the flags ask for.
func (d *demoFlags) scenario() (*demoScenario, error) {
	sample, err := fixedpoint.Parse[fixedpoint.Rate](d.sample)
	if err != nil || sample < 0 || sample >= fixedpoint.One {
		return nil, exit.Errorf(exit.Usage, "--sample %q: want a decimal from 0 to below 1", d.sample)
	}
	s := &demoScenario{accounts: d.accounts, seed: d.seed, contracts: demoContracts(), maxAge: 5 * time.Second}
	if d.csv == "" {
		s.synthetic()
	} else {
		// A candle's last mark may be a minute old, and the feed may skip one.
		s.maxAge = 2*time.Minute + 5*time.Second
		if err := s.recorded(d.csv, sample); err != nil {
			return nil, exit.With(exit.BadInput, err)
		}
	}
	if err := s.populate(); err != nil {
		return nil, exit.With(exit.Usage, fmt.Errorf("--accounts: %w", err))
	}
	return s, nil
}

// play runs a scenario with journal and snapshots in dir, from where an earlier run
// in it has ended.
func (s *demoScenario) play(ctx context.Context, dir, effects string, mode core.JournalMode, progress *terminal.Progress) (*demoOutcome, error) {
	defer progress.End()
	r, err := newDemoReplay(s, dir, effects, mode, replayed(progress))
	if err != nil {
		return nil, err
	}
	outcome, err := r.run(ctx, progress)
	if closed := r.close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	progress.Begin("restoring the snapshot")
	if err := outcome.restore(ctx, r.config); err != nil {
		return nil, err
	}
	return outcome, nil
}
