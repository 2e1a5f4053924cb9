package udptick

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstop-fund/backstop/core/event"
)

// gate is a sink that other goroutines may look into, and close.
type gate struct {
	mu      sync.Mutex
	closed  bool
	records []event.Record
}

func (g *gate) Offer(rec event.Record) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.records = append(g.records, rec)
	}
	return !g.closed
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
}

func (g *gate) taken() []event.Record {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.records
}

// ways are the sockets by which line A is received differently.
func ways() map[string]Sockets {
	a := Inlet{Listen: "127.0.0.1:0"}
	ways := map[string]Sockets{"waiting": {A: a}}
	if runtime.GOOS == "linux" && runtime.GOMAXPROCS(0) > 1 {
		ways["polling"] = Sockets{A: a, BusyPoll: true}
	}
	return ways
}

// running is an adapter with its Run going, and sockets to send to its lines.
type running struct {
	*Adapter
	t     *testing.T
	conns [Lines]net.Conn
}

func start(t *testing.T, config Config, sockets Sockets, sink Sink) running {
	t.Helper()
	a, err := Listen(config, sockets, sink)
	if err != nil {
		t.Fatal(err)
	}
	r := running{Adapter: a, t: t}
	for _, x := range a.Receptions() {
		if r.conns[x.Line], err = net.Dial("udp", x.Address.String()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.conns[x.Line].Close() })
	}
	r.run()
	return r
}

// run runs the adapter until the test ends.
func (r running) run() {
	ended := make(chan error, 1)
	go func() { ended <- r.Run() }()
	r.t.Cleanup(func() {
		if err := r.Close(); err != nil {
			r.t.Error(err)
		}
		if err := <-ended; err != nil {
			r.t.Errorf("Run ended with %v", err)
		}
	})
}

func (r running) send(line Line, datagram []byte) {
	r.t.Helper()
	if _, err := r.conns[line].Write(datagram); err != nil {
		r.t.Fatal(err)
	}
}

// await waits until the counter has a value.
func (r running) await(c Counter, want uint64) {
	r.t.Helper()
	r.until(func() bool { return r.Stats()[c] == want }, func() string {
		return fmt.Sprintf("%v = %d, want %d: %v", c, r.Stats()[c], want, r.Stats())
	})
}

func (r running) until(done func() bool, what func() string) {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("after ten seconds: %s", what())
		}
	}
}

// fixedClock stands at noon.
func fixedClock() int64 { return noon }

func TestAdapterReceives(t *testing.T) {
	for name, sockets := range ways() {
		for _, listen := range []string{"127.0.0.1:0", "[::1]:0", "[::ffff:127.0.0.1]:0"} {
			t.Run(name+" "+listen, func(t *testing.T) {
				if l, err := net.ListenPacket("udp", listen); err != nil {
					t.Skipf("this host has no such address: %v", err)
				} else {
					l.Close()
				}
				var sink gate
				sockets.A.Listen, sockets.Now = listen, fixedClock
				a := start(t, Config{}, sockets, &sink)
				a.send(LineA, packet(1, at(1), at(2)))
				a.send(LineA, packet(1, at(1), at(2)))
				a.send(LineA, nil)
				a.send(LineA, []byte("garbage"))
				a.send(LineA, packet(3, at(3)))
				a.await(Datagrams, 5)
				a.settle(count{Packets, 3}, count{Duplicates, 2}, count{Malformed, 2}, count{Ticks, 3}, count{Delivered, 3})
				want := "tick 7 mt+1 t+0, tick 7 mt+2 t+0, tick 7 mt+3 t+0"
				if got := strings.Join(describe(sink.taken()), ", "); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				if polls := a.Thread() != 0; polls != sockets.BusyPoll {
					t.Errorf("thread %d", a.Thread())
				}
			})
		}
	}
}

// settle waits until counters have their values, which are shown one by one, and
// checks that all others are 0.
func (r running) settle(counts ...count) {
	r.t.Helper()
	for _, c := range counts {
		r.await(c.Counter, c.n)
	}
	s := r.Stats()
	s[ReceiveBuffer] = 0
	checkCounts(r.t, s, counts...)
}

// Two lines are one stream: what one of them lost, the other has.
func TestAdapterJoinsLines(t *testing.T) {
	for name, sockets := range ways() {
		t.Run(name, func(t *testing.T) {
			var sink gate
			sockets.B, sockets.Now = Inlet{Listen: "127.0.0.1:0"}, fixedClock
			a := start(t, Config{GapNanos: maxNanos}, sockets, &sink)
			a.send(LineA, packet(1, at(1)))
			a.await(Packets, 1)
			a.send(LineA, packet(3, at(3)))
			a.await(Packets, 2)
			a.send(LineB, packet(1, at(1), at(2), at(3), at(4)))
			a.await(Packets, 3)
			a.send(LineA, packet(4, at(4)))
			a.await(Packets, 4)
			a.settle(count{Packets, 4}, count{Duplicates, 3}, count{Gaps, 1}, count{Skipped, 1}, count{Filled, 1},
				count{Ticks, 3}, count{Delivered, 3}, count{Stale, 1})
			if s := a.LineStats(LineB); s[LineWon] != 2 || s[LineMessages] != 4 {
				t.Errorf("line b: %v", s)
			}
		})
	}
}

