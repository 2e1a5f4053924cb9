package udptick

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMakeSession(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"full", "000010059B", "000010059B"},
		{"padded", "A", "A         "},
		{"empty", "", ""},
		{"eleven bytes", "000010059BC", ""},
		{"control character", "A\x1f", ""},
		{"not ASCII", "é", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := MakeSession(c.in)
			if (err == nil) != (c.want != "") {
				t.Fatalf("MakeSession(%q) = %q, %v", c.in, got, err)
			}
			if err == nil && got.String() != c.want {
				t.Fatalf("MakeSession(%q) = %q, want %q", c.in, got, c.want)
			}
		})
	}
}

// rawPacket frames messages of any kind.
func rawPacket(sequence uint64, count uint16, messages ...string) []byte {
	b := appendHeader(nil, session, sequence, count)
	for _, m := range messages {
		b = binary.BigEndian.AppendUint16(b, uint16(len(m)))
		b = append(b, m...)
	}
	return b
}

func TestParsePacket(t *testing.T) {
	two := rawPacket(7, 2, "one", "two!")
	for _, c := range []struct {
		name   string
		in     []byte
		offset int
		reason string // empty: it is a packet
	}{
		{"two messages", two, 0, ""},
		{"an empty message", rawPacket(7, 1, ""), 0, ""},
		{"heartbeat", rawPacket(7, 0), 0, ""},
		{"end of session", rawPacket(7, endCount), 0, ""},
		{"the last sequence", rawPacket(1<<64-2, 1, "x"), 0, ""},
		{"empty", nil, 0, "ends inside the header"},
		{"one byte short of a header", two[:19], 19, "ends inside the header"},
		{"session not ASCII", append([]byte{'A', 0}, two[2:]...), 1, "not printable"},
		{"sequence wraps", rawPacket(1<<64-2, 2, "x", "y"), 10, "exceeds 64 bits"},
		{"no length", two[:20], 20, "before its last message"},
		{"half a length", two[:21], 21, "before its last message"},
		{"second length missing", two[:25], 25, "before its last message"},
		{"one byte short", two[:len(two)-1], len(two) - 1, "inside a message"},
		{"one byte more", append(bytes.Clone(two), 0), len(two), "after the last"},
		{"heartbeat with a message", rawPacket(7, 0, "x"), 20, "after the last"},
		{"end with a message", rawPacket(7, endCount, "x"), 20, "after the last"},
		{"fewer than counted", rawPacket(7, 3, "one", "two!"), len(two), "before its last message"},
		{"more than counted", rawPacket(7, 1, "one", "two!"), 25, "after the last"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := ParsePacket(c.in)
			if c.reason == "" {
				if err != nil {
					t.Fatal(err)
				}
				if again := reframe(p); !bytes.Equal(again, c.in) {
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

// reframe writes a packet from what was read of it.
func reframe(p Packet) []byte {
	count := uint16(p.Count)
	if p.End {
		count = endCount
	}
	b := appendHeader(nil, p.Session, p.Sequence, count)
	for _, m := range p.Messages() {
		b = binary.BigEndian.AppendUint16(b, uint16(len(m)))
		b = append(b, m...)
	}
	return b
}

func TestMessagesStopsWhenAsked(t *testing.T) {
	p, err := ParsePacket(rawPacket(7, 3, "a", "b", "c"))
	if err != nil {
		t.Fatal(err)
	}
	var got string
	for seq, m := range p.Messages() {
		got += string(m)
		if seq == 8 {
			break
		}
	}
	if got != "ab" {
		t.Fatalf("ranged over %q up to sequence 8, want ab", got)
	}
}

func TestAppendPacketLimits(t *testing.T) {
	if b := AppendPacket(nil, session, 1, make([]Tick, MaxTicks)...); len(b) > maxDatagram || len(b)+framed <= maxDatagram {
		t.Errorf("MaxTicks make %d bytes: a datagram has %d", len(b), maxDatagram)
	}
	if b := AppendPacket(nil, session, 1, make([]Tick, EthernetTicks)...); EthernetTicks < 32 || len(b) > 1400 || len(b)+framed <= 1400 {
		t.Errorf("EthernetTicks = %d make %d bytes", EthernetTicks, len(b))
	}
	defer func() {
		if recover() == nil {
			t.Error("a packet of MaxTicks+1 was made")
		}
	}()
	AppendPacket(nil, session, 1, make([]Tick, MaxTicks+1)...)
}

// Packets of Nasdaq as captured: two feeds, and the ITCH messages A, D, E, F, H
// and U in the lengths of their specification.
func TestCapturedMoldUDP64(t *testing.T) {
	const itch = "Nasdaq_Nasdaq.Equities.TotalView.Itch.v5.0_"
	for _, c := range []struct {
		file string
		want []string // of each packet: session, sequence, type and length of the messages
	}{
		{"Nasdaq_Ise.TopComboQuoteFeed.v1.0_Heartbeat.pcap", []string{"000008367I 0x5d921"}},
		{itch + "AddOrderNoMpidAttributionMessage.pcap", []string{"000010059B 0xe12f59 A36"}},
		{itch + "Multiple.Packets.pcap", []string{
			"000010059B 0xe149d0 D19",
			"000010059B 0x1220e5d" + strings.Repeat(" A36", 8) + " F40" + strings.Repeat(" A36", 4) + " F40" + strings.Repeat(" A36", 24),
		}},
		{itch + "OrderDeleteMessage.pcap", []string{"000010059B 0xe12f5a D19"}},
		{itch + "OrderExecutedMessage.pcap", []string{"000010059B 0xe12f71 E31"}},
		{itch + "OrderReplaceMessage.pcap", []string{"000010059B 0xe12f45 U35"}},
		{itch + "StockTradingActionMessage.pcap", []string{"000010059B 0x2090e79 H25"}},
	} {
		t.Run(c.file, func(t *testing.T) {
			var got []string
			for _, b := range udpPayloads(t, wire(t, filepath.Join("pcap", c.file))) {
				p, err := ParsePacket(b)
				if err != nil {
					t.Fatal(err)
				}
				text := fmt.Sprintf("%s %#x", p.Session, p.Sequence)
				for _, m := range p.Messages() {
					text += fmt.Sprintf(" %c%d", m[0], len(m))
				}
				got = append(got, text)
				if !bytes.Equal(reframe(p), b) {
					t.Errorf("%x is read as %x", b, reframe(p))
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}
