package udptick

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// trouble is one row of the matrix.
type trouble struct {
	name    string
	a, b    weather
	regroup bool
	crowded bool // the sink is full now and then
	keys    bool
	// event happens to the exchange in the middle of the run.
	event func(*simulation)
}

// simulation is an exchange, a network, a feed and a desk, in one goroutine and by
// one clock.
type simulation struct {
	testing.TB
	trouble
	requests bool
	net      *ether
	exchange *exchange
	feed     *Feed
	desk     *desk
	now      int64
	from, to int64 // the exchange makes nothing in between
	outage   bool  // nothing arrives in between
}

const (
	burstNanos     = 100_000   // from one make to the next
	heartbeatNanos = 2_000_000 // of silence from one heartbeat to the next
	runNanos       = 120 * milli
	gapNanos       = 2 * milli
	silenceNanos   = 15 * milli
)

func newSimulation(t testing.TB, row trouble, framing Framing, loss float64, requests bool, seed uint64) *simulation {
	random := rand.New(rand.NewPCG(seed, 7))
	s := &simulation{TB: t, trouble: row, requests: requests, net: &ether{random: random}, now: noon}
	s.a.loss, s.b.loss = loss, max(loss, s.b.loss)
	config := Config{Framing: framing, Symbols: instruments, GapNanos: gapNanos, SilenceNanos: silenceNanos}
	server := ServerConfig{Stream: mold, AnswersPerSecond: 100_000}
	if framing == SBE24 {
		server.Stream = channel
	}
	s.exchange = &exchange{
		net: s.net, lines: [Answers]weather{s.a, s.b}, regroup: row.regroup,
		stream: server.Stream, next: 1, made: new([instruments][]sentTick),
	}
	if requests {
		config.RequestTries, config.RequestNanos = maxRequestTries, milli
	}
	if row.keys {
		config.Keys, config.RequestKey = []Key{publisher, {ID: 3, Secret: publisher.Secret}}, requester
		server.Keys = []Key{requester}
		server.Signer = mustSigner(t, Key{ID: 3, Secret: publisher.Secret}, noon)
		s.exchange.signer = mustSigner(t, publisher, noon)
	}
	s.exchange.server = newServer(t, server)
	s.desk = &desk{TB: t, now: noon}
	if row.crowded {
		s.desk.refuse = func() bool { return random.IntN(3) == 0 }
	}
	s.feed = newFeed(t, config, s.desk)
	return s
}

// bound is how old a mark may be that is neither the newest nor suspect: what shows
// that one is missing may be as late as all that follows, and comes within a silence.
func (s *simulation) bound() int64 {
	slowest := max(s.a.delay+s.a.jitter, s.b.delay+s.b.jitter) + 2*heartbeatNanos // line B regroups
	return 2*slowest + silenceNanos + gapNanos + 2*retryNanos
}

// until lets the network and the feed work up to a time.
func (s *simulation) until(end int64) {
	for {
		next, datagram := s.feed.Next(), false
		if len(s.net.flights) > 0 && s.net.flights[0].at <= next {
			next, datagram = s.net.flights[0].at, true
		}
		if next > end {
			break
		}
		s.now = max(s.now, next)
		s.desk.now = s.now
		if datagram {
			s.arrive(heap.Pop(s.net).(flight))
		} else {
			s.feed.Poll(s.now)
		}
		s.ask()
		s.desk.check(s.exchange.made, s.now-s.bound())
	}
	s.now = end
	s.desk.now = end
}

func (s *simulation) arrive(f flight) {
	switch {
	case s.outage && f.at >= s.from && f.at < s.to:
	case f.request:
		s.exchange.answer(f.datagram, s.now)
	default:
		s.feed.Receive(f.line, local, f.datagram, s.now)
		checkSums(s.TB, s.feed)
	}
}

func (s *simulation) ask() {
	for {
		b, ok := s.feed.Request(nil, s.now)
		if !ok {
			return
		}
		s.net.send(s.a, flight{request: true, datagram: b}, s.now)
	}
}

// run publishes for a while, then only heartbeats until all is settled.
func (s *simulation) run() {
	last := int64(0) // heartbeat or tick
	end := noon + 2*runNanos + s.bound()
	for at := int64(noon); at < end; at += burstNanos {
		s.until(at)
		if at == noon+runNanos/2 && s.event != nil {
			s.event(s)
		}
		switch silent := at >= s.from && at < s.to; {
		case silent && !s.outage:
		case at < noon+runNanos:
			s.exchange.make(at)
			last = at
		case at-last >= heartbeatNanos:
			s.exchange.heartbeat(at)
			last = at
		}
	}
	s.until(end + slow) // the last heartbeat is there, and it is not yet silent
	s.desk.refuse = nil
	s.feed.Poll(s.now)
	s.desk.check(s.exchange.made, math.MaxInt64)
	checkSums(s.TB, s.feed)
}

const fast, slow = 20_000, 3 * milli

