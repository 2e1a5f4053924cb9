package udptick

import (
	"fmt"
	"iter"
	"strconv"
)

// Framing is the form of the datagrams.
type Framing uint8

// The framings; see the package doc.
const (
	Mold64           Framing = iota // MoldUDP64 packets of ticks
	MarkPriceUpdates                // a markPriceUpdate JSON object each
	SBE24                           // packets with a header of 24 bytes, as Deribit's and Coinbase's
)

// String returns the framing's name in configurations.
func (f Framing) String() string {
	switch f {
	case Mold64:
		return "mold64"
	case MarkPriceUpdates:
		return "markPriceUpdate"
	case SBE24:
		return "sbe24"
	}
	return "Framing(" + strconv.Itoa(int(f)) + ")"
}

// Packet is the framing of one datagram. It aliases the datagram.
type Packet struct {
	Framing  Framing
	Session  Session    // mold64
	Channel  int32      // sbe24
	Type     PacketType // sbe24
	Nanos    int64      // sbe24: when it was sent, since 1970
	Sequence uint64     // of the first message, or of the next one if there is none
	Count    int        // of messages
	End      bool       // mold64: the session ends; Count is 0 and no more will be sent
	messages []byte     // each with its length before it
}

// Heartbeat reports whether the packet only tells the next sequence.
func (p *Packet) Heartbeat() bool { return p.Count == 0 && !p.End }

// Messages ranges over the messages with their sequences.
func (p *Packet) Messages() iter.Seq2[uint64, []byte] {
	return func(yield func(uint64, []byte) bool) {
		rest := p.messages
		for i := range p.Count {
			from, to := p.message(rest)
			if !yield(p.Sequence+uint64(i), rest[from:to]) {
				return
			}
			rest = rest[to:]
		}
	}
}

// message returns where the first of messages has its payload.
func (p *Packet) message(messages []byte) (from, to int) {
	if p.Framing == SBE24 {
		return messageHeader24, messageLength24(messages)
	}
	return lengthSize, lengthSize + messageLength(messages)
}

// Stream is what names the datagrams of one publisher, and so what is needed to
// write and read them.
type Stream struct {
	Framing Framing // Mold64 or SBE24
	Session Session // mold64
	Channel int32   // sbe24
}

// prefix is how many bytes are before each payload.
func (s Stream) prefix() int {
	if s.Framing == SBE24 {
		return messageHeader24
	}
	return lengthSize
}

func (s Stream) header() int {
	if s.Framing == SBE24 {
		return packetHeader24
	}
	return packetHeader
}

// EthernetTicks is how many ticks stay within 1,400 bytes, a MAC included, clear of
// fragmentation on paths with tunnels.
func (s Stream) EthernetTicks() int { return (1400 - MACSize - s.header()) / (s.prefix() + TickSize) }

// MaxTicks is how many ticks, and a MAC, the largest UDP datagram over IPv4 holds.
func (s Stream) MaxTicks() int {
	return (maxDatagram - MACSize - s.header()) / (s.prefix() + TickSize)
}

// AppendPacket appends a datagram with ticks sent at now, the first of them having
// the given sequence. Without ticks it is a heartbeat. Requires: at most
// [Stream.MaxTicks] ticks; it panics otherwise.
func (s Stream) AppendPacket(dst []byte, sequence uint64, now int64, ticks ...Tick) []byte {
	if s.Framing == SBE24 {
		return s.appendPacket24(dst, Incremental, sequence, now, ticks)
	}
	return AppendPacket(dst, s.Session, sequence, ticks...)
}

// AppendHeartbeat appends a datagram that tells only which sequence is next.
func (s Stream) AppendHeartbeat(dst []byte, next uint64, now int64) []byte {
	return s.AppendPacket(dst, next, now)
}

// AppendEnd appends a datagram that tells that next will never be sent. In sbe24
// there is no such thing, and it is a heartbeat.
func (s Stream) AppendEnd(dst []byte, next uint64, now int64) []byte {
	if s.Framing == SBE24 {
		return s.AppendPacket(dst, next, now)
	}
	return AppendEndOfSession(dst, s.Session, next)
}

// AppendRequest appends a datagram that asks a re-request server for count
// messages, 1 to 65,534, from first on.
func (s Stream) AppendRequest(dst []byte, first uint64, count int, now int64) []byte {
	if count < 1 || count >= endCount {
		panic(fmt.Sprintf("udptick: AppendRequest of %d messages: want 1 to %d", count, endCount-1))
	}
	if s.Framing == SBE24 {
		return s.appendRequest24(dst, first, count, now)
	}
	return appendHeader(dst, s.Session, first, uint16(count))
}

// appendAnswer appends what a re-request server sends.
func (s Stream) appendAnswer(dst []byte, sequence uint64, now int64, ticks []Tick) []byte {
	if s.Framing == SBE24 {
		return s.appendPacket24(dst, Incremental|Retransmit, sequence, now, ticks)
	}
	return AppendPacket(dst, s.Session, sequence, ticks...)
}

// Parse reads the framing of a datagram, whatever its messages are and of whichever
// session or channel. A datagram that does not end exactly after its last message
// is refused with a [*ParseError].
func (s Stream) Parse(datagram []byte) (Packet, error) {
	if s.Framing == SBE24 {
		var p Packet
		bad := p.parse24(datagram)
		return p, bad.in("sbe24 packet")
	}
	return ParsePacket(datagram)
}

// parse reads the framing of a datagram into p.
func (p *Packet) parse(f Framing, datagram []byte) fault {
	if f == SBE24 {
		return p.parse24(datagram)
	}
	return p.parseMold(datagram)
}

// parseRequest reads a request of the stream's framing into p: its Sequence and
// Count say what is asked for.
func (s Stream) parseRequest(p *Packet, b []byte) fault {
	if s.Framing == SBE24 {
		return p.parseRequest24(b)
	}
	return p.parseRequestMold(b)
}

// onlyTicks reports whether all messages of p are ticks, so that none is used of
// a packet that would turn out to be something else halfway.
func (p *Packet) onlyTicks() bool {
	if p.Framing == SBE24 {
		return p.onlyTicks24()
	}
	return p.onlyTicksMold()
}
