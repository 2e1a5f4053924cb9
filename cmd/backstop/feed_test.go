package main

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core/udptick"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// collector is a socket and what arrives on it.
type collector struct {
	t    *testing.T
	conn *net.UDPConn
}

func newCollector(t *testing.T) *collector {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	return &collector{t, conn}
}

// all are the datagrams that have arrived; on loopback they do before a send
// returns.
func (c *collector) all() [][]byte {
	c.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	var datagrams [][]byte
	for b := make([]byte, 1<<16); ; {
		n, err := c.conn.Read(b)
		if err != nil {
			return datagrams
		}
		datagrams = append(datagrams, slices.Clone(b[:n]))
	}
}

// feed runs the command against the collector.
func (c *collector) feed(args ...string) (datagrams [][]byte, report string) {
	c.t.Helper()
	var out, faults bytes.Buffer
	args = append([]string{"feed"}, args...)
	if code := run(c.t.Context(), append(args, "--to", c.conn.LocalAddr().String(), "-o", "ndjson"), nil, &out, &faults); code != exit.OK {
		c.t.Fatalf("exit code %d: %s", code, &faults)
	}
	return c.all(), out.String()
}

// ticks parses packets that follow on each other, the last one the session's end.
func (c *collector) ticks(datagrams [][]byte, next uint64) []udptick.Tick {
	c.t.Helper()
	var ticks []udptick.Tick
	for i, d := range datagrams {
		p, err := udptick.ParsePacket(d)
		if err != nil || p.Sequence != next || p.End != (i == len(datagrams)-1) {
			c.t.Fatalf("datagram %d: %+v, %v: want sequence %d", i, p, err, next)
		}
		for _, m := range p.Messages() {
			tick, err := udptick.ParseTick(m)
			if err != nil {
				c.t.Fatal(err)
			}
			ticks = append(ticks, tick)
			next++
		}
	}
	return ticks
}

// writeFile puts text into a file of the test's own.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A sequence goes on where the one before ended, times are those of sending and
// rise for each contract, and the pace is kept.
func TestFeedMold64(t *testing.T) {
	c := newCollector(t)
	begun := time.Now()
	datagrams, report := c.feed("synthetic", "--rate", "2000", "--count", "200", "--sequence", "1001", "--batch", "7")
	took := time.Since(begun)
	ticks := c.ticks(datagrams, 1001)
	if len(ticks) != 200 || !strings.Contains(report, `"ticks":200,`) || !strings.Contains(report, `"next_sequence":1201,`) {
		t.Errorf("%d ticks: %s", len(ticks), report)
	}
	if took < 199*time.Second/2000 {
		t.Errorf("200 ticks at 2000 a second took %v", took)
	}
	last := map[uint32]int64{}
	for i, tick := range ticks {
		if id := uint32(i%2 + 1); tick.Instrument != id {
			t.Fatalf("tick %d is of contract %d, want %d", i, tick.Instrument, id)
		}
		if tick.TimeNanos <= last[tick.Instrument] || tick.TimeNanos < begun.UnixNano() || tick.TimeNanos > time.Now().UnixNano() {
			t.Fatalf("tick %d is of %d, after %d", i, tick.TimeNanos, last[tick.Instrument])
		}
		last[tick.Instrument] = tick.TimeNanos
	}
}

// binance has whole milliseconds, so a contract's ticks come no faster than that.
func TestFeedBinance(t *testing.T) {
	c := newCollector(t)
	begun := time.Now()
	datagrams, report := c.feed("synthetic", "--rate", "1e6", "--count", "100", "--framing", "binance", "--symbol", "BTCUSDT:1@60000")
	if len(datagrams) != 100 || strings.Contains(report, "next_sequence") {
		t.Errorf("%d datagrams: %s", len(datagrams), report)
	}
	if took := time.Since(begun); took < 99*time.Millisecond {
		t.Errorf("100 ticks of one contract took %v", took)
	}
	var last int64
	for _, d := range datagrams {
		u, err := udptick.ParseMarkPriceUpdate(d)
		if err != nil || string(u.Symbol) != "BTCUSDT" || u.TimeMillis <= last || u.TimeMillis > time.Now().UnixMilli() {
			t.Fatalf("%s after %d: %v", d, last, err)
		}
		last = u.TimeMillis
	}
}

