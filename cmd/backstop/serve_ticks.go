package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/core/udptick"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// tickFlags say where a server's mark prices come from.
type tickFlags struct {
	a, b       udptick.Inlet
	publishers []string
	allow      []string
	framing    string
	session    string
	channel    int32
	keys       string

	server     string
	tries      int
	requestKey string
	gap        time.Duration
	silence    time.Duration

	buffer     int
	busyPoll   bool
	timestamps bool
}

func (t *tickFlags) add(f *pflag.FlagSet) {
	f.StringVar(&t.a.Listen, "udp", "", "`address` or group, and port, to receive mark prices on")
	f.StringVar(&t.b.Listen, "udp-b", "", "`address` or group, and port, of line B, which has the same mark prices")
	f.StringVar(&t.a.Interface, "udp-interface", "", "`name` of the interface on which line A's group is joined")
	f.StringVar(&t.b.Interface, "udp-b-interface", "", "`name` of the interface on which line B's group is joined")
	f.StringArrayVar(&t.publishers, "udp-publisher", nil, "`address` of a sender to the groups, which are then joined for those alone; may be repeated")
	f.StringArrayVar(&t.allow, "udp-allow", nil, "`prefix` datagrams may come from; may be repeated; without, only this host")
	f.StringVar(&t.framing, "framing", "mold64", "`mold64|sbe24|binance`: form of the datagrams; binance knows the contracts of the start")
	f.StringVar(&t.session, "udp-session", "", "only mold64 `session` to accept; without, the publisher's")
	f.Int32Var(&t.channel, "udp-channel", 0, "only sbe24 `channel` to accept; 0 is the first one seen")
	f.StringVar(&t.keys, "udp-keys", "", "`file` of the publishers' keys, as \"backstop feed --key-file\" has it: then every datagram must be signed")
	f.StringVar(&t.server, "udp-server", "", "`address` and port to ask for what was lost")
	f.IntVar(&t.tries, "udp-tries", 5, "`times` a gap is asked for without progress")
	f.StringVar(&t.requestKey, "udp-request-key", "", "`file` with the key that signs what is asked")
	f.DurationVar(&t.gap, "udp-gap", 5*time.Millisecond, "`time` a skipped mark price has to come after all, before marks are suspect")
	f.DurationVar(&t.silence, "udp-silence", 0, "`time` without a datagram after which all marks are suspect; 0 leaves it to their max_age")
	f.IntVar(&t.buffer, "udp-buffer", 4<<20, "`bytes` of datagrams the system is to keep for each line")
	f.BoolVar(&t.busyPoll, "udp-busy-poll", false, "look for datagrams without end, on a CPU that is for nothing else (Linux)")
	f.BoolVar(&t.timestamps, "udp-timestamps", false, "have the system stamp datagrams, to tell how long they waited (Linux)")
}

// check refuses settings that mean nothing.
func (t *tickFlags) check() error {
	if _, err := streamOf(t.framing); err != nil {
		return exit.Errorf(exit.Usage, "--%w", err)
	}
	if t.a.Listen == "" && (len(t.allow) > 0 || t.session != "" || t.b.Listen != "" || t.server != "" || t.keys != "" || t.busyPoll) {
		return exit.Errorf(exit.Usage, "--udp-allow, --udp-b, --udp-busy-poll, --udp-keys, --udp-server and --udp-session mean nothing without --udp")
	}
	if t.server == "" && t.requestKey != "" {
		return exit.Errorf(exit.Usage, "--udp-request-key means nothing without --udp-server")
	}
	_, err := prefixes("udp-allow", t.allow)
	return err
}

// config is what the feed accepts, but for the names of contracts.
func (t *tickFlags) config(symbols int) (udptick.Config, error) {
	framing, err := streamOf(t.framing)
	if err != nil {
		return udptick.Config{}, err
	}
	sources, err := prefixes("udp-allow", t.allow)
	if err != nil {
		return udptick.Config{}, err
	}
	c := udptick.Config{
		Framing: framing, Sources: sources, Session: t.session, Channel: t.channel, Symbols: symbols,
		GapNanos: t.gap.Nanoseconds(), SilenceNanos: t.silence.Nanoseconds(),
	}
	if t.server != "" {
		c.RequestTries = t.tries
	}
	if t.keys != "" {
		if c.Keys, err = readKeys(t.keys); err != nil {
			return c, err
		}
	}
	if t.requestKey != "" {
		keys, err := readKeys(t.requestKey)
		if err != nil {
			return c, err
		}
		if len(keys) != 1 {
			return c, exit.Errorf(exit.BadInput, "%s: %d keys: want one, this server's own", t.requestKey, len(keys))
		}
		c.RequestKey = keys[0]
	}
	return c, nil
}

// sockets is where the lines come in. Publishers are those of groups.
func (t *tickFlags) sockets() (udptick.Sockets, error) {
	s := udptick.Sockets{A: t.a, B: t.b, Server: t.server, Buffer: t.buffer, BusyPoll: t.busyPoll, Timestamps: t.timestamps}
	for _, text := range t.publishers {
		p, err := netip.ParseAddr(text)
		if err != nil {
			return s, exit.Errorf(exit.Usage, "--udp-publisher %q: want an address such as 10.1.1.1", text)
		}
		s.A.Publishers = append(s.A.Publishers, p)
	}
	if s.B.Listen != "" {
		s.B.Publishers = s.A.Publishers
	}
	return s, nil
}

