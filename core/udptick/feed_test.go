package udptick

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"pgregory.net/rapid"
)

var local = netip.MustParseAddr("127.0.0.1")

// at is a tick of instrument 7 that is good at noon.
func at(nanos int64) Tick { return Tick{Instrument: 7, Mark: 100 * unit, TimeNanos: noon + nanos} }

func packet(sequence uint64, ticks ...Tick) []byte {
	return AppendPacket(nil, session, sequence, ticks...)
}

// count is a counter and its value; what a test does not list is 0.
type count struct {
	Counter
	n uint64
}

// checkFeed checks all counters of a feed.
func checkFeed(t rapid.TB, f *Feed, counts ...count) {
	t.Helper()
	checkSums(t, f)
	checkCounts(t, f.Stats(), counts...)
}

func checkCounts(t rapid.TB, got Stats, counts ...count) {
	t.Helper()
	var want Stats
	want[Datagrams], want[Bytes], want[Messages] = got[Datagrams], got[Bytes], got[Messages]
	for _, c := range counts {
		want[c.Counter] = c.n
	}
	for c := range counterEnd {
		if got[c] != want[c] {
			t.Errorf("%v = %d, want %d", c, got[c], want[c])
		}
	}
}

// Each kind of datagram, sent after the packet with sequences 10 and 11, and all
// it counts.
func TestReceiveCounts(t *testing.T) {
	first := packet(10, at(1), at(2))
	other := mustSession("OTHER")
	bad := func(offset int, v byte) []byte {
		b := packet(12, at(3), at(4))
		b[packetHeader+framed+lengthSize+offset] = v // of the second tick
		return b
	}
	resized := packet(12, at(3))
	binary.BigEndian.PutUint16(resized[packetHeader:], TickSize+1)
	// Messages of 39 and 41 bytes, in place of two ticks that one would see there
	// without a look at the lengths: that of the second begins with the highest
	// byte of a time, here 0.
	uneven := packet(12, at(1-noon), at(4))
	uneven[packetHeader+1], uneven[packetHeader+framed] = 39, 41
	if _, err := ParsePacket(uneven); err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		name string
		in   []byte
		want []count
	}{
		{"next two", packet(12, at(3), at(4)), []count{{Packets, 1}, {Ticks, 2}, {Delivered, 2}}},
		{"heartbeat", AppendHeartbeat(nil, session, 12), []count{{Heartbeats, 1}}},
		{"old heartbeat", AppendHeartbeat(nil, session, 11), []count{{Heartbeats, 1}}},
		{"heartbeat after a loss", AppendHeartbeat(nil, session, 15), []count{{Heartbeats, 1}, {Gaps, 1}, {Skipped, 3}, {Missing, 3}}},
		{"end of session", AppendEndOfSession(nil, session, 12), []count{{SessionEnds, 1}}},
		{"end after a loss", AppendEndOfSession(nil, session, 13), []count{{SessionEnds, 1}, {Gaps, 1}, {Skipped, 1}, {Missing, 1}}},

		{"again", first, []count{{Packets, 1}, {Duplicates, 2}}},
		{"half again", packet(11, at(2), at(3)), []count{{Packets, 1}, {Duplicates, 1}, {Ticks, 1}, {Delivered, 1}}},
		{"before the first", packet(9, at(0)), []count{{Packets, 1}, {Expired, 1}}},
		{"after a gap", packet(14, at(3)), []count{{Packets, 1}, {Gaps, 1}, {Skipped, 2}, {Missing, 2}, {Ticks, 1}, {Delivered, 1}}},
		{"same time", packet(12, at(2)), []count{{Packets, 1}, {Stale, 1}}},
		{"older time", packet(12, at(1)), []count{{Packets, 1}, {Stale, 1}}},
		{"a second ahead", packet(12, at(second)), []count{{Packets, 1}, {Ticks, 1}, {Delivered, 1}}},
		{"more than a second ahead", packet(12, at(second+1)), []count{{Packets, 1}, {Ahead, 1}, {Doubts, 1}, {Suspects, 1}}},
		{"bad price, then a good one", packet(12, Tick{Instrument: 7, TimeNanos: noon}, at(3)),
			[]count{{Packets, 1}, {BadValue, 1}, {Ticks, 1}, {Delivered, 1}}},
		{"bad exponent", bad(exponentAt, 1), []count{{Packets, 1}, {Ticks, 1}, {Delivered, 1}, {BadValue, 1}, {Doubts, 1}, {Suspects, 1}}},
		{"second symbol", packet(12, Tick{Instrument: 8, Mark: 1, TimeNanos: 1}), []count{{Packets, 1}, {Ticks, 1}, {Delivered, 1}}},
		{"third symbol of two", packet(12, Tick{Instrument: 8, Mark: 1, TimeNanos: 1}, Tick{Instrument: 9, Mark: 1, TimeNanos: 1}),
			[]count{{Packets, 1}, {Ticks, 1}, {Delivered, 1}, {UnknownSymbol, 1}}},

		{"other session", AppendPacket(nil, other, 12, at(3)), []count{{Packets, 1}, {Sessions, 1}, {Ticks, 1}, {Delivered, 1}}},
		{"other session's heartbeat", AppendHeartbeat(nil, other, 99), []count{{Heartbeats, 1}, {Sessions, 1}, {Doubts, 1}, {Suspects, 1}}},
		{"old sequence, newer than all", packet(3, at(3)), []count{{Packets, 1}, {Restarts, 1}, {Ticks, 1}, {Delivered, 1}}},
		{"empty", nil, []count{{Malformed, 1}}},
		{"garbage", []byte("garbage, but longer than a header"), []count{{Malformed, 1}}},
		{"cut", packet(12, at(3))[:61], []count{{Malformed, 1}}},
		{"trailing byte", append(packet(12, at(3)), 0), []count{{Malformed, 1}}},
		{"oversized", append(packet(12, at(3)), make([]byte, 1<<16)...), []count{{Malformed, 1}}},
		{"message of 41 bytes", append(resized, 0), []count{{Malformed, 1}}},
		{"messages of 39 and 41 bytes", uneven, []count{{Malformed, 1}}},
		{"a good tick, then another template", bad(2, 9), []count{{Malformed, 1}}},
		{"a good tick, then another version", bad(6, 2), []count{{Malformed, 1}}},
		{"other message", rawPacket(12, 1, "hello"), []count{{Malformed, 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sink := unlimited()
			f := newFeed(t, Config{Symbols: 2}, sink)
			f.Receive(LineA, local, first, noon)
			f.Receive(LineA, local, c.in, noon)
			checkSums(t, f)
			s := f.Stats()
			if want := uint64(len(first) + len(c.in)); s[Datagrams] != 2 || s[Bytes] != want {
				t.Errorf("%d datagrams of %d bytes, want 2 of %d", s[Datagrams], s[Bytes], want)
			}
			// Less what the first packet counts.
			for _, c := range []count{{Packets, 1}, {Messages, 2}, {Ticks, 2}, {Delivered, 2}, {Datagrams, 1}} {
				s[c.Counter] -= c.n
			}
			checkCounts(t, s, c.want...)
			if got := uint64(len(sink.records)); got != 2+s[Ticks]+s[Doubts] {
				t.Errorf("%d records, want those of %d ticks", got, 2+s[Ticks])
			}
		})
	}
}

