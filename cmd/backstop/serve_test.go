package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
)

// patience is how long a test waits for what takes milliseconds.
const patience = 20 * time.Second

// served is a server in this process.
type served struct {
	t       *testing.T
	dir     string
	stop    context.CancelCauseFunc
	ended   chan exit.Code
	log     locked
	out     locked
	stopped bool
}

// locked is a buffer written and read by different goroutines.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// noLeaks fails the test if it leaves goroutines behind, after all its cleaning up.
func noLeaks(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// shortDir is a folder whose name leaves room for a socket's: 108 bytes is all
// that an address has, and t.TempDir can use them up.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "bs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// startServer runs serve with the sockets "events" and "effects" in dir.
func startServer(t *testing.T, dir string, flags ...string) *served {
	t.Helper()
	events, effects := filepath.Join(dir, "events"), filepath.Join(dir, "effects")
	return start(t, dir, "events are taken", append([]string{"serve", "--clock", "events", "--events", "unix:" + events, "--effects", "unix:" + effects}, flags...)...)
}

// start runs a command that goes on until it is stopped, and waits until it has logged
// that it does.
func start(t *testing.T, dir, ready string, args ...string) *served {
	t.Helper()
	s := &served{t: t, dir: dir, ended: make(chan exit.Code, 1)}
	ctx, stop := context.WithCancelCause(context.Background())
	s.stop = stop
	go func() { s.ended <- run(ctx, args, strings.NewReader(""), &s.out, &s.log) }()
	t.Cleanup(func() {
		if !s.stopped {
			s.end(syscall.SIGTERM)
		}
		if t.Failed() {
			t.Logf("log of %s:\n%s", args[0], s.log.String())
		}
	})
	s.logged(ready)
	return s
}

func (s *served) path(name string) string { return filepath.Join(s.dir, name) }

// logged waits for a line of the log.
func (s *served) logged(pattern string) []string {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(time.Millisecond) {
		if found := re.FindStringSubmatch(s.log.String()); found != nil {
			return found
		}
		select {
		case code := <-s.ended:
			s.stopped = true
			s.t.Fatalf("ended with code %d before it logged %q:\n%s", code, pattern, s.log.String())
		default:
		}
	}
	s.t.Fatalf("no %q in the log:\n%s", pattern, s.log.String())
	return nil
}

// end sends a signal, in effect, and returns the exit code.
func (s *served) end(signal os.Signal) exit.Code {
	s.t.Helper()
	s.stop(exit.With(exit.Interrupted, &signalError{signal}))
	return s.wait()
}

func (s *served) wait() exit.Code {
	s.t.Helper()
	s.stopped = true
	select {
	case code := <-s.ended:
		return code
	case <-time.After(patience):
		s.t.Fatalf("it does not end:\n%s", s.log.String())
		return 0
	}
}

// client is a connection to one of the sockets.
type client struct {
	t    *testing.T
	conn *net.UnixConn
	in   *bufio.Scanner
}

func (s *served) connect(name string) *client {
	s.t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: s.path(name), Net: "unix"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &client{s.t, conn, bufio.NewScanner(conn)}
}

func (c *client) send(lines ...string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, strings.Join(lines, "\n")+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

// read returns the next n lines.
func (c *client) read(n int) []string {
	c.t.Helper()
	var lines []string
	for range n {
		if !c.in.Scan() {
			c.t.Fatalf("%d lines of %d, then %v:\n%s", len(lines), n, c.in.Err(), strings.Join(lines, "\n"))
		}
		lines = append(lines, c.in.Text())
	}
	return lines
}

// until reads lines up to and with one that contains text.
func (c *client) until(text string) []string {
	c.t.Helper()
	var lines []string
	for {
		lines = append(lines, c.read(1)...)
		if strings.Contains(lines[len(lines)-1], text) {
			return lines
		}
	}
}

// closed fails the test unless the other side has closed the connection.
func (c *client) closed() {
	c.t.Helper()
	if c.in.Scan() || c.in.Err() != nil {
		c.t.Errorf("%q, %v: want the end", c.in.Text(), c.in.Err())
	}
}

// market is a fund with 1000, and account 1 long 1 at 1000 against account 2, with
// 100 in its wallet: bankrupt below 900.
var market = []string{
	`{"e":"fund","fund":"USDT"}`,
	`{"e":"fund_transfer","fund":"USDT","amount":"1000"}`,
	`{"e":"symbol","symbol":"BTCUSDT","fund":"USDT","tick":"0.01","lot":"0.001","max_age":"8760h","tiers":[{"floor":"0","cap":"1000000","mmr":"0.005","cum":"0"}]}`,
	`{"e":"transfer","account":1,"amount":"100"}`,
	`{"e":"transfer","account":2,"amount":"100000"}`,
	`{"e":"tick","symbol":"BTCUSDT","mark":"1000","t":1760131033000000000}`,
	`{"e":"trade","symbol":"BTCUSDT","qty":"1","price":"1000","buyer":1,"seller":2}`,
}

const (
	crash     = `{"e":"tick","symbol":"BTCUSDT","mark":"895","t":1760131034000000000}`
	crashLast = `"net_notional":"895"` // in the last of the effects
	effects   = 8                      // of market and crash
)

// A consumer that comes again gets what it has not acknowledged, no more and no
// less, from the same server and from the next one.
func TestServeResume(t *testing.T) {
	noLeaks(t)
	dir := shortDir(t)
	s := startServer(t, dir, "--data", filepath.Join(dir, "snapshots"))
	producer := s.connect("events")
	producer.send(append(market, crash)...)

	consumer := s.connect("effects")
	all := consumer.read(effects)
	if !strings.Contains(all[effects-1], crashLast) {
		t.Fatalf("the last effect is %s", all[effects-1])
	}
	var half struct{ Seq, I uint64 }
	if err := json.Unmarshal([]byte(all[4]), &half); err != nil {
		t.Fatal(err)
	}
	ack := fmt.Sprintf(`{"e":"ack","seq":%d,"i":%d}`, half.Seq, half.I)
	consumer.conn.Close()
	s.logged("the consumer left")

	// Nothing is acknowledged.
	consumer = s.connect("effects")
	compare(t, consumer.read(effects), all)
	consumer.send(ack)
	consumer.conn.CloseWrite()
	consumer.closed()

	// Half of it is.
	consumer = s.connect("effects")
	compare(t, consumer.read(3), all[5:])
	if code := s.end(syscall.SIGTERM); code != exit.OK {
		t.Errorf("exit code %d", code)
	}
	consumer.closed()

	s = startServer(t, dir, "--data", filepath.Join(dir, "snapshots"))
	s.logged(`"effects":3,.*"message":"restored"`)
	consumer = s.connect("effects")
	compare(t, consumer.read(3), all[5:])
	// An acknowledgement may come among events too. What follows it is new.
	producer = s.connect("events")
	producer.send(`{"e":"ack","seq":8,"i":4}`, `{"e":"fund_transfer","fund":"USDT","amount":"1"}`)
	if next := consumer.read(2); !strings.Contains(next[1], `"cash":"1001"`) {
		t.Errorf("effects of the transfer: %s", next)
	}
	if code := s.end(os.Interrupt); code != exit.Interrupted {
		t.Errorf("exit code %d after SIGINT", code)
	}
	producer.closed()
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Fatalf("delivered\n%s\nwant\n%s", g, w)
	}
}

// Effects over sockets are those of apply.
func TestServeLikeApply(t *testing.T) {
	noLeaks(t)
	var out, faults bytes.Buffer
	input := strings.Join(append(market, crash), "\n")
	if code := run(t.Context(), []string{"apply"}, strings.NewReader(input), &out, &faults); code != exit.OK {
		t.Fatalf("apply: %d, %s", code, &faults)
	}
	s := startServer(t, shortDir(t), "--auto-ack")
	producer := s.connect("events")
	producer.send(market...)
	consumer := s.connect("effects")
	producer.send(crash)
	compare(t, consumer.until(crashLast), strings.Split(strings.TrimSpace(out.String()), "\n"))
}

// One connection's bad line is its own affair.
func TestServeBadLine(t *testing.T) {
	noLeaks(t)
	s := startServer(t, shortDir(t))
	good, bad := s.connect("events"), s.connect("events")
	bad.send(`{"e":"fund","fund":"USDT"}`, ``, `{"e":"fund","fund":}`)
	compare(t, bad.read(1), []string{`{"error":"3:20: want a value of \"fund\", found }"}`})
	bad.closed()
	wrong := s.connect("events")
	wrong.send(`{"e":"ack","seq":9,"i":7}`)
	compare(t, wrong.read(1), []string{`{"error":"core: bad acknowledgement: of effect (9, 7): the last event applied is 1"}`})
	wrong.closed()

	good.send(`{"e":"fund_transfer","fund":"USDT","amount":"5"}`)
	consumer := s.connect("effects")
	consumer.until(`"cash":"5","equity"`)

	second := s.connect("effects")
	compare(t, second.read(1), []string{`{"error":"the effects already go to another connection"}`})
	second.closed()

	consumer.send(`{"e":"time","t":5}`)
	compare(t, consumer.read(1), []string{`{"error":"time: want ack; events go to the other socket"}`})
	consumer.closed()
}

// Names that several connections make up at once get ids of their own.
func TestServeNaming(t *testing.T) {
	s := startServer(t, shortDir(t))
	s.connect("events").send(market[:3]...)
	consumer := s.connect("effects")
	consumer.read(3)
	const connections, each = 6, 10
	var feeding sync.WaitGroup
	for i := range connections {
		producer := s.connect("events")
		feeding.Go(func() {
			for j := range each {
				name := fmt.Sprintf("S%d-%d", i, j)
				producer.send(strings.Replace(market[2], "BTCUSDT", name, 1),
					fmt.Sprintf(`{"e":"tick","symbol":%q,"mark":"10","t":%d}`, name, 1760131033000000000+j))
			}
			producer.send(`{"e":"fund_transfer","fund":"USDT","amount":"1"}`)
		})
	}
	feeding.Wait()
	for _, line := range consumer.until(fmt.Sprintf(`"cash":"%d","equity"`, 1000+connections)) {
		if strings.Contains(line, "rejected") {
			t.Error(line)
		}
	}
}

// Who feeds without acknowledging is told, and the engine does not hang.
func TestServeStall(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the program and waits for seconds: run without -short")
	}
	noLeaks(t)
	var input strings.Builder
	fmt.Fprintln(&input, market[0])
	for range 5000 {
		fmt.Fprintln(&input, market[1])
	}
	lines := func(args ...string) (exit.Code, int, string) {
		var out, faults bytes.Buffer
		args = append([]string{"serve", "--clock", "events", "--effects-buffer", "64", "--input-buffer", "1024"}, args...)
		code := run(t.Context(), args, strings.NewReader(input.String()), &out, &faults)
		return code, strings.Count(out.String(), "\n"), faults.String()
	}
	code, n, faults := lines()
	if code != exit.Failure || !strings.Contains(faults, "backstop: 64 effects are unacknowledged, all there is room for") {
		t.Errorf("exit code %d, %d effects: %s", code, n, faults)
	}
	// Nothing that was taken is lost, and every effect is there.
	if applied := regexp.MustCompile(`"applied":(\d+),"refused":0,"effects":(\d+)`).FindStringSubmatch(faults); applied == nil || fmt.Sprint(n) != applied[2] {
		t.Errorf("%d effects were delivered: %s", n, faults)
	}
	if code, n, faults := lines("--auto-ack"); code != exit.OK || n != 10001 {
		t.Errorf("with --auto-ack: exit code %d, %d effects: %s", code, n, faults)
	}
}

