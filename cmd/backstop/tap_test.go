package main

import (
	"bytes"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core/udptick"
)

// A time is in a bucket whose ends are within 1/32 of it, and quantiles are those of
// the sorted times but for that.
func TestSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) int64 {
			return rapid.Int64Range(0, 1<<rapid.IntRange(0, 62).Draw(t, "bits")).Draw(t, "nanos")
		}), 1, 200).Draw(t, "times")
		var s spread
		for _, v := range times {
			s.add(v)
		}
		slices.Sort(times)
		for _, part := range []float64{0, 0.5, 0.9, 0.99} {
			want := times[int(part*float64(len(times)))]
			if got := s.quantile(part); got < want || got-want > want/fineness {
				t.Fatalf("quantile %v of %v is %d, want %d", part, times, got, want)
			}
		}
		if last := times[len(times)-1]; s.most != last || s.quantile(1) != last {
			t.Fatalf("longest %d, quantile 1 %d, want %d", s.most, s.quantile(1), last)
		}
	})
	var s spread
	if s.add(-5); s.most != 0 || s.quantile(0.5) != 0 {
		t.Errorf("a time below 0 counts as %d", s.most)
	}
}

// A line's counts are those of a map of all sequences that came.
func TestTapLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		first := 1 + random.Uint64N(1<<20)
		spread := 1 + random.Uint64N(200)
		var l tapLine
		l.follows(&udptick.Packet{Sequence: first})
		came := map[uint64]bool{}
		next, missing, late, duplicate := first, uint64(0), uint64(0), uint64(0)
		for range 500 {
			low := max(next, spread) - spread
			seq := low + random.Uint64N(2*spread)
			if random.IntN(100) == 0 {
				seq = next + random.Uint64N(2*remembered)
			}
			l.skip(seq)
			l.message(seq)
			switch {
			case seq >= next:
				missing += seq - next
				next = seq + 1
			case seq < first || came[seq] || next-seq > remembered:
				duplicate++
			default:
				late++
				missing--
			}
			came[seq] = true
			if l.next != next || l.missing != missing || l.late != late || l.duplicate != duplicate {
				t.Fatalf("after %d: next %d, missing %d, late %d, duplicate %d; want %d, %d, %d, %d",
					seq, l.next, l.missing, l.late, l.duplicate, next, missing, late, duplicate)
			}
		}
	})
}

