package udptick

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

const milli = 1_000_000

// stage is a feed, all that it told, and a clock.
type stage struct {
	*testing.T
	*Feed
	sink *recorder
	now  int64
	told int // records already looked at
}

func newStage(t *testing.T, config Config) *stage {
	sink := unlimited()
	return &stage{T: t, Feed: newFeed(t, config, sink), sink: sink, now: noon}
}

// on delivers a packet of ticks, each of an instrument of its own and as old as its
// sequence.
func (s *stage) on(line Line, sequence uint64, instruments ...uint32) {
	var ticks []Tick
	for i, instrument := range instruments {
		seq := sequence + uint64(i)
		ticks = append(ticks, Tick{Instrument: instrument, Mark: fixedpoint.Price(seq) * unit, TimeNanos: noon - second + int64(seq)*1000})
	}
	s.Receive(line, local, packet(sequence, ticks...), s.now)
	checkSums(s.T, s.Feed)
}

// after lets time pass.
func (s *stage) after(nanos int64) {
	s.now += nanos
	s.Poll(s.now)
	checkSums(s.T, s.Feed)
}

// expect checks what the sink was told since the last time: symbol=mark, and a
// question mark if that is suspect.
func (s *stage) expect(want string) {
	s.Helper()
	var got []string
	for _, r := range s.sink.records[s.told:] {
		text := fmt.Sprintf("%d=%v", r.Symbol(), r.Mark())
		if r.Has(event.FlagSuspect) {
			text += "?"
		}
		got = append(got, text)
	}
	s.told = len(s.sink.records)
	if text := strings.Join(got, " "); text != want {
		s.Errorf("the sink was told %q, want %q", text, want)
	}
}

// requests takes the requests that are due, as first+count.
func (s *stage) requests() (texts []string) {
	s.Helper()
	for {
		b, ok := s.Request(nil, s.now)
		if !ok {
			return texts
		}
		var p Packet
		stream, _ := s.Stream()
		if bad := stream.parseRequest(&p, b); !bad.none() || p.Session != session {
			s.Fatalf("request %x: %+v", b, bad)
		}
		texts = append(texts, fmt.Sprintf("%d+%d", p.Sequence, p.Count))
	}
}

func (s *stage) ask(want ...string) {
	s.Helper()
	if got := s.requests(); !slices.Equal(got, want) {
		s.Errorf("requests %v, want %v", got, want)
	}
}

// A gap makes suspect what was not heard of since, and nothing before its time.
func TestGapIsDeclared(t *testing.T) {
	s := newStage(t, Config{})
	s.on(LineA, 1, 1, 2, 3)
	s.on(LineA, 6, 2) // 4 and 5 are missing
	s.expect("1=1 2=2 3=3 2=6")
	if next := s.Next(); next != s.now+defaultGapNanos {
		t.Errorf("wants to be called after %d ns, want %d", next-s.now, defaultGapNanos)
	}
	s.after(defaultGapNanos - 1)
	s.expect("")
	s.after(1)
	s.expect("1=1? 3=3?")
	if next := s.Next(); next != never {
		t.Errorf("without a server, wants to be called after %d ns", next-s.now)
	}
	s.on(LineA, 7, 3) // its next tick clears symbol 3 alone
	s.expect("3=7")
	s.on(LineB, 4, 1) // late, and newer than what we had of 1; but 5 may be newer still
	s.expect("1=4?")
	s.on(LineB, 5, 9) // not 1's: all that is older than its tick is there after all
	s.expect("9=5 1=4")
	if got := s.Stats(); got[Gaps] != 1 || got[Skipped] != 2 || got[Filled] != 2 || got[Suspects] != 0 || got[Doubts] != 2 || got[Cleared] != 1 {
		t.Error(got)
	}
}

// The other line, in time, and there is no gap at all.
func TestGapIsFilledInTime(t *testing.T) {
	s := newStage(t, Config{GapNanos: 2 * milli, RequestTries: 3})
	s.on(LineA, 1, 1, 2)
	s.on(LineA, 5, 5)
	s.after(2*milli - 1)
	s.on(LineB, 2, 2, 3, 4)
	s.expect("1=1 2=2 5=5 3=3 4=4")
	s.after(second)
	s.expect("")
	s.ask()
	a, b := s.LineStats(LineA), s.LineStats(LineB)
	if a[LineGap] != 2 || a[LineWon] != 3 || b[LineWon] != 2 || b[LineLate] != 1 || b[LineGap] != 0 {
		t.Errorf("a %v\nb %v", a, b)
	}
}

