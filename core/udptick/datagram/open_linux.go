package datagram

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	canPoll  = true
	canStamp = true
	// driverPollMicros is what SO_BUSY_POLL is set to: networking's own advice.
	driverPollMicros = 50
)

// open opens a socket and gives it to the poller or to the runtime. The error is
// a *net.OpError as package net has it.
func (s *Socket) open(c *settings) error {
	fd, call, err := s.socket(c)
	if err == nil && !c.BusyPoll {
		s.conn, call, err = adopt(fd)
	} else if err == nil {
		s.poller = newPoller(fd)
	}
	if err != nil {
		if call != "" {
			err = os.NewSyscallError(call, err)
		}
		e := &net.OpError{Op: "listen", Net: c.network, Err: err}
		if c.listen.IsValid() {
			e.Addr = net.UDPAddrFromAddrPort(c.listen)
		} else {
			e.Op, e.Addr = "dial", net.UDPAddrFromAddrPort(c.peer)
		}
		return e
	}
	return nil
}

// adopt makes a connection of a socket, which the runtime watches from then on.
func adopt(fd int) (conn *net.UDPConn, call string, err error) {
	f := os.NewFile(uintptr(fd), "udp socket")
	defer f.Close() // conn has a descriptor of its own
	p, err := net.FilePacketConn(f)
	if err != nil {
		return nil, "", err
	}
	return p.(*net.UDPConn), "", nil
}

// socket opens one that has all it is to have before the first datagram comes.
// With an error comes the call it is of.
func (s *Socket) socket(c *settings) (fd int, call string, err error) {
	family := unix.AF_INET
	if c.network == "udp6" {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, "socket", err
	}
	if call, err = s.prepare(fd, c); err == nil {
		if call, err = s.attach(fd, c); err == nil {
			return fd, "", nil
		}
	}
	unix.Close(fd) // it was never used
	return -1, call, err
}

// prepare sets the options of a socket. Those that only tell something are done
// without where the system is too old for them.
func (s *Socket) prepare(fd int, c *settings) (call string, err error) {
	if c.network == "udp6" {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return "setsockopt IPV6_V6ONLY", err
		}
	}
	if c.group() {
		// Several programs of a host may listen to a group, and none of them is to get
		// what another one joined.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return "setsockopt SO_REUSEADDR", err
		}
		if c.network == "udp4" {
			if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0); err != nil {
				return "setsockopt IP_MULTICAST_ALL", err
			}
		}
	}
	if call, err := s.sizeBuffer(fd, c.Buffer); err != nil {
		return call, err
	}
	s.granted.CountsLost = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1) == nil
	if c.Timestamps {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
			return "setsockopt SO_TIMESTAMPNS", err
		}
		s.granted.Timestamps = true
	}
	if c.BusyPoll {
		// More than the system's default is for those with CAP_NET_ADMIN. What there is
		// gets reported, not what was wished for.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BUSY_POLL, driverPollMicros)
		if micros, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BUSY_POLL); err == nil {
			s.granted.DriverPoll = time.Duration(micros) * time.Microsecond
		}
	}
	return "", nil
}

// sizeBuffer asks for a receive buffer and notes what was granted. Linux cuts a
// request down to net.core.rmem_max without an error, unless it comes with
// CAP_NET_ADMIN and SO_RCVBUFFORCE; and it doubles it, to have room for its own
// bookkeeping, and reports the double: socket(7).
func (s *Socket) sizeBuffer(fd, bytes int) (call string, err error) {
	if bytes > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes); err != nil {
			return "setsockopt SO_RCVBUF", err
		}
	}
	doubled, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err == nil && doubled/2 < bytes && unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes) == nil {
		doubled, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	}
	s.granted.Buffer = doubled / 2
	return "getsockopt SO_RCVBUF", err
}

// attach gives a socket its addresses: from then on datagrams come.
func (s *Socket) attach(fd int, c *settings) (call string, err error) {
	if c.listen.IsValid() {
		if err := unix.Bind(fd, sockaddr(c.listen)); err != nil {
			return "bind", err
		}
	}
	if c.group() {
		if call, err := s.join(fd, c); err != nil {
			return call, err
		}
	}
	if c.peer.IsValid() {
		if err := unix.Connect(fd, sockaddr(c.peer)); err != nil {
			return "connect", err
		}
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return "getsockname", err
	}
	switch a := bound.(type) {
	case *unix.SockaddrInet4:
		s.granted.Address = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		s.granted.Address = netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return "", nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	to := &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
	if link, err := net.InterfaceByName(a.Addr().Zone()); err == nil {
		to.ZoneId = uint32(link.Index)
	}
	return to
}

// join joins a group for each of its publishers, or for everybody if none is
// named.
func (s *Socket) join(fd int, c *settings) (call string, err error) {
	level := unix.IPPROTO_IP
	if c.network == "udp6" {
		level = unix.IPPROTO_IPV6
	}
	index := 0
	if c.link != nil {
		index = c.link.Index
	}
	group := c.listen.Addr()
	if len(c.Publishers) == 0 {
		s.granted.Join = AnySource
		call, err = "setsockopt MCAST_JOIN_GROUP", unix.SetsockoptString(fd, level, unix.MCAST_JOIN_GROUP, membership(index, group))
	}
	for _, p := range c.Publishers {
		s.granted.Join = SourceSpecific
		call, err = "setsockopt MCAST_JOIN_SOURCE_GROUP", unix.SetsockoptString(fd, level, unix.MCAST_JOIN_SOURCE_GROUP, membership(index, group, p.Unmap()))
		if err != nil {
			break
		}
	}
	switch {
	case errors.Is(err, unix.ENODEV) && c.link == nil:
		return "no route says on which interface to join: name one: " + call, err
	case errors.Is(err, unix.ENOBUFS):
		return "too many groups or publishers: sysctl net.ipv4.igmp_max_memberships, net.ipv4.igmp_max_msf: " + call, err
	}
	return call, err
}

// membership is a struct group_req or group_source_req: an interface, then
// addresses of 128 bytes each, aligned as a word is.
func membership(index int, addresses ...netip.Addr) string {
	const word, storage = bits.UintSize / 8, 128
	b := make([]byte, word+storage*len(addresses))
	binary.NativeEndian.PutUint32(b, uint32(index))
	for i, a := range addresses {
		at := b[word+storage*i:]
		if a.Is4() {
			binary.NativeEndian.PutUint16(at, unix.AF_INET)
			copy(at[4:], a.AsSlice())
		} else {
			binary.NativeEndian.PutUint16(at, unix.AF_INET6)
			copy(at[8:], a.AsSlice())
		}
	}
	return string(b)
}