// Mark prices over UDP lead to effects over the socket.
func TestServeTicks(t *testing.T) {
	noLeaks(t)
	for _, framing := range []string{"mold64", "binance"} {
		t.Run(framing, func(t *testing.T) {
			dir := shortDir(t)
			init := filepath.Join(dir, "init.ndjson")
			var text strings.Builder
			for i, line := range market {
				fmt.Fprintf(&text, "%s,\"src\":\"init\",\"sseq\":%d}\n", strings.TrimSuffix(line, "}"), i+1)
			}
			if err := os.WriteFile(init, []byte(text.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			s := startServer(t, dir, "--init", init, "--udp", "127.0.0.1:0", "--framing", framing)
			address := s.logged(`"line":"a","address":"([^"]+)"`)[1]
			marks := filepath.Join(dir, "marks.csv")
			if err := os.WriteFile(marks, []byte("symbol,time_ms,mark\nBTC,1722038400000,1001.5\nETH,1722038400001,9\nBTC,1722038400002,895\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, faults bytes.Buffer
			code := run(t.Context(), []string{"feed", "csv", marks, "--to", address, "--framing", framing, "--symbol", "BTC=BTCUSDT:1", "-o", "ndjson"}, nil, &out, &faults)
			if code != exit.OK || !strings.Contains(out.String(), `"ticks":2,`) || !strings.Contains(out.String(), `"symbols":"BTC=BTCUSDT:1","skipped_rows":1}`) {
				t.Fatalf("feed: %d, %s%s", code, &out, &faults)
			}
			taken := s.connect("effects").until(crashLast)
			if all := strings.Join(taken, "\n"); !strings.Contains(all, `"fx":"takeover","account":1,"fund":"USDT","symbol":"BTCUSDT","position_side":"both","qty":"1","price":"900"`) {
				t.Errorf("effects:\n%s", all)
			}
			s.end(syscall.SIGTERM)
			s.logged(`"ticks":2,"gaps":0,`)
		})
	}
}

// Signed mark prices of which line A lost all come in on line B, whether a thread
// looks for them or goroutines wait.
func TestServeLines(t *testing.T) {
	noLeaks(t)
	ways := map[string][]string{"waiting": nil}
	if runtime.GOOS == "linux" && runtime.GOMAXPROCS(0) > 1 {
		ways["polling"] = []string{"--udp-busy-poll", "--udp-timestamps"}
	}
	for name, flags := range ways {
		t.Run(name, func(t *testing.T) {
			dir := shortDir(t)
			publisher := writeFile(t, "feed.keys", "7 "+strings.Repeat("0f", 32)+"\n")
			ours := writeFile(t, "ours.keys", "8 "+strings.Repeat("f0", 32)+"\n")
			asked := freeAddress(t)
			s := startServer(t, dir, append([]string{"--udp", "127.0.0.1:0", "--udp-b", "127.0.0.1:0", "--framing", "sbe24",
				"--udp-keys", publisher, "--udp-server", asked, "--udp-request-key", ours}, flags...)...)
			lineA, lineB := s.logged(`"line":"a","address":"([^"]+)"`)[1], s.logged(`"line":"b","address":"([^"]+)"`)[1]
			s.logged(`"line":"answers","address":"127.0.0.1:`)
			producer := s.connect("events")
			for _, line := range market {
				producer.send(line)
			}
			consumer := s.connect("effects")
			consumer.read(1)
			marks := writeFile(t, "marks.csv", "symbol,time_ms,mark\nBTC,1722038400000,1001.5\nBTC,1722038400002,895\n")
			var out, faults bytes.Buffer
			code := run(t.Context(), []string{"feed", "csv", marks, "--to", lineA, "--to-b", lineB, "--framing", "sbe24", "--symbol", "BTC=BTCUSDT:1",
				"--loss", "1,0", "--serve", asked, "--key-file", publisher, "--requester-keys", ours, "-o", "ndjson"}, nil, &out, &faults)
			if code != exit.OK || !strings.Contains(out.String(), `"a_datagrams":0,"a_lost":3,`) || !strings.Contains(out.String(), `"b_datagrams":3,"b_lost":0,`) {
				t.Fatalf("feed: %d, %s%s", code, &out, &faults)
			}
			consumer.until(crashLast)
			s.end(syscall.SIGTERM)
			s.logged(`"line":"a","counters":{"datagrams":0,`)
			s.logged(`"line":"b","counters":{"datagrams":[23],"messages":2,"won":2,`)
		})
	}
}

// What one process has, another is told.
func TestServeTaken(t *testing.T) {
	noLeaks(t)
	dir := shortDir(t)
	snapshots := filepath.Join(dir, "snapshots")
	s := startServer(t, dir, "--data", snapshots)
	if info, err := os.Stat(s.path("events")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v: want it private", info.Mode(), err)
	}
	attempt := func(want string, args ...string) {
		t.Helper()
		var out, faults bytes.Buffer
		code := run(t.Context(), append([]string{"serve"}, args...), strings.NewReader(""), &out, &faults)
		if code != exit.Unavailable || !strings.Contains(faults.String(), want) {
			t.Errorf("exit code %d: %s", code, &faults)
		}
	}
	attempt("snapshot: folder is in use", "--data", snapshots)
	attempt("events: another process listens on it", "--events", "unix:"+s.path("events"))
	attempt("effects: another process listens on it", "--effects", "unix:"+s.path("effects"))
	s.end(syscall.SIGTERM)

	// A socket that a crash left behind is in nobody's way.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.path("events"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	s = startServer(t, dir)
	s.connect("events").send(market[0])
	s.connect("effects").read(1)
}

// A consumer that reads nothing delays neither acknowledgements nor, for long, the
// end.
func TestServeDeafConsumer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the program and waits for seconds: run without -short")
	}
	noLeaks(t)
	s := startServer(t, shortDir(t), "--effects-buffer", "1024")
	s.connect("effects") // and never read
	producer := s.connect("events")
	producer.send(market[0])
	for sent := 1; sent < 20_000; sent += 100 {
		producer.send(strings.Repeat(market[1]+"\n", 99) + market[1])
		// There is room for five times 200 effects. The sequence is a lower bound:
		// acknowledgements are events too.
		s.acknowledge(sent)
	}
	begun := time.Now()
	if code := s.end(syscall.SIGTERM); code != exit.OK || time.Since(begun) > 10*time.Second {
		t.Errorf("exit code %d after %v", code, time.Since(begun))
	}
}

// acknowledge has event seq acknowledged, on connections of their own, as soon as
// it has effects.
func (s *served) acknowledge(seq int) {
	s.t.Helper()
	for until := time.Now().Add(patience); time.Now().Before(until); {
		c := s.connect("events")
		c.send(fmt.Sprintf(`{"e":"ack","seq":%d,"i":0}`, seq))
		c.conn.CloseWrite()
		refused := c.in.Scan()
		c.conn.Close()
		if !refused {
			return
		}
	}
	s.t.Fatalf("no acknowledgement of %d is taken", seq)
}

// Feeding stops when it is told to, and says how far it came.
func TestFeedInterrupted(t *testing.T) {
	noLeaks(t)
	receiver, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	var out, faults bytes.Buffer
	ended := make(chan exit.Code)
	go func() {
		ended <- run(ctx, []string{"feed", "synthetic", "--to", receiver.LocalAddr().String(), "--rate", "100", "-o", "ndjson"}, nil, &out, &faults)
	}()
	if _, err := receiver.Read(make([]byte, 1<<11)); err != nil {
		t.Fatal(err)
	}
	cancel(exit.With(exit.Interrupted, &signalError{os.Interrupt}))
	if code := <-ended; code != exit.Interrupted || !strings.Contains(out.String(), `"next_sequence":`) || faults.String() != "backstop: interrupt\n" {
		t.Errorf("exit code %d: %s%s", code, &out, &faults)
	}
}

// Nobody there is not the same as sent.
func TestFeedRefused(t *testing.T) {
	receiver, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	address := receiver.LocalAddr().String()
	if err := errors.Join(receiver.Close()); err != nil {
		t.Fatal(err)
	}
	var out, faults bytes.Buffer
	code := run(t.Context(), []string{"feed", "synthetic", "--to", address, "--rate", "100", "--count", "50"}, nil, &out, &faults)
	if code != exit.Unavailable || !strings.Contains(faults.String(), "nobody listens on "+address+": start the receiver first") {
		t.Errorf("exit code %d: %s", code, &faults)
	}
}