// A mark that is told again for a doubt takes the next nanosecond, and no more.
func TestDoubtTakesANanosecond(t *testing.T) {
	s := newStage(t, Config{})
	s.on(LineA, 1, 1)
	s.on(LineA, 3, 3)
	s.after(defaultGapNanos)
	s.on(LineB, 2, 2)
	var times []int64
	for _, r := range s.sink.records {
		if r.Symbol() == 1 {
			times = append(times, r.MarkTime()-s.sink.records[0].MarkTime())
		}
	}
	if want := []int64{0, 1, 2}; !slices.Equal(times, want) {
		t.Errorf("mark times %v after the first, want %v", times, want)
	}
	// The tick of a nanosecond that was taken is stale; the one after is not.
	again := Tick{Instrument: 1, Mark: unit, TimeNanos: s.sink.records[0].MarkTime() + 2}
	s.Receive(LineA, local, packet(4, again), s.now)
	again.TimeNanos++
	s.Receive(LineA, local, packet(5, again), s.now)
	if got := s.Stats(); got[Stale] != 1 || got[Ticks] != 4 {
		t.Error(got)
	}
}

// A publisher's own doubt is not cleared by a gap that closes.
func TestSuspectTickStaysSuspect(t *testing.T) {
	s := newStage(t, Config{})
	s.Receive(LineA, local, packet(1, Tick{Instrument: 1, Mark: unit, Flags: Suspect, TimeNanos: noon}), noon)
	s.on(LineA, 3, 3)
	s.after(defaultGapNanos)
	s.on(LineB, 2, 2)
	s.expect("1=1? 3=3 2=2")
}

// With a full ring, a doubt that has passed by the time there is room is not told,
// and one that has not goes with the mark.
func TestDoubtWaitsForRoom(t *testing.T) {
	s := newStage(t, Config{})
	s.on(LineA, 1, 1, 2)
	s.expect("1=1 2=2")
	s.sink.room = 0
	s.on(LineA, 4, 2)
	s.after(defaultGapNanos) // 1 is suspect, and cannot be told
	s.on(LineB, 3, 3)
	if got := s.Stats(); got[Waiting] != 3 || got[Suspects] != 0 {
		t.Error(got)
	}
	s.sink.room = -1
	s.after(0)
	s.expect("2=4 3=3")
	s.sink.room = 0
	s.on(LineA, 6, 2)
	s.after(defaultGapNanos)
	s.sink.room = -1
	s.after(0)
	s.expect("2=6 1=1? 3=3?")
	s.on(LineB, 5, 5)
	s.expect("5=5 1=1 3=3")
}

// A gap is asked for when it is declared, again after twice the time, and not for
// ever; what an answer leaves is asked for at once.
func TestRequestsBackOff(t *testing.T) {
	s := newStage(t, Config{GapNanos: milli, RequestTries: 3, RequestNanos: 10 * milli})
	s.on(LineA, 1, 1)
	s.on(LineA, 101, 2)
	s.ask()
	s.after(milli)
	s.ask("2+32")
	s.after(10*milli - 1)
	s.ask()
	s.after(1)
	s.ask("2+32")
	s.after(20*milli - 1)
	s.ask()
	s.on(Answers, 2, make([]uint32, 32)...)
	s.ask("34+32")
	s.after(10 * milli)
	s.ask("34+32")
	s.after(20 * milli)
	s.ask("34+32")
	s.after(40*milli - 1)
	if next := s.Next(); next != s.now+1 {
		t.Errorf("wants to be called after %d ns, want 1", next-s.now)
	}
	s.after(1)
	s.ask()
	if next := s.Next(); next != never {
		t.Errorf("wants to be called after %d ns, want never", next-s.now)
	}
	if got := s.Stats(); got[Requests] != 5 || got[Unanswered] != 1 || got[Missing] != 67 {
		t.Error(got)
	}
	s.on(Answers, 34, make([]uint32, 32)...) // very late, and good all the same
	s.ask("66+32")
	s.on(Answers, 66, make([]uint32, 35)...)
	s.after(milli)
	s.ask()
	if got := s.LineStats(Answers); got[LineWon] != 99 || s.Stats()[Missing] != 0 || s.Stats()[Suspects] != 0 {
		t.Error(got, s.Stats())
	}
}