// A late message fills its gap once; its tick counts if the symbol has none newer.
func TestReceiveLate(t *testing.T) {
	sink := unlimited()
	f := newFeed(t, Config{}, sink)
	f.Receive(LineA, local, packet(1, at(1)), noon)
	f.Receive(LineA, local, packet(4, at(4)), noon)
	f.Receive(LineA, local, packet(2, at(2), Tick{Instrument: 8, Mark: 1, TimeNanos: noon}), noon)
	f.Receive(LineA, local, packet(2, at(4), at(4)), noon)
	checkFeed(t, f, count{Packets, 4}, count{Gaps, 1}, count{Skipped, 2}, count{Filled, 2},
		count{Stale, 1}, count{Duplicates, 2}, count{Ticks, 3}, count{Delivered, 3})
}

// No datagram that is refused decides what the session is.
func TestSessionIsThatOfTheFirstGoodPacket(t *testing.T) {
	f := newFeed(t, Config{}, unlimited())
	f.Receive(LineA, local, append(AppendHeartbeat(nil, mustSession("CUT"), 1), 0), noon)
	f.Receive(LineA, local, AppendPacket(nil, mustSession("TRAIL"), 1, at(1))[:50], noon)
	foreign := appendHeader(nil, mustSession("ITCH"), 1, 1)
	f.Receive(LineA, local, append(foreign, 0, 1, 'D'), noon)
	if s, ok := f.Stream(); ok {
		t.Fatalf("session is %q after three malformed datagrams", s.Session)
	}
	f.Receive(LineA, local, packet(1, at(1)), noon)
	if s, ok := f.Stream(); !ok || s.Session != session {
		t.Fatalf("session is %q, %v, want %q", s.Session, ok, session)
	}
	checkFeed(t, f, count{Malformed, 3}, count{Packets, 1}, count{Ticks, 1}, count{Delivered, 1})
}

