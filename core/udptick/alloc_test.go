package udptick

import (
	"net"
	"testing"
	"time"

	"github.com/backstop-fund/backstop/core/event"
)

// discard is a sink with room for ever.
type discard struct{ taken int }

func (d *discard) Offer(event.Record) bool { d.taken++; return true }

// refuse is a sink that is always full.
type refuse struct{}

func (refuse) Offer(event.Record) bool { return false }

// No datagram costs an allocation, good or bad, whether the sink has room or not.
func TestReceiveDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	names := map[string]event.SymbolID{"BTCUSDT": 1}
	halted := at(0)
	halted.Flags = Halted
	badPrice := []byte(`{"e":"markPriceUpdate","E":1,"s":"BTCUSDT","p":"1.000000001"}`)
	for _, c := range []struct {
		name    string
		framing Framing
		in      []byte
	}{
		{"ticks", Mold64, packet(1, at(0), halted, at(0))},
		{"heartbeat", Mold64, AppendHeartbeat(nil, session, 1)},
		{"garbage", Mold64, []byte("garbage, but longer than a header")},
		{"bad value", Mold64, packet(1, Tick{Instrument: 1})},
		{"update", MarkPriceUpdates, []byte(documented)},
		{"another symbol", MarkPriceUpdates, []byte(`{"e":"markPriceUpdate","E":1,"s":"X","p":"1"}`)},
		{"bad price", MarkPriceUpdates, badPrice},
		{"not JSON", MarkPriceUpdates, []byte(documented[1:])},
	} {
		for _, sink := range []Sink{&discard{}, refuse{}} {
			feed := newFeed(t, Config{Framing: c.framing, Names: names}, sink)
			from, seq, now := local, uint64(0), int64(noon)
			allocs := testing.AllocsPerRun(100, func() {
				if c.framing == Mold64 {
					seq, now = seq+8, now+1
					renew(c.in, seq, now)
				}
				feed.Receive(LineA, from, c.in, now)
			})
			if allocs != 0 {
				t.Errorf("%s into %T: %v allocations", c.name, sink, allocs)
			}
			checkSums(t, feed)
		}
	}
}

// Nor do two lines, gaps, requests and their answers, doubts and restarts, signed,
// in either framing.
func TestLinesDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, stream := range []Stream{mold, channel} {
		answering := Key{ID: 3, Secret: publisher.Secret}
		server := newServer(t, ServerConfig{
			Stream: stream, Keys: []Key{requester}, Signer: mustSigner(t, answering, noon), AnswersPerSecond: secondNanos,
		})
		signer := mustSigner(t, publisher, noon)
		f := newFeed(t, Config{
			Framing: stream.Framing, Keys: []Key{publisher, answering},
			RequestKey: requester, RequestTries: 1, GapNanos: 1, SilenceNanos: second,
		}, &discard{})
		ticks, datagram, request, answer := make([]Tick, 8), make([]byte, 0, 1500), make([]byte, 0, 1500), make([]byte, 0, 1500)
		seq, now := uint64(1), int64(noon)
		run := func() {
			for i := range ticks {
				now++
				ticks[i] = Tick{Instrument: uint32(now % 16), Mark: unit, TimeNanos: now}
			}
			server.Keep(seq, ticks...)
			if seq%64 < 48 {
				datagram = signer.Append(stream.AppendPacket(datagram[:0], seq, now, ticks...))
				f.Receive(LineA, local, datagram, now)
				f.Receive(LineB, local, datagram, now)
			}
			seq += uint64(len(ticks))
			now += 2 * milli
			f.Poll(now)
			if b, ok := f.Request(request[:0], now); ok {
				if b, ok = server.Answer(answer[:0], local, b, now); ok {
					f.Receive(Answers, local, b, now)
				}
			}
			if seq > 1024 { // a restart
				seq = 1
			}
		}
		for range 200 {
			run() // the first request makes what signs it
		}
		if allocs := testing.AllocsPerRun(1000, run); allocs != 0 {
			t.Errorf("%v: %v allocations", stream.Framing, allocs)
		}
		checkSums(t, f)
		if s := f.Stats(); s[Restarts] == 0 || s[Requests] == 0 || s[Doubts] == 0 || s[Cleared] == 0 || f.LineStats(Answers)[LineWon] == 0 {
			t.Errorf("%v: nothing happened: %v", stream.Framing, s)
		}
	}
}

// Nor does the way through the socket, whether Run polls or waits.
func TestAdapterDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for name, sockets := range ways() {
		t.Run(name, func(t *testing.T) {
			sink := &discard{}
			a, err := Listen(Config{}, sockets, sink)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			socket, err := net.Dial("udp", a.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer socket.Close()
			now := time.Now().UnixNano()
			datagram, seq := packet(1, at(0)), uint64(1)
			allocs := testing.AllocsPerRun(100, func() {
				seq, now = seq+1, now+1
				renew(datagram, seq, now)
				if _, err := socket.Write(datagram); err != nil {
					t.Fatal(err)
				}
				if err := a.turn(); err != nil {
					t.Fatal(err)
				}
			})
			if allocs != 0 || sink.taken != 101 {
				t.Errorf("%v allocations, %d ticks of 101", allocs, sink.taken)
			}
		})
	}
}

// turn is one turn of Run, for who knows that line A has a datagram.
func (a *Adapter) turn() error {
	if a.polled {
		return a.look()
	}
	return a.waitOnce(0)
}
