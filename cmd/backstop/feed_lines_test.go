package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/udptick"
)

// shape is what of a line's datagrams is left to chance: which, in which order and
// with how many ticks.
func shape(t *testing.T, datagrams [][]byte) string {
	t.Helper()
	var all []string
	for _, d := range datagrams {
		p, err := udptick.ParsePacket(d)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%d+%d", p.Sequence, p.Count))
	}
	return strings.Join(all, " ")
}

// The same seed loses, doubles, moves and groups the same, another one does not; and
// the report says what was done.
func TestFeedFaults(t *testing.T) {
	send := func(seed string) (a, b, report string) {
		lineA, lineB := newCollector(t), newCollector(t)
		datagrams, report := lineA.feed("synthetic", "--to-b", lineB.conn.LocalAddr().String(), "--rate", "200000", "--count", "2000",
			"--batch", "8", "--loss", "0.1,0.2", "--duplicate", "0.1", "--reorder", "0.1,0.05", "--regroup", "--skew", "2ms", "--seed", seed)
		return shape(t, datagrams), shape(t, lineB.all()), report
	}
	a1, b1, report := send("7")
	a2, b2, _ := send("7")
	a3, b3, _ := send("8")
	if a1 != a2 || b1 != b2 {
		t.Errorf("the same seed sent\n%s\nand\n%s,\nand on line B\n%s\nand\n%s", a1, a2, b1, b2)
	}
	if a1 == a3 || b1 == b3 {
		t.Error("another seed sends the same")
	}
	// Of line A, ticks of one 50 us are 10, or one more or less where they fall on its
	// ends: a datagram of 8 and one of 2.
	count := func(shape, what string) int { return strings.Count(shape+" ", what) }
	if n := count(a1, "+8 ") + count(a1, "+2 "); n < 300 || n < count(a1, "+")*9/10 {
		t.Errorf("line A has %d datagrams of 8 and 2: %s", n, a1)
	}
	if count(b1, "+3 ") == 0 || count(b1, "+5 ") == 0 {
		t.Errorf("line B is not grouped otherwise: %s", b1)
	}
	for _, name := range []string{"a", "b"} {
		for _, fault := range []string{"lost", "duplicated", "reordered"} {
			if strings.Contains(report, fmt.Sprintf(`"%s_%s":0,`, name, fault)) || !strings.Contains(report, fmt.Sprintf(`"%s_%s":`, name, fault)) {
				t.Errorf("no %s on line %s: %s", fault, name, report)
			}
		}
	}
}

// A line without faults is whole and in order.
func TestFeedSecondLine(t *testing.T) {
	lineA, lineB := newCollector(t), newCollector(t)
	datagrams, _ := lineA.feed("synthetic", "--to-b", lineB.conn.LocalAddr().String(), "--rate", "50000", "--count", "500", "--regroup", "--skew", "5ms")
	a, b := lineA.ticks(datagrams, 1), lineB.ticks(lineB.all(), 1)
	if len(a) != 500 || !slices.Equal(a, b) {
		t.Errorf("%d ticks on line A, %d on line B; or they differ", len(a), len(b))
	}
}

// keeper is a sink that keeps the marks it is offered.
type keeper struct {
	mu    sync.Mutex
	marks map[event.SymbolID][]event.Record
}

func (k *keeper) Offer(r event.Record) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r.Kind() == event.KindTick {
		k.marks[r.Symbol()] = append(k.marks[r.Symbol()], r)
	}
	return true
}

// Two lines that lose a fifth each, double and move datagrams, and a server that has
// all of it, signed: in the end nothing is missing or suspect, and every contract has
// its last mark.
func TestFeedRecovers(t *testing.T) {
	keys := writeFile(t, "feed.keys", "7 "+strings.Repeat("0f", 32)+"\n")
	ours := writeFile(t, "receiver.keys", "8 "+strings.Repeat("f0", 32)+"\n")
	for _, framing := range []string{"mold64", "sbe24"} {
		t.Run(framing, func(t *testing.T) {
			publisher, err := readKeys(keys)
			if err != nil {
				t.Fatal(err)
			}
			receiver, err := readKeys(ours)
			if err != nil {
				t.Fatal(err)
			}
			form, err := streamOf(framing)
			if err != nil {
				t.Fatal(err)
			}
			sink, server := &keeper{marks: map[event.SymbolID][]event.Record{}}, freeAddress(t)
			local := udptick.Inlet{Listen: "127.0.0.1:0"}
			a, err := udptick.Listen(udptick.Config{Framing: form, Keys: publisher, RequestTries: 16, RequestKey: receiver[0]},
				udptick.Sockets{A: local, B: local, Server: server, Buffer: 4 << 20}, sink)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- a.Run() }()
			var out, faults bytes.Buffer
			args := []string{"feed", "synthetic", "--framing", framing, "--to", a.Addr().String(), "--to-b", a.Receptions()[1].Address.String(),
				"--rate", "20000", "--count", "5000", "--batch", "4", "--loss", "0.2", "--duplicate", "0.1", "--reorder", "0.1", "--regroup", "--skew", "1ms",
				"--serve", server, "--linger", "1m", "--key-file", keys, "--requester-keys", ours, "-o", "ndjson"}
			fed := make(chan exit.Code, 1)
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() { fed <- run(ctx, args, nil, &out, &faults) }()
			for deadline := time.Now().Add(50 * time.Second); ; time.Sleep(time.Millisecond) {
				s := a.Stats()
				if s[udptick.Ticks]+s[udptick.Stale] == 5000 && s[udptick.Missing] == 0 && s[udptick.Suspects] == 0 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%v\n%v\n%v\n%v", s, a.LineStats(udptick.LineA), a.LineStats(udptick.LineB), a.LineStats(udptick.Answers))
				}
			}
			cancel(exit.With(exit.Interrupted, &signalError{os.Interrupt}))
			if code := <-fed; code != exit.Interrupted {
				t.Errorf("exit code %d: %s", code, &faults)
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
			s := a.Stats()
			if s[udptick.Skipped] == 0 || s[udptick.Filled] != s[udptick.Skipped] || s[udptick.Requests] == 0 || s[udptick.Replayed] == 0 || s[udptick.Forged] != 0 {
				t.Errorf("%v", s)
			}
			for id, marks := range sink.marks {
				for i := 1; i < len(marks); i++ {
					if marks[i].MarkTime() <= marks[i-1].MarkTime() {
						t.Fatalf("contract %d: a mark of %d after one of %d", id, marks[i].MarkTime(), marks[i-1].MarkTime())
					}
				}
				if last := marks[len(marks)-1]; last.Has(event.FlagSuspect) {
					t.Errorf("contract %d ends suspect", id)
				}
			}
			if len(sink.marks) != 2 || !strings.Contains(out.String(), `"server_forged":0,`) || strings.Contains(out.String(), `"server_answered":0,`) {
				t.Errorf("%d contracts: %s", len(sink.marks), &out)
			}
		})
	}
}
