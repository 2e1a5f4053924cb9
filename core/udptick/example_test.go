package udptick_test

import (
	"fmt"
	"log"
	"net"
	"net/netip"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/udptick"
	"github.com/backstop-fund/backstop/fixedpoint"
	"github.com/backstop-fund/backstop/ring"
)

const second = 1_000_000_000

// printer takes every event.
type printer struct{}

func (printer) Offer(r event.Record) bool {
	fmt.Println(r.Kind(), r.Symbol(), "at", r.Mark())
	return true
}

// Sequence 2 is lost, arrives late and is used, for nothing newer of symbol 1 is
// known; the late mark of symbol 2 is older than what 3 told, and is not.
func Example() {
	feed, err := udptick.NewFeed(udptick.Config{}, printer{})
	if err != nil {
		log.Fatal(err)
	}
	session, err := udptick.MakeSession("20260801")
	if err != nil {
		log.Fatal(err)
	}
	publisher := netip.MustParseAddr("127.0.0.1")
	tick := func(instrument uint32, mark fixedpoint.Price, time int64) udptick.Tick {
		return udptick.Tick{Instrument: instrument, Mark: mark * fixedpoint.One, TimeNanos: time * second}
	}
	receive := func(sequence uint64, ticks ...udptick.Tick) {
		feed.Receive(udptick.LineA, publisher, udptick.AppendPacket(nil, session, sequence, ticks...), 10*second)
	}
	receive(1, tick(1, 58_000, 1))
	receive(4, tick(2, 2_510, 3))
	receive(2, tick(1, 57_900, 2), tick(2, 2_490, 2))

	stats := feed.Stats()
	for _, c := range []udptick.Counter{udptick.Skipped, udptick.Filled, udptick.Stale} {
		fmt.Println(c, stats[c])
	}
	// Output:
	// tick 1 at 58000
	// tick 2 at 2510
	// tick 1 at 57900
	// skipped 2
	// filled 2
	// stale 1
}

// slots puts events into a ring. It is all that is between a socket and a
// machine; package core has one of its own.
type slots struct{ *ring.Producer[event.Record] }

func (s slots) Offer(r event.Record) bool {
	seq, err := s.TryClaim(1)
	if err != nil {
		return false
	}
	*s.At(seq) = r
	s.Publish(seq, 1)
	return true
}

// A publisher's datagram reaches a ring's consumer through the socket.
func ExampleListen() {
	input, err := ring.New[event.Record](ring.Config{Size: 1024})
	if err != nil {
		log.Fatal(err)
	}
	first := make(chan event.Record, 1)
	consumer, err := input.NewProcessor(ring.HandlerFunc[event.Record](func(r *event.Record, _ ring.Sequence, _ bool) {
		first <- *r
	}))
	if err != nil {
		log.Fatal(err)
	}
	adapter, err := udptick.Listen(udptick.Config{
		Framing: udptick.MarkPriceUpdates,
		Names:   map[string]event.SymbolID{"BTCUSDT": 7},
	}, udptick.Sockets{
		A: udptick.Inlet{Listen: "127.0.0.1:0"},
	}, slots{input.Producer()})
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() { ended <- consumer.Run() }()
	go func() { ended <- adapter.Run() }()

	publish(adapter.Addr(), []byte(`{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15000000"}`))
	tick := <-first
	fmt.Println("symbol", tick.Symbol(), "mark", tick.Mark(), "of", tick.MarkTime())

	if err := adapter.Close(); err != nil {
		log.Fatal(err)
	}
	input.Close()
	fmt.Println(<-ended, <-ended)
	// Output:
	// symbol 7 mark 11794.15 of 1562305380000000000
	// <nil> <nil>
}

func publish(to netip.AddrPort, datagram []byte) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(datagram); err != nil {
		log.Fatal(err)
	}
}
