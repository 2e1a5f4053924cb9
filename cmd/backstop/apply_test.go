package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core/machine"
)

// Who writes a line and waits gets its effects, though more may follow.
func TestApplyAtOnce(t *testing.T) {
	noLeaks(t)
	input, lines := io.Pipe()
	effects, output := io.Pipe()
	ctx, cancel := context.WithCancelCause(t.Context())
	var faults bytes.Buffer
	ended := make(chan exit.Code)
	go func() { ended <- run(ctx, []string{"apply"}, input, output, &faults) }()
	read := bufio.NewScanner(effects)
	for i := range 3 {
		fmt.Fprintf(lines, "{\"e\":\"fund\",\"fund\":\"F%d\"}\n", i)
		if !read.Scan() || !strings.Contains(read.Text(), fmt.Sprintf(`"fund":"F%d"`, i)) {
			t.Fatalf("effect of event %d: %q", i+1, read.Text())
		}
	}
	cancel(exit.With(exit.Interrupted, &signalError{os.Interrupt}))
	if code := <-ended; code != exit.Interrupted || faults.String() != "backstop: after event 3: interrupt\n" {
		t.Errorf("exit code %d: %s", code, &faults)
	}
	lines.Close() // lets the reader that stayed behind end
}

// What cannot be written is a failure.
func TestApplyUnwritable(t *testing.T) {
	effects, output := io.Pipe()
	effects.Close()
	var faults bytes.Buffer
	code := run(t.Context(), []string{"apply", "--state"}, strings.NewReader(strings.Join(market, "\n")), output, &faults)
	if code != exit.Failure || !strings.Contains(faults.String(), "closed pipe") {
		t.Errorf("exit code %d: %s", code, &faults)
	}
}

// BenchmarkApply measures a line from text to text: decoded, applied to a contract
// that nobody holds, and its effects, if any, written.
func BenchmarkApply(b *testing.B) {
	for _, c := range []struct {
		name    string
		line    string
		effects bool
	}{
		{"tick", `{"e":"tick","symbol":"BTCUSDT","mark":"1000.25","t":1760131033000000000}`, false},
		{"fund_transfer", market[1], true},
	} {
		b.Run(c.name, func(b *testing.B) {
			m, err := machine.New(machine.DefaultLimits)
			if err != nil {
				b.Fatal(err)
			}
			var written counter
			a := newApplier(m, &written, false)
			for _, line := range market[:3] {
				if err := a.apply([]byte(line)); err != nil {
					b.Fatal(err)
				}
			}
			a.out.Flush()
			before, begun := m.Stats().Rejected, written
			line := []byte(c.line)
			b.ReportAllocs()
			for b.Loop() {
				if err := a.apply(line); err != nil {
					b.Fatal(err)
				}
			}
			a.out.Flush()
			if m.Stats().Rejected != before || (written > begun) != c.effects {
				b.Fatalf("workload drifted: refused %v, %d bytes written for %d lines", m.Stats().Rejected, written, b.N)
			}
		})
	}
}

// counter counts what is written to it.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
