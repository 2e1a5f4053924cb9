package udptick

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// end is one end of a path over this host's loopback.
type end struct {
	t *testing.T
	*net.UDPConn
	buf [1 << 11]byte
}

func newEnd(t *testing.T) *end {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// Only a datagram that never comes waits for this.
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &end{t: t, UDPConn: conn}
}

func (e *end) send(to *end, datagram []byte) {
	e.t.Helper()
	if _, err := e.WriteToUDPAddrPort(datagram, to.LocalAddr().(*net.UDPAddr).AddrPort()); err != nil {
		e.t.Fatal(err)
	}
}

func (e *end) receive() (from netip.Addr, datagram []byte) {
	e.t.Helper()
	n, addr, err := e.ReadFromUDPAddrPort(e.buf[:])
	if err != nil {
		e.t.Fatal(err)
	}
	return addr.Addr(), e.buf[:n]
}

// Over real sockets: two lines that each lose some, and a re-request server for
// what both lost, all of it signed. In the end everything is there, each message
// from the one that could bring it.
func TestLoopback(t *testing.T) {
	const packets, each = 210, 5 // ticks a packet
	for _, stream := range []Stream{mold, channel} {
		t.Run(stream.Framing.String(), func(t *testing.T) {
			venue, venueAnswers := newEnd(t), newEnd(t)
			lines, asking := [Answers]*end{newEnd(t), newEnd(t)}, newEnd(t)
			answering := Key{ID: 3, Secret: publisher.Secret}
			server := newServer(t, ServerConfig{Stream: stream, Keys: []Key{requester}, Signer: mustSigner(t, answering, noon)})
			signer := mustSigner(t, publisher, noon)
			d := &desk{TB: t, now: noon}
			f := newFeed(t, Config{
				Framing: stream.Framing, Keys: []Key{publisher, answering},
				RequestKey: requester, RequestTries: 1, GapNanos: milli,
			}, d)
			var lost, marked uint64
			for i := range uint64(packets) {
				now := noon + int64(i)*10*milli
				d.now = now
				var ticks [each]Tick
				for j := range ticks {
					ticks[j] = Tick{Instrument: uint32(marked % instruments), Mark: unit, TimeNanos: now - second + int64(marked)}
					marked++
				}
				server.Keep(1+i*each, ticks[:]...)
				// One in 5 is lost on A and one in 7 on B, but never the last.
				packet := signer.Append(stream.AppendPacket(nil, 1+i*each, now, ticks[:]...))
				if i%5 == 3 && i%7 == 3 {
					lost += each
				}
				for line, every := range [Answers]uint64{5, 7} {
					if i%every != 3 {
						venue.send(lines[line], packet)
						from, datagram := lines[line].receive()
						f.Receive(Line(line), from, datagram, now)
					}
				}
				f.Poll(now + milli)
				if request, ok := f.Request(nil, now+milli); ok {
					asking.send(venueAnswers, request)
					from, datagram := venueAnswers.receive()
					answer, ok := server.Answer(nil, from, datagram, now+milli)
					if !ok {
						t.Fatalf("no answer: %v", server.Stats())
					}
					venueAnswers.send(asking, answer)
					from, datagram = asking.receive()
					f.Receive(Answers, from, datagram, now+milli)
				}
				checkSums(t, f)
			}
			s := f.Stats()
			if s[Missing] != 0 || s[Lost] != 0 || s[Suspects] != 0 || s[Forged]+s[Replayed] != 0 || s[Requests] != lost/each {
				t.Errorf("%d lost on both lines: %v", lost, s)
			}
			a, b, r := f.LineStats(LineA), f.LineStats(LineB), f.LineStats(Answers)
			if a[LineGap] != packets/5*each || b[LineGap] != packets/7*each || r[LineWon] != lost || lost == 0 ||
				a[LineWon]+b[LineWon]+r[LineWon] != packets*each {
				t.Errorf("a %v\nb %v\nanswers %v", a, b, r)
			}
			if s[Delivered]+s[Stale] != packets*each || d.suspects() != 0 {
				t.Errorf("%d marks of %d, %d suspect: %v", d.ticks, packets*each, d.suspects(), s)
			}
		})
	}
}
