//go:build !linux

package datagram

import (
	"net"
	"net/netip"
)

// What other systems do not offer, or not alike.
const (
	canPoll     = false
	canStamp    = false
	controlSize = 0
)

// open opens a socket by what the standard library has on every system.
func (s *Socket) open(c *settings) (err error) {
	address := net.UDPAddrFromAddrPort(c.listen)
	switch {
	case c.peer.IsValid():
		if !c.listen.IsValid() {
			address = nil
		}
		s.conn, err = net.DialUDP(c.network, address, net.UDPAddrFromAddrPort(c.peer))
	case c.group():
		s.conn, err = net.ListenMulticastUDP(c.network, c.link, address)
		s.granted.Join = AnySource
	default:
		s.conn, err = net.ListenUDP(c.network, address)
	}
	if err != nil {
		return err
	}
	if c.Buffer > 0 {
		if err := s.conn.SetReadBuffer(c.Buffer); err != nil {
			s.conn.Close() // it was never used
			return err
		}
	}
	a := s.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	s.granted.Address = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	return nil
}

// readControl has nothing to read: the system is asked for nothing.
func readControl(_ []byte, overflow uint32) (uint32, int64) { return overflow, 0 }

// poller is of sockets that canPoll keeps from being opened.
type poller struct{}

func (*poller) send([]byte) error { return ErrClosed }
func (*poller) close() error      { return ErrClosed }

func (s *Socket) poll() ([]Datagram, error) { return nil, ErrClosed }
