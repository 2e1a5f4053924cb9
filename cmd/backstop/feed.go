package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/udptick"
	"github.com/backstop-fund/backstop/fixedpoint"
)

const feedLong = `Sends mark prices to a "backstop serve --udp", or to anything else that reads
MoldUDP64 packets of ticks or Binance markPriceUpdate objects.

Times on the wire are those of sending unless --times recorded: a receiver calls
old marks stale. Nothing is sent before it is due; when the sender falls behind,
ticks that are due together share a datagram.

A receiver knows a mold64 session by its name and counts its messages. A second
run goes on where the first ended with --sequence, which the first one prints.`

// feedDefault is where the examples of serve listen.
const feedDefault = "127.0.0.1:26400"

func newFeed() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "feed",
		Short: "Send mark prices as UDP datagrams",
		Long:  feedLong,
		Args:  usage(cobra.NoArgs),
		RunE:  needsCommand,
	}
	cmd.AddCommand(newFeedCSV(), newFeedSynthetic())
	return cmd
}

// mark is a price to send.
type mark struct {
	symbol *feedSymbol
	price  fixedpoint.Price
	index  fixedpoint.Price // 0 for none
	nanos  int64            // recorded time, since 1970
}

// feedSymbol is a contract on the wire: mold64 carries its id, binance its name.
type feedSymbol struct {
	name string
	id   uint32
	last int64 // the time last sent
}

// parseSymbol reads NAME:ID.
func parseSymbol(s string) (*feedSymbol, error) {
	name, number, ok := strings.Cut(s, ":")
	id, err := strconv.ParseUint(number, 10, 32)
	if _, named := event.MakeName(name); !ok || !named || err != nil {
		return nil, exit.Errorf(exit.Usage, "symbol %q: want a name and the engine's id, such as BTCUSDT:1", s)
	}
	return &feedSymbol{name: name, id: uint32(id)}, nil
}

// feedFlags are what all feeds have in common.
type feedFlags struct {
	to       string
	framing  string
	session  string
	sequence uint64
	batch    int
	times    string
	count    uint64
	rate     float64
	speed    float64
	output   *report.Format
}

func (f *feedFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.to, "to", feedDefault, "`address` and port to send to")
	flags.StringVar(&f.framing, "framing", "mold64", "`mold64|binance`: form of the datagrams")
	flags.StringVar(&f.session, "session", "BACKSTOP", "`name` of the mold64 session, at most ten characters")
	flags.Uint64Var(&f.sequence, "sequence", 1, "mold64 `sequence` of the first tick")
	flags.IntVar(&f.batch, "batch", udptick.EthernetTicks, "`ticks` that may share a mold64 datagram")
	flags.StringVar(&f.times, "times", "now", "`now|recorded`: times on the wire")
	flags.Uint64Var(&f.count, "count", 0, "`ticks` to send; 0 is all there are")
	f.output = outputFlag(cmd)
}

// sender returns what sends as the flags say.
func (f *feedFlags) sender() (*sender, error) {
	s := &sender{sequence: f.sequence, count: f.count, rate: f.rate, speed: f.speed, recorded: f.times == "recorded"}
	switch {
	case f.framing != "mold64" && f.framing != "binance":
		return nil, exit.Errorf(exit.Usage, "framing %q: want mold64 or binance", f.framing)
	case f.times != "now" && f.times != "recorded":
		return nil, exit.Errorf(exit.Usage, "times %q: want now or recorded", f.times)
	case f.batch < 1 || f.batch > udptick.MaxTicks:
		return nil, exit.Errorf(exit.Usage, "batch of %d ticks: want 1 to %d, which is what a datagram holds", f.batch, udptick.MaxTicks)
	case f.sequence == 0:
		return nil, exit.Errorf(exit.Usage, "sequence 0: the first message of a session is 1")
	case !(f.rate >= 0) || !(f.speed >= 0) || (f.rate == 0) == (f.speed == 0):
		return nil, exit.Errorf(exit.Usage, "rate %v, speed %v: want one of them, above 0", f.rate, f.speed)
	}
	s.batch = make([]udptick.Tick, 0, f.batch)
	if f.framing == "binance" {
		s.json, s.batch = true, s.batch[:0:1]
	}
	session, err := udptick.MakeSession(f.session)
	if err != nil {
		return nil, exit.With(exit.Usage, err)
	}
	s.session = session
	if s.conn, err = net.Dial("udp", f.to); err != nil {
		return nil, exit.Errorf(exit.Usage, "sending to %q: %w", f.to, err)
	}
	return s, nil
}

// run sends all marks and reports what became of them, also when it was stopped.
func (f *feedFlags) run(cmd *cobra.Command, source feedSource) error {
	s, err := f.sender()
	if err != nil {
		return err
	}
	defer s.conn.Close() // what was sent is sent
	failed := s.run(cmd.Context(), source.marks)
	err = report.One(cmd.OutOrStdout(), *f.output, append(s.report(), source.notes...))
	if failed != nil {
		return failed
	}
	if err != nil {
		return fmt.Errorf("printing the statistics: %w", err)
	}
	return nil
}
