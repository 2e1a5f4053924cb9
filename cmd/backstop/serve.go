package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/terminal"
	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/udptick"
)

const serveLong = `Runs the engine: NDJSON events and UDP mark prices in, NDJSON effects out, and
a journal and snapshots from which it goes on after a restart.

Events come from standard input, whose end is a clean stop, or over a unix socket
from any number of connections. A line that is no event ends its connection, after
a line {"error":"line:column: what"}; on standard input it ends the run, as in
apply. Events without "t" are stamped with this host's clock, and time passes
without events, unless --clock events: then only events tell the time.

Effects go to standard output or to one connection to a second socket. They are
kept until {"e":"ack","seq":...,"i":...} says that the consumer has them, up to and
with that one, and come again to a consumer that connects again, and after a
restart. Acknowledgements are taken on every input and on the
consumer's own connection. There is room for --effects-buffer effects: when nobody
acknowledges, the engine waits and nothing is lost. On standard input an
acknowledgement can be stuck behind events that wait; a consumer with a socket
acknowledges there and never is. With --auto-ack effects need no acknowledgement
and are delivered once; those on their way when a process dies are lost.

Mark prices come in over UDP on line A, --udp, and on line B if there is one: the
first to bring one wins. What neither brings is asked for at --udp-server. While it
is missing, the marks that may be outdated are suspect and nobody is closed at
them. What the system granted the lines and what it dropped is logged.

--init names events for funds, contracts and accounts, each with "src" and "sseq":
at a start those that were applied before are passed over.

With --data every event is written to a journal, and its effects leave when it
can no longer be lost; if the journal cannot be written, the run ends, with no
effect out that is not on the disk. A second machine follows the journal: it takes
the snapshots, so that the engine never pauses for one, and compares its effects
with the engine's. With --journal off only the snapshots remain: what came after
the last one is to be sent again.

Signals: SIGTERM is a clean stop with exit code 0, SIGINT one with 130, SIGUSR1
takes a snapshot. A clean stop applies what was taken, takes a snapshot and gives
the consumer what there is, for at most five seconds over a socket.

--spin, --cpu and --fifo give the engine a CPU of its own, where there is one to
spare: with less than two CPUs, or others at work on that one, they do harm. The
garbage collector is switched off, with a limit of memory as the net, unless GOGC or
GOMEMLIMIT is set.

A damaged snapshot is passed over for the one before, with a warning. If all are
damaged and the journal does not go back to the first event, or if the journal
itself is damaged, the exit code is 4.`

const serveExample = `  backstop serve --clock events < events.ndjson > effects.ndjson
  backstop serve --data /var/lib/backstop --snapshot-every 1000000 \
    --events unix:/run/backstop/events --effects unix:/run/backstop/effects \
    --udp 239.1.1.1:26400 --udp-interface eth1 --udp-b 239.1.1.2:26400 --udp-b-interface eth2 \
    --udp-allow 10.1.2.0/28 --udp-server 10.1.2.3:26401 --udp-busy-poll --init /etc/backstop/init.ndjson`

// serveFlags are the settings of a server.
type serveFlags struct {
	events, effects string
	init            string
	clock           string
	journal         string
	autoAck         bool

	ticks tickFlags
	host  hostFlags

	engine core.Config
}

