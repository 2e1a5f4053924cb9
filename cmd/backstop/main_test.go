package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"backstop": main})
}

var update = flag.Bool("update", false, "rewrite the files that scripts compare with")

// TestScripts runs the stories of testdata. -update rewrites what they compare.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		Setup:         layCaptures,
		UpdateScripts: *update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"flip":  flip,
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

// flip FILE OFFSET: changes one bit of a byte.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE OFFSET")
	}
	offset, err := strconv.Atoi(args[1])
	ts.Check(err)
	b := []byte(ts.ReadFile(args[0]))
	b[offset] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
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
