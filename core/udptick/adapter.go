package udptick

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// Adapter feeds a [Sink] from a UDP socket.
type Adapter struct {
	conn *net.UDPConn
	feed *Feed
	now  func() int64
	last int64 // what now returned last: stamps never go back
	buf  []byte
}

// Listen opens the socket. From then on datagrams are kept for [Adapter.Run], as
// many as the receive buffer holds. The error says which setting is wrong, or
// what the system says.
func Listen(config Config, sink Sink) (*Adapter, error) {
	feed, err := NewFeed(config, sink)
	if err != nil {
		return nil, err
	}
	address, err := config.address()
	if err != nil {
		return nil, err
	}
	network := "udp4"
	if address.Addr().Is6() {
		network = "udp6"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(address))
	if err != nil {
		return nil, fmt.Errorf("udptick: %w", err)
	}
	if err := feed.sizeBuffer(conn, config.ReceiveBuffer); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	now := config.Now
	if now == nil {
		now = func() int64 { return time.Now().UnixNano() }
	}
	// No datagram is larger than the buffer, so none is cut to look like another.
	return &Adapter{conn: conn, feed: feed, now: now, buf: make([]byte, 1<<16)}, nil
}

// address is where to listen. Who can reach it must be able to set the price
// only if someone said so.
func (c *Config) address() (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(c.Listen)
	switch {
	case err != nil:
		return a, fmt.Errorf("udptick: listen %q: want an address and a port such as 127.0.0.1:26400", c.Listen)
	case a.Addr().IsMulticast():
		return a, fmt.Errorf("udptick: listen %v: a multicast group needs a join; want an address of this host", a)
	case len(c.Sources) == 0 && !a.Addr().Unmap().IsLoopback():
		return a, fmt.Errorf("udptick: listen %v without sources: anyone could set the mark; name the publishers' prefixes, or listen on loopback", a)
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
}

// sizeBuffer asks for a receive buffer and notes what was granted: systems cut a
// large one down without an error.
func (f *Feed) sizeBuffer(conn *net.UDPConn, bytes int) error {
	if bytes < 0 {
		return fmt.Errorf("udptick: receive buffer of %d bytes: want 0 or more", bytes)
	}
	if bytes > 0 {
		if err := conn.SetReadBuffer(bytes); err != nil {
			return fmt.Errorf("udptick: receive buffer of %d bytes: %w", bytes, err)
		}
	}
	granted, err := receiveBuffer(conn)
	if err != nil {
		return fmt.Errorf("udptick: reading the receive buffer's size back: %w", err)
	}
	f.stats[ReceiveBuffer] = uint64(granted)
	f.show()
	return nil
}

// Addr returns the address and port the adapter listens on.
func (a *Adapter) Addr() netip.AddrPort { return a.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Stats returns the counters. Any goroutine may ask.
func (a *Adapter) Stats() Stats { return a.feed.Stats() }

// Close ends Run, and Run is to be waited for by whoever started it. Any
// goroutine may call it; a second call returns an error.
func (a *Adapter) Close() error { return a.conn.Close() }

// Run feeds the sink until Close, after which it returns nil, or until the socket
// fails. It belongs to one goroutine, which it blocks while nothing arrives.
// Receiving does not allocate; a timeout while the sink is full or a gap is open
// does, once a millisecond.
func (a *Adapter) Run() error {
	timed := false // reads time out
	for {
		n, from, err := a.conn.ReadFromUDPAddrPort(a.buf)
		now := a.stamp()
		switch {
		case err == nil:
			a.feed.Receive(LineA, from.Addr(), a.buf[:n], now)
		case errors.Is(err, os.ErrDeadlineExceeded):
			a.feed.Poll(now)
		case errors.Is(err, net.ErrClosed):
			return nil
		default:
			return fmt.Errorf("udptick: reading from %v: %w", a.Addr(), err)
		}
		next := a.feed.Next()
		if next != never || timed {
			timed = next != never
			if err := a.wake(next - now); err != nil {
				return err
			}
		}
	}
}

// wake makes the next read end after some time, or not before a datagram comes.
func (a *Adapter) wake(nanos int64) error {
	var deadline time.Time
	if nanos < never/2 {
		deadline = time.Now().Add(time.Duration(max(nanos, 0)))
	}
	if err := a.conn.SetReadDeadline(deadline); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("udptick: %w", err)
	}
	return nil
}

// stamp returns the time, or the last one if the clock went back.
func (a *Adapter) stamp() int64 {
	a.last = max(a.last, a.now())
	return a.last
}
