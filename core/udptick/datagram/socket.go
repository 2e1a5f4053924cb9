package datagram

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"
)

// Datagram is one that was received. Its bytes are the socket's.
type Datagram struct {
	From netip.AddrPort
	Data []byte
	// ArrivalNanos is when it reached this host, in nanoseconds since 1970, as the
	// system's clock had it; 0 without Config.Timestamps.
	ArrivalNanos int64
}

// largest is more than any datagram holds, so none is cut to look like another.
const largest = 1 << 16

// Socket receives datagrams. It belongs to one goroutine, but for Close, Status,
// Addr, WaitUntil and, unless it is busy-polled, Send.
type Socket struct {
	poller *poller      // if it is busy-polled
	conn   *net.UDPConn // if it is not

	buf, control []byte // of conn
	one          [1]Datagram

	granted Status
	peer    bool
	tally   tally
}

// Listen opens a socket. From then on datagrams are kept for Receive, as many as
// the buffer holds. The error says which setting is wrong, or what the system
// says; the latter is a [*net.OpError].
func Listen(config Config) (*Socket, error) {
	c, err := config.check()
	if err != nil {
		return nil, err
	}
	s := &Socket{peer: c.peer.IsValid()}
	s.granted.BufferAsked = c.Buffer
	s.granted.BusyPolled = c.BusyPoll
	if err := s.open(c); err != nil {
		return nil, fmt.Errorf("datagram: %w", err)
	}
	if !c.BusyPoll {
		s.buf = make([]byte, largest)
		s.control = make([]byte, controlSize)
	}
	s.granted.warn()
	return s, nil
}

// Addr returns the address and port datagrams are to be sent to.
func (s *Socket) Addr() netip.AddrPort { return s.granted.Address }

// Status returns what the system granted, and the counts so far.
func (s *Socket) Status() Status {
	st := s.granted
	st.Received, st.Dropped = s.tally.received.Load(), s.tally.dropped.Load()
	st.Refused, st.Unsent = s.tally.refused.Load(), s.tally.unsent.Load()
	st.Waited = time.Duration(s.tally.waitedNanos.Load())
	return st
}

// Dropped is [Status.Dropped] alone, for who asks after every Receive.
func (s *Socket) Dropped() uint64 { return s.tally.dropped.Load() }

// Receive returns datagrams in the order of their arrival; they are good until
// the next call. None and no error is no datagram now, for a busy-polled socket,
// or until the time of WaitUntil. After Close the error is [ErrClosed].
func (s *Socket) Receive() ([]Datagram, error) {
	if s.poller != nil {
		return s.poll()
	}
	return s.read()
}

// read waits for one datagram. A time-out is an allocation of package net.
func (s *Socket) read() ([]Datagram, error) {
	n, control, _, from, err := s.conn.ReadMsgUDPAddrPort(s.buf, s.control)
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, nil
	case errors.Is(err, net.ErrClosed):
		return nil, ErrClosed
	case s.peer && refused(err):
		s.tally.refused.Add(1)
		return nil, nil
	default:
		return nil, fmt.Errorf("datagram: %w", err)
	}
	overflow, arrival := readControl(s.control[:control], s.tally.overflow)
	s.tally.note(1, overflow)
	if arrival != 0 {
		s.tally.waited(arrival)
	}
	s.one[0] = Datagram{From: from, Data: s.buf[:n], ArrivalNanos: arrival}
	return s.one[:], nil
}

// WaitUntil has a Receive that waits return at a time, and those after it: one
// that waits already, too. The zero time is no time. Any goroutine may call it; it
// means nothing to a busy-polled socket, which never waits.
func (s *Socket) WaitUntil(t time.Time) error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.SetReadDeadline(t)
	if errors.Is(err, net.ErrClosed) {
		return ErrClosed
	}
	return err
}

// Send sends a datagram to Config.Peer. One that the system cannot send is lost,
// as the network loses one, and counted in Status.
func (s *Socket) Send(b []byte) error {
	if !s.peer {
		return errNoPeer
	}
	err := s.write(b)
	if errors.Is(err, net.ErrClosed) {
		return ErrClosed
	}
	if err != nil {
		s.tally.unsent.Add(1)
	}
	return nil
}

// refused reports whether err says that the peer's host has no such socket. The
// number is Windows' WSAECONNRESET, which it calls that.
func refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || runtime.GOOS == "windows" && errors.Is(err, syscall.Errno(10054))
}

func (s *Socket) write(b []byte) error {
	if s.poller != nil {
		return s.poller.send(b)
	}
	_, err := s.conn.Write(b)
	return err
}

// Close ends Receive. Any goroutine may call it; a second call returns
// [ErrClosed].
func (s *Socket) Close() error {
	if s.poller != nil {
		return s.poller.close()
	}
	err := s.conn.Close()
	if errors.Is(err, net.ErrClosed) {
		return ErrClosed
	}
	return err
}