// startTicks opens the lines and says what was granted.
func (s *server) startTicks(ctx context.Context) error {
	config, err := s.flags.ticks.config(s.flags.engine.Limits.Symbols)
	if err != nil {
		return err
	}
	sockets, err := s.flags.ticks.sockets()
	if err != nil {
		return err
	}
	if config.Framing == udptick.MarkPriceUpdates {
		if config.Names, err = s.symbols(ctx); err != nil {
			return err
		}
	}
	s.adapter, err = udptick.Listen(config, sockets, ticks{s.engine.Producer(), s.outlet})
	if _, system := errors.AsType[*net.OpError](err); system {
		return exit.With(exit.Unavailable, err)
	}
	if err != nil {
		return exit.With(exit.BadInput, err)
	}
	for _, r := range s.adapter.Receptions() {
		s.log.Info().Stringer("line", r.Line).Stringer("address", r.Address).Stringer("framing", config.Framing).
			Stringer("group", r.Join).Int("buffer", r.Buffer).Bool("busy_polled", r.BusyPolled).
			Dur("driver_poll", r.DriverPoll).Bool("timestamps", r.Timestamps).Msg("receiving mark prices")
		for _, w := range r.Warnings {
			s.log.Warn().Stringer("line", r.Line).Msg(w)
		}
	}
	if err := s.tellMarks(ctx); err != nil {
		return err
	}
	s.tasks.Go(func() { s.failing(s.adapter.Run()) })
	s.tasks.Go(func() { s.watchTicks(ctx) })
	return nil
}

// tellMarks tells the adapter of the marks that were restored: they are suspect
// until heard of.
func (s *server) tellMarks(ctx context.Context) error {
	return s.engine.View(ctx, func(m *machine.Machine) {
		m.Marks(func(id event.SymbolID, mark fixedpoint.Price, last int64) bool {
			s.adapter.Know(id, mark, last)
			return true
		})
	})
}

// symbols are the contracts by name.
func (s *server) symbols(ctx context.Context) (map[string]event.SymbolID, error) {
	symbols := make(map[string]event.SymbolID)
	err := s.engine.View(ctx, func(m *machine.Machine) {
		maps.Insert(symbols, func(yield func(string, event.SymbolID) bool) {
			m.Symbols(func(id event.SymbolID, name event.Name) bool { return yield(name.String(), id) })
		})
	})
	return symbols, err
}

// tickTroubles are the counters whose growth somebody should look at, and why.
var tickTroubles = []struct {
	counter udptick.Counter
	message string
}{
	{udptick.Lost, "mark prices were lost for good: their contracts are suspect until the next one"},
	{udptick.Unanswered, "the re-request server does not answer"},
	{udptick.Silences, "no mark prices: all are suspect"},
	{udptick.Sessions, "the publisher began another session"},
	{udptick.Restarts, "the publisher began to number anew"},
	{udptick.Doubts, "marks that may be outdated are suspect"},
	{udptick.BadValue, "mark prices with a value that is none: their contracts are suspect"},
	{udptick.Ahead, "mark prices from the future: their contracts are suspect; compare the publisher's clock with this host's"},
	{udptick.Malformed, "datagrams that are none of ours"},
	{udptick.WrongSession, "datagrams of another session or channel"},
	{udptick.Forged, "datagrams without a good signature"},
	{udptick.Replayed, "datagrams with a signature that was here before"},
	{udptick.RefusedSource, "datagrams from sources that are not allowed"},
	{udptick.Conflated, "the input is full: older mark prices gave way to newer ones"},
}

// tickWatch is what was seen of mark prices a second ago.
type tickWatch struct {
	stats   udptick.Stats
	dropped [udptick.Lines]uint64
}

// watchTicks looks once a second.
func (s *server) watchTicks(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	var w tickWatch
	for {
		select {
		case <-ticker.C:
			s.lookAtTicks(&w)
		case <-ctx.Done():
			return
		}
	}
}

// lookAtTicks says what went wrong since a second ago, a line for each kind.
func (s *server) lookAtTicks(w *tickWatch) {
	now := s.adapter.Stats()
	for _, x := range tickTroubles {
		if more := now[x.counter] - w.stats[x.counter]; more > 0 {
			s.log.Warn().Stringer("counter", x.counter).Uint64("more", more).Uint64("total", now[x.counter]).Msg(x.message)
		}
	}
	w.stats = now
	for _, r := range s.adapter.Receptions() {
		if more := r.Dropped - w.dropped[r.Line]; more > 0 {
			s.log.Warn().Stringer("line", r.Line).Uint64("more", more).Uint64("total", r.Dropped).Int("buffer", r.Buffer).
				Msg("the system dropped datagrams, its buffer was full: raise --udp-buffer, or give this process more CPU")
		}
		w.dropped[r.Line] = r.Dropped
	}
}

// logTicks says what was received.
func (s *server) logTicks() {
	if s.adapter == nil {
		return
	}
	counters := zerolog.Dict()
	for i, n := range s.adapter.Stats() {
		counters = counters.Uint64(fmt.Sprint(udptick.Counter(i)), n)
	}
	s.log.Info().Dict("counters", counters).Msg("mark prices received")
	for _, r := range s.adapter.Receptions() {
		counters := zerolog.Dict()
		for i, n := range s.adapter.LineStats(r.Line) {
			counters = counters.Uint64(fmt.Sprint(udptick.LineCounter(i)), n)
		}
		s.log.Info().Stringer("line", r.Line).Dict("counters", counters).Int("buffer", r.Buffer).
			Uint64("received", r.Received).Uint64("dropped", r.Dropped).Uint64("refused", r.Refused).Uint64("unsent", r.Unsent).
			Dur("waited_most_ms", r.Waited).Msg("line of mark prices")
	}
}

// ticks is where an adapter puts its ticks.
type ticks struct {
	producer *core.Producer
	outlet   *outlet
}

// Offer is the producer's.
func (t ticks) Offer(r event.Record) bool {
	taken := t.producer.Offer(r)
	t.outlet.expect()
	return taken
}
