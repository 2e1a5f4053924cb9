package udptick

import (
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
)

// ServerConfig says what a [Server] keeps and whom it answers.
type ServerConfig struct {
	Stream Stream
	// Sources are the addresses requests may come from. None means the loopback
	// addresses. All others get no answer.
	Sources []netip.Prefix
	// Keys are those of the requesters. With any, a request without a good MAC gets
	// no answer.
	Keys []Key
	// Signer signs the answers; nil leaves them bare.
	Signer *Signer
	// Messages is how many of the last ones are kept; 0 means 65,536. It is rounded
	// up to a power of two.
	Messages int
	// AnswersPerSecond bounds what is sent, to whoever; 0 means 10,000. A second's
	// worth may go at once.
	AnswersPerSecond int
}

const (
	defaultMessages = 1 << 16
	maxMessages     = 1 << 26
	defaultAnswers  = 10_000
	secondNanos     = 1_000_000_000
)

// ServerCounter names one of [ServerStats].
type ServerCounter uint8

// The counters of a server. Every request is counted in RequestsReceived and in
// one of the others but the last.
const (
	RequestsReceived      ServerCounter = iota
	RequestsRefusedSource               // from an address that is not allowed
	RequestsForged                      // without a good MAC of a known key
	RequestsReplayed                    // with a MAC that came before
	RequestsMalformed                   // not of the form
	RequestsOtherStream                 // for another session or channel
	RequestsUnavailable                 // for messages not sent yet, or not kept any more
	RequestsLimited                     // beyond AnswersPerSecond
	RequestsAnswered
	MessagesAnswered // in the answers

	serverCounterEnd
)

var serverCounterNames = [serverCounterEnd]string{
	RequestsReceived: "requests", RequestsRefusedSource: "refused_source", RequestsForged: "forged",
	RequestsReplayed: "replayed", RequestsMalformed: "malformed", RequestsOtherStream: "other_stream",
	RequestsUnavailable: "unavailable", RequestsLimited: "limited", RequestsAnswered: "answered",
	MessagesAnswered: "messages",
}

// String returns the counter's name in metrics.
func (c ServerCounter) String() string {
	if c < serverCounterEnd {
		return serverCounterNames[c]
	}
	return "unknown"
}

// ServerStats is the value of each [ServerCounter] since the server began.
type ServerStats [serverCounterEnd]uint64

// Server keeps the last messages of a publisher and answers requests for them. It
// has no socket: who has one hands it requests and sends its answers. It belongs to
// one goroutine at a time, so a publisher that sends on one and answers on another
// holds a lock around both.
type Server struct {
	stream Stream
	guard  guard
	signer *Signer
	most   int // ticks in an answer

	kept      []Tick // by sequence & mask
	mask      uint64
	low, next uint64 // what is kept

	cost    int64 // nanoseconds that one answer takes of credit
	credit  int64 // up to a second's worth
	counted int64 // when credit was

	packet  Packet
	answers []Tick
	stats   ServerStats
}

// NewServer returns a server that has kept nothing yet. All memory it will ever use
// is allocated here. The error says which setting is wrong.
func NewServer(c ServerConfig) (*Server, error) {
	if c.Messages == 0 {
		c.Messages = defaultMessages
	}
	if c.AnswersPerSecond == 0 {
		c.AnswersPerSecond = defaultAnswers
	}
	switch {
	case c.Stream.Framing != Mold64 && c.Stream.Framing != SBE24:
		return nil, fmt.Errorf("udptick: re-request server of %v: want mold64 or sbe24", c.Stream.Framing)
	case c.Stream.Framing == Mold64 && c.Stream.Session.unprintable() >= 0:
		return nil, errors.New("udptick: re-request server without a session: see MakeSession")
	case c.Messages < 1 || c.Messages > maxMessages:
		return nil, fmt.Errorf("udptick: %d messages to keep: want 1 to %d", c.Messages, maxMessages)
	case c.AnswersPerSecond < 1 || c.AnswersPerSecond > secondNanos:
		return nil, fmt.Errorf("udptick: %d answers a second: want 1 to %d", c.AnswersPerSecond, secondNanos)
	}
	guard, err := newGuard(c.Sources, c.Keys)
	if err != nil {
		return nil, err
	}
	size := 1 << bits.Len(uint(c.Messages-1))
	most := c.Stream.EthernetTicks()
	return &Server{
		stream: c.Stream, guard: guard, signer: c.Signer, most: most,
		kept: make([]Tick, size), mask: uint64(size - 1),
		cost: int64(secondNanos / c.AnswersPerSecond), credit: secondNanos,
		answers: make([]Tick, 0, most),
	}, nil
}

// Keep keeps what was published, the first tick having the given sequence. If that
// is not the next one, all that was kept before is forgotten.
func (s *Server) Keep(sequence uint64, ticks ...Tick) {
	if sequence != s.next {
		s.low, s.next = sequence, sequence
	}
	for _, t := range ticks {
		s.kept[s.next&s.mask] = t
		s.next++
	}
	if s.next-s.low > uint64(len(s.kept)) {
		s.low = s.next - uint64(len(s.kept))
	}
}

// Answer appends the answer to a request that came from an address at a time in
// nanoseconds since 1970, and reports whether there is one. It holds the first of
// the wanted messages that are kept, as many as fit a datagram of 1,400 bytes: who
// wants the rest asks again. It does not allocate if dst has room.
func (s *Server) Answer(dst []byte, from netip.Addr, request []byte, now int64) ([]byte, bool) {
	s.stats[RequestsReceived]++
	request, verdict := s.guard.admit(LineA, from, request)
	p := &s.packet
	switch {
	case verdict != believed:
		s.stats[RequestsRefusedSource+ServerCounter(verdict-refusedSource)]++
		return dst, false
	case !s.stream.parseRequest(p, request).none():
		s.stats[RequestsMalformed]++
		return dst, false
	case p.Session != s.stream.Session || p.Channel != s.stream.Channel:
		s.stats[RequestsOtherStream]++
		return dst, false
	}
	first := max(p.Sequence, s.low)
	last := min(p.Sequence+uint64(p.Count), s.next) // one past it
	switch {
	case p.Sequence+uint64(p.Count) < p.Sequence, first >= last:
		s.stats[RequestsUnavailable]++
		return dst, false
	case !s.afford(now):
		s.stats[RequestsLimited]++
		return dst, false
	}
	s.answers = s.answers[:0]
	for seq := first; seq != last && len(s.answers) < s.most; seq++ {
		s.answers = append(s.answers, s.kept[seq&s.mask])
	}
	s.stats[RequestsAnswered]++
	s.stats[MessagesAnswered] += uint64(len(s.answers))
	at := len(dst)
	dst = s.stream.appendAnswer(dst, first, now, s.answers)
	if s.signer != nil {
		dst = append(dst[:at], s.signer.Append(dst[at:])...)
	}
	return dst, true
}

// afford takes the price of one answer, if there is credit for it. Time gives
// credit.
func (s *Server) afford(now int64) bool {
	if gone := now - s.counted; gone > 0 {
		s.credit = min(s.credit+min(gone, secondNanos), secondNanos)
		s.counted = now
	}
	if s.credit < s.cost {
		return false
	}
	s.credit -= s.cost
	return true
}

// Stats returns the counters.
func (s *Server) Stats() ServerStats { return s.stats }
