package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

var kills = flag.Int("kills", 30, "how often TestKill kills the demonstration")

// asProgram has the test's own binary be the program.
const asProgram = "BACKSTOP_TEST_IS_THE_PROGRAM"

func program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// killed is a demonstration that is killed over and over, and goes on each time.
type killed struct {
	t       *testing.T
	dir     string
	effects string
	seed    uint64
	times   int
}

func newKilled(t *testing.T, seed uint64) *killed {
	dir := t.TempDir()
	return &killed{t: t, dir: dir, effects: filepath.Join(dir, "effects.ndjson"), seed: seed}
}

func (k *killed) command() *exec.Cmd {
	accounts := "400"
	if checked {
		accounts = "100"
	}
	return program("demo", "--accounts", accounts, "--seed", fmt.Sprint(k.seed), "--data", k.dir, "--effects", k.effects, "--output", "ndjson", "--quiet")
}

// live runs it for so long, then kills it. It reports whether it ended before.
func (k *killed) live(span time.Duration) bool {
	k.t.Helper()
	cmd := k.command()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			k.t.Fatalf("seed %d, after %d kills: %v\n%s", k.seed, k.times, err, out.String())
		}
		return true
	case <-time.After(span):
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		k.t.Fatal(err)
	}
	switch err := <-ended; {
	case err == nil:
		return true // in the same moment
	case cmd.ProcessState.Exited() && runtime.GOOS != "windows": // there a kill is an exit
		k.t.Fatalf("seed %d, after %d kills: %v\n%s", k.seed, k.times, err, out.String())
	}
	k.times++
	return false
}

// check runs it to its end, and compares what its consumer has seen in all its lives
// with what the journal leads to.
func (k *killed) check() {
	k.t.Helper()
	out, err := k.command().Output()
	if err != nil {
		k.t.Fatalf("seed %d, after %d kills: %v\n%s", k.seed, k.times, err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var s demoSummary
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil || s.Residual != "0" || s.QuantityResidual != "0" || s.DigestLive != s.DigestRestored {
		k.t.Fatalf("seed %d, after %d kills: %v, %+v", k.seed, k.times, err, s)
	}
	want, err := program("replay", k.dir, "--quiet").Output()
	if err != nil {
		k.t.Fatal(err)
	}
	seen := k.seen()
	n := 0
	for line := range strings.Lines(string(want)) {
		line = strings.TrimSpace(line)
		switch got, ok := seen[idOf(line)]; {
		case !ok:
			k.t.Fatalf("seed %d, after %d kills: lost: %s", k.seed, k.times, line)
		case got != line:
			k.t.Fatalf("seed %d, after %d kills: seen: %s\nwant: %s", k.seed, k.times, got, line)
		}
		n++
	}
	if n != len(seen) || n == 0 {
		k.t.Fatalf("seed %d, after %d kills: %d effects seen, the journal leads to %d", k.seed, k.times, len(seen), n)
	}
	k.t.Logf("seed %d: killed %d times, %d effects", k.seed, k.times, n)
}

// seen are the effects the consumer has written down, by id. What it was writing when
// it was killed may be half a line, before an empty one.
func (k *killed) seen() map[string]string {
	k.t.Helper()
	b, err := os.ReadFile(k.effects)
	if err != nil {
		k.t.Fatal(err)
	}
	seen := map[string]string{}
	lines := strings.Split(string(b), "\n")
	for i, line := range lines {
		if line == "" {
			continue
		}
		if !strings.HasSuffix(line, "}") && i+1 < len(lines) && lines[i+1] == "" {
			continue
		}
		id := idOf(line)
		if before, again := seen[id]; again && before != line {
			k.t.Fatalf("seed %d, after %d kills: two effects under one id:\n%s\n%s", k.seed, k.times, before, line)
		}
		seen[id] = line
	}
	return seen
}

// idOf is what a line of an effect begins with.
func idOf(line string) string {
	id, _, _ := strings.Cut(line, `,"fx"`)
	return id
}

// TestKill kills the demonstration at random moments, and starts it again on what is
// left: no effect that its consumer has seen is lost, none comes under another id, and
// money is conserved. More often:
//
//	go test ./cmd/backstop -run 'TestKill$' -kills 10000 -timeout 12h -v
func TestKill(t *testing.T) {
	want := *kills
	if testing.Short() {
		want = 5
	}
	r := rand.New(rand.NewPCG(1, 30))
	total := 0
	for seed := uint64(1); total < want; seed++ {
		k := newKilled(t, seed)
		// Each life is longer than what it takes to come to where the last one ended.
		for life := 300 * time.Millisecond; total+k.times < want && !k.live(time.Duration(r.Int64N(int64(life)))); life += 100 * time.Millisecond {
		}
		k.check()
		total += k.times
	}
}
