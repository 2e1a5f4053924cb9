package udptick

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func publisherAt(s string) netip.Addr { return netip.MustParseAddr(s) }

var (
	mold    = Stream{Session: session}
	channel = Stream{Framing: SBE24, Channel: 7}
)

func newServer(t testing.TB, c ServerConfig) *Server {
	t.Helper()
	s, err := NewServer(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ticksFrom are ticks that tell their sequences by their marks.
func ticksFrom(seq uint64, n int) (ticks []Tick) {
	for i := range n {
		ticks = append(ticks, Tick{Instrument: 1, Mark: unit, TimeNanos: noon + int64(seq) + int64(i)})
	}
	return ticks
}

// Each kind of request, and what it counts, in both framings.
func TestServerAnswers(t *testing.T) {
	for _, stream := range []Stream{mold, channel} {
		other := stream
		if other.Framing == Mold64 {
			other.Session = mustSession("OTHER")
		} else {
			other.Channel = 8
		}
		ask := func(first uint64, count int) []byte { return stream.AppendRequest(nil, first, count, noon) }
		most := stream.EthernetTicks()
		for _, c := range []struct {
			name   string
			from   string
			in     []byte
			answer string // first+count
			want   ServerCounter
		}{
			{"one", "127.0.0.1", ask(150, 1), "150+1", RequestsAnswered},
			{"as many as fit", "127.0.0.1", ask(150, 65_534), fmt.Sprintf("150+%d", min(most, 50)), RequestsAnswered},
			{"the last", "127.0.0.1", ask(199, 5), "199+1", RequestsAnswered},
			{"those of a run that are kept", "127.0.0.1", ask(70, 20), "72+18", RequestsAnswered},
			{"of another's address", "10.0.0.1", ask(150, 1), "", RequestsRefusedSource},
			{"not sent yet", "127.0.0.1", ask(200, 1), "", RequestsUnavailable},
			{"not kept any more", "127.0.0.1", ask(70, 2), "", RequestsUnavailable},
			{"the largest sequence", "127.0.0.1", ask(1<<63-2, 5), "", RequestsUnavailable},
			{"another stream", "127.0.0.1", other.AppendRequest(nil, 150, 1, noon), "", RequestsOtherStream},
			{"a packet", "127.0.0.1", stream.AppendPacket(nil, 150, noon, at(1)), "", RequestsMalformed},
			{"a heartbeat", "127.0.0.1", stream.AppendHeartbeat(nil, 150, noon), "", RequestsMalformed},
			{"an end", "127.0.0.1", stream.AppendEnd(nil, 150, noon), "", RequestsMalformed},
			{"cut", "127.0.0.1", ask(150, 1)[:19], "", RequestsMalformed},
			{"longer", "127.0.0.1", append(ask(150, 1), 0), "", RequestsMalformed},
			{"empty", "127.0.0.1", nil, "", RequestsMalformed},
		} {
			t.Run(fmt.Sprint(stream.Framing, "/", c.name), func(t *testing.T) {
				s := newServer(t, ServerConfig{Stream: stream, Messages: 128})
				s.Keep(1, ticksFrom(1, 100)...)
				s.Keep(101, ticksFrom(101, 99)...)
				b, ok := s.Answer([]byte("before"), netip.MustParseAddr(c.from), c.in, noon)
				if got := string(b[:6]); got != "before" || ok != (c.answer != "") || !ok && len(b) != 6 {
					t.Fatalf("answer %q, %v", b, ok)
				}
				answered := uint64(0)
				if ok {
					p, err := stream.Parse(b[6:])
					if err != nil || p.Session != stream.Session || p.Channel != stream.Channel || len(b)-6 > 1400 {
						t.Fatalf("%d bytes: %+v, %v", len(b)-6, p, err)
					}
					if stream.Framing == SBE24 && p.Type != Incremental|Retransmit {
						t.Errorf("packet type %v", p.Type)
					}
					if got := fmt.Sprintf("%d+%d", p.Sequence, p.Count); got != c.answer {
						t.Errorf("answer %s, want %s", got, c.answer)
					}
					for seq, m := range p.Messages() {
						if tick, err := ParseTick(m); err != nil || tick.TimeNanos != noon+int64(seq) {
							t.Errorf("message %d is %+v, %v", seq, tick, err)
						}
					}
					answered = uint64(p.Count)
				}
				var want ServerStats
				want[RequestsReceived], want[c.want], want[MessagesAnswered] = 1, 1, answered
				if got := s.Stats(); got != want {
					t.Errorf("%v, want %v", got, want)
				}
			})
		}
	}
}

// A publisher that leaves out sequences keeps none from before.
func TestServerForgets(t *testing.T) {
	s := newServer(t, ServerConfig{Stream: mold})
	s.Keep(1, ticksFrom(1, 10)...)
	s.Keep(12, ticksFrom(12, 1)...)
	if b, ok := s.Answer(nil, local, mold.AppendRequest(nil, 5, 1, noon), noon); ok {
		t.Errorf("answered with %x", b)
	}
	if _, ok := s.Answer(nil, local, mold.AppendRequest(nil, 5, 8, noon), noon); !ok {
		t.Error("no answer for what is kept")
	}
}

// No more answers than are allowed, a second's worth at once.
func TestServerLimits(t *testing.T) {
	s := newServer(t, ServerConfig{Stream: mold, AnswersPerSecond: 10})
	s.Keep(1, ticksFrom(1, 10)...)
	answers := func(now int64) (n int) {
		for range 100 {
			if _, ok := s.Answer(nil, local, mold.AppendRequest(nil, 5, 1, now), now); ok {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		now  int64
		want int
	}{{noon, 10}, {noon, 0}, {noon + second/10, 1}, {noon + second/10 - 1, 0}, {noon + second, 9}, {noon + 100*second, 10}} {
		if got := answers(c.now); got != c.want {
			t.Errorf("at noon+%d: %d answers, want %d", c.now-noon, got, c.want)
		}
	}
	if got := s.Stats(); got[RequestsLimited] != 570 || got[RequestsAnswered] != 30 {
		t.Error(got)
	}
}

// With keys, a request is believed once, and answers are signed.
func TestServerWithKeys(t *testing.T) {
	s := newServer(t, ServerConfig{Stream: mold, Keys: []Key{requester}, Signer: mustSigner(t, publisher, 1)})
	s.Keep(1, ticksFrom(1, 10)...)
	signed := mustSigner(t, requester, 5).Append(mold.AppendRequest(nil, 5, 1, noon))
	b, ok := s.Answer(nil, local, signed, noon)
	if !ok {
		t.Fatal("no answer to a signed request")
	}
	guard, err := newGuard(nil, []Key{publisher})
	if err != nil {
		t.Fatal(err)
	}
	if _, verdict := guard.admit(Answers, local, b); verdict != believed {
		t.Errorf("verdict %d of the answer", verdict)
	}
	s.Answer(nil, local, signed, noon)
	s.Answer(nil, local, mold.AppendRequest(nil, 5, 1, noon), noon)
	if got := s.Stats(); got[RequestsReplayed] != 1 || got[RequestsForged] != 1 || got[RequestsAnswered] != 1 {
		t.Error(got)
	}
}

func TestNewServerRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		config ServerConfig
		want   string
	}{
		{"updates", ServerConfig{Stream: Stream{Framing: MarkPriceUpdates}}, "want mold64 or sbe24"},
		{"no session", ServerConfig{}, "without a session"},
		{"messages", ServerConfig{Stream: mold, Messages: -1}, "-1 messages"},
		{"answers", ServerConfig{Stream: mold, AnswersPerSecond: -1}, "-1 answers"},
		{"source", ServerConfig{Stream: mold, Sources: make([]netip.Prefix, 1)}, "want a prefix"},
		{"key", ServerConfig{Stream: mold, Keys: make([]Key, 1)}, "secret of 0 bytes"},
		{"good", ServerConfig{Stream: channel}, ""},
	} {
		_, err := NewServer(c.config)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestRequestLimits(t *testing.T) {
	for _, count := range []int{0, endCount} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a request for %d messages was made", count)
				}
			}()
			mold.AppendRequest(nil, 1, count, noon)
		}()
	}
}
