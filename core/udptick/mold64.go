package udptick

import (
	"encoding/binary"
	"fmt"
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

func messageLength(b []byte) int { return int(binary.BigEndian.Uint16(b)) }

// ParsePacket reads the framing of a mold64 datagram, whatever its messages are. A
// datagram that does not end exactly after its last message is refused with a
// [*ParseError].
func ParsePacket(datagram []byte) (Packet, error) {
	var p Packet
	bad := p.parseMold(datagram)
	return p, bad.in("mold64 packet")
}

// parseMold reads the framing of a datagram.
func (p *Packet) parseMold(b []byte) fault {
	if bad := p.parseHeaderMold(b); !bad.none() {
		return bad
	}
	if p.Count == endCount {
		p.Count, p.End = 0, true
	}
	if p.Sequence+uint64(p.Count) < p.Sequence {
		return fault{offset: sequenceAt, reason: "the sequence of the last message exceeds 64 bits"}
	}
	at := packetHeader
	for range p.Count {
		if len(b)-at < lengthSize {
			return fault{offset: len(b), reason: "ends before its last message"}
		}
		at += lengthSize + messageLength(b[at:])
	}
	switch {
	case at > len(b):
		return fault{offset: len(b), reason: "ends inside a message"}
	case at < len(b):
		return fault{offset: at, reason: "bytes after the last message"}
	}
	return fault{}
}

func (p *Packet) parseHeaderMold(b []byte) fault {
	if len(b) < packetHeader {
		return fault{offset: len(b), reason: "ends inside the header of 20 bytes"}
	}
	*p = Packet{
		Session:  Session(b),
		Sequence: binary.BigEndian.Uint64(b[sequenceAt:]),
		Count:    int(binary.BigEndian.Uint16(b[countAt:])),
		messages: b[packetHeader:],
	}
	if i := p.Session.unprintable(); i >= 0 {
		return fault{offset: i, reason: "session is not printable ASCII"}
	}
	return fault{}
}

// parseRequestMold reads a request: a header alone, with the count that is wanted.
func (p *Packet) parseRequestMold(b []byte) fault {
	if bad := p.parseHeaderMold(b); !bad.none() {
		return bad
	}
	switch {
	case len(b) != packetHeader:
		return fault{offset: packetHeader, reason: "a request is 20 bytes"}
	case p.Count == 0 || p.Count == endCount:
		return fault{offset: countAt, reason: "want a count of 1 to 65534"}
	}
	return fault{}
}

// framed is what one tick takes in a packet.
const framed = lengthSize + TickSize

// onlyTicksMold is onlyTicks.
func (p *Packet) onlyTicksMold() bool {
	for b := p.messages; len(b) > 0; b = b[framed:] {
		if messageLength(b) != TickSize || !checkTick(b[lengthSize:framed]).none() {
			return false
		}
	}
	return true
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