// Several gaps share the one request a millisecond; a gap with an island in it is
// asked for whole.
func TestRequestsAreLimited(t *testing.T) {
	s := newStage(t, Config{GapNanos: milli, RequestTries: 1, RequestNanos: 100 * milli})
	s.on(LineA, 1, 1)
	s.on(LineA, 3, 3)
	s.on(LineA, 10, 10)
	s.on(LineB, 6, 6)
	s.after(milli)
	s.ask("2+1")
	if next := s.Next(); next != s.now+requestEveryNanos {
		t.Errorf("wants to be called after %d ns, want a millisecond", next-s.now)
	}
	s.after(milli)
	s.ask("4+6")
	s.after(milli)
	s.ask()
}

// However many gaps there are, there is room: the last one takes the rest.
func TestMoreGapsThanRoom(t *testing.T) {
	s := newStage(t, Config{GapNanos: milli, RequestTries: 1})
	s.on(LineA, 1, 1)
	for i := range uint64(2 * maxGaps) {
		s.on(LineA, 3+2*i, 3)
	}
	s.after(milli)
	s.told = len(s.sink.records) - 1
	s.expect("1=1?")
	asked := 0
	for range 4 * maxGaps {
		asked += len(s.requests())
		s.now += milli
	}
	if got := s.Stats(); asked != maxGaps || got[Gaps] != 2*maxGaps {
		t.Errorf("%d requests: %v", asked, got)
	}
	for i := range uint64(2 * maxGaps) {
		s.on(LineB, 2+2*i, 2)
	}
	if got := s.Stats(); got[Missing] != 0 || got[Suspects] != 0 || len(s.gaps.list) != 0 {
		t.Errorf("%d gaps left: %v", len(s.gaps.list), got)
	}
}

// What is given up makes suspect even what was never declared, and a symbol stays
// so until its next tick.
func TestGivenUpBeforeDeclared(t *testing.T) {
	s := newStage(t, Config{})
	s.on(LineA, 1, 1)
	s.expect("1=1")
	s.on(LineA, 3, 3)
	for seq := uint64(4); seq < 3+Reach; seq++ {
		s.on(LineA, seq, 4)
	}
	if got := s.Stats(); got[Lost] != 1 || got[Missing] != 0 || got[Suspects] != 1 || got[Cleared] != 0 {
		t.Error(got)
	}
	s.told = len(s.sink.records)
	s.on(LineB, 2, 1)
	s.after(second)
	s.expect("")
	s.on(LineA, 3+Reach, 1)
	s.expect(fmt.Sprintf("1=%d", 3+Reach))
}

// Silence, on all lines, makes everything suspect until it is heard of.
func TestSilence(t *testing.T) {
	s := newStage(t, Config{SilenceNanos: 3 * second})
	s.after(10 * second) // nothing has begun
	s.on(LineA, 1, 1, 2)
	s.expect("1=1 2=2")
	s.after(2 * second)
	s.Receive(LineB, local, AppendHeartbeat(nil, session, 3), s.now)
	s.after(3*second - 1)
	s.expect("")
	if next := s.Next(); next != s.now+1 {
		t.Errorf("wants to be called after %d ns, want 1", next-s.now)
	}
	s.Receive(LineA, local, []byte("garbage"), s.now) // says nothing
	s.after(1)
	s.expect("1=1? 2=2?")
	s.after(100 * second)
	s.Receive(LineA, local, AppendHeartbeat(nil, session, 3), s.now)
	s.expect("")
	s.on(LineA, 3, 2)
	s.expect("2=3")
	if got := s.Stats(); got[Silences] != 1 || got[Suspects] != 1 {
		t.Error(got)
	}
	s.after(3 * second)
	s.expect("2=3?")
}

