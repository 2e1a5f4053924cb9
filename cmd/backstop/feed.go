package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/cmd/internal/terminal"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/udptick"
	"github.com/backstop-fund/backstop/fixedpoint"
)

const feedLong = `Sends mark prices to a "backstop serve --udp", or to anything else that reads
MoldUDP64 or sbe24 packets of ticks, or Binance markPriceUpdate objects.

Times on the wire are those of sending unless --times recorded: a receiver calls
old marks stale. Nothing is sent before it is due. Ticks that are due within 50 us
share a datagram. A line that has nothing to send tells so once a second.

With --to-b everything is sent a second time, on line B. --skew, --regroup, --loss,
--duplicate and --reorder make of the lines what networks do. The same --seed has
the same things happen to the same datagrams; how long they take is up to the
machine.

With --serve, requests for lost messages are answered while there are marks to send
and for --linger after. Then the session ends, unless --open: a next run goes on
with --session and the --sequence that this one prints.`

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
	cmd.AddCommand(newFeedCSV(), newFeedNDJSON(), newFeedPcap(), newFeedSynthetic())
	return cmd
}

// mark is a price to send.
type mark struct {
	symbol *feedSymbol
	price  fixedpoint.Price
	index  fixedpoint.Price // 0 for none
	flags  udptick.TickFlags
	nanos  int64 // its time, since 1970
	due    int64 // when it was there to be sent, as recorded
}

// feedSymbol is a contract on the wire: packets carry its id, binance its name.
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
	to, toB    string
	framing    string
	session    string
	channel    int32
	sequence   uint64
	batch      int
	times      string
	count      uint64
	rate       float64
	speed      float64
	seed       uint64
	faults     feedFaults
	serve      string
	serveAllow []string
	linger     time.Duration
	open       bool
	keyFile    string
	requesters string
	quiet      bool
	output     *report.Format
}

func (f *feedFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.to, "to", feedDefault, "`address` and port to send to")
	flags.StringVar(&f.toB, "to-b", "", "`address` and port of line B; without, there is none")
	flags.StringVar(&f.framing, "framing", "mold64", "`mold64|sbe24|binance`: form of the datagrams")
	flags.StringVar(&f.session, "session", "", "`name` of the mold64 session, at most ten characters; without, one of this run's own")
	flags.Int32Var(&f.channel, "channel", 1, "`number` of the sbe24 channel")
	flags.Uint64Var(&f.sequence, "sequence", 1, "`sequence` of the first tick")
	flags.IntVar(&f.batch, "batch", 0, "`ticks` that may share a datagram; 0 is what 1,400 bytes hold")
	flags.StringVar(&f.times, "times", "now", "`now|recorded`: times on the wire")
	flags.Uint64Var(&f.count, "count", 0, "`ticks` to send; 0 is all there are")
	flags.Uint64Var(&f.seed, "seed", 1, "`seed` of all that is left to chance")
	f.faults.add(flags)
	flags.StringVar(&f.serve, "serve", "", "`address` and port to take requests for lost messages on; without, there is no such server")
	flags.StringArrayVar(&f.serveAllow, "serve-allow", nil, "`prefix` requests may come from; may be repeated; without, only this host")
	flags.DurationVar(&f.linger, "linger", 0, "`time` to go on answering requests after the last tick")
	flags.BoolVar(&f.open, "open", false, "leave the session open at the end")
	flags.StringVar(&f.keyFile, "key-file", "", "`file` with the key that signs what is sent: a line of an id, a blank and the secret in hex")
	flags.StringVar(&f.requesters, "requester-keys", "", "`file` with the keys requests are signed with, a line each; without, none need be")
	flags.BoolVar(&f.quiet, "quiet", false, "print no progress")
	f.output = outputFlag(cmd)
}

// addPace gives a feed of something recorded the flags that say how fast it goes.
func (f *feedFlags) addPace(cmd *cobra.Command) {
	cmd.Flags().Float64Var(&f.rate, "rate", 0, "`ticks` per second")
	cmd.Flags().Float64Var(&f.speed, "speed", 1, "`times` the recorded speed, unless there is a rate")
}

// pace refuses a rate together with a speed.
func (f *feedFlags) pace(cmd *cobra.Command) error {
	if f.rate != 0 {
		if cmd.Flags().Changed("speed") {
			return exit.Errorf(exit.Usage, "rate and speed: want one of them")
		}
		f.speed = 0
	}
	return nil
}

// streamOf reads the framing of packets; binance is none.
func streamOf(framing string) (udptick.Framing, error) {
	switch framing {
	case "mold64":
		return udptick.Mold64, nil
	case "sbe24":
		return udptick.SBE24, nil
	case "binance":
		return udptick.MarkPriceUpdates, nil
	}
	return 0, exit.Errorf(exit.Usage, "framing %q: want mold64, sbe24 or binance", framing)
}

