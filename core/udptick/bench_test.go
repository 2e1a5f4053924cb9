package udptick

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"testing"
	"time"

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

// A datagram of 32 ticks of different symbols, all of them new, out of 1,024.
func BenchmarkReceive(b *testing.B) {
	for _, c := range []struct {
		name  string
		ticks int
	}{{"ticks=1", 1}, {"ticks=32", 32}} {
		b.Run(c.name, func(b *testing.B) {
			const packets, symbols = 64, 1 << 10
			random := rand.New(rand.NewPCG(1, 2))
			datagrams := make([][]byte, packets)
			for i := range datagrams {
				ticks := make([]Tick, c.ticks)
				for j, id := range random.Perm(symbols)[:c.ticks] {
					ticks[j] = Tick{Instrument: uint32(id), Mark: 100 * unit, Index: 99 * unit}
				}
				datagrams[i] = packet(1, ticks...)
			}
			sink := &discard{}
			feed := newFeed(b, Config{}, sink)
			seq, now, i := uint64(1), int64(noon), 0
			b.ReportAllocs()
			for b.Loop() {
				d := datagrams[i%packets]
				renew(d, seq, now)
				feed.Receive(LineA, local, d, now)
				seq, now, i = seq+uint64(c.ticks), now+1, i+1
			}
			if sink.taken != i*c.ticks {
				b.Fatalf("workload drifted: %d of %d ticks are new", sink.taken, i*c.ticks)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(sink.taken), "ns/tick")
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
