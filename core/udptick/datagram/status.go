package datagram

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
)

// Join is how a multicast group was joined.
type Join uint8

// The ways to be in a group.
const (
	NoGroup        Join = iota // the socket has an address of this host
	AnySource                  // whatever anybody sends to the group
	SourceSpecific             // what Config.Publishers send to it
)

// String returns the words for logs.
func (j Join) String() string {
	return [...]string{NoGroup: "none", AnySource: "any source", SourceSpecific: "source-specific"}[j]
}

// Status is what the system granted a socket, and what it did to its datagrams so
// far.
type Status struct {
	Address    netip.AddrPort // where datagrams are taken
	Join       Join
	BusyPolled bool
	Timestamps bool
	CountsLost bool // the system says how many datagrams it dropped

	BufferAsked int // bytes; 0 for what the system gives
	Buffer      int // bytes granted, in the unit of BufferAsked; 0 where the system does not say
	// DriverPoll is how long the system looks into the network card itself when
	// there is nothing to receive (SO_BUSY_POLL); 0 for not at all.
	DriverPoll time.Duration

	Received uint64        // datagrams
	Dropped  uint64        // datagrams the system had no room for; known when the next one comes
	Refused  uint64        // times the peer's host said that nobody listens there
	Unsent   uint64        // datagrams the system did not take from Send
	Waited   time.Duration // the longest from arrival to Receive; 0 without Timestamps

	// Warnings tell what is less than was asked for, and what to do about it.
	Warnings []string
}

// warn notes what a socket got less of than it asked for.
func (s *Status) warn() {
	if s.Buffer < s.BufferAsked && s.Buffer > 0 {
		s.Warnings = append(s.Warnings, fmt.Sprintf("receive buffer: %d bytes granted of %d: sysctl -w net.core.rmem_max=%[2]d, or grant CAP_NET_ADMIN", s.Buffer, s.BufferAsked))
	}
	if s.BusyPolled && s.DriverPoll == 0 {
		s.Warnings = append(s.Warnings, "SO_BUSY_POLL was not granted: datagrams wait for the network card's interrupt: sysctl -w net.core.busy_read=50, or grant CAP_NET_ADMIN")
	}
}

// tally counts what happens to a socket. The receiving goroutine writes, whoever
// asks for a Status reads, a few times a second.
type tally struct {
	received, dropped, refused, unsent atomic.Uint64
	waitedNanos                        atomic.Int64

	overflow uint32 // the system's counter when it was last told; it wraps
}

// note takes in what the system told with the datagrams received, at a time in
// nanoseconds since 1970 that is read only if there are stamps.
func (t *tally) note(n int, overflow uint32) {
	t.received.Store(t.received.Load() + uint64(n))
	if dropped := overflow - t.overflow; dropped != 0 {
		t.overflow = overflow
		t.dropped.Store(t.dropped.Load() + uint64(dropped))
	}
}

// waited takes in when the longest waiting of some datagrams arrived.
func (t *tally) waited(arrivalNanos int64) {
	if w := time.Now().UnixNano() - arrivalNanos; w > t.waitedNanos.Load() {
		t.waitedNanos.Store(w)
	}
}