func newServe() *cobra.Command {
	var s serveFlags
	cmd := &cobra.Command{
		Use:     "serve",
		Short:   "Run the engine behind UDP, sockets and standard input and output",
		Long:    serveLong,
		Example: serveExample,
		Args:    usage(cobra.NoArgs),
	}
	f := cmd.Flags()
	f.StringVar(&s.events, "events", "-", "where events come from: `-|unix:PATH`")
	f.StringVar(&s.effects, "effects", "-", "where effects go: `-|unix:PATH`")
	f.StringVar(&s.init, "init", "", "`file` of events to apply once, before all others")
	f.StringVar(&s.clock, "clock", "wall", "`wall|events`: who tells the time")
	f.BoolVar(&s.autoAck, "auto-ack", false, "effects need no acknowledgement")
	s.ticks.add(f)
	s.host.add(f)
	f.StringVar(&s.engine.Dir, "data", "", "`folder` of journal and snapshots, of nothing else; without, nothing is kept")
	f.StringVar(&s.journal, "journal", "sync", "`sync|async|off`: effects leave when their event is on the disk, when it is written, or at once")
	f.DurationVar(&s.engine.SyncEvery, "sync-every", 0, "`time` after which an asynchronous journal is synced; 0 is 10ms")
	f.Int64Var(&s.engine.SegmentSize, "segment-size", 0, "`bytes` of a file of the journal; 0 is 64 MiB")
	f.BoolVar(&s.engine.FollowElsewhere, "follow-elsewhere", false, "another process, backstop follow, follows the journal and takes the snapshots")
	snapshotFlags(cmd, &s.engine)
	f.IntVar(&s.engine.InputSize, "input-buffer", 1<<14, "`records` of 64 bytes in the input ring, a power of two")
	f.IntVar(&s.engine.EffectsSize, "effects-buffer", 1<<16, "`effects` that may be unacknowledged, a power of two")
	limits := limitFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s.engine.Limits, s.engine.AutoAck, s.engine.Thread = *limits, s.autoAck, s.host.thread()
		return s.run(cmd)
	}
	return cmd
}

var journalModes = map[string]core.JournalMode{"sync": core.JournalSync, "async": core.JournalAsync, "off": core.JournalOff}

// check refuses settings that contradict themselves, before anything is opened.
func (f *serveFlags) check() error {
	if f.clock != "wall" && f.clock != "events" {
		return exit.Errorf(exit.Usage, "--clock %q: want wall or events", f.clock)
	}
	if f.engine.Dir == "" && (f.engine.SnapshotEvery != 0 || f.engine.SnapshotAfter != 0 || f.engine.Keep != 0 || f.engine.FollowElsewhere) {
		return exit.Errorf(exit.Usage, "--snapshot-every, --snapshot-after, --keep and --follow-elsewhere mean nothing without --data")
	}
	mode, known := journalModes[f.journal]
	if !known {
		return exit.Errorf(exit.Usage, "--journal %q: want sync, async or off", f.journal)
	}
	f.engine.Journal = mode
	if err := f.ticks.check(); err != nil {
		return err
	}
	if _, err := socketPath("events", f.events); err != nil {
		return err
	}
	_, err := socketPath("effects", f.effects)
	return err
}

