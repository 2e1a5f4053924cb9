package main

import (
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/event/ndjson"
	"github.com/backstop-fund/backstop/core/udptick"
)

const feedNDJSONLong = `Sends the ticks of a file of events, gzipped or not, as "backstop tap -o ndjson"
writes it and "backstop apply" reads it; - is standard input. Halts and resumes
become flags of the ticks after them; all other events are passed over.

A tick is due at its "t", or its "mt" where it has none. They go out in the order of
the file. A contract is "#" and its id, or a name that --symbol gives an id; ticks
of others are passed over.`

func newFeedNDJSON() *cobra.Command {
	var flags feedFlags
	var symbols []string
	cmd := &cobra.Command{
		Use:     "ndjson FILE",
		Short:   "Send the ticks of a file of events",
		Long:    feedNDJSONLong,
		Example: "  backstop feed ndjson ticks.ndjson --symbol BTCUSDT:1 --speed 10",
		Args:    usage(cobra.ExactArgs(1)),
	}
	flags.add(cmd)
	flags.addPace(cmd)
	cmd.Flags().StringArrayVar(&symbols, "symbol", nil, "`NAME:ID` of a contract; may be repeated")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := flags.pace(cmd); err != nil {
			return err
		}
		l, err := newEventMarks(symbols)
		if err != nil {
			return err
		}
		input, err := openInput(cmd, args)
		if err != nil {
			return err
		}
		defer input.Close() // read only: there is nothing to lose
		plain, err := unzipped(input)
		if err != nil {
			return exit.With(exit.BadInput, fmt.Errorf("%s: %w", args[0], err))
		}
		return flags.run(cmd, feedSource{
			marks: l.marks(args[0], plain),
			failed: func() error {
				if l.err == nil && l.taken == 0 {
					return exit.Errorf(exit.BadInput, "%s: no tick in it is of a contract to send (%d are of others)", args[0], l.others)
				}
				return l.err
			},
			notes: func() report.Record {
				return report.Record{{Name: "skipped_ticks", Value: l.others}, {Name: "skipped_events", Value: l.skipped}}
			},
		})
	}
	return cmd
}

// contracts are those of a feed by id, as they are first seen.
type contracts map[uint32]*feedSymbol

func (c contracts) of(id uint32, names *ndjson.Names) *feedSymbol {
	s := c[id]
	if s == nil {
		s = &feedSymbol{name: names.SymbolName(event.SymbolID(id)), id: id}
		c[id] = s
	}
	return s
}

// eventMarks reads marks from events.
type eventMarks struct {
	names     ndjson.Names
	contracts contracts
	halted    map[uint32]bool

	taken, others, skipped uint64
	err                    error
}

func newEventMarks(symbols []string) (*eventMarks, error) {
	l := &eventMarks{contracts: make(contracts), halted: make(map[uint32]bool)}
	return l, bindSymbols(&l.names, symbols)
}

// bindSymbols gives names to ids, as the flags say.
func bindSymbols(names *ndjson.Names, symbols []string) error {
	for _, s := range symbols {
		symbol, err := parseSymbol(s)
		if err != nil {
			return err
		}
		name, _ := event.MakeName(symbol.name) // parseSymbol has seen it
		if err := names.BindSymbol(name, event.SymbolID(symbol.id)); err != nil {
			return exit.Errorf(exit.Usage, "symbol %q: %w", s, err)
		}
	}
	return nil
}

// marks yields those of a file's ticks until it ends, or a line is no event.
func (l *eventMarks) marks(path string, r io.Reader) iter.Seq[mark] {
	return func(yield func(mark) bool) {
		lines, decoder, records := newLineReader(r), ndjson.NewDecoder(&l.names), make([]event.Record, 0, event.MaxRecords)
		for {
			line, err := lines.next()
			if err == io.EOF {
				return
			}
			var e event.Event
			if err == nil {
				e, err = decoder.Decode(line, records)
			}
			if err != nil {
				l.err = exit.With(exit.BadInput, fmt.Errorf("%s:%w", path, err))
				return
			}
			if m, ok := l.mark(e); ok && !yield(m) {
				return
			}
		}
	}
}

// mark takes in an event, and returns the mark of a tick to send.
func (l *eventMarks) mark(e event.Event) (m mark, ok bool) {
	if e == nil {
		return m, false
	}
	r := &e[0]
	kind := r.Kind()
	if kind != event.KindTick && kind != event.KindHalt && kind != event.KindResume {
		l.skipped++
		return m, false
	}
	if uint64(r.Symbol()) > 1<<32-1 {
		l.others++
		return m, false
	}
	id := uint32(r.Symbol())
	if kind != event.KindTick {
		l.halted[id] = kind == event.KindHalt
		return m, false
	}
	m = mark{symbol: l.contracts.of(id, &l.names), price: r.Mark(), nanos: r.MarkTime(), due: r.Time()}
	if m.due == 0 {
		m.due = m.nanos
	}
	if m.nanos == 0 {
		m.nanos = m.due
	}
	if r.Has(event.FlagIndex) {
		m.index = r.Index()
	}
	if r.Has(event.FlagSuspect) {
		m.flags |= udptick.Suspect
	}
	if l.halted[id] {
		m.flags |= udptick.Halted
	}
	l.taken++
	return m, true
}