// server answers requests on a socket of its own until the test ends.
func serve(t *testing.T, s *Server) (address string) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for b := make([]byte, 1<<16); ; {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if answer, ok := s.Answer(nil, from.Addr(), b[:n], time.Now().UnixNano()); ok {
				conn.WriteToUDPAddrPort(answer, from) // the requester may be gone
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-ended })
	return conn.LocalAddr().String()
}

// What no line brought is asked for and answered, over sockets and by the real
// clock.
func TestAdapterAsks(t *testing.T) {
	for name, sockets := range ways() {
		t.Run(name, func(t *testing.T) {
			now := time.Now().UnixNano()
			ticks := make([]Tick, 50)
			for i := range ticks {
				ticks[i] = Tick{Instrument: uint32(i), Mark: 100 * unit, TimeNanos: now + int64(i)}
			}
			server, err := NewServer(ServerConfig{Stream: Stream{Session: session}})
			if err != nil {
				t.Fatal(err)
			}
			server.Keep(1, ticks...)
			var sink gate
			sockets.Server = serve(t, server)
			a := start(t, Config{GapNanos: 1, RequestTries: 16}, sockets, &sink)
			a.send(LineA, packet(1, ticks[0]))
			a.send(LineA, packet(50, ticks[49]))
			a.await(Delivered, 50)
			a.await(Suspects, 0)
			s := a.Stats()
			if s[Skipped] != 48 || s[Filled] != 48 || s[Requests] < 2 {
				t.Errorf("%v", s)
			}
		})
	}
}

// A gap is declared without another datagram, at its time.
func TestAdapterDeclaresGap(t *testing.T) {
	for name, sockets := range ways() {
		t.Run(name, func(t *testing.T) {
			var sink gate
			sockets.B = Inlet{Listen: "127.0.0.1:0"}
			a := start(t, Config{GapNanos: 20_000_000}, sockets, &sink)
			now := time.Now().UnixNano()
			a.send(LineB, packet(1, Tick{Instrument: 1, Mark: unit, TimeNanos: now}))
			a.await(Packets, 1)
			begun := time.Now()
			a.send(LineB, packet(3, Tick{Instrument: 2, Mark: unit, TimeNanos: now}))
			a.await(Suspects, 1)
			if took := time.Since(begun); took < 20*time.Millisecond {
				t.Errorf("declared after %v", took)
			}
		})
	}
}

// With no further datagram, what waits gets in soon after there is room.
func TestAdapterOffersAgain(t *testing.T) {
	for name, sockets := range ways() {
		t.Run(name, func(t *testing.T) {
			sink := gate{closed: true}
			begun := time.Now()
			sockets.Now = func() int64 { return noon + int64(time.Since(begun)) }
			a := start(t, Config{}, sockets, &sink)
			a.send(LineA, packet(1, at(1), at(2)))
			a.await(Waiting, 1)
			sink.open()
			a.await(Waiting, 0)
			a.settle(count{Packets, 1}, count{Ticks, 2}, count{Conflated, 1}, count{Delivered, 1})
			// And after that, reads wait for a datagram again.
			a.send(LineA, packet(3, at(3)))
			a.await(Delivered, 2)
		})
	}
}

// The largest datagram there is comes through whole; it is not cut to one that
// would look like another.
func TestAdapterReceivesLargest(t *testing.T) {
	for name, sockets := range ways() {
		t.Run(name, func(t *testing.T) {
			var sink gate
			sockets.Now = fixedClock
			a := start(t, Config{}, sockets, &sink)
			ticks := make([]Tick, MaxTicks)
			for i := range ticks {
				ticks[i] = at(int64(i))
			}
			a.send(LineA, packet(1, ticks...))
			a.await(Delivered, uint64(len(ticks)))
		})
	}
}

