package datagram

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
)

// Config says which datagrams a [Socket] receives, and how.
type Config struct {
	// Listen is the address and port datagrams are sent to: one of this host's, or
	// a multicast group, which is joined. With port 0 the system takes a free one.
	Listen string
	// Interface is the name of the network interface on which a group is joined.
	// Empty leaves it to the system's routes.
	Interface string
	// Publishers are those who send to the group. Where there are some, and the
	// system is Linux, the network is asked for what they send and nothing else.
	Publishers []netip.Addr

	// Peer is the address and port of the only one to exchange datagrams with.
	// Listen may be empty then, and is no group.
	Peer string

	// Buffer is how many bytes of datagrams the system is asked to keep until they
	// are received. 0 leaves it to the system. It may grant less: see Status.
	Buffer int
	// BusyPoll has Receive return at once, with many datagrams or none. It is for a
	// thread that does nothing but look. Linux only.
	BusyPoll bool
	// Timestamps asks the system when a datagram arrived. Linux only; it costs each
	// of them some 50 ns.
	Timestamps bool
}

// settings is a Config that was read and found to make sense.
type settings struct {
	Config
	network string // udp4 or udp6
	listen  netip.AddrPort
	peer    netip.AddrPort // invalid for none
	link    *net.Interface // nil for the system's choice
}

// group reports whether listen is a multicast group.
func (s *settings) group() bool { return s.listen.Addr().IsMulticast() }

func (c *Config) check() (*settings, error) {
	s := &settings{Config: *c, network: "udp4"}
	var err error
	if c.Peer != "" {
		if s.peer, err = address("peer", c.Peer); err != nil {
			return nil, err
		}
	}
	if c.Listen != "" || c.Peer == "" {
		if s.listen, err = address("listen", c.Listen); err != nil {
			return nil, err
		}
	}
	if s.listen.Addr().Is6() || s.peer.Addr().Is6() {
		s.network = "udp6"
	}
	if err := s.contradiction(); err != nil {
		return nil, err
	}
	if c.Interface != "" {
		if s.link, err = net.InterfaceByName(c.Interface); err != nil {
			return nil, fmt.Errorf("datagram: interface %q: %w", c.Interface, err)
		}
	}
	return s, nil
}

func (s *settings) contradiction() error {
	switch {
	case s.peer.IsValid() && (s.peer.Port() == 0 || s.peer.Addr().IsUnspecified() || s.peer.Addr().IsMulticast()):
		return fmt.Errorf("datagram: peer %v: want an address and port of one host", s.peer)
	case s.peer.IsValid() && s.group():
		return fmt.Errorf("datagram: listen %v: a group has no single peer", s.listen)
	case s.peer.IsValid() && s.listen.IsValid() && s.peer.Addr().Is4() != s.listen.Addr().Is4():
		return fmt.Errorf("datagram: listen %v, peer %v: want both of IPv4 or of IPv6", s.listen, s.peer)
	case s.group() && s.listen.Port() == 0:
		return fmt.Errorf("datagram: listen %v: a group wants the port its publisher sends to", s.listen)
	case !s.group() && (s.Interface != "" || len(s.Publishers) > 0):
		return fmt.Errorf("datagram: listen %v: an interface and publishers are for a multicast group, which this is not", s.listen)
	case s.Buffer < 0:
		return fmt.Errorf("datagram: receive buffer of %d bytes: want 0 or more", s.Buffer)
	case s.BusyPoll && !canPoll:
		return fmt.Errorf("datagram: busy polling is for Linux, this is %s: leave it out", runtime.GOOS)
	case s.Timestamps && !canStamp:
		return fmt.Errorf("datagram: timestamps are for Linux, this is %s: leave them out", runtime.GOOS)
	}
	for _, p := range s.Publishers {
		if !p.IsValid() || p.IsMulticast() || p.IsUnspecified() || p.Unmap().Is4() != s.listen.Addr().Is4() {
			return fmt.Errorf("datagram: publisher %v of group %v: want the address of one host, of the same family", p, s.listen)
		}
	}
	return nil
}

// address reads a setting. An IPv4 address written as IPv6 is one of IPv4.
func address(setting, s string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return a, fmt.Errorf("datagram: %s %q: want an address and a port such as 127.0.0.1:26400", setting, s)
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
}

// ErrClosed is what Receive and Send return after Close, and a second Close too.
var ErrClosed = net.ErrClosed

var errNoPeer = errors.New("datagram: Send of a socket without Config.Peer")
