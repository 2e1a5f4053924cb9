package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// Figures of prototypes go by the benchmark they are the yardstick of, with this
// before it.
const lab = "lab/"

// prototypes says what in a line of the lab's programs is a figure: $1 and $2 in a
// name and a unit stand for what the pattern found, and the last group is the figure
// in units of scale.
var prototypes = []struct {
	line       *regexp.Regexp
	name, unit string
	scale      float64
}{
	{regexp.MustCompile(`^ours 64B plain b(\d+) +[\d.]+ +([\d.]+)`), "RingSPSC/batch=$1", "ns/event", 1},
	{regexp.MustCompile(`^P=(\d+) ours MPSC b(\d+) .* median +([\d.]+)`), "RingMPSC/producers=$1/batch=$2", "ns/event", 1},
	{regexp.MustCompile(`^sigma 1 bp/tick beta 0\.0: A=(1)000000 .* banded avg ([\d.]+) ns`), "ApplyTick/1bp/accounts=1e6", "ns/tick", 1},
	{regexp.MustCompile(`^sigma 1 bp/tick beta 0\.0: A=(1)000000 .* re-checks/tick ([\d.]+)`), "ApplyTick/1bp/accounts=1e6", "looked/tick", 1},
	{regexp.MustCompile(`^  position update .* (lazy)=true: ([\d.]+) ns`), "ApplyFill/accounts=1e6", "ns/fill", 1},
	{regexp.MustCompile(`^  (gap) to 0\.95 in one tick: ([\d.]+) us`), "Worst/gap5pct/accounts=1e6", "ns/event", 1e3},
	{regexp.MustCompile(`^A=(1000000|10000) ticks 10%: .* \(([\d.]+) ns/event\)`), "Pipe/accounts=$1", "ns/event", 1},
	{regexp.MustCompile(`^A=(1000000) rate=1000000 tick: p50 ([\d.]+)`), "TickToDecision/rate=1e6/accounts=$1", "p50-ns", 1e3},
	{regexp.MustCompile(`^A=(1000000) rate=1000000 tick: .* p90 ([\d.]+)`), "TickToDecision/rate=1e6/accounts=$1", "p90-ns", 1e3},
	{regexp.MustCompile(`^prewritten, write\+fdatasync +(\d+) +([\d.]+)`), "JournalWrite/group=$1", "p50-ns", 1e3},
}

// powers are sizes as the names of benchmarks have them.
var powers = strings.NewReplacer("accounts=1000000", "accounts=1e6", "accounts=10000", "accounts=1e4")

// prototype takes the figures in a line that a program of the lab printed.
func (r results) prototype(line string) {
	for _, p := range prototypes {
		if found := p.line.FindStringSubmatchIndex(line); found != nil {
			name := powers.Replace(string(p.line.ExpandString(nil, p.name, line, found)))
			figure := line[found[len(found)-2]:found[len(found)-1]]
			if v, err := strconv.ParseFloat(figure, 64); err == nil {
				r.add(lab+name, p.unit, v*p.scale)
			}
		}
	}
}

// runLab runs the prototypes that are yardsticks of a row.
func (r results) runLab(dir string) error {
	for _, args := range [][]string{
		{"./cmd/journal", "-only", "prewritten, write+fdatasync", "-dir", os.TempDir()},
		{"./cmd/ringbench", "-only", "ours 64B plain"},
		{"./cmd/mpsc", "-rounds", "3"},
		{"./cmd/cross", "-cfgs", "1"},
		{"./cmd/pipe", "-accts", "10000"},
		{"./cmd/pipe", "-accts", "1000000", "-look", "16"},
		{"./cmd/pipe", "-accts", "1000000", "-look", "16", "-rate", "1e6", "-n", "2000000"},
	} {
		cmd := exec.Command("go", append([]string{"run"}, args...)...)
		cmd.Dir, cmd.Stderr = dir, os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("lab: %s: %w", strings.Join(args, " "), err)
		}
		if err := r.read(bytes.NewReader(out)); err != nil {
			return err
		}
	}
	return nil
}