// listeningOn waits until somebody listens on an address, which has received two
// datagrams then: on loopback, a refusal is known when the next datagram is sent.
func listeningOn(t *testing.T, address string, probe []byte) {
	t.Helper()
	for {
		conn, err := net.Dial("udp", address)
		if err != nil {
			t.Fatal(err)
		}
		_, first := conn.Write(probe)
		_, second := conn.Write(probe)
		conn.Close()
		if first == nil && second == nil {
			return
		}
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// freeAddress is one on which nobody listens.
func freeAddress(t *testing.T) string {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().String()
}

// tapping is a tap on two lines.
type tapping struct {
	a, b        string
	out, faults bytes.Buffer
	code        chan exit.Code
}

// tapLines has a tap listen until it has so many datagrams beside those that it is
// found by.
func tapLines(t *testing.T, probe []byte, args ...string) *tapping {
	x := &tapping{a: freeAddress(t), b: freeAddress(t), code: make(chan exit.Code, 1)}
	args = append([]string{"tap", "--listen", x.a, "--listen-b", x.b}, args...)
	go func() { x.code <- run(t.Context(), args, nil, &x.out, &x.faults) }()
	listeningOn(t, x.a, probe)
	listeningOn(t, x.b, probe)
	return x
}

// A feed of two lines is tapped as events, captured, and its capture fed and tapped
// again: the ticks are the same all along.
func TestFeedAndTap(t *testing.T) {
	for _, framing := range []string{"mold64", "sbe24"} {
		t.Run(framing, func(t *testing.T) {
			stream := capturedStreams[framing]
			capture := filepath.Join(t.TempDir(), "lines.pcap")
			// The probes are heartbeats of the stream, two a line; then 120 datagrams and one
			// at the end on each.
			x := tapLines(t, stream.AppendHeartbeat(nil, 1, 1), "--framing", framing, "--count", "246", "-o", "ndjson", "--write", capture)
			var out, faults bytes.Buffer
			if code := run(t.Context(), []string{"feed", "synthetic", "--to", x.a, "--to-b", x.b, "--framing", framing, "--session", "CAPTURE001",
				"--channel", "7", "--rate", "20000", "--count", "120", "--batch", "1", "--skew", "3ms", "-o", "ndjson"}, nil, &out, &faults); code != exit.OK {
				t.Fatalf("exit code %d: %s", code, &faults)
			}
			if code := <-x.code; code != exit.OK {
				t.Fatalf("exit code %d: %s", code, &x.faults)
			}
			lines := strings.SplitAfter(x.out.String(), "\n")
			var a, b []string
			for _, l := range lines {
				switch {
				case strings.Contains(l, `"src":1,`):
					a = append(a, l)
				case strings.Contains(l, `"src":2,`):
					b = append(b, l)
				}
			}
			if len(a) != 120 || len(b) != 120 {
				t.Fatalf("%d and %d ticks of 120: %s", len(a), len(b), &x.faults)
			}
			again := newCollector(t)
			sent, _ := again.feed("pcap", capture, "--captured", framing, "--rate", "100000", "--times", "recorded")
			events := writeFile(t, "ticks.ndjson", strings.Join(a, ""))
			third := newCollector(t)
			resent, report := third.feed("ndjson", events, "--rate", "100000", "--times", "recorded")
			if !strings.Contains(report, `"skipped_ticks":0,"skipped_events":0}`) {
				t.Error(report)
			}
			first, second := again.ticks(sent, 1), third.ticks(resent, 1)
			if len(first) != 120 || !slices.Equal(first, second) {
				t.Errorf("%d ticks of the capture, %d of the events; or they differ", len(first), len(second))
			}
			// And the same is told of both lines, up to their last digits of time.
			if !strings.Contains(x.faults.String(), `{"line":"a","datagrams":123,`) || strings.Count(x.faults.String(), `"gaps":0,"missing":0,"late":0,"duplicates":0,"kernel_dropped":0,`) != 2 {
				t.Errorf("%s", &x.faults)
			}
		})
	}
}

// binance has names, no sequences, and an event has the name.
func TestTapBinance(t *testing.T) {
	x := tapLines(t, []byte("x"), "--framing", "binance", "--count", "24", "-o", "ndjson")
	var out, faults bytes.Buffer
	if code := run(t.Context(), []string{"feed", "synthetic", "--to", x.a, "--to-b", x.b, "--framing", "binance", "--rate", "1000", "--count", "10"}, nil, &out, &faults); code != exit.OK {
		t.Fatalf("exit code %d: %s", code, &faults)
	}
	if code := <-x.code; code != exit.OK {
		t.Fatalf("exit code %d: %s", code, &x.faults)
	}
	if n := strings.Count(x.out.String(), `{"e":"tick","symbol":"BTCUSDT","mark":"60`); n != 10 {
		t.Errorf("%d ticks of BTCUSDT on both lines, want 10: %s", n, &x.out)
	}
	if !strings.Contains(x.faults.String(), `"malformed":2,`) {
		t.Errorf("%s", &x.faults)
	}
}

// Real captures have the framing, and the counts that were recorded.
func TestTapRealCaptures(t *testing.T) {
	dir := sharedFolder(t, "data", "wire", "pcap")
	for name, want := range map[string]string{
		"Nasdaq_Nasdaq.Equities.TotalView.Itch.v5.0_OrderExecutedMessage.pcap": `"datagrams":1,"bytes":53,"messages":1,"sessions":1,"heartbeats":0,`,
		"Nasdaq_Nasdaq.Equities.TotalView.Itch.v5.0_Multiple.Packets.pcap":     `"datagrams":2,`,
		"Nasdaq_Ise.TopComboQuoteFeed.v1.0_Heartbeat.pcap":                     `"datagrams":1,"bytes":20,"messages":0,"sessions":1,"heartbeats":1,`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			var out, faults bytes.Buffer
			if code := run(t.Context(), []string{"tap", filepath.Join(dir, name), "-o", "ndjson"}, nil, &out, &faults); code != exit.OK {
				t.Fatalf("exit code %d: %s", code, &faults)
			}
			if !strings.Contains(faults.String(), want) || !strings.Contains(faults.String(), `"malformed":0,`) {
				t.Errorf("got %s, want %s", &faults, want)
			}
		})
	}
}
