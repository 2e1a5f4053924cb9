package udptick

import "slices"

const (
	// maxLeft is how many sessions are remembered after they were left.
	maxLeft = 8
	// returnNanos is how long the session in force must have been silent before one
	// that was left may come back: packets of it may be on their way for a while.
	returnNanos = 1_000_000_000
)

// sessions decides which stream a packet belongs to, and follows the publisher
// from one session to the next.
type sessions struct {
	stream   Stream // in force
	required bool   // stream was configured
	begun    bool   // a well-formed packet of stream has come
	ended    bool   // the publisher said that nothing more will come

	left []Session // the last that were left, oldest first
}

func newSessions(c *Config) (s sessions, err error) {
	s.stream = Stream{Framing: c.Framing, Channel: c.Channel}
	s.required = c.Session != "" || c.Channel != 0
	s.left = make([]Session, 0, maxLeft)
	if c.Session != "" {
		s.stream.Session, err = MakeSession(c.Session)
	}
	return s, err
}

// belonging says what a packet is to the stream in force.
type belonging uint8

const (
	sameSession belonging = iota
	newSession
	otherSession
)

// of tells of a packet that came so long after the last one of the stream in force.
func (s *sessions) of(p *Packet, line Line, silent int64) belonging {
	same := p.Session == s.stream.Session && p.Channel == s.stream.Channel
	switch {
	case s.begun && same:
		return sameSession
	case s.required && !same, line == Answers:
		return otherSession // Nobody asks for what has not begun.
	case !s.begun:
		return newSession
	case p.Framing == SBE24:
		return otherSession // A channel is not a session: publishers restart in it.
	case slices.Contains(s.left, p.Session) && !s.ended && silent < returnNanos:
		return otherSession // A straggler.
	}
	return newSession
}

// change puts the session of p in force.
func (s *sessions) change(p *Packet) {
	if s.begun {
		if len(s.left) == maxLeft {
			s.left = slices.Delete(s.left, 0, 1)
		}
		s.left = append(s.left, s.stream.Session)
	}
	s.stream.Session, s.stream.Channel = p.Session, p.Channel
	s.begun, s.ended = true, false
}
