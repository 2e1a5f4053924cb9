package datagram

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the system drops is counted, both what one sees by the next datagram and
// what wrapped the system's counter.
func TestDropped(t *testing.T) {
	for name, config := range ways() {
		t.Run(name, func(t *testing.T) {
			config.Buffer = 16 << 10
			s := open(t, config)
			if st := s.Status(); !st.CountsLost || st.Buffer != config.Buffer || len(st.Warnings) > 0 && st.DriverPoll != 0 {
				t.Fatalf("status %+v", st)
			}
			conn, sent := dial(t, s.Addr()), 0
			for range 100 {
				send(t, conn, strings.Repeat("x", 1000))
				sent++
			}
			got := 0
			if err := s.WaitUntil(time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			for s.Status().Dropped == 0 {
				batch, err := s.Receive()
				if err != nil {
					t.Fatal(err)
				}
				got += len(batch)
				if s.Status().Dropped == 0 && (config.BusyPoll && len(batch) == 0 || !config.BusyPoll && !pending(t, s)) {
					send(t, conn, "the next one") // it tells of those before it
					sent++
				}
			}
			if st := s.Status(); got+int(st.Dropped) != sent || int(st.Received) != got {
				t.Errorf("%d received and %d dropped of %d: %+v", got, st.Dropped, sent, st)
			}
		})
	}
	var wrapping tally
	wrapping.overflow = 1<<32 - 2
	wrapping.note(1, 3)
	if n := wrapping.dropped.Load(); n != 5 {
		t.Errorf("%d dropped over the wrap of the counter, want 5", n)
	}
}

// pending reports whether a socket of the runtime has a datagram.
func pending(t *testing.T, s *Socket) (yes bool) {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		n, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		yes = err == nil && n > 0
	})
	if err != nil {
		t.Fatal(err)
	}
	return yes
}

// loopbackLink is the interface groups are joined on, so that nothing leaves this
// host.
func loopbackLink(t *testing.T) *net.Interface {
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range links {
		if l.Flags&net.FlagLoopback != 0 && l.Flags&net.FlagUp != 0 {
			return &links[i]
		}
	}
	t.Skip("this host has no loopback interface")
	return nil
}

// publish returns a connection to a group, over loopback only.
func publish(t *testing.T, link *net.Interface, from string, to netip.AddrPort) *net.UDPConn {
	conn, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from)), net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptIPMreqn(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(link.Index)})
	})
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return conn
}

// A group's datagrams come in, from everybody or from its publishers alone; what
// is sent to this host's own address or to another group does not.
func TestGroup(t *testing.T) {
	link := loopbackLink(t)
	free := open(t, Config{})
	port := free.Addr().Port()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	group := netip.AddrPortFrom(netip.MustParseAddr("239.255.26.40"), port)
	other := netip.AddrPortFrom(netip.MustParseAddr("239.255.26.41"), port)
	for name, config := range ways() {
		t.Run(name, func(t *testing.T) {
			config.Listen, config.Interface = group.String(), link.Name
			everybody := open(t, config)
			config.Publishers = []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3")}
			chosen := open(t, config)
			if a, b := everybody.Status().Join, chosen.Status().Join; a != AnySource || b != SourceSpecific {
				t.Errorf("joined for %v and %v", a, b)
			}
			// The other group is joined by another socket of this host.
			neighbour := open(t, Config{Listen: other.String(), Interface: link.Name})
			send(t, publish(t, link, "127.0.0.1:0", other), "other group")
			send(t, dial(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)), "own address")
			send(t, publish(t, link, "127.0.0.1:0", group), "stranger")
			send(t, publish(t, link, "127.0.0.2:0", group), "first")
			send(t, publish(t, link, "127.0.0.3:0", group), "second")
			if got, _ := receive(t, chosen, 2); strings.Join(got, ",") != "first,second" {
				t.Errorf("from the publishers: %q", got)
			}
			if got, _ := receive(t, everybody, 3); strings.Join(got, ",") != "stranger,first,second" {
				t.Errorf("from everybody: %q", got)
			}
			receive(t, neighbour, 1)
		})
	}
}

// The longest wait is that of the oldest datagram. The system begins to stamp a
// little after it was asked to; before, it stamps when a datagram is received.
func TestWaited(t *testing.T) {
	for name, config := range ways() {
		if !config.Timestamps {
			continue
		}
		t.Run(name, func(t *testing.T) {
			s := open(t, config)
			conn, begun := dial(t, s.Addr()), time.Now()
			for s.Status().Waited < 2*time.Millisecond {
				send(t, conn, "datagram")
				for sent := time.Now(); time.Since(sent) < 2*time.Millisecond; {
				}
				receive(t, s, 1)
				if time.Since(begun) > 10*time.Second {
					t.Fatalf("datagrams that lay for 2 ms have waited %v", s.Status().Waited)
				}
			}
			if w := s.Status().Waited; w > time.Since(begun) {
				t.Errorf("waited %v, of %v since the first was sent", w, time.Since(begun))
			}
		})
	}
}

// What is not what the system writes is passed over.
func TestReadControl(t *testing.T) {
	for _, b := range [][]byte{nil, {1}, make([]byte, 16), make([]byte, 64), []byte(strings.Repeat("\xff", 64))} {
		if overflow, arrival := readControl(b, 7); overflow != 7 || arrival != 0 {
			t.Errorf("%x: %d dropped, arrived at %d", b, overflow, arrival)
		}
	}
}