func TestAdapterRefusesSource(t *testing.T) {
	var sink gate
	a := start(t, Config{Sources: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, ways()["waiting"], &sink)
	a.send(LineA, packet(1, at(1)))
	a.await(RefusedSource, 1)
	if got := sink.taken(); len(got) != 0 {
		t.Errorf("%d records from a refused source", len(got))
	}
}

func TestListenRefuses(t *testing.T) {
	on := func(listen string) Sockets { return Sockets{A: Inlet{Listen: listen}} }
	local := Inlet{Listen: "127.0.0.1:0"}
	for _, c := range []struct {
		name    string
		config  Config
		sockets Sockets
		want    string
	}{
		{"no address", Config{}, Sockets{}, `line a: "": want an address and a port`},
		{"a name", Config{}, on("localhost:0"), "want an address and a port"},
		{"every address without sources", Config{}, on("0.0.0.0:0"), "anyone could set the mark"},
		{"every IPv6 address without sources", Config{}, on("[::]:0"), "anyone could set the mark"},
		{"a public address without sources", Config{}, on("192.0.2.1:0"), "anyone could set the mark"},
		{"a group without sources", Config{}, on("233.54.12.111:26477"), "anyone could set the mark"},
		{"a second line for everybody", Config{}, Sockets{A: local, B: Inlet{Listen: "0.0.0.0:0"}}, "line b: listen 0.0.0.0:0 without sources"},
		{"an interface without a group", Config{}, Sockets{A: Inlet{Listen: "127.0.0.1:0", Interface: "lo"}}, "are for a multicast group"},
		{"an address of another host", Config{Sources: loopback}, on("192.0.2.1:0"), "listen udp4 192.0.2.1:0"},
		{"a buffer below 0", Config{}, Sockets{A: local, Buffer: -1}, "-1 bytes"},
		{"requests without a server", Config{RequestTries: 1}, Sockets{A: local}, "want both or neither"},
		{"a server without requests", Config{}, Sockets{A: local, Server: "127.0.0.1:1"}, "want both or neither"},
		{"a server that is no source", Config{RequestTries: 1}, Sockets{A: local, Server: "192.0.2.1:1"}, "none of the sources"},
		{"a server without an address", Config{RequestTries: 1}, Sockets{A: local, Server: "server"}, `line answers: "server"`},
		{"a bad feed", Config{Framing: 9}, Sockets{A: local}, "framing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := Listen(c.config, c.sockets, &gate{})
			if err == nil {
				a.Close()
				t.Fatal("listens")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// Polling on the only CPU there is would keep all else from running.
func TestPollingWantsTwoCPUs(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	_, err := Listen(Config{}, Sockets{A: Inlet{Listen: "127.0.0.1:0"}, BusyPoll: true}, &gate{})
	if err == nil || !strings.Contains(err.Error(), "one CPU") {
		t.Errorf("got %v", err)
	}
}

// What the system grants of a receive buffer is known, and so is what found none.
func TestReceptions(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skipf("%s does not say how large a receive buffer is, nor what found no room in it", runtime.GOOS)
	}
	for name, sockets := range ways() {
		t.Run(name, func(t *testing.T) {
			const asked = 64 << 10 // within every Linux' default limit of 212,992
			sockets.B, sockets.Buffer, sockets.Timestamps = Inlet{Listen: "127.0.0.1:0"}, asked, true
			a, err := Listen(Config{}, sockets, &gate{})
			if err != nil {
				t.Fatal(err)
			}
			if got := a.Stats()[ReceiveBuffer]; got != asked {
				t.Errorf("%d bytes granted of %d", got, asked)
			}
			conn, err := net.Dial("udp", a.Receptions()[1].Address.String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			const sent = 1000
			for i := range sent {
				if _, err := conn.Write(packet(uint64(i+1), at(int64(i)))); err != nil {
					t.Fatal(err)
				}
			}
			r := running{Adapter: a, t: t}
			r.run()
			r.until(func() bool {
				conn.Write(AppendHeartbeat(nil, session, sent+1)) // it tells of what was dropped before it
				return a.LineStats(LineB)[LineDropped] > 0
			}, func() string { return fmt.Sprint(a.LineStats(LineB)) })
			x := a.Receptions()[1]
			if x.Line != LineB || x.Buffer != asked || !x.Timestamps || x.Waited == 0 || x.BusyPolled != sockets.BusyPoll {
				t.Errorf("%+v", x)
			}
			r.until(func() bool {
				return a.Receptions()[1].Dropped == a.LineStats(LineB)[LineDropped]
			}, func() string { return fmt.Sprintf("%+v, %v", a.Receptions()[1], a.LineStats(LineB)) })
		})
	}
}

// A clock that is set back does not set stamps back.
func TestStampsNeverGoBack(t *testing.T) {
	times := []int64{5, 9, 7, 9, 10}
	a := Adapter{now: func() int64 { t := times[0]; times = times[1:]; return t }}
	for _, want := range []int64{5, 9, 9, 9, 10} {
		if got := a.stamp(); got != want {
			t.Fatalf("stamp %d, want %d", got, want)
		}
	}
}

func TestRunAfterCloseEnds(t *testing.T) {
	for name, sockets := range ways() {
		t.Run(name, func(t *testing.T) {
			sockets.B = sockets.A
			a, err := Listen(Config{}, sockets, &gate{})
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			if err := a.Run(); err != nil {
				t.Errorf("Run of a closed adapter: %v", err)
			}
			if err := a.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("second Close: %v", err)
			}
		})
	}
}
