package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/snapshot"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	testscript.Main(leakless{m}, map[string]func(){"backstop": main})
}

// leakless fails a run of tests that leaves goroutines behind.
type leakless struct{ tests *testing.M }

func (l leakless) Run() int {
	code := l.tests.Run()
	if code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "goroutines are left behind:", err)
		return 1
	}
	return 0
}

var update = flag.Bool("update", false, "rewrite the files that scripts compare with")

// TestScripts runs the stories of testdata. -update rewrites what they compare.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		Setup:         layCaptures,
		UpdateScripts: *update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"flip":   flip,
			"forge":  forge,
			"record": record,
		},
	})
}

// exits CODE COMMAND...: runs a command that must end with CODE.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		failed, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = failed.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// flip FILE OFFSET: changes one bit of a byte. The name may be a pattern that one file
// has.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE OFFSET")
	}
	offset, err := strconv.Atoi(args[1])
	ts.Check(err)
	found, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(found) != 1 {
		ts.Fatalf("%s: %d files, want one", args[0], len(found))
	}
	b := []byte(ts.ReadFile(found[0]))
	b[offset] ^= 1
	ts.Check(os.WriteFile(found[0], b, 0o600))
}

// forge FILE: writes a snapshot again with more cash in its first fund, in a way that
// every checksum and the digest fit.
func forge(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: forge FILE")
	}
	const funds, cash = 2, 4 + 8 + event.NameSize // its section, and where in it
	b := []byte(ts.ReadFile(args[0]))
	d, err := snapshot.NewDecoder(bytes.NewReader(b), int64(len(b)))
	ts.Check(err)
	var file bytes.Buffer
	e, err := snapshot.NewEncoder(&file, d.Header(), snapshot.None)
	ts.Check(err)
	digest := sha256.New()
	for _, c := range d.Layout().Chunks { // so small a state has one a section
		s := d.Section(c.Section)
		raw := make([]byte, s.Left())
		s.Raw(raw)
		if c.Section == funds {
			raw[cash+3]++
		}
		e.Section(c.Section)
		e.Raw(raw)
		if machine.SectionName(c.Section) != "" {
			digest.Write(binary.LittleEndian.AppendUint32(nil, c.Section))
			digest.Write(raw)
		}
	}
	ts.Check(e.Finish([32]byte(digest.Sum(nil))))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), file.Bytes(), 0o600))
}

// record FILE FOLDER [SIZE]: writes the events of a file of NDJSON to a journal, three
// a group, in segments of SIZE bytes, the way an engine does.
func record(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: record FILE FOLDER [SIZE]")
	}
	size := int64(64 << 10)
	if len(args) > 2 {
		n, err := strconv.ParseInt(args[2], 10, 64)
		ts.Check(err)
		size = n
	}
	folder, err := journal.Open(ts.MkAbs(args[1]), journal.Options{SegmentSize: size, Rules: machine.RulesVersion, Salt: 7})
	ts.Check(err)
	r, err := folder.Read(0)
	ts.Check(err)
	_, err = r.Next()
	if err != io.EOF {
		ts.Fatalf("%s has events: %v", args[1], err)
	}
	w, err := folder.Write(r)
	ts.Check(err)
	m, err := machine.New(machine.DefaultLimits)
	ts.Check(err)
	a := newApplier(m, io.Discard, true)
	for i, line := range strings.Split(strings.TrimSpace(ts.ReadFile(args[0])), "\n") {
		e, err := a.decoder.Decode([]byte(line), nil)
		ts.Check(err)
		ts.Check(a.event(e))
		b, _ := e.AppendBinary(nil)
		copy(w.Append(len(b)), b)
		if i%3 == 2 {
			ts.Check(w.Commit())
		}
	}
	ts.Check(w.Close())
	ts.Check(folder.Close())
}

func TestSignalled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	if terminated(ctx) {
		t.Error("terminated before any signal")
	}
	cancel(exit.With(exit.Interrupted, &signalError{os.Interrupt}))
	if terminated(ctx) {
		t.Error("SIGINT counts as SIGTERM")
	}
	if code := exit.Of(context.Cause(ctx)); code != exit.Interrupted {
		t.Errorf("exit code %d, want %d", code, exit.Interrupted)
	}
	ctx, cancel = context.WithCancelCause(t.Context())
	cancel(exit.With(exit.Interrupted, &signalError{syscall.SIGTERM}))
	if !terminated(ctx) {
		t.Error("SIGTERM is not seen")
	}
}
