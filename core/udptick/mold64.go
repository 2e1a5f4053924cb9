package udptick

import (
	"encoding/binary"
	"fmt"
	"iter"
)

// Session names one run of a publisher's sequences: ten bytes of printable
// ASCII, padded with spaces.
type Session [10]byte

// MakeSession returns s padded with spaces on the right. It refuses an empty s,
// one of more than ten bytes, and one that is not printable ASCII.
func MakeSession(s string) (Session, error) {
	var session Session
	if len(s) == 0 || len(s) > len(session) {
		return session, fmt.Errorf("udptick: session %.40q has %d bytes: want 1 to %d", s, len(s), len(session))
	}
	for i := copy(session[:], s); i < len(session); i++ {
		session[i] = ' '
	}
	if i := session.unprintable(); i >= 0 {
		return Session{}, fmt.Errorf("udptick: session %q: byte %d is not printable ASCII", s, i)
	}
	return session, nil
}

// String returns all ten bytes, the padding too.
func (s Session) String() string { return string(s[:]) }

// unprintable returns the index of the first byte a session may not have, or -1.
func (s *Session) unprintable() int {
	for i, c := range s {
		if c < ' ' || c > '~' {
			return i
		}
	}
	return -1
}

// The layout of a packet; see the package doc.
const (
	sequenceAt   = 10
	countAt      = 18
	packetHeader = 20
	lengthSize   = 2
	endCount     = 0xffff
)

// Packet is the framing of one datagram. It aliases the datagram.
type Packet struct {
	Session  Session
	Sequence uint64 // of the first message, or of the next one if there is none
	Count    int    // of messages
	End      bool   // the session ends: Count is 0 and no more will be sent
	messages []byte // each with its length before it
}

// Heartbeat reports whether the packet only tells the next sequence.
func (p *Packet) Heartbeat() bool { return p.Count == 0 && !p.End }

// Messages ranges over the messages with their sequences.
func (p *Packet) Messages() iter.Seq2[uint64, []byte] {
	return func(yield func(uint64, []byte) bool) {
		rest := p.messages
		for i := range p.Count {
			end := lengthSize + int(binary.BigEndian.Uint16(rest))
			if !yield(p.Sequence+uint64(i), rest[lengthSize:end]) {
				return
			}
			rest = rest[end:]
		}
	}
}

// ParsePacket reads the framing of a datagram, whatever its messages are. A
// datagram that does not end exactly after its last message is refused with a
// [*ParseError].
func ParsePacket(datagram []byte) (Packet, error) {
	p, bad := parsePacket(datagram)
	return p, bad.in("mold64 packet")
}

func parsePacket(b []byte) (Packet, fault) {
	if len(b) < packetHeader {
		return Packet{}, fault{offset: len(b), reason: "ends inside the header of 20 bytes"}
	}
	p := Packet{
		Session:  Session(b),
		Sequence: binary.BigEndian.Uint64(b[sequenceAt:]),
		Count:    int(binary.BigEndian.Uint16(b[countAt:])),
		messages: b[packetHeader:],
	}
	if i := p.Session.unprintable(); i >= 0 {
		return Packet{}, fault{offset: i, reason: "session is not printable ASCII"}
	}
	if p.Count == endCount {
		p.Count, p.End = 0, true
	}
	if p.Sequence+uint64(p.Count) < p.Sequence {
		return Packet{}, fault{offset: sequenceAt, reason: "the sequence of the last message exceeds 64 bits"}
	}
	at := packetHeader
	for range p.Count {
		if len(b)-at < lengthSize {
			return Packet{}, fault{offset: len(b), reason: "ends before its last message"}
		}
		at += lengthSize + int(binary.BigEndian.Uint16(b[at:]))
	}
	switch {
	case at > len(b):
		return Packet{}, fault{offset: len(b), reason: "ends inside a message"}
	case at < len(b):
		return Packet{}, fault{offset: at, reason: "bytes after the last message"}
	}
	return p, fault{}
}

// MaxTicks is how many ticks the largest UDP datagram over IPv4 holds, and
// EthernetTicks how many stay within 1,400 bytes, clear of fragmentation on
// paths with tunnels.
const (
	MaxTicks      = (maxDatagram - packetHeader) / (lengthSize + TickSize)
	EthernetTicks = (1400 - packetHeader) / (lengthSize + TickSize)

	maxDatagram = 1<<16 - 1 - 20 - 8 // less the headers of IPv4 and UDP
)

// AppendPacket appends a datagram with ticks, the first of them having the given
// sequence. Without ticks it is a heartbeat. Requires: at most [MaxTicks] ticks;
// it panics otherwise.
func AppendPacket(dst []byte, session Session, sequence uint64, ticks ...Tick) []byte {
	if len(ticks) > MaxTicks {
		panic(fmt.Sprintf("udptick: AppendPacket of %d ticks: a datagram holds %d", len(ticks), MaxTicks))
	}
	dst = appendHeader(dst, session, sequence, uint16(len(ticks)))
	for _, t := range ticks {
		dst = binary.BigEndian.AppendUint16(dst, TickSize)
		dst = AppendTick(dst, t)
	}
	return dst
}

// AppendHeartbeat appends a datagram that tells only which sequence is next.
func AppendHeartbeat(dst []byte, session Session, next uint64) []byte {
	return appendHeader(dst, session, next, 0)
}

// AppendEndOfSession appends a datagram that tells that next will never be sent.
func AppendEndOfSession(dst []byte, session Session, next uint64) []byte {
	return appendHeader(dst, session, next, endCount)
}

func appendHeader(dst []byte, session Session, sequence uint64, count uint16) []byte {
	dst = append(dst, session[:]...)
	dst = binary.BigEndian.AppendUint64(dst, sequence)
	return binary.BigEndian.AppendUint16(dst, count)
}
