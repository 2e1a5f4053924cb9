package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/udptick"
)

// What we call mold64, Wireshark calls MoldUDP64: it finds in our packets, requests
// and answers what we put there, and nothing to complain of, checksums included.
func TestTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no tshark, which .ci/run installs: apt-get install tshark")
		}
		t.Skip("no tshark here: apt-get install tshark")
	}
	stream := capturedStreams["mold64"]
	ticks := make([]udptick.Tick, stream.EthernetTicks())
	for i := range ticks {
		ticks[i] = capturedTick(i + 1)
	}
	server, err := udptick.NewServer(udptick.ServerConfig{Stream: stream})
	if err != nil {
		t.Fatal(err)
	}
	server.Keep(1, ticks...)
	request := stream.AppendRequest(nil, 3, 5, 0)
	answer, ok := server.Answer(nil, netip.MustParseAddr("127.0.0.1"), request, captureNanos)
	if !ok {
		t.Fatalf("no answer: %v", server.Stats())
	}
	c := newCapturing(t)
	var want []string
	for _, d := range []struct {
		first, count int
		messages     int
		datagram     []byte
	}{
		{1, 1, 1, stream.AppendPacket(nil, 1, 0, ticks[0])},
		{1, len(ticks), len(ticks), stream.AppendPacket(nil, 1, 0, ticks...)},
		{99, 0, 0, stream.AppendHeartbeat(nil, 99, 0)},
		{3, 5, 0, request},
		{3, 5, 5, answer},
		{99, 0xffff, 0, stream.AppendEnd(nil, 99, 0)},
	} {
		c.add(26400, d.datagram)
		lengths := strings.TrimSuffix(strings.Repeat(fmt.Sprintf("%d,", udptick.TickSize), d.messages), ",")
		var sequences []string
		for i := range d.messages {
			sequences = append(sequences, fmt.Sprint(d.first+i))
		}
		want = append(want, fmt.Sprintf("CAPTURE001\t%d\t%d\t%s\t%s", d.first, d.count, strings.Join(sequences, ","), lengths))
	}
	frames := dissect(t, tshark, c, "moldudp64.session", "moldudp64.sequence", "moldudp64.count", "moldudp64.msgseq", "moldudp64.msglen", "_ws.expert.severity")
	if len(frames) != len(want) {
		t.Fatalf("%d frames, want %d", len(frames), len(want))
	}
	for i, f := range frames {
		end := strings.LastIndexByte(f, '\t')
		if f[:end] != want[i] || complains(t, f[end+1:]) {
			t.Errorf("tshark finds\n%s\nwant, and no complaint,\n%s", f, want[i])
		}
	}
	// It does complain of what is malformed: else this test would say nothing.
	c = newCapturing(t)
	c.add(26400, append(stream.AppendPacket(nil, 1, 0, ticks[0]), 0, 99, 1))
	if f := dissect(t, tshark, c, "_ws.expert.severity"); len(f) != 1 || !complains(t, f[0]) {
		t.Errorf("tshark says %q of a malformed packet", f)
	}
}

// dissect returns the fields that tshark finds in each frame, tabs between them.
func dissect(t *testing.T, tshark string, c *capturing, fields ...string) []string {
	args := []string{"-n", "-r", writeFile(t, "ours.pcap", c.file.String()), "-d", "udp.port==26400,moldudp64",
		"-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-T", "fields"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	var faults bytes.Buffer
	cmd := exec.Command(tshark, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C") // nobody's settings
	cmd.Stderr = &faults
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &faults)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// complains reports whether a severity among some is a warning or worse. Comments
// are not: that a packet is a request is one.
func complains(t *testing.T, severities string) bool {
	const warning = 0x600000
	for _, s := range strings.FieldsFunc(severities, func(r rune) bool { return r == ',' }) {
		n, err := strconv.ParseUint(s, 0, 32)
		if err != nil {
			t.Fatal(err)
		}
		if n >= warning {
			return true
		}
	}
	return false
}