func TestConfiguredSession(t *testing.T) {
	f := newFeed(t, Config{Session: session.String()}, unlimited())
	f.Receive(LineA, local, AppendPacket(nil, mustSession("OTHER"), 1, at(1)), noon)
	checkFeed(t, f, count{WrongSession, 1})
	f.Receive(LineA, local, packet(100, at(1)), noon)
	checkFeed(t, f, count{WrongSession, 1}, count{Packets, 1}, count{Ticks, 1}, count{Delivered, 1})
}

func TestSources(t *testing.T) {
	prefixes := func(s ...string) (p []netip.Prefix) {
		for _, text := range s {
			p = append(p, netip.MustParsePrefix(text))
		}
		return p
	}
	for _, c := range []struct {
		sources []netip.Prefix
		from    string
		allowed bool
	}{
		{nil, "127.0.0.1", true},
		{nil, "127.255.0.1", true},
		{nil, "::1", true},
		{nil, "::ffff:127.0.0.1", true},
		{nil, "128.0.0.1", false},
		{nil, "10.1.2.3", false},
		{nil, "::2", false},
		{prefixes("10.1.2.0/24", "10.9.0.1/32"), "10.1.2.255", true},
		{prefixes("10.1.2.0/24", "10.9.0.1/32"), "::ffff:10.9.0.1", true},
		{prefixes("10.1.2.0/24", "10.9.0.1/32"), "10.1.3.0", false},
		{prefixes("10.1.2.0/24", "10.9.0.1/32"), "10.9.0.2", false},
		{prefixes("10.1.2.0/24"), "127.0.0.1", false},
		{prefixes("fe80::/10"), "fe80::1%eth0", true},
	} {
		t.Run(fmt.Sprint(c.sources, c.from), func(t *testing.T) {
			f := newFeed(t, Config{Sources: c.sources}, unlimited())
			f.Receive(LineA, netip.MustParseAddr(c.from), packet(1, at(1)), noon)
			if c.allowed {
				checkFeed(t, f, count{Packets, 1}, count{Ticks, 1}, count{Delivered, 1})
			} else {
				checkFeed(t, f, count{RefusedSource, 1})
			}
		})
	}
}