// prefixes reads those of a flag.
func prefixes(flag string, texts []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, s := range texts {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, exit.Errorf(exit.Usage, "--%s %q: want a prefix such as 10.1.2.0/28", flag, s)
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, nil
}

// server is a running engine and all that is attached to it.
type server struct {
	*hub
	flags  *serveFlags
	log    zerolog.Logger
	cancel context.CancelCauseFunc // ends the run, for a reason

	stdin  io.Reader
	stdout io.Writer
	// lines is the intake of standard input, if events come from there.
	lines *intake

	tasks     sync.WaitGroup // all goroutines but those behind a door
	events    *door          // nil for standard input
	consumers *door          // nil for standard output
	adapter   *udptick.Adapter
}

// errInputEnded is the cause of a stop at the end of standard input.
var errInputEnded = errors.New("the end of standard input")

func (f *serveFlags) run(cmd *cobra.Command) error {
	if err := f.check(); err != nil {
		return err
	}
	log := newLog(cmd.ErrOrStderr())
	progress, end := recovering(cmd.ErrOrStderr(), log)
	f.engine.Progress = progress
	engine, err := core.Open(f.engine)
	end()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	s := &server{
		hub:   &hub{engine: engine, outlet: newOutlet(engine.Effects(), f.autoAck), clock: f.clock == "wall"},
		flags: f, cancel: cancel,
		log:   log,
		stdin: cmd.InOrStdin(), stdout: cmd.OutOrStdout(),
	}
	if f.events == "-" {
		s.lines = s.intake()
	}
	s.logRecovery()
	s.logHost()
	defer quietCollector(&s.log)()
	s.tasks.Go(func() { s.failing(s.outlet.collect()) })
	// What stops the delivery is the engine's end, not the signal for it.
	delivery, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	var starting sync.WaitGroup
	starting.Go(func() { s.failing(s.start(ctx, delivery)) })

	<-ctx.Done()
	s.log.Info().Str("cause", context.Cause(ctx).Error()).Msg("stopping")
	closed := engine.Close()
	s.outlet.close()
	starting.Wait()
	s.closeDoors()
	s.tasks.Wait()
	s.logEnd()
	return outcome(ctx, closed)
}

// failing ends the run if a part of it failed.
func (s *server) failing(err error) {
	if err != nil {
		s.cancel(err)
	}
}

// outcome is the error of a run that was ended for ctx's cause, and whose engine
// closed with an error or nil.
func outcome(ctx context.Context, closed error) error {
	cause := context.Cause(ctx)
	_, signalled := errors.AsType[*signalError](cause)
	switch {
	case closed != nil && (signalled || cause == errInputEnded || errors.Is(closed, cause)):
		return closed
	case terminated(ctx) || cause == errInputEnded:
		return nil
	case closed == nil:
		return cause
	}
	return errors.Join(cause, closed)
}

// start opens one thing after the other: effects can leave before any event
// comes in, and the init file comes before all else.
func (s *server) start(ctx, delivery context.Context) error {
	if err := s.bind(ctx); err != nil {
		return err
	}
	if err := s.startEffects(delivery); err != nil {
		return err
	}
	s.startMonitor(ctx)
	if s.flags.init != "" {
		if err := s.initialize(ctx); err != nil {
			return err
		}
	}
	if s.clock {
		s.tasks.Go(func() { s.runClock(ctx) })
	}
	if s.flags.ticks.a.Listen != "" {
		if err := s.startTicks(ctx); err != nil {
			return err
		}
	}
	return s.startEvents(ctx)
}

func (s *server) startEffects(delivery context.Context) error {
	path, err := socketPath("effects", s.flags.effects)
	if err != nil {
		return err
	}
	if path == "" {
		s.outlet.attach()
		s.tasks.Go(func() { s.failing(s.write(delivery, s.stdout)) })
		return nil
	}
	s.consumers, err = open(path, func(conn *net.UnixConn) { s.serveConsumer(delivery, conn) })
	if err != nil {
		return err
	}
	s.tasks.Go(func() { s.failing(s.consumers.run()) })
	s.log.Info().Str("path", path).Msg("effects can be read")
	return nil
}

// initialize feeds the init file. What the rules refuse of it is an effect like
// any other; here it is only counted.
func (s *server) initialize(ctx context.Context) error {
	before := s.engine.Stats().Refused
	fed, err := s.intake().runInit(ctx, s.flags.init)
	if err != nil {
		return err
	}
	if err := s.bind(ctx); err != nil { // waits until all of it is applied
		return err
	}
	refused := s.engine.Stats().Refused - before
	s.log.Info().Str("file", s.flags.init).Int("new", fed).Uint64("refused", refused).Msg("initialized")
	return nil
}

func (s *server) startEvents(ctx context.Context) error {
	path, err := socketPath("events", s.flags.events)
	if err != nil {
		return err
	}
	if path == "" {
		s.tasks.Go(func() {
			err := s.lines.run(ctx, newInterruptible(ctx, s.stdin))
			if err == nil {
				err = errInputEnded
			}
			s.cancel(err)
		})
		return nil
	}
	s.events, err = open(path, func(conn *net.UnixConn) { s.serveProducer(ctx, conn) })
	if err != nil {
		return err
	}
	s.tasks.Go(func() { s.failing(s.events.run()) })
	s.log.Info().Str("path", path).Msg("events are taken")
	return nil
}

// closeDoors ends what the engine's end does not end by itself.
func (s *server) closeDoors() {
	if s.adapter != nil {
		s.adapter.Close() // it was open, and reads only
	}
	if s.events != nil {
		s.events.close(func(conn *net.UnixConn) { conn.CloseRead() })
		s.events.visits.Wait()
	}
	if s.consumers != nil {
		s.consumers.close(func(conn *net.UnixConn) { conn.SetWriteDeadline(time.Now().Add(5 * time.Second)) })
		s.consumers.visits.Wait()
	}
}

// newLog writes to standard error: JSON, or text if a person looks at it.
func newLog(w io.Writer) zerolog.Logger {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		w = zerolog.ConsoleWriter{Out: f, TimeFormat: time.TimeOnly, NoColor: os.Getenv("NO_COLOR") != ""}
	}
	// zerolog's own timestamp has whole seconds, or a format that is global.
	return zerolog.New(w).Hook(zerolog.HookFunc(func(e *zerolog.Event, _ zerolog.Level, _ string) {
		e.Str(zerolog.TimestampFieldName, time.Now().Format(time.RFC3339Nano))
	}))
}

