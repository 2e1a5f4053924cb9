package udptick

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// A packet with one tick and a request, byte by byte after the tables in the
// package doc.
func TestSBE24Bytes(t *testing.T) {
	s := Stream{Framing: SBE24, Channel: 0x01020304}
	tick := Tick{Instrument: 1, Mark: 2, Index: 3, TimeNanos: 0x3132333435363738}
	const header = "0807060504030201" + "1817161514131211" + "04030201"
	got := hex.EncodeToString(s.AppendPacket(nil, 0x1112131415161718, 0x0102030405060708, tick))
	want := header + "0100" + "0100" +
		"3800" + "0100" + "0100" + "0300" + "3837363534333231" + // message
		hex.EncodeToString(AppendTick(nil, tick))
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	got = hex.EncodeToString(s.AppendRequest(nil, 0x1112131415161718, 0x2122, 0x0102030405060708))
	want = header + "0400" + "0100" +
		"2800" + "c800" + "0100" + "0300" + "0807060504030201" +
		"1000" + "c800" + "5342" + "0100" + "1817161514131211" + "2221" + "000000000000"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	got = hex.EncodeToString(s.AppendHeartbeat(nil, 0x1112131415161718, 0x0102030405060708))
	if want = header + "0100" + "0000"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// rawPacket24 frames messages of any kind, each behind a header of its length.
func rawPacket24(t PacketType, sequence uint64, count int, payloads ...string) []byte {
	b := channel.appendHeader24(nil, t, sequence, noon, count)
	for _, p := range payloads {
		b = append(appendMessageHeader24(b, messageHeader24+len(p), 9, noon), p...)
	}
	return b
}

// reframe24 writes a packet from what was read of it. What the headers of messages
// have beside the length is not read.
func reframe24(p Packet, like []byte) []byte {
	s := Stream{Framing: SBE24, Channel: p.Channel}
	b := s.appendHeader24(nil, p.Type, p.Sequence, p.Nanos, p.Count)
	for _, m := range p.Messages() {
		at := len(b)
		b = binary.LittleEndian.AppendUint16(b, uint16(messageHeader24+len(m)))
		b = append(b, like[at+2:at+messageHeader24]...)
		b = append(b, m...)
	}
	return b
}

func TestParseSBE24(t *testing.T) {
	two := rawPacket24(Incremental, 7, 2, "one", "two!")
	short := bytes.Clone(two)
	short[packetHeader24] = messageHeader24 - 1
	for _, c := range []struct {
		name   string
		in     []byte
		offset int
		reason string // empty: it is a packet
	}{
		{"two messages", two, 0, ""},
		{"an empty message", rawPacket24(Incremental, 7, 1, ""), 0, ""},
		{"heartbeat", rawPacket24(Incremental, 7, 0), 0, ""},
		{"another type", rawPacket24(0xffff, 7, 0), 0, ""},
		{"the last sequence", rawPacket24(Incremental, 1<<63-2, 1, "x"), 0, ""},
		{"a negative channel", Stream{Framing: SBE24, Channel: -1}.AppendHeartbeat(nil, 1, -1), 0, ""},
		{"empty", nil, 0, "ends inside the header"},
		{"one byte short of a header", two[:23], 23, "ends inside the header"},
		{"negative sequence", rawPacket24(Incremental, 1<<63, 0), 8, "seqNum"},
		{"sequence wraps", rawPacket24(Incremental, 1<<63-2, 2, "x", "y"), 8, "seqNum"},
		{"no message", two[:24], 24, "before its last message"},
		{"half a message header", two[:39], 39, "before its last message"},
		{"a message of 15 bytes", short, 24, "shorter than its header"},
		{"one byte short", two[:len(two)-1], len(two) - 1, "inside a message"},
		{"one byte more", append(bytes.Clone(two), 0), len(two), "after the last"},
		{"heartbeat with a message", rawPacket24(Incremental, 7, 0, "x"), 24, "after the last"},
		{"fewer than counted", rawPacket24(Incremental, 7, 3, "one", "two!"), len(two), "before its last message"},
		{"more than counted", rawPacket24(Incremental, 7, 1, "one", "two!"), 43, "after the last"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := channel.Parse(c.in)
			if c.reason == "" {
				if err != nil {
					t.Fatal(err)
				}
				if again := reframe24(p, c.in); !bytes.Equal(again, c.in) {
					t.Fatalf("read as %x, was %x", again, c.in)
				}
				return
			}
			bad, ok := errors.AsType[*ParseError](err)
			if !ok || bad.Offset != c.offset || !strings.Contains(bad.Reason, c.reason) || bad.Value {
				t.Fatalf("got %+v, want %q at %d", err, c.reason, c.offset)
			}
		})
	}
}

