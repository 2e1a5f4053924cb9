package udptick

import (
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
	"github.com/valyala/fastjson"
)

// renew makes of a packet, if it is one, the next: its sequence, and the time of
// each tick.
func renew(b []byte, sequence uint64, now int64) {
	if len(b) < packetHeader || (len(b)-packetHeader)%framed != 0 {
		return
	}
	binary.BigEndian.PutUint64(b[sequenceAt:], sequence)
	for m := b[packetHeader:]; len(m) > 0; m = m[framed:] {
		binary.LittleEndian.PutUint64(m[lengthSize+timeAt:], uint64(now))
	}
}

// From the bytes of a datagram to its ticks as events: framing, sequence, value,
// newest of its symbol, each tick of another out of 1,024 symbols. Between them,
// the next datagram is written: the price of that is in the figure. An update is of
// one tick.
func BenchmarkUDPDecode(b *testing.B) {
	for _, stream := range []Stream{mold, channel} {
		for _, n := range []int{1, stream.EthernetTicks()} {
			b.Run(fmt.Sprintf("%v/ticks=%d", stream.Framing, n), func(b *testing.B) {
				const symbols = 1 << 10
				sink := &discard{}
				feed := newFeed(b, Config{Framing: stream.Framing}, sink)
				ticks, datagram := make([]Tick, n), make([]byte, 0, 1500)
				seq, now := uint64(1), int64(noon)
				b.ReportAllocs()
				for b.Loop() {
					now++
					for i := range ticks {
						ticks[i] = Tick{Instrument: uint32((seq + uint64(i)) % symbols), Mark: 100 * unit, Index: 99 * unit, TimeNanos: now}
					}
					datagram = stream.AppendPacket(datagram[:0], seq, now, ticks...)
					feed.Receive(LineA, local, datagram, now)
					seq += uint64(n)
				}
				if uint64(sink.taken) != seq-1 {
					b.Fatalf("workload drifted: %d of %d ticks are new", sink.taken, seq-1)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(sink.taken), "ns/tick")
			})
		}
	}
	b.Run("markPriceUpdate/ticks=1", func(b *testing.B) {
		sink := &discard{}
		feed := newFeed(b, Config{Framing: MarkPriceUpdates, Names: map[string]event.SymbolID{"BTCUSDT": 7}}, sink)
		datagram, sent, now := make([]byte, 0, 1500), 0, int64(noon)
		b.ReportAllocs()
		for b.Loop() {
			now += milli // the resolution of its times
			sent++
			datagram = AppendMarkPriceUpdate(datagram[:0], MarkPriceUpdate{
				Symbol: []byte("BTCUSDT"), Mark: 11794_15000000, Index: 11784_62659091, TimeMillis: now / milli,
			})
			feed.Receive(LineA, local, datagram, now)
		}
		if sink.taken != sent {
			b.Fatalf("workload drifted: %d of %d ticks are new", sink.taken, sent)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(sent), "ns/tick")
	})
}

// A datagram of 24 ticks on line A, and its copy on line B: what the second line
// costs. Neither loses, so that A wins all.
func BenchmarkArbitration(b *testing.B) {
	for _, stream := range []Stream{mold, channel} {
		b.Run(stream.Framing.String(), func(b *testing.B) {
			const n = 24
			feed := newFeed(b, Config{Framing: stream.Framing}, &discard{})
			ticks, datagram := make([]Tick, n), make([]byte, 0, 1500)
			seq, now := uint64(1), int64(noon)
			b.ReportAllocs()
			for b.Loop() {
				now++
				for i := range ticks {
					ticks[i] = Tick{Instrument: uint32(i), Mark: unit, TimeNanos: now}
				}
				datagram = stream.AppendPacket(datagram[:0], seq, now, ticks...)
				feed.Receive(LineA, local, datagram, now)
				feed.Receive(LineB, local, datagram, now)
				seq += n
			}
			a, other := feed.LineStats(LineA), feed.LineStats(LineB)
			if a[LineWon] != seq-1 || other[LineLate] != seq-1 {
				b.Fatalf("workload drifted: %d won and %d late of %d", a[LineWon], other[LineLate], seq-1)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(seq-1), "ns/tick")
		})
	}
}

// A datagram signed, and believed: HMAC-SHA256 over it, twice.
func BenchmarkHMAC(b *testing.B) {
	for _, n := range []int{1, EthernetTicks} {
		b.Run(fmt.Sprintf("ticks=%d", n), func(b *testing.B) {
			signer := mustSigner(b, publisher, noon)
			guard, err := newGuard(nil, []Key{publisher})
			if err != nil {
				b.Fatal(err)
			}
			datagram := append(make([]byte, 0, 1500), packet(1, make([]Tick, n)...)...)
			size := len(datagram)
			b.ReportAllocs()
			b.SetBytes(int64(2 * size))
			for b.Loop() {
				datagram = signer.Append(datagram[:size])
				if _, verdict := guard.admit(LineA, local, datagram); verdict != believed {
					b.Fatal(verdict)
				}
			}
		})
	}
}

// One update of all of Binance's fields to a price, here and by fastjson as it is
// used at best: one parser kept, no copy of the texts.
func BenchmarkMarkPriceUpdate(b *testing.B) {
	datagram := []byte(documented)
	const want fixedpoint.Price = 11794_15000000
	b.Run("udptick", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			u, bad := parseUpdate(datagram)
			if !bad.none() || u.Mark != want {
				b.Fatal(u, bad)
			}
		}
	})
	b.Run("fastjson", func(b *testing.B) {
		var parser fastjson.Parser
		b.ReportAllocs()
		for b.Loop() {
			v, err := parser.ParseBytes(datagram)
			if err != nil || string(v.GetStringBytes("e")) != "markPriceUpdate" || len(v.GetStringBytes("s")) == 0 {
				b.Fatal(v, err)
			}
			mark, ok := price(v.GetStringBytes("p"))
			_, ok2 := price(v.GetStringBytes("i"))
			if !ok || !ok2 || mark != want || v.GetInt64("E") == 0 {
				b.Fatal(v)
			}
		}
	})
}

// From a socket of this host to the sink, one tick a datagram, both ends on one
// thread: two system calls and what is between.
func BenchmarkSocket(b *testing.B) {
	for name, sockets := range ways() {
		b.Run(name, func(b *testing.B) {
			sink := &discard{}
			a, err := Listen(Config{}, sockets, sink)
			if err != nil {
				b.Fatal(err)
			}
			defer a.Close()
			socket, err := net.Dial("udp", a.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer socket.Close()
			datagram, seq, now := packet(1, at(0)), uint64(1), time.Now().UnixNano()
			b.ReportAllocs()
			for b.Loop() {
				seq, now = seq+1, now+1
				renew(datagram, seq, now)
				if _, err := socket.Write(datagram); err != nil {
					b.Fatal(err)
				}
				if err := a.turn(); err != nil {
					b.Fatal(err)
				}
			}
			if uint64(sink.taken) != seq-1 {
				b.Fatalf("workload drifted: %d of %d ticks are new", sink.taken, seq-1)
			}
		})
	}
}