// Marks of several contracts go out in the order of their times, at the recorded
// pace times the speed, and with the recorded times if asked.
func TestFeedCSV(t *testing.T) {
	path := writeFile(t, "marks.csv", "\ufefftime_ns,index,symbol,mark,note\n"+
		"1000000000,,ETH,10,\"a, b\"\n2000000000,11.5,ETH,11,\n1500000000,,BTC,70000.12345678,\n2000000000,,BTC,70001,\n")
	c := newCollector(t)
	begun := time.Now()
	datagrams, report := c.feed("csv", path, "--speed", "10", "--times", "recorded")
	if took := time.Since(begun); took < 100*time.Millisecond {
		t.Errorf("a second at ten times the speed took %v", took)
	}
	if !strings.Contains(report, `"symbols":"BTC=BTC:2 ETH=ETH:1","skipped_rows":0}`) {
		t.Error(report)
	}
	want := []udptick.Tick{
		{Instrument: 1, Mark: 10e8, TimeNanos: 1e9},
		{Instrument: 2, Mark: 7000012345678, TimeNanos: 15e8},
		{Instrument: 1, Mark: 11e8, Index: 115e7, TimeNanos: 2e9},
		{Instrument: 2, Mark: 70001e8, TimeNanos: 2e9},
	}
	if got := c.ticks(datagrams, 1); !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

// A candle is four marks, or one, within its duration.
func TestFeedCandles(t *testing.T) {
	path := writeFile(t, "candles.csv", "symbol,open_time_ms,open,high,low,close\nBTC,1000,1,4,0.5,2\n")
	for _, c := range []struct {
		path  string
		marks string
	}{
		{"ohlc", "1@1 4@1.02 0.5@1.04 2@1.059999999"},
		{"olhc", "1@1 0.5@1.02 4@1.04 2@1.059999999"},
		{"close", "2@1.059999999"},
	} {
		t.Run(c.path, func(t *testing.T) {
			k := newCollector(t)
			datagrams, _ := k.feed("csv", path, "--candle", "60ms", "--path", c.path, "--times", "recorded")
			var got []string
			for _, tick := range k.ticks(datagrams, 1) {
				seconds := new(big.Rat).SetFrac64(tick.TimeNanos, 1e9)
				got = append(got, fmt.Sprintf("%v@%v", tick.Mark, strings.TrimRight(strings.TrimRight(seconds.FloatString(9), "0"), ".")))
			}
			if strings.Join(got, " ") != c.marks {
				t.Errorf("sent %s, want %s", strings.Join(got, " "), c.marks)
			}
		})
	}
}

// The real thing, as it was published.
func TestFeedRecorded(t *testing.T) {
	path := filepath.Join(sharedFolder(t, "data", "crash_2024_08"), "binance_spot_1m.csv.gz")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := newMarkTable([]string{"BTC=BTCUSDT:1", "ETH=ETHUSDT:2"}, "ohlc", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.read(f); err != nil {
		t.Fatal(err)
	}
	if len(table.marks) != 4*83_520 || table.skipped != 0 {
		t.Errorf("%d marks, %d rows skipped", len(table.marks), table.skipped)
	}
	lowest := fixedpoint.Price(math.MaxInt64)
	last := map[*feedSymbol]int64{}
	for _, m := range table.marks {
		if m.symbol.id == 1 {
			lowest = min(lowest, m.price)
		}
		if m.nanos <= last[m.symbol] {
			t.Fatalf("%s at %d comes after %d", m.symbol.name, m.nanos, last[m.symbol])
		}
		last[m.symbol] = m.nanos
	}
	if lowest != 49_000e8 {
		t.Errorf("the lowest mark of BTC is %v, want 49000", lowest)
	}
}

// A step is never above its bound, nor does a price leave what a Price holds.
func TestWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := walk{
			random: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)),
			step:   fixedpoint.Rate(rapid.Int64Range(1, fixedpoint.One-1).Draw(t, "step")),
		}
		p := fixedpoint.Price(rapid.Int64Range(1, math.MaxInt64).Draw(t, "price"))
		for range 50 {
			q := w.move(p)
			moved := new(big.Int).Abs(new(big.Int).Sub(big.NewInt(int64(q)), big.NewInt(int64(p))))
			bound := new(big.Int).Mul(big.NewInt(int64(p)), big.NewInt(int64(w.step)))
			bound.Quo(bound, big.NewInt(fixedpoint.One))
			if bound.Sign() == 0 {
				bound.SetInt64(1)
			}
			if q <= 0 || moved.Cmp(bound) > 0 {
				t.Fatalf("%v to %v by at most %v", p, q, bound)
			}
			p = q
		}
	})
}

func TestWalkSeed(t *testing.T) {
	prices := func(seed uint64) (all []fixedpoint.Price) {
		w := walk{random: rand.New(rand.NewPCG(seed, 0)), step: fixedpoint.One / 1000}
		if err := w.add("BTCUSDT:1@60000"); err != nil {
			t.Fatal(err)
		}
		for m := range w.marks() {
			if all = append(all, m.price); len(all) == 100 {
				break
			}
		}
		return all
	}
	if !slices.Equal(prices(1), prices(1)) || slices.Equal(prices(1), prices(2)) {
		t.Error("the seed does not decide the prices")
	}
}
