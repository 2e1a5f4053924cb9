package udptick_test

import (
	"fmt"
	"log"
	"net/netip"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/udptick"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// teller tells marks, and which of them are suspect.
type teller struct{}

func (teller) Offer(r event.Record) bool {
	if r.Has(event.FlagSuspect) {
		fmt.Println("symbol", r.Symbol(), "at", r.Mark(), "is suspect")
	} else {
		fmt.Println("symbol", r.Symbol(), "at", r.Mark())
	}
	return true
}

// Sequence 2 is lost on both lines. Whether it was of symbol 1 nobody knows, so
// that is suspect until the re-request server has sent it again.
func ExampleServer() {
	const start, milli = 1_760_131_033_000_000_000, 1_000_000
	stream := udptick.Stream{Framing: udptick.SBE24, Channel: 7}
	server, err := udptick.NewServer(udptick.ServerConfig{Stream: stream})
	if err != nil {
		log.Fatal(err)
	}
	feed, err := udptick.NewFeed(udptick.Config{Framing: stream.Framing, RequestTries: 3}, teller{})
	if err != nil {
		log.Fatal(err)
	}
	publisher := netip.MustParseAddr("127.0.0.1")
	publish := func(sequence uint64, instrument uint32, mark fixedpoint.Price, lines ...udptick.Line) {
		now := start + int64(sequence)*milli
		tick := udptick.Tick{Instrument: instrument, Mark: mark * fixedpoint.One, TimeNanos: now}
		server.Keep(sequence, tick)
		for _, line := range lines {
			feed.Receive(line, publisher, stream.AppendPacket(nil, sequence, now, tick), now)
		}
	}
	publish(1, 1, 58_000, udptick.LineA, udptick.LineB)
	publish(2, 3, 140)
	publish(3, 2, 2_510, udptick.LineB)

	now := feed.Next() // when the gap is one
	feed.Poll(now)
	request, _ := feed.Request(nil, now)
	answer, _ := server.Answer(nil, publisher, request, now)
	feed.Receive(udptick.Answers, publisher, answer, now)
	// Output:
	// symbol 1 at 58000
	// symbol 2 at 2510
	// symbol 1 at 58000 is suspect
	// symbol 3 at 140
	// symbol 1 at 58000
}
