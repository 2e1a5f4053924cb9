package main

import (
	"bytes"
	"math"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
)

// A server switches the collector off while it runs and puts it back; where the
// host has set it, it is left alone.
func TestServeQuietCollector(t *testing.T) {
	noLeaks(t)
	percent := debug.SetGCPercent(77)
	defer debug.SetGCPercent(percent)
	setting := func() (int, int64) {
		p := debug.SetGCPercent(77)
		debug.SetGCPercent(p)
		return p, debug.SetMemoryLimit(-1)
	}
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	s := startServer(t, shortDir(t))
	s.logged(`runs at the memory limit only`)
	if p, limit := setting(); p != -1 || limit == math.MaxInt64 || limit < spareMemory {
		t.Errorf("GC percent %d with a limit of %d, want -1 with one", p, limit)
	}
	if code := s.end(syscall.SIGTERM); code != exit.OK {
		t.Errorf("code %d", code)
	}
	if p, limit := setting(); p != 77 || limit != math.MaxInt64 {
		t.Errorf("afterwards GC percent %d with a limit of %d, want what was before", p, limit)
	}
	t.Setenv("GOGC", "50")
	s = startServer(t, shortDir(t))
	s.logged(`left as GOGC and GOMEMLIMIT set it`)
	if p, _ := setting(); p != 77 {
		t.Errorf("with GOGC set, GC percent %d, want it left alone", p)
	}
}

// The engine's thread is what the flags ask for, or an error that says why not.
func TestServeThread(t *testing.T) {
	noLeaks(t)
	if runtime.GOOS != "linux" || min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) < 2 {
		t.Skip("pinning is for Linux, spinning wants two CPUs")
	}
	s := startServer(t, shortDir(t), "--spin", "--cpu", "0")
	s.logged(`"spin":true,"cpu":0`)
	if code := s.end(syscall.SIGTERM); code != exit.OK {
		t.Errorf("code %d", code)
	}
	var text bytes.Buffer
	if code := run(t.Context(), []string{"serve", "--cpu", "1023"}, strings.NewReader(""), &text, &text); code == exit.OK || !strings.Contains(text.String(), "Thread.CPU 1023") {
		t.Errorf("CPU 1023: code %d, %s", code, &text)
	}
}
