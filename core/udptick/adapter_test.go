package udptick

import (
	"errors"
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

// running is an adapter with its Run going, and a socket to send to it.
type running struct {
	*Adapter
	t      *testing.T
	socket net.Conn
}

func start(t *testing.T, config Config, sink Sink) running {
	t.Helper()
	a, err := Listen(config, sink)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run() }()
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
	socket, err := net.Dial("udp", a.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return running{a, t, socket}
}

func (r running) send(datagram []byte) {
	r.t.Helper()
	if _, err := r.socket.Write(datagram); err != nil {
		r.t.Fatal(err)
	}
}

// await waits until the counter has a value.
func (r running) await(c Counter, want uint64) {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); r.Stats()[c] != want; time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("%v = %d after ten seconds, want %d: %v", c, r.Stats()[c], want, r.Stats())
		}
	}
}

// fixedClock stands at noon.
func fixedClock() int64 { return noon }

func TestAdapterReceives(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0", "[::ffff:127.0.0.1]:0"} {
		t.Run(listen, func(t *testing.T) {
			if l, err := net.ListenPacket("udp", listen); err != nil {
				t.Skipf("this host has no such address: %v", err)
			} else {
				l.Close()
			}
			var sink gate
			a := start(t, Config{Listen: listen, Now: fixedClock}, &sink)
			a.send(packet(1, at(1), at(2)))
			a.send(packet(1, at(1), at(2)))
			a.send(nil)
			a.send([]byte("garbage"))
			a.send(packet(3, at(3)))
			a.await(Datagrams, 5)
			checkCounts(t, withoutBuffer(a.Stats()), count{Packets, 3}, count{Duplicates, 2}, count{Malformed, 2}, count{Ticks, 3}, count{Delivered, 3})
			want := "tick 7 mt+1 t+0, tick 7 mt+2 t+0, tick 7 mt+3 t+0"
			if got := strings.Join(describe(sink.taken()), ", "); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func withoutBuffer(s Stats) Stats {
	s[ReceiveBuffer] = 0
	return s
}

// With no further datagram, what waits gets in soon after there is room.
func TestAdapterOffersAgain(t *testing.T) {
	sink := gate{closed: true}
	a := start(t, Config{Listen: "127.0.0.1:0", Now: fixedClock}, &sink)
	a.send(packet(1, at(1), at(2)))
	a.await(Waiting, 1)
	sink.open()
	a.await(Waiting, 0)
	checkCounts(t, withoutBuffer(a.Stats()), count{Packets, 1}, count{Ticks, 2}, count{Conflated, 1}, count{Delivered, 1})
	// And after that, reads wait for a datagram again.
	a.send(packet(3, at(3)))
	a.await(Delivered, 2)
}

// The largest datagram there is comes through whole; it is not cut to one that
// would look like another.
func TestAdapterReceivesLargest(t *testing.T) {
	var sink gate
	a := start(t, Config{Listen: "127.0.0.1:0", Now: fixedClock}, &sink)
	ticks := make([]Tick, MaxTicks)
	for i := range ticks {
		ticks[i] = at(int64(i))
	}
	a.send(packet(1, ticks...))
	a.await(Delivered, MaxTicks)
}

func TestAdapterRefusesSource(t *testing.T) {
	var sink gate
	a := start(t, Config{Listen: "127.0.0.1:0", Sources: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, &sink)
	a.send(packet(1, at(1)))
	a.await(RefusedSource, 1)
	if got := sink.taken(); len(got) != 0 {
		t.Errorf("%d records from a refused source", len(got))
	}
}

func TestListenRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		config Config
		want   string
	}{
		{"no address", Config{}, `listen "": want an address and a port`},
		{"a name", Config{Listen: "localhost:0"}, "want an address and a port"},
		{"every address without sources", Config{Listen: "0.0.0.0:0"}, "anyone could set the mark"},
		{"every IPv6 address without sources", Config{Listen: "[::]:0"}, "anyone could set the mark"},
		{"a public address without sources", Config{Listen: "192.0.2.1:0"}, "anyone could set the mark"},
		{"a multicast group", Config{Listen: "233.54.12.111:26477", Sources: loopback}, "needs a join"},
		{"an address of another host", Config{Listen: "192.0.2.1:0", Sources: loopback}, "udptick: listen udp4 192.0.2.1:0"},
		{"a buffer below 0", Config{Listen: "127.0.0.1:0", ReceiveBuffer: -1}, "-1 bytes"},
		{"a bad feed", Config{Listen: "127.0.0.1:0", Framing: 9}, "framing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := Listen(c.config, &gate{})
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

// What the system grants of a receive buffer is known.
func TestReceiveBufferIsReadBack(t *testing.T) {
	const asked = 64 << 10 // within every Linux' default limit of 212,992
	a, err := Listen(Config{Listen: "127.0.0.1:0", ReceiveBuffer: asked}, &gate{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	want := uint64(0)
	if runtime.GOOS == "linux" {
		want = asked
	}
	if got := a.Stats()[ReceiveBuffer]; got != want {
		t.Errorf("%d bytes granted of %d, want %d", got, asked, want)
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
	a, err := Listen(Config{Listen: "127.0.0.1:0"}, &gate{})
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
}
