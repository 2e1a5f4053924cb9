package udptick

import (
	"fmt"
	"testing"
)

// in delivers a packet of one tick in a session.
func (s *stage) in(line Line, name string, sequence uint64, instrument uint32) {
	s.now += 1000
	tick := Tick{Instrument: instrument, Mark: unit, TimeNanos: s.now}
	s.Receive(line, local, AppendPacket(nil, mustSession(name), sequence, tick), s.now)
	checkSums(s.T, s.Feed)
}

// A publisher that begins a new session is followed; until they tick in it, its
// symbols are suspect. What is on its way of the old one changes nothing.
func TestSessionChanges(t *testing.T) {
	s := newStage(t, Config{})
	s.in(LineA, "ONE", 10, 1)
	s.in(LineA, "ONE", 11, 2)
	s.in(LineA, "ONE", 13, 3) // 12 is lost with its session
	s.in(LineA, "TWO", 1, 1)
	s.expect("1=1 2=1 3=1 1=1 2=1? 3=1?")
	s.in(LineB, "ONE", 12, 2)
	s.in(LineB, "TWO", 2, 3)
	s.expect("3=1")
	got := s.Stats()
	if got[Sessions] != 1 || got[WrongSession] != 1 || got[Lost] != 1 || got[Missing] != 0 || got[Suspects] != 1 {
		t.Error(got)
	}
	if stream, ok := s.Stream(); !ok || stream.Session != mustSession("TWO") {
		t.Errorf("session %q, %v", stream.Session, ok)
	}
}

// A session that was left comes back when the one in force has ended, or has been
// silent for a second; and when it is long forgotten.
func TestSessionReturns(t *testing.T) {
	for _, c := range []struct {
		name string
		wait func(*stage)
		back bool
	}{
		{"at once", func(*stage) {}, false},
		{"just before a second", func(s *stage) { s.now += second - 1001 }, false},
		{"after a second", func(s *stage) { s.now += second - 1000 }, true},
		{"after the end", func(s *stage) { s.Receive(LineA, local, AppendEndOfSession(nil, mustSession("TWO"), 2), s.now) }, true},
		{"seven sessions later", func(s *stage) {
			for i := range 7 {
				s.in(LineA, fmt.Sprint("OF", i), 1, 1)
			}
		}, false},
		{"eight sessions later", func(s *stage) {
			for i := range 8 {
				s.in(LineA, fmt.Sprint("OF", i), 1, 1)
			}
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, Config{})
			s.in(LineA, "ONE", 1, 1)
			s.in(LineA, "TWO", 1, 1)
			c.wait(s)
			before := s.Stats()[Sessions]
			s.in(LineB, "ONE", 2, 1)
			if back := s.Stats()[Sessions] == before+1; back != c.back {
				t.Errorf("session came back: %v, want %v: %v", back, c.back, s.Stats())
			}
		})
	}
}

// Answers neither begin a session nor change it.
func TestAnswersDoNotChangeSessions(t *testing.T) {
	s := newStage(t, Config{})
	s.in(Answers, "ONE", 1, 1)
	if _, ok := s.Stream(); ok {
		t.Error("an answer began a session")
	}
	s.in(LineA, "ONE", 1, 1)
	s.in(Answers, "TWO", 1, 1)
	if got := s.Stats(); got[WrongSession] != 2 || got[Sessions] != 0 {
		t.Error(got)
	}
}

// A publisher that begins to number anew in the same session is noticed by the
// first mark that is later than all before, whatever its old sequences were.
func TestRestart(t *testing.T) {
	for _, c := range []struct {
		name      string
		from      uint64 // the first sequence we saw
		sent      uint64
		restarted uint64 // at this sequence
	}{
		{"within what is remembered", 1, 100, 1},
		{"out of reach", 1, 2 * Reach, 1},
		{"from before we began", 500, 100, 1},
		{"in the middle", 1, 100, 42},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, Config{})
			for seq := range c.sent {
				s.in(LineA, "ONE", c.from+seq, uint32(seq%3))
			}
			s.told = len(s.sink.records)
			s.in(LineA, "ONE", c.restarted, 0)
			s.expect("0=1 1=1? 2=1?")
			s.in(LineA, "ONE", c.restarted+1, 2)
			if got := s.Stats(); got[Restarts] != 1 || got[Suspects] != 1 || got[Missing] != 0 {
				t.Error(got)
			}
		})
	}
}

// What is old by sequence and by time is old, also on the other line and as an
// answer; and so is what is later than all but absurdly so, or no tick at all.
func TestNoRestart(t *testing.T) {
	s := newStage(t, Config{})
	for seq := range uint64(100) {
		s.on(LineA, 1+seq, 1)
	}
	s.told = len(s.sink.records)
	for _, seq := range []uint64{1, 50, 100} {
		s.on(LineA, seq, 1)
		s.on(LineB, seq, 1)
	}
	later := Tick{Instrument: 1, Mark: unit, TimeNanos: s.now}
	s.Receive(Answers, local, packet(50, later), s.now)
	later.TimeNanos += second + 1
	s.Receive(LineA, local, packet(50, later), s.now)
	later.TimeNanos, later.Mark = s.now, 0
	s.Receive(LineA, local, packet(50, later), s.now)
	s.expect("")
	if got := s.Stats(); got[Restarts] != 0 || got[Duplicates] != 9 {
		t.Error(got)
	}
}

// A sequence from nowhere, far ahead, is survived: what follows is a restart.
func TestSequenceFromNowhere(t *testing.T) {
	s := newStage(t, Config{})
	s.in(LineA, "ONE", 1, 1)
	s.in(LineA, "ONE", 1<<63, 2)
	s.in(LineA, "ONE", 2, 1)
	s.in(LineA, "ONE", 3, 2)
	if got := s.Stats(); got[Restarts] != 1 || got[Suspects] != 0 || got[Ticks] != 4 {
		t.Error(got)
	}
}

// After a restart, what comes of the old numbering is not taken for a leap ahead,
// which would leave everything suspect until the sequences are there again.
func TestStragglersAfterRestart(t *testing.T) {
	s := newStage(t, Config{})
	s.in(LineA, "ONE", 5000, 1)
	old := Tick{Instrument: 2, Mark: unit, TimeNanos: s.now + 1}
	s.in(LineA, "ONE", 1, 1)
	s.Receive(LineB, local, AppendPacket(nil, mustSession("ONE"), 5001, old, old), s.now)
	s.in(LineA, "ONE", 2, 2)
	if got := s.Stats(); got[Restarts] != 1 || got[Expired] != 2 || got[Skipped] != 0 || got[Suspects] != 0 {
		t.Error(got)
	}
	checkSums(t, s.Feed)
}
