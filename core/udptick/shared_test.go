package udptick

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a sink that keeps what it takes, while it has room.
type recorder struct {
	records []event.Record
	room    int // records it still takes; below 0 for no limit
}

func (r *recorder) Offer(rec event.Record) bool {
	if r.room == 0 {
		return false
	}
	r.room--
	r.records = append(r.records, rec)
	return true
}

// unlimited returns a recorder that is never full.
func unlimited() *recorder { return &recorder{room: -1} }

const (
	unit   = fixedpoint.One
	second = 1_000_000_000
	// noon is the time of most ticks here: any would do.
	noon = 1_800_000_000 * second
)

var session = mustSession("BACKSTOP01")

func mustSession(s string) Session {
	session, err := MakeSession(s)
	if err != nil {
		panic(err)
	}
	return session
}

func newFeed(t rapid.TB, config Config, sink Sink) *Feed {
	t.Helper()
	f, err := NewFeed(config, sink)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// checkSums recounts what the docs of Counter and LineCounter say of the counters
// together.
func checkSums(t rapid.TB, f *Feed) {
	t.Helper()
	s := f.Stats()
	if sum := s[RefusedSource] + s[Forged] + s[Replayed] + s[Malformed] + s[WrongSession] + s[Unused] + s[Heartbeats] + s[SessionEnds] + s[Packets]; s[Datagrams] != sum {
		t.Fatalf("%d datagrams, but %d by kind: %v", s[Datagrams], sum, s)
	}
	if sum := s[Duplicates] + s[Expired] + s[BadValue] + s[Ahead] + s[UnknownSymbol] + s[Stale] + s[Ticks]; s[Messages] != sum {
		t.Fatalf("%d messages, but %d by fate: %v", s[Messages], sum, s)
	}
	if sum := s[Filled] + s[Lost] + s[Missing]; s[Skipped] != sum {
		t.Fatalf("%d skipped, but %d filled, lost or missing: %v", s[Skipped], sum, s)
	}
	if sum := s[Delivered] + s[Conflated]; sum > s[Ticks] || s[Ticks] > sum+s[Waiting] {
		t.Fatalf("%d ticks, but %d delivered or conflated and %d waiting: %v", s[Ticks], sum, s[Waiting], s)
	}
	if s[Gaps] > s[Skipped] {
		t.Fatalf("%d gaps of %d sequences: %v", s[Gaps], s[Skipped], s)
	}
	var messages, old, gone uint64
	for line := range Line(Lines) {
		l := f.LineStats(line)
		if sum := l[LineWon] + l[LineLate] + l[LineDuplicate] + l[LineExpired]; l[LineMessages] != sum {
			t.Fatalf("line %v: %d messages, but %d by fate: %v", line, l[LineMessages], sum, l)
		}
		if sum := l[LineReordered] + l[LineRecovered] + l[LineLost] + l[LineOpen]; l[LineGap] != sum {
			t.Fatalf("line %v: gap of %d, but %d by fate: %v", line, l[LineGap], sum, l)
		}
		messages, old, gone = messages+l[LineMessages], old+l[LineLate]+l[LineDuplicate], gone+l[LineExpired]
	}
	if messages != s[Messages] || old != s[Duplicates] || gone != s[Expired] {
		t.Fatalf("lines have %d messages, %d duplicates, %d expired: %v", messages, old, gone, s)
	}
}

// wire returns the path of a file under shared/data/wire, a folder beside the
// checkout, or skips the test.
func wire(t testing.TB, name string) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		path := filepath.Join(dir, "shared", "data", "wire", name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Skipf("no shared/data/wire/%s beside the checkout", name)
		}
		dir = parent
	}
}

// gzipLines calls f for each line of a compressed file.
func gzipLines(t testing.TB, path string, f func(line []byte)) {
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		f(lines.Bytes())
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// udpPayloads returns the UDP payloads of a classic little-endian capture of
// Ethernet, with or without a VLAN tag, and IPv4.
func udpPayloads(t testing.TB, path string) (payloads [][]byte) {
	const fileHeader, packetHeader, ethernet, vlan, udp = 24, 16, 14, 4, 8
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for b = b[fileHeader:]; len(b) > 0; {
		end := packetHeader + int(binary.LittleEndian.Uint32(b[8:]))
		ip := b[packetHeader+ethernet : end]
		if binary.BigEndian.Uint16(b[packetHeader+ethernet-2:]) == 0x8100 {
			ip = ip[vlan:]
		}
		ip = ip[:binary.BigEndian.Uint16(ip[2:])] // Ethernet pads short frames.
		payloads = append(payloads, ip[int(ip[0]&15)*4+udp:])
		b = b[end:]
	}
	return payloads
}
