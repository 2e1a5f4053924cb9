package datagram

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ways are the configurations in which datagrams are taken differently.
func ways() map[string]Config {
	ways := map[string]Config{"one by one": {}}
	if canPoll {
		ways["stamped"] = Config{Timestamps: true}
		ways["polled"] = Config{BusyPoll: true}
		ways["polled and stamped"] = Config{BusyPoll: true, Timestamps: true}
	}
	return ways
}

// open opens a socket on loopback unless config says otherwise.
func open(t testing.TB, config Config) *Socket {
	t.Helper()
	if config.Listen == "" && config.Peer == "" {
		config.Listen = "127.0.0.1:0"
	}
	s, err := Listen(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && err != ErrClosed {
			t.Error(err)
		}
	})
	return s
}

// dial returns a connection to a socket.
func dial(t testing.TB, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func send(t testing.TB, conn net.Conn, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
}

// receive takes n datagrams that were sent; on loopback they are there when a send
// returns.
func receive(t testing.TB, s *Socket, n int) (texts []string, from []netip.AddrPort) {
	t.Helper()
	if err := s.WaitUntil(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); len(texts) < n; {
		batch, err := s.Receive()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range batch {
			texts, from = append(texts, string(d.Data)), append(from, d.From)
			if stamped := d.ArrivalNanos != 0; stamped != s.Status().Timestamps || stamped && time.Since(time.Unix(0, d.ArrivalNanos)).Abs() > time.Minute {
				t.Fatalf("arrived at %d", d.ArrivalNanos)
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d datagrams after ten seconds", len(texts), n)
		}
	}
	return texts, from
}

func TestReceive(t *testing.T) {
	for name, config := range ways() {
		for _, listen := range []string{"127.0.0.1:0", "[::1]:0", "[::ffff:127.0.0.1]:0"} {
			t.Run(name+" "+listen, func(t *testing.T) {
				if l, err := net.ListenPacket("udp", listen); err != nil {
					t.Skipf("this host has no such address: %v", err)
				} else {
					l.Close()
				}
				config.Listen = listen
				s := open(t, config)
				conn := dial(t, s.Addr())
				var want []string
				for i := range 100 { // three batches, the last one not full
					want = append(want, fmt.Sprint(i))
				}
				want = append(want, "", strings.Repeat("x", 65_507-20*strings.Count(listen, "[::1]")))
				send(t, conn, want...)
				got, from := receive(t, s, len(want))
				if strings.Join(got, ",") != strings.Join(want, ",") {
					t.Errorf("received %.200q, want %.200q", got, want)
				}
				for _, f := range from {
					if f != conn.LocalAddr().(*net.UDPAddr).AddrPort() {
						t.Fatalf("from %v, want %v", f, conn.LocalAddr())
					}
				}
				st := s.Status()
				if st.Received != uint64(len(want)) || st.Dropped != 0 || st.Join != NoGroup || st.BusyPolled != config.BusyPoll || st.Address != s.Addr() {
					t.Errorf("status %+v", st)
				}
				if (st.Waited > 0) != config.Timestamps {
					t.Errorf("waited %v", st.Waited)
				}
			})
		}
	}
}

// Nothing there: a polled socket returns, another one at the time it was given,
// also when it waits already.
func TestReceiveNothing(t *testing.T) {
	for name, config := range ways() {
		t.Run(name, func(t *testing.T) {
			s := open(t, config)
			nothing := make(chan error, 1)
			go func() {
				got, err := s.Receive()
				if len(got) != 0 {
					err = fmt.Errorf("%d datagrams from nowhere", len(got))
				}
				nothing <- err
			}()
			if err := s.WaitUntil(time.Now()); err != nil {
				t.Fatal(err)
			}
			if err := <-nothing; err != nil {
				t.Fatal(err)
			}
			if err := s.WaitUntil(time.Time{}); err != nil {
				t.Fatal(err)
			}
			send(t, dial(t, s.Addr()), "after all")
			receive(t, s, 1)
		})
	}
}

func TestClose(t *testing.T) {
	for name, config := range ways() {
		t.Run(name, func(t *testing.T) {
			s := open(t, config)
			started, ended := make(chan struct{}), make(chan error)
			go func() {
				close(started)
				for {
					if _, err := s.Receive(); err != nil {
						ended <- err
						return
					}
				}
			}()
			<-started
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err != ErrClosed {
				t.Errorf("Receive ended with %v, want %v", err, ErrClosed)
			}
			if err := s.Close(); err != ErrClosed {
				t.Errorf("second Close: %v, want %v", err, ErrClosed)
			}
			// The port is free again.
			again := open(t, Config{Listen: s.Addr().String()})
			if again.Addr() != s.Addr() {
				t.Errorf("got %v, want %v", again.Addr(), s.Addr())
			}
		})
	}
}

// With a peer, only its datagrams come in, and they go there. A peer that is gone
// is no failure.
func TestPeer(t *testing.T) {
	for name, config := range ways() {
		t.Run(name, func(t *testing.T) {
			server := open(t, Config{})
			config.Peer = server.Addr().String()
			s := open(t, config)
			if err := s.Send([]byte("question")); err != nil {
				t.Fatal(err)
			}
			got, from := receive(t, server, 1)
			if got[0] != "question" || from[0] != s.Addr() {
				t.Fatalf("%q from %v, want it from %v", got[0], from[0], s.Addr())
			}
			send(t, dial(t, s.Addr()), "from a stranger")
			if _, err := server.conn.WriteToUDPAddrPort([]byte("answer"), s.Addr()); err != nil {
				t.Fatal(err)
			}
			if got, from = receive(t, s, 1); got[0] != "answer" || from[0] != server.Addr() {
				t.Fatalf("%q from %v", got[0], from[0])
			}
			if err := server.Close(); err != nil {
				t.Fatal(err)
			}
			if runtime.GOOS != "linux" {
				return // whether and when the refusal is told differs
			}
			if err := s.Send([]byte("anybody?")); err != nil {
				t.Fatal(err)
			}
			if batch, err := s.Receive(); len(batch) != 0 || err != nil {
				t.Fatal(batch, err)
			}
			if n := s.Status().Refused; n != 1 {
				t.Errorf("refused %d times, want 1", n)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := s.Send(nil); err != ErrClosed {
				t.Errorf("Send after Close: %v", err)
			}
		})
	}
	if err := open(t, Config{}).Send(nil); err == nil || !strings.Contains(err.Error(), "without Config.Peer") {
		t.Errorf("Send without a peer: %v", err)
	}
}

func TestListenRefuses(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.1")
	for _, c := range []struct {
		name   string
		config Config
		want   string
	}{
		{"no address", Config{}, `listen "": want an address and a port`},
		{"a name", Config{Listen: "localhost:0"}, "want an address and a port"},
		{"a group without port", Config{Listen: "233.54.12.111:0"}, "wants the port"},
		{"an interface for one host", Config{Listen: "127.0.0.1:0", Interface: "lo"}, "are for a multicast group"},
		{"publishers for one host", Config{Listen: "127.0.0.1:0", Publishers: []netip.Addr{local}}, "are for a multicast group"},
		{"an interface that is none", Config{Listen: "233.54.12.111:26477", Interface: "no such one"}, `interface "no such one"`},
		{"a group as publisher", Config{Listen: "233.54.12.111:26477", Publishers: []netip.Addr{netip.MustParseAddr("233.54.12.1")}}, "want the address of one host"},
		{"a publisher of the other family", Config{Listen: "233.54.12.111:26477", Publishers: []netip.Addr{netip.MustParseAddr("::1")}}, "want the address of one host"},
		{"no publisher", Config{Listen: "233.54.12.111:26477", Publishers: []netip.Addr{{}}}, "want the address of one host"},
		{"a group as peer", Config{Peer: "233.54.12.111:26477"}, "want an address and port of one host"},
		{"a peer without port", Config{Peer: "127.0.0.1:0"}, "want an address and port of one host"},
		{"a peer of a group", Config{Listen: "233.54.12.111:26477", Peer: "127.0.0.1:1"}, "has no single peer"},
		{"a peer of the other family", Config{Listen: "127.0.0.1:0", Peer: "[::1]:1"}, "want both of IPv4 or of IPv6"},
		{"a buffer below 0", Config{Listen: "127.0.0.1:0", Buffer: -1}, "-1 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Listen(c.config)
			if err == nil {
				s.Close()
				t.Fatal("listens")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// What the system refuses is told as package net does.
func TestListenFails(t *testing.T) {
	for name, config := range ways() {
		t.Run(name, func(t *testing.T) {
			config.Listen = "192.0.2.1:0" // for documentation: no host has it
			_, err := Listen(config)
			if _, ok := errors.AsType[*net.OpError](err); !ok || !strings.Contains(err.Error(), "listen udp4 192.0.2.1:0") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Elsewhere than on Linux, what cannot be had is refused.
func TestRefusesElsewhere(t *testing.T) {
	if canPoll {
		t.Skip("nothing is refused here: this system has polling and timestamps")
	}
	for _, config := range []Config{{BusyPoll: true}, {Timestamps: true}} {
		config.Listen = "127.0.0.1:0"
		if _, err := Listen(config); err == nil || !strings.Contains(err.Error(), "for Linux") {
			t.Errorf("%+v: %v", config, err)
		}
	}
}

func TestReceiveDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for name, config := range ways() {
		t.Run(name, func(t *testing.T) {
			s := open(t, config)
			conn, b := dial(t, s.Addr()), []byte("datagram")
			got := 0
			allocs := testing.AllocsPerRun(200, func() {
				for range 3 {
					if _, err := conn.Write(b); err != nil {
						t.Fatal(err)
					}
				}
				for n := 0; n < 3; {
					batch, err := s.Receive()
					if err != nil {
						t.Fatal(err)
					}
					n += len(batch)
					got += len(batch)
				}
			})
			if allocs != 0 || got != 603 {
				t.Errorf("%v allocations, %d datagrams of 603", allocs, got)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		name   string
		status Status
		want   string
	}{
		{"all granted", Status{BufferAsked: 100, Buffer: 100, BusyPolled: true, DriverPoll: 1}, ""},
		{"the system's choice", Status{Buffer: 100}, ""},
		{"a system that does not say", Status{BufferAsked: 100}, ""},
		{"less than asked", Status{BufferAsked: 100, Buffer: 99}, "99 bytes granted of 100: sysctl -w net.core.rmem_max=100"},
		{"no driver poll", Status{BusyPolled: true}, "sysctl -w net.core.busy_read=50"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.status.warn()
			got := strings.Join(c.status.Warnings, "; ")
			if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