func TestNewFeedRefuses(t *testing.T) {
	btc := map[string]event.SymbolID{"BTCUSDT": 1}
	for _, c := range []struct {
		name   string
		config Config
		sink   Sink
		want   string
	}{
		{"no sink", Config{}, nil, "no sink"},
		{"framing", Config{Framing: 3}, unlimited(), "framing Framing(3)"},
		{"no names", Config{Framing: MarkPriceUpdates}, unlimited(), "without names"},
		{"two names", Config{Names: map[string]event.SymbolID{"A": 1, "B": 1}}, unlimited(), `two names: "A" and "B"`},
		{"symbols below 0", Config{Symbols: -1}, unlimited(), "room for -1 symbols"},
		{"too many symbols", Config{Symbols: maxSymbols + 1}, unlimited(), "want 0 to 1048576"},
		{"fewer symbols than names", Config{Symbols: 1, Names: map[string]event.SymbolID{"A": 1, "B": 2}}, unlimited(), "but 2 names"},
		{"session", Config{Session: "ELEVENBYTES"}, unlimited(), "11 bytes"},
		{"source", Config{Sources: make([]netip.Prefix, 1)}, unlimited(), "want a prefix"},
		{"good", Config{Names: btc, Framing: MarkPriceUpdates, Symbols: 1}, unlimited(), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewFeed(c.config, c.sink)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

// describe tells kinds, marks and stamps relative to noon.
func describe(records []event.Record) (texts []string) {
	for _, r := range records {
		text := fmt.Sprintf("%v %d", r.Kind(), r.Symbol())
		if r.Kind() == event.KindTick {
			text += fmt.Sprintf(" mt+%d", r.MarkTime()-noon)
		}
		texts = append(texts, fmt.Sprintf("%s t+%d", text, r.Time()-noon))
	}
	return texts
}

func TestHaltAndResume(t *testing.T) {
	sink := unlimited()
	f := newFeed(t, Config{}, sink)
	for i, flags := range []TickFlags{0, Halted, Halted | Snapshot, Suspect, Snapshot} {
		tick := at(int64(i))
		tick.Flags = flags
		f.Receive(LineA, local, packet(uint64(i), tick), noon)
	}
	want := []string{
		"tick 7 mt+0 t+0",
		"halt 7 t+0", "tick 7 mt+1 t+0",
		"tick 7 mt+2 t+0",
		"tick 7 mt+3 t+0", "resume 7 t+0",
		"tick 7 mt+4 t+0",
	}
	if got := describe(sink.records); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	checkFeed(t, f, count{Packets, 5}, count{Ticks, 5}, count{Delivered, 5}, count{Halts, 1}, count{Resumes, 1})
}

// A flag that an old tick carries is as old as the tick.
func TestStaleHaltIsNone(t *testing.T) {
	sink := unlimited()
	f := newFeed(t, Config{}, sink)
	old := at(1)
	old.Flags = Halted
	f.Receive(LineA, local, packet(1, at(2)), noon)
	f.Receive(LineA, local, packet(2, old), noon)
	if got := describe(sink.records); len(got) != 1 {
		t.Errorf("got %q, want one tick", got)
	}
}

// The newest tick per symbol waits; it goes first, with the stamp of when it goes.
func TestRingFull(t *testing.T) {
	sink := &recorder{}
	f := newFeed(t, Config{}, sink)
	other := func(nanos int64) Tick { return Tick{Instrument: 8, Mark: 1, TimeNanos: noon + nanos} }
	f.Receive(LineA, local, packet(1, at(1), other(2), at(3), at(4)), noon)
	checkFeed(t, f, count{Packets, 1}, count{Ticks, 4}, count{Conflated, 2}, count{Waiting, 2})
	if next := f.Poll(noon); next != noon+retryNanos {
		t.Errorf("Poll wants to be called at noon+%d, want %d", next-noon, retryNanos)
	}
	sink.room = 1
	f.Receive(LineA, local, packet(5, other(6)), noon+10)
	checkFeed(t, f, count{Packets, 2}, count{Ticks, 5}, count{Delivered, 1}, count{Conflated, 3}, count{Waiting, 1})
	sink.room = 2
	f.Receive(LineA, local, packet(6, at(7)), noon+20)
	want := []string{"tick 7 mt+4 t+10", "tick 8 mt+6 t+20", "tick 7 mt+7 t+20"}
	if got := describe(sink.records); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if next := f.Poll(noon); next != never {
		t.Errorf("Poll wants to be called at noon+%d, with nothing to do", next-noon)
	}
	checkFeed(t, f, count{Packets, 3}, count{Ticks, 6}, count{Delivered, 3}, count{Conflated, 3})
}

// fickle is a sink that refuses the first few offers and then none.
type fickle struct {
	refusals int
	recorder
}

func (f *fickle) Offer(rec event.Record) bool {
	f.refusals--
	return f.refusals < 0 && f.recorder.Offer(rec)
}

// What waits goes first even if there is room between two offers of one datagram.
func TestWaitingGoFirst(t *testing.T) {
	const refusals = 2 // of the first tick, and of it again before the second
	sink := &fickle{refusals: refusals, recorder: recorder{room: -1}}
	f := newFeed(t, Config{}, sink)
	f.Receive(LineA, local, packet(1, at(1), Tick{Instrument: 8, Mark: 1, TimeNanos: noon}), noon)
	want := []string{"tick 7 mt+1 t+0", "tick 8 mt+0 t+0"}
	if got := describe(sink.records); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// A duplicate brings nothing new, but the occasion to offer what waits.
func TestAnyDatagramOffersAgain(t *testing.T) {
	sink := &recorder{}
	f := newFeed(t, Config{}, sink)
	f.Receive(LineA, local, packet(1, at(1)), noon)
	sink.room = 1
	f.Receive(LineA, local, packet(1, at(1)), noon)
	checkFeed(t, f, count{Packets, 2}, count{Duplicates, 1}, count{Ticks, 1}, count{Delivered, 1})
}

// A halt is not lost to a full ring, and one that has passed by then is not told.
func TestRingFullAtHalt(t *testing.T) {
	halted := func(nanos int64) Tick { t := at(nanos); t.Flags = Halted; return t }
	sink := &recorder{}
	f := newFeed(t, Config{}, sink)
	f.Receive(LineA, local, packet(1, halted(1), at(2)), noon) // over before it was told
	sink.room = 1
	f.Poll(noon)
	f.Receive(LineA, local, packet(3, halted(3)), noon) // its halt has no room
	sink.room = 1
	f.Poll(noon) // its tick has none
	sink.room = 2
	f.Receive(LineA, local, packet(4, at(4)), noon) // its resume has none
	checkFeed(t, f, count{Packets, 3}, count{Ticks, 4}, count{Conflated, 1}, count{Delivered, 3}, count{Halts, 1}, count{Waiting, 1})
	sink.room = 1
	f.Poll(noon)
	want := []string{"tick 7 mt+2 t+0", "halt 7 t+0", "tick 7 mt+3 t+0", "tick 7 mt+4 t+0", "resume 7 t+0"}
	if got := describe(sink.records); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
