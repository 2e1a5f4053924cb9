package main

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/pcap"
	"github.com/backstop-fund/backstop/core/udptick"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// The captures that scripts and tests read: a minute after a round time, a
// millisecond from one datagram to the next.
const captureNanos = 1_760_131_060_000_000_000

// capturing makes a capture.
type capturing struct {
	t      testing.TB
	file   bytes.Buffer
	writer *pcap.Writer
	nanos  int64
}

func newCapturing(t testing.TB) *capturing {
	c := &capturing{t: t, nanos: captureNanos}
	var err error
	if c.writer, err = pcap.NewWriter(&c.file); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *capturing) add(port uint16, datagram []byte) {
	c.nanos += 1_000_000
	if err := c.writer.Write(pcap.Datagram{
		Nanos: c.nanos, From: netip.MustParseAddrPort("10.1.2.3:4000"),
		To: netip.AddrPortFrom(netip.MustParseAddr("239.255.26.40"), port), Data: datagram,
	}); err != nil {
		c.t.Fatal(err)
	}
}

// capturedTick is the n-th tick of captures: 40 microseconds old when its datagram
// is captured, if that is the n-th, too.
func capturedTick(n int) udptick.Tick {
	return udptick.Tick{
		Instrument: uint32(1 + n%2), Mark: 60_000e8 + 1e7*fixedpoint.Price(n), Index: 59_999e8,
		TimeNanos: captureNanos + int64(n)*1_000_000 - 40_000,
	}
}

// capturedStreams are the streams of captures, by framing.
var capturedStreams = map[string]udptick.Stream{
	"mold64": {Session: udptick.Session([]byte("CAPTURE001"))},
	"sbe24":  {Framing: udptick.SBE24, Channel: 7},
}

// twoLines is a capture of five ticks on two lines: line A, to port 26400, loses the
// third, has the second again and brings the fourth late; line B has all, grouped
// otherwise. Ends of session, heartbeats and what is none of ours are there, too.
func twoLines(t testing.TB, stream udptick.Stream) []byte {
	c := newCapturing(t)
	packet := func(first int, ticks ...udptick.Tick) []byte {
		return stream.AppendPacket(nil, uint64(first), c.nanos, ticks...)
	}
	halted := capturedTick(4)
	halted.Flags = udptick.Halted | udptick.Suspect
	c.add(26400, packet(1, capturedTick(1)))
	c.add(26400, packet(2, capturedTick(2)))
	c.add(26401, packet(1, capturedTick(1), capturedTick(2), capturedTick(3)))
	c.add(26400, packet(2, capturedTick(2)))
	c.add(26400, packet(5, capturedTick(5)))
	c.add(26400, packet(4, halted))
	c.add(26401, packet(4, halted, capturedTick(5)))
	c.add(26402, packet(1, capturedTick(9)))
	c.add(26400, []byte("garbage"))
	c.add(26401, stream.AppendHeartbeat(nil, 6, c.nanos))
	c.add(26400, stream.AppendEnd(nil, 6, c.nanos))
	return c.file.Bytes()
}

// layCaptures puts captures beside a script.
func layCaptures(env *testscript.Env) error {
	for name, stream := range capturedStreams {
		t := env.T().(testing.TB)
		if err := os.WriteFile(filepath.Join(env.WorkDir, name+".pcap"), twoLines(t, stream), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// What was captured goes out again, each message once, from whichever line brought
// it first.
func TestFeedPcap(t *testing.T) {
	halted := capturedTick(4)
	halted.Flags = udptick.Halted | udptick.Suspect
	for name, stream := range capturedStreams {
		t.Run(name, func(t *testing.T) {
			path := writeFile(t, "lines.pcap", string(twoLines(t, stream)))
			c := newCollector(t)
			datagrams, report := c.feed("pcap", path, "--captured", name, "--port", "26401", "--times", "recorded")
			want := []udptick.Tick{capturedTick(1), capturedTick(2), capturedTick(3), halted, capturedTick(5)}
			if got := c.ticks(datagrams, 1); !slices.Equal(got, want) {
				t.Errorf("sent %v, want %v: %s", got, want, report)
			}
			datagrams, report = c.feed("pcap", path, "--captured", name, "--times", "recorded")
			// The fourth comes after the fifth.
			want = []udptick.Tick{capturedTick(1), capturedTick(2), capturedTick(3), capturedTick(5)}
			if got := c.ticks(datagrams, 1); !slices.Equal(got, want) {
				t.Errorf("of both lines sent %v, want %v: %s", got, want, report)
			}
		})
	}
}

// The ticks of real captures are none of ours.
func TestFeedPcapOfOthers(t *testing.T) {
	path := filepath.Join(sharedFolder(t, "data", "wire", "pcap"), "Nasdaq_Nasdaq.Equities.TotalView.Itch.v5.0_OrderExecutedMessage.pcap")
	var out, faults bytes.Buffer
	if code := run(t.Context(), []string{"feed", "pcap", path}, nil, &out, &faults); code != exit.BadInput || !bytes.Contains(faults.Bytes(), []byte("0 datagrams of another form, 1 messages of another kind")) {
		t.Errorf("exit code %d: %s", code, &faults)
	}
}