// check refuses settings that contradict themselves, and returns the framing.
func (f *feedFlags) check() (udptick.Framing, error) {
	framing, err := streamOf(f.framing)
	switch {
	case err != nil:
		return 0, err
	case f.times != "now" && f.times != "recorded":
		return 0, exit.Errorf(exit.Usage, "times %q: want now or recorded", f.times)
	case f.sequence == 0:
		return 0, exit.Errorf(exit.Usage, "sequence 0: the first message of a session is 1")
	case !(f.rate >= 0) || !(f.speed >= 0) || (f.rate == 0) == (f.speed == 0):
		return 0, exit.Errorf(exit.Usage, "rate %v, speed %v: want one of them, above 0", f.rate, f.speed)
	case f.linger < 0:
		return 0, exit.Errorf(exit.Usage, "linger %v: want 0 or more", f.linger)
	case f.serve == "" && (len(f.serveAllow) > 0 || f.requesters != ""):
		return 0, exit.Errorf(exit.Usage, "--serve-allow and --requester-keys mean nothing without --serve")
	case f.serve != "" && framing == udptick.MarkPriceUpdates:
		return 0, exit.Errorf(exit.Usage, "--serve: binance has no sequences to ask for")
	}
	return framing, f.faults.check(f.toB != "")
}

// sender returns what sends as the flags say.
func (f *feedFlags) sender() (*sender, error) {
	framing, err := f.check()
	if err != nil {
		return nil, err
	}
	s := &sender{sequence: f.sequence, count: f.count, rate: f.rate, speed: f.speed, recorded: f.times == "recorded", open: f.open, linger: f.linger}
	if s.stream, err = f.stream(framing); err != nil {
		return nil, err
	}
	most, few := s.stream.MaxTicks(), s.stream.EthernetTicks()
	if framing == udptick.MarkPriceUpdates {
		s.json, most, few = true, 1, 1
	}
	if f.batch == 0 {
		f.batch = few
	}
	if f.batch < 1 || f.batch > most {
		return nil, exit.Errorf(exit.Usage, "batch of %d ticks: want 1 to %d, which is what a datagram holds", f.batch, most)
	}
	s.group = make([]udptick.Tick, 0, f.batch)
	if err := f.sign(s); err != nil {
		return nil, err
	}
	if err := f.connect(s); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// connect opens the sender's sockets.
func (f *feedFlags) connect(s *sender) (err error) {
	for i, to := range []string{f.to, f.toB} {
		if to == "" {
			continue
		}
		conn, err := net.Dial("udp", to)
		if err != nil {
			return exit.Errorf(exit.Usage, "sending to %q: %w", to, err)
		}
		s.lines = append(s.lines, &feedLine{
			conn: conn, random: rand.New(rand.NewPCG(f.seed, uint64(i+1))), batch: f.batch, faults: f.faults.line(i),
		})
	}
	if f.serve != "" {
		s.requests, err = f.answering(s)
	}
	return err
}

// stream names what is sent. A run without a session's name gets one that no other
// run has: the time, in milliseconds and to the base of 36.
func (f *feedFlags) stream(framing udptick.Framing) (udptick.Stream, error) {
	if framing != udptick.Mold64 {
		return udptick.Stream{Framing: framing, Channel: f.channel}, nil
	}
	name := f.session
	if name == "" {
		name = strings.ToUpper(strconv.FormatInt(time.Now().UnixMilli(), 36))
	}
	session, err := udptick.MakeSession(name)
	return udptick.Stream{Session: session}, exit.With(exit.Usage, err)
}

// sign gives the sender its key, if there is one.
func (f *feedFlags) sign(s *sender) error {
	if f.keyFile == "" {
		return nil
	}
	keys, err := readKeys(f.keyFile)
	if err != nil {
		return err
	}
	if len(keys) != 1 {
		return exit.Errorf(exit.BadInput, "%s: %d keys: want one, the sender's own", f.keyFile, len(keys))
	}
	s.signer, err = udptick.NewSigner(keys[0], time.Now().UnixNano())
	return exit.With(exit.BadInput, err)
}

// run sends all marks and reports what became of them, also when it was stopped.
func (f *feedFlags) run(cmd *cobra.Command, source feedSource) error {
	s, err := f.sender()
	if err != nil {
		return err
	}
	defer s.close()
	progress := cmd.ErrOrStderr()
	if f.quiet {
		progress = io.Discard
	}
	s.progress = terminal.NewProgress(progress)
	if s.total = source.total; f.count > 0 && (s.total == 0 || f.count < uint64(s.total)) {
		s.total = int(f.count)
	}
	failed := s.run(cmd.Context(), source.marks)
	s.progress.End()
	if source.failed != nil && failed == nil {
		failed = source.failed()
	}
	err = report.One(cmd.OutOrStdout(), *f.output, append(s.report(), source.notes()...))
	if failed != nil {
		return failed
	}
	if err != nil {
		return fmt.Errorf("printing the statistics: %w", err)
	}
	return nil
}
