package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/backstop-fund/backstop/core"
)

// terminalPair opens a terminal, and the end at which a person would sit.
func terminalPair(t *testing.T) (program, person *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal to be had: %v", err)
	}
	t.Cleanup(func() { person.Close() }) // nothing is lost
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Skipf("no terminal to be had: %v", err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Skipf("no terminal to be had: %v", err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal to be had: %v", err)
	}
	t.Cleanup(func() { program.Close() })
	return program, person
}

// stages are what an engine tells while it recovers from a snapshot.
func stages(snapshot uint64, show func(core.Progress)) {
	for i := range 4 {
		time.Sleep(120 * time.Millisecond)
		show(core.Progress{
			Snapshot: snapshot, Sequence: snapshot + 5000*uint64(i+1), Elapsed: time.Second * time.Duration(i+1),
			Done: 1 << 20 * int64(i+1), Total: 8 << 20,
		})
	}
}

// A person at a terminal sees a bar, how fast it goes and how long it will take, in
// one line that is gone in the end; a log gets lines, a second apart.
func TestRecoveryIsShown(t *testing.T) {
	program, person := terminalPair(t)
	show, end := recovering(program, newLog(program))
	stages(1000, show)
	stages(90_000, show) // as where a demonstration restores what it has saved
	end()
	fmt.Fprint(program, "over") // what the person sees next
	var seen []byte
	for b := make([]byte, 4096); !bytes.Contains(seen, []byte("over")); {
		n, err := person.Read(b)
		if err != nil {
			t.Fatalf("after %q: %v", seen, err)
		}
		seen = append(seen, b[:n]...)
	}
	for _, want := range []string{"\r\x1b[K██▌░░░░░░░░░░░░░░░░░  12 %  event 6,000  5,000/s  ", "\r\x1b[K██████████░░░░░░░░░░  50 %  event 21,000  5,000/s  ", "event 95,000  5,000/s", " left", "\r\x1b[Kover"} {
		if !strings.Contains(string(seen), want) {
			t.Errorf("no %q in %q", want, seen)
		}
	}
	if strings.Contains(string(seen), "\n") {
		t.Errorf("more than a line: %q", seen)
	}

	var log bytes.Buffer
	show, end = recovering(&log, newLog(&log))
	stages(1000, show)
	end()
	if n := strings.Count(log.String(), `"message":"replaying the journal"`); n != 4 || !strings.Contains(log.String(), `"sequence":6000,"events_per_second":5000,"percent":12,"left":"7s"`) {
		t.Errorf("%d lines in the log, want one for each second:\n%s", n, log.String())
	}
}