// Each kind of sbe24 datagram, sent after a packet with sequences 10 and 11, and
// what it counts.
func TestReceiveSBE24Counts(t *testing.T) {
	first := channel.AppendPacket(nil, 10, noon, at(1), at(2))
	patched := func(offset int, v byte) []byte {
		b := channel.AppendPacket(nil, 12, noon, at(3), at(4))
		b[offset] = v
		return b
	}
	const second = packetHeader24 + framedTick24 // where the second message begins
	typed := func(p PacketType) []byte { return patched(type24At, byte(p)) }
	for _, c := range []struct {
		name string
		in   []byte
		want []count
	}{
		{"next two", channel.AppendPacket(nil, 12, noon, at(3), at(4)), []count{{Packets, 1}, {Ticks, 2}, {Delivered, 2}}},
		{"retransmitted", typed(Incremental | Retransmit), []count{{Packets, 1}, {Ticks, 2}, {Delivered, 2}}},
		{"flags of a message", patched(second+flags24At, 0), []count{{Packets, 1}, {Ticks, 2}, {Delivered, 2}}},
		{"heartbeat after a loss", channel.AppendHeartbeat(nil, 13, noon), []count{{Heartbeats, 1}, {Gaps, 1}, {Skipped, 1}, {Missing, 1}}},
		{"end", channel.AppendEnd(nil, 12, noon), []count{{Heartbeats, 1}}},
		{"again", first, []count{{Packets, 1}, {Duplicates, 2}}},
		{"restart", channel.AppendPacket(nil, 1, noon, at(3)), []count{{Packets, 1}, {Restarts, 1}, {Ticks, 1}, {Delivered, 1}}},
		{"snapshot", typed(FullState), []count{{Unused, 1}}},
		{"request", channel.AppendRequest(nil, 5, 1, noon), []count{{Unused, 1}}},
		{"reject", typed(0), []count{{Unused, 1}}},
		{"a type nobody knows", typed(Incremental | 8), []count{{Unused, 1}}},
		{"other channel", Stream{Framing: SBE24, Channel: 8}.AppendPacket(nil, 12, noon, at(3)), []count{{WrongSession, 1}}},
		{"cut", channel.AppendPacket(nil, 12, noon, at(3))[:79], []count{{Malformed, 1}}},
		{"mold64", packet(12, at(3)), []count{{Malformed, 1}}},
		{"a good tick, then another template", patched(second+template24At, 9), []count{{Malformed, 1}}},
		{"a good tick, then another version", patched(second+version24At, 9), []count{{Malformed, 1}}},
		{"a good tick, then another payload", patched(second+messageHeader24+2, 9), []count{{Malformed, 1}}},
		{"another message", rawPacket24(Incremental, 12, 1, "hello"), []count{{Malformed, 1}}},
		{"bad exponent", patched(second+messageHeader24+exponentAt, 1), []count{{Packets, 1}, {Ticks, 1}, {Delivered, 1}, {BadValue, 1}, {Doubts, 1}, {Suspects, 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFeed(t, Config{Framing: SBE24}, unlimited())
			f.Receive(LineA, local, first, noon)
			f.Receive(LineA, local, c.in, noon)
			checkSums(t, f)
			s := f.Stats()
			for _, c := range []count{{Packets, 1}, {Messages, 2}, {Ticks, 2}, {Delivered, 2}, {Datagrams, 1}} {
				s[c.Counter] -= c.n
			}
			checkCounts(t, s, c.want...)
		})
	}
}

func TestConfiguredChannel(t *testing.T) {
	f := newFeed(t, Config{Framing: SBE24, Channel: 8}, unlimited())
	f.Receive(LineA, local, channel.AppendPacket(nil, 1, noon, at(1)), noon)
	checkFeed(t, f, count{WrongSession, 1})
	other := Stream{Framing: SBE24, Channel: 8}
	f.Receive(LineA, local, other.AppendPacket(nil, 1, noon, at(1)), noon)
	checkFeed(t, f, count{WrongSession, 1}, count{Packets, 1}, count{Ticks, 1}, count{Delivered, 1})
	if stream, ok := f.Stream(); !ok || stream != other {
		t.Errorf("stream %+v, %v", stream, ok)
	}
}

func TestStreamLimits(t *testing.T) {
	for _, s := range []Stream{mold, channel} {
		if n := len(s.AppendPacket(nil, 1, noon, make([]Tick, s.EthernetTicks())...)) + MACSize; n > 1400 || n+s.prefix()+TickSize <= 1400 {
			t.Errorf("%v: EthernetTicks and a MAC make %d bytes", s.Framing, n)
		}
		if n := len(s.AppendPacket(nil, 1, noon, make([]Tick, s.MaxTicks())...)) + MACSize; n > maxDatagram || n+s.prefix()+TickSize <= maxDatagram {
			t.Errorf("%v: MaxTicks and a MAC make %d bytes: a datagram has %d", s.Framing, n, maxDatagram)
		}
	}
	if most := mold.EthernetTicks(); most != EthernetTicks {
		t.Errorf("a MAC leaves room for %d ticks, EthernetTicks is %d", most, EthernetTicks)
	}
	defer func() {
		if recover() == nil {
			t.Error("a packet too large was made")
		}
	}()
	channel.AppendPacket(nil, 1, noon, make([]Tick, maxDatagram/framedTick24+1)...)
}

func TestPacketTypeString(t *testing.T) {
	for p, want := range map[PacketType]string{
		Incremental: "incremental", FullState: "snapshot", Incremental | Retransmit: "incremental|retransmit", 0: "0", 8: "8", 9: "incremental|8",
	} {
		if got := p.String(); got != want {
			t.Errorf("%d is %q, want %q", uint16(p), got, want)
		}
	}
}