// recovering shows how far a recovery is: as a bar to a person who watches, in the log
// otherwise. end takes the bar away.
func recovering(w io.Writer, log zerolog.Logger) (show func(core.Progress), end func()) {
	if !terminal.Watched(w) {
		return logProgress(log), func() {}
	}
	p := terminal.NewProgress(w)
	return replayed(p), p.End
}

// logProgress says every second how far a replay is, and when it will be through.
func logProgress(log zerolog.Logger) func(core.Progress) {
	said := time.Duration(0)
	return func(p core.Progress) {
		if p.Elapsed-said < time.Second {
			return
		}
		said = p.Elapsed
		rate := float64(p.Sequence-p.Snapshot) / p.Elapsed.Seconds()
		left := time.Duration(float64(p.Elapsed) / float64(max(p.Done, 1)) * float64(p.Total-p.Done))
		log.Info().Uint64("sequence", p.Sequence).Int("events_per_second", int(rate)).
			Int64("percent", 100*p.Done/max(p.Total, 1)).Str("left", left.Round(time.Second).String()).Msg("replaying the journal")
	}
}

func (s *server) logRecovery() {
	r := s.engine.Recovery()
	lost := "the journal has what came after the one restored"
	if s.flags.engine.Journal == core.JournalOff {
		lost = "events after the one restored are to be sent again"
	}
	for _, why := range r.Skipped {
		s.log.Warn().Err(why).Msg("a damaged snapshot was passed over: " + lost)
	}
	if r.Torn {
		s.log.Warn().Uint64("sequence", r.Sequence).Msg("the journal ended in a write that was torn, and never acknowledged; it is gone")
	}
	if r.Snapshot.Path != "" || r.Replayed > 0 {
		s.log.Info().Str("file", r.Snapshot.Path).Uint64("sequence", r.Sequence).Uint64("replayed", r.Replayed).
			Int("effects", r.Effects).Int64("millis", r.Elapsed.Milliseconds()).Msg("restored")
	}
}

// logEnd says what the run has done.
func (s *server) logEnd() {
	stats := s.engine.Stats()
	s.logTicks()
	if path := stats.LastSnapshot.Path; path != "" {
		s.log.Info().Str("file", path).Uint64("sequence", stats.LastSnapshot.Sequence).Msg("last snapshot")
	}
	s.log.Info().Uint64("applied", stats.Applied).Uint64("refused", stats.Refused).
		Uint64("effects", stats.Effects).Int("unacknowledged", s.outlet.undelivered()).Msg("stopped")
}
