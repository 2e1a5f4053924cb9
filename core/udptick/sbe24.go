package udptick

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// PacketType is a set of bits that say what an sbe24 packet is for.
type PacketType uint16

// The types of packets.
const (
	Incremental PacketType = 1 << iota // messages of the sequence, each once
	FullState                          // a snapshot
	Retransmit                         // a request; with Incremental, its answer
)

// String returns the names of the bits.
func (t PacketType) String() string {
	var names []string
	for i, name := range [...]string{"incremental", "snapshot", "retransmit"} {
		if t&(1<<i) != 0 {
			names = append(names, name)
			t &^= 1 << i
		}
	}
	if t != 0 || len(names) == 0 {
		names = append(names, strconv.Itoa(int(t)))
	}
	return strings.Join(names, "|")
}

// The layout of a packet and of the header of each message; see the package doc.
// schema.xml says the same, and a test compares the two.
const (
	sequence24At   = 8
	channel24At    = 16
	type24At       = 20
	count24At      = 22
	packetHeader24 = 24

	template24At    = 2
	version24At     = 4
	flags24At       = 6
	time24At        = 8
	messageHeader24 = 16

	// wholeTransaction are the flags of a message: it begins a transaction and ends it.
	wholeTransaction = 3

	requestTemplate    = 200
	requestBlock       = 16
	requestCountAt     = 8 // of the block
	requestHeader      = requestBlock | requestTemplate<<16 | schemaID<<32 | version<<48
	tickHeaderSize     = 8
	requestSize        = tickHeaderSize + requestBlock
	framedRequest24    = messageHeader24 + requestSize
	framedTick24       = messageHeader24 + TickSize
	framedTickHeader24 = framedTick24 | templateID<<16 | version<<32 // its first six bytes
)

func messageLength24(b []byte) int { return int(binary.LittleEndian.Uint16(b)) }

// parse24 reads the framing of a datagram.
func (p *Packet) parse24(b []byte) fault {
	if bad := p.parseHeader24(b); !bad.none() {
		return bad
	}
	at := packetHeader24
	for range p.Count {
		if len(b)-at < messageHeader24 {
			return fault{offset: len(b), reason: "ends before its last message"}
		}
		length := messageLength24(b[at:])
		if length < messageHeader24 {
			return fault{offset: at, reason: "a message shorter than its header of 16 bytes"}
		}
		at += length
	}
	switch {
	case at > len(b):
		return fault{offset: len(b), reason: "ends inside a message"}
	case at < len(b):
		return fault{offset: at, reason: "bytes after the last message"}
	}
	return fault{}
}

func (p *Packet) parseHeader24(b []byte) fault {
	if len(b) < packetHeader24 {
		return fault{offset: len(b), reason: "ends inside the header of 24 bytes"}
	}
	e := binary.LittleEndian
	sequence := int64(e.Uint64(b[sequence24At:]))
	*p = Packet{
		Framing:  SBE24,
		Nanos:    int64(e.Uint64(b)),
		Sequence: uint64(sequence),
		Channel:  int32(e.Uint32(b[channel24At:])),
		Type:     PacketType(e.Uint16(b[type24At:])),
		Count:    int(e.Uint16(b[count24At:])),
		messages: b[packetHeader24:],
	}
	if sequence < 0 || sequence > math.MaxInt64-int64(p.Count) {
		return fault{offset: sequence24At, reason: "seqNum: want 0 or more, up to the last message"}
	}
	return fault{}
}

// onlyTicks24 is onlyTicks.
func (p *Packet) onlyTicks24() bool {
	if len(p.messages) != p.Count*framedTick24 {
		return false
	}
	for b := p.messages; len(b) > 0; b = b[framedTick24:] {
		if binary.LittleEndian.Uint64(b)&(1<<48-1) != framedTickHeader24 ||
			binary.LittleEndian.Uint64(b[messageHeader24:]) != tickHeader {
			return false
		}
	}
	return true
}

// parseRequest24 reads a packet with one RetransmitRequest.
func (p *Packet) parseRequest24(b []byte) fault {
	if bad := p.parse24(b); !bad.none() {
		return bad
	}
	e := binary.LittleEndian
	m := p.messages
	if p.Type != Retransmit || p.Count != 1 || len(m) != framedRequest24 ||
		e.Uint16(m[template24At:]) != requestTemplate || e.Uint16(m[version24At:]) != version ||
		e.Uint64(m[messageHeader24:]) != requestHeader {
		return fault{offset: type24At, reason: "want one RetransmitRequest in a packet of type retransmit"}
	}
	block := m[messageHeader24+tickHeaderSize:]
	first, count := int64(e.Uint64(block)), e.Uint16(block[requestCountAt:])
	if first < 0 || count == 0 || count == endCount {
		return fault{offset: packetHeader24, reason: "want beginSeqNum 0 or more, reqMessageCount 1 to 65534"}
	}
	p.Sequence, p.Count = uint64(first), int(count)
	return fault{}
}

func (s Stream) appendHeader24(dst []byte, t PacketType, sequence uint64, now int64, count int) []byte {
	e := binary.LittleEndian
	dst = e.AppendUint64(dst, uint64(now))
	dst = e.AppendUint64(dst, sequence)
	dst = e.AppendUint32(dst, uint32(s.Channel))
	dst = e.AppendUint16(dst, uint16(t))
	return e.AppendUint16(dst, uint16(count))
}

func appendMessageHeader24(dst []byte, length int, template uint16, now int64) []byte {
	e := binary.LittleEndian
	dst = e.AppendUint16(dst, uint16(length))
	dst = e.AppendUint16(dst, template)
	dst = e.AppendUint16(dst, version)
	dst = e.AppendUint16(dst, wholeTransaction)
	return e.AppendUint64(dst, uint64(now))
}

func (s Stream) appendPacket24(dst []byte, t PacketType, sequence uint64, now int64, ticks []Tick) []byte {
	if most := (maxDatagram - packetHeader24) / framedTick24; len(ticks) > most {
		panic(fmt.Sprintf("udptick: AppendPacket of %d ticks: a datagram holds %d", len(ticks), most))
	}
	dst = s.appendHeader24(dst, t, sequence, now, len(ticks))
	for i := range ticks {
		dst = appendMessageHeader24(dst, framedTick24, templateID, ticks[i].TimeNanos)
		dst = AppendTick(dst, ticks[i])
	}
	return dst
}

func (s Stream) appendRequest24(dst []byte, first uint64, count int, now int64) []byte {
	e := binary.LittleEndian
	dst = s.appendHeader24(dst, Retransmit, first, now, 1)
	dst = appendMessageHeader24(dst, framedRequest24, requestTemplate, now)
	dst = e.AppendUint64(dst, requestHeader)
	dst = e.AppendUint64(dst, first)
	dst = e.AppendUint16(dst, uint16(count))
	return append(dst, 0, 0, 0, 0, 0, 0)
}
