package main

import (
	"iter"
	"math"
	"math/bits"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/fixedpoint"
)

const syntheticLong = `Sends random walks, one contract after the other: each tick moves its mark by at
most --step of it, up or down alike. The same seed gives the same prices.

Runs until it is interrupted or has sent --count ticks.`

func newFeedSynthetic() *cobra.Command {
	var flags feedFlags
	var symbols []string
	var step string
	cmd := &cobra.Command{
		Use:     "synthetic",
		Short:   "Send random walks",
		Long:    syntheticLong,
		Example: "  backstop feed synthetic --symbol BTCUSDT:1@60000 --rate 50000 --count 1000000",
		Args:    usage(cobra.NoArgs),
	}
	flags.add(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&symbols, "symbol", []string{"BTCUSDT:1@60000", "ETHUSDT:2@3000"}, "`NAME:ID@PRICE` of a contract and its first mark; may be repeated")
	f.StringVar(&step, "step", "0.0005", "largest `part` of the mark a tick moves it by")
	f.Float64Var(&flags.rate, "rate", 1000, "`ticks` per second, all contracts together")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		w := walk{random: rand.New(rand.NewPCG(flags.seed, 0))}
		var err error
		if w.step, err = fixedpoint.Parse[fixedpoint.Rate](step); err != nil || w.step <= 0 || w.step >= fixedpoint.One {
			return exit.Errorf(exit.Usage, "step %q: want a decimal between 0 and 1", step)
		}
		for _, s := range symbols {
			if err := w.add(s); err != nil {
				return err
			}
		}
		return flags.run(cmd, feedSource{marks: w.marks(), notes: func() report.Record {
			return report.Record{{Name: "seed", Value: flags.seed}}
		}})
	}
	return cmd
}

// walk makes up marks.
type walk struct {
	random *rand.Rand
	step   fixedpoint.Rate
	now    []mark
}

// add reads NAME:ID@PRICE.
func (w *walk) add(s string) error {
	named, price, ok := strings.Cut(s, "@")
	first, err := fixedpoint.Parse[fixedpoint.Price](price)
	if !ok || err != nil || first <= 0 {
		return exit.Errorf(exit.Usage, "symbol %q: want a name, the engine's id and a first mark, such as BTCUSDT:1@60000", s)
	}
	symbol, err := parseSymbol(named)
	if err != nil {
		return err
	}
	w.now = append(w.now, mark{symbol: symbol, price: first})
	return nil
}

// marks yields the walks in turns, without end, at times a millisecond apart.
func (w *walk) marks() iter.Seq[mark] {
	return func(yield func(mark) bool) {
		for at := time.Now().UnixNano(); ; {
			for i := range w.now {
				m := &w.now[i]
				m.nanos, m.due, at = at, at, at+int64(time.Millisecond)
				if !yield(*m) {
					return
				}
				m.price = w.move(m.price)
			}
		}
	}
}

// move returns the price after p. It turns round at the ends of what a Price
// holds.
func (w *walk) move(p fixedpoint.Price) fixedpoint.Price {
	hi, lo := bits.Mul64(uint64(p), uint64(w.step))
	span, _ := bits.Div64(hi, lo, uint64(fixedpoint.One))
	most := int64(max(span, 1))                                                 // below p, because step is below 1
	delta := fixedpoint.Price(int64(w.random.Uint64N(2*uint64(most)+1)) - most) // the difference fits, if the first part does not
	if delta > math.MaxInt64-p || delta <= -p {
		delta = -delta
	}
	return p + delta
}