var (
	calm     = weather{delay: fast}
	troubles = []trouble{
		{name: "nothing", a: calm, b: calm},
		{name: "line A only", a: calm, b: weather{loss: 1}},
		{name: "copies", a: weather{delay: fast, copies: 0.3}, b: weather{delay: fast, copies: 0.3}},
		{name: "reordering", a: weather{delay: fast, jitter: milli}, b: weather{delay: fast, jitter: milli}},
		{name: "skew within the gap's time", a: calm, b: weather{delay: milli}},
		{name: "skew beyond it", a: calm, b: weather{delay: slow}},
		{name: "regrouping on B", a: calm, b: calm, regroup: true},
		{name: "all of these", regroup: true, crowded: true, keys: true,
			a: weather{delay: fast, copies: 0.2, jitter: milli}, b: weather{delay: slow, copies: 0.2, jitter: milli}},
		{name: "ring full", a: calm, b: calm, crowded: true},
		{name: "MACs", a: calm, b: calm, keys: true},
		{name: "session change", a: calm, b: weather{delay: milli, jitter: milli}, regroup: true, event: changeSession},
		{name: "restart", a: calm, b: weather{delay: milli, jitter: milli}, regroup: true, event: restartSender},
		{name: "silence", a: calm, b: weather{delay: milli}, event: fallSilent},
		{name: "outage", a: calm, b: weather{delay: milli}, regroup: true, event: cutOff},
	}
)

// changeSession lets the exchange begin a new session; in sbe24, a numbering.
func changeSession(s *simulation) {
	s.exchange.flush(s.now)
	s.exchange.stream.Session = mustSession("NEXT")
	restartServer(s)
}

// restartSender lets the exchange number anew in the same session, having lost what
// it had not sent.
func restartSender(s *simulation) {
	s.exchange.pending = nil
	restartServer(s)
}

func restartServer(s *simulation) {
	if s.exchange.stream.Framing == SBE24 {
		s.exchange.stream.Session = Session{}
	}
	s.exchange.next = 1
	old := s.exchange.server
	s.exchange.server = newServer(s.TB, ServerConfig{Stream: s.exchange.stream, AnswersPerSecond: 100_000})
	s.exchange.server.guard, s.exchange.server.signer = old.guard, old.signer
}

// fallSilent lets the exchange send nothing at all for longer than may be.
func fallSilent(s *simulation) { s.from, s.to = s.now, s.now+3*silenceNanos }

// cutOff lets nothing through for as long.
func cutOff(s *simulation) { fallSilent(s); s.outage = true }

// Whatever the network does, at any time: every mark the desk acts on is one that
// was sent, of its symbol, never older than the one before; it is the newest there
// is, or one that is on its way, or it is suspect. The counters add up.
func TestLossyMatrix(t *testing.T) {
	seeds, losses := uint64(3), []float64{0, 0.001, 0.01, 0.05, 0.2}
	if testing.Short() {
		seeds, losses = 1, []float64{0, 0.01, 0.2}
	}
	for _, row := range troubles {
		for _, framing := range []Framing{Mold64, SBE24} {
			for _, loss := range losses {
				for _, requests := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%v/loss=%v/requests=%v", row.name, framing, loss, requests), func(t *testing.T) {
						for seed := range seeds {
							s := newSimulation(t, row, framing, loss, requests, seed)
							s.run()
							s.judge(loss)
						}
					})
				}
			}
		}
	}
}

// judge checks that the row did what its name says, so that none passes because
// nothing happened.
func (s *simulation) judge(loss float64) {
	s.Helper()
	got := s.feed.Stats()
	a, b := s.feed.LineStats(LineA), s.feed.LineStats(LineB)
	switch {
	case s.exchange.uids < 1000 || s.desk.ticks == 0:
		s.Fatalf("only %d ticks were made and %d taken", s.exchange.uids, s.desk.ticks)
	case loss == 0 && s.event == nil && (got[Lost] != 0 || got[Missing] != 0 || s.desk.suspects() != 0):
		s.Fatalf("without a loss: %d suspects, %v", s.desk.suspects(), got)
	case loss >= 0.05 && (a[LineGap] == 0 || got[Skipped] == 0):
		s.Fatalf("a loss nobody noticed: %v %v", got, a)
	case s.requests && s.event == nil && loss >= 0.05 && (got[Requests] == 0 || s.feed.LineStats(Answers)[LineWon] == 0):
		s.Fatalf("no answer helped: %v", got)
	case s.requests && s.event == nil && (got[Missing] != 0 || got[Lost] != 0 || !s.desk.current(s.exchange.made)):
		s.Fatalf("with requests something is missing or suspect in the end: %d suspects, %v", s.desk.suspects(), got)
	case s.crowded && got[Conflated] == 0:
		s.Fatalf("a sink that was never full: %v", got)
	case s.b.delay == slow && b[LineLate] == 0:
		s.Fatalf("a slow line that was never late: %v", b)
	}
}