// Where there are no sequences, the kernel's word is all there is.
func TestDropped(t *testing.T) {
	for _, c := range []struct {
		framing Framing
		want    uint64 // suspects
	}{{Mold64, 0}, {MarkPriceUpdates, 1}} {
		f := newFeed(t, Config{Framing: c.framing, Names: map[string]event.SymbolID{"BTCUSDT": 7}}, unlimited())
		if c.framing == Mold64 {
			f.Receive(LineA, local, packet(1, at(1)), noon)
		} else {
			f.Receive(LineA, local, []byte(documented), noon)
		}
		f.Dropped(LineA, 0)
		if got := f.Stats(); got[Suspects] != 0 {
			t.Errorf("%v: %v", c.framing, got)
		}
		f.Dropped(LineA, 3)
		f.Dropped(LineB, 1)
		f.Dropped(LineA, 1<<32-1)
		f.Dropped(LineA, 4) // around the end of the count
		if next := f.Next(); (next <= noon) != (c.want > 0) {
			t.Errorf("%v: wants to be called at %d", c.framing, next)
		}
		f.Poll(noon)
		if got := f.Stats(); got[Suspects] != c.want || got[Doubts] != c.want {
			t.Errorf("%v: %v", c.framing, got)
		}
		if a, b := f.LineStats(LineA)[LineDropped], f.LineStats(LineB)[LineDropped]; a != 1<<32+4 || b != 1 {
			t.Errorf("%v: %d and %d dropped", c.framing, a, b)
		}
	}
}

// A tick that cannot be used says that there is something newer; one that is older
// than what was heard says nothing.
func TestUnusableTickIsADoubt(t *testing.T) {
	s := newStage(t, Config{})
	s.on(LineA, 1, 1, 2)
	s.on(LineA, 4, 2) // 3 is missing
	s.expect("1=1 2=2 2=4")
	s.Receive(LineA, local, packet(5, Tick{Instrument: 1, TimeNanos: s.now}), s.now)
	s.expect("1=1?")
	s.Receive(LineB, local, packet(3, Tick{Instrument: 2, TimeNanos: s.now}), s.now)
	s.expect("")
	s.Receive(LineA, local, packet(6, Tick{Instrument: 2, Mark: unit, TimeNanos: s.now + second + 1}), s.now)
	s.expect("2=4?")
	s.Receive(LineA, local, packet(7, Tick{Instrument: 9, TimeNanos: s.now}), s.now) // of no symbol we know
	s.after(second)
	s.expect("")
	s.on(LineA, 8, 1, 2)
	s.expect("1=8 2=9")
	if got := s.Stats(); got[BadValue] != 3 || got[Ahead] != 1 || got[Doubts] != 2 || got[Suspects] != 0 {
		t.Error(got)
	}
}

// The copy of a tick that was too far ahead, and is no more, is a duplicate, not a
// restart.
func TestAheadIsNoRestart(t *testing.T) {
	s := newStage(t, Config{})
	s.on(LineA, 1, 1)
	ahead := packet(2, Tick{Instrument: 1, Mark: unit, TimeNanos: s.now + second + milli})
	s.Receive(LineA, local, ahead, s.now)
	s.Receive(LineB, local, ahead, s.now+2*milli)
	if got := s.Stats(); got[Ahead] != 1 || got[Duplicates] != 1 || got[Restarts] != 0 {
		t.Error(got)
	}
}

// Marks from before the feed began are suspect until they are heard of, and nothing
// older comes after them.
func TestKnow(t *testing.T) {
	s := newStage(t, Config{Symbols: 2})
	s.Know(1, 100*unit, noon-second+1000)
	s.Know(2, 200*unit, noon-second+1000)
	s.Know(3, 300*unit, noon) // no room
	if next := s.Next(); next > s.now {
		t.Errorf("wants to be called after %d ns, want now", next-s.now)
	}
	s.after(0)
	s.expect("1=100? 2=200?")
	s.on(LineA, 1, 1, 2) // as old as what is known, and one newer
	s.expect("2=2")
	s.on(LineA, 3, 1)
	s.expect("1=3")
	if got := s.Stats(); got[Stale] != 1 || got[Doubts] != 2 || got[Suspects] != 0 {
		t.Error(got)
	}
}
