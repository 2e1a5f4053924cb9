package coretest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/backstop-fund/backstop/core/coretest/oracle"
	"github.com/backstop-fund/backstop/core/event"
)

var (
	sequences = flag.Int("sequences", 300, "random streams to compare machine and oracle on")
	firstSeed = flag.Uint64("first-seed", 1, "seed of the first of them")
)

// twins runs one stream through machine and oracle.
type twins struct {
	driver  *Driver
	oracle  *oracle.Engine
	history []string
}

func newTwins(fatal func(string, ...any)) *twins {
	d, err := NewDriver(SmallLimits)
	if err != nil {
		fatal("%v", err)
	}
	return &twins{driver: d, oracle: oracle.New()}
}

// detail is derived text, which the oracle does not write.
var detail = regexp.MustCompile(`,"detail":"(?:[^"\\]|\\.)*"`)

func strip(lines []string) string {
	return detail.ReplaceAllString(strings.Join(lines, "\n"), "")
}

// step applies one line to both and tells how they differ.
func (w *twins) step(s *Stream, line string) error {
	w.history = append(w.history, line)
	got, err := w.driver.Apply(line)
	want, werr := w.oracle.Apply([]byte(line))
	if err != nil || werr != nil {
		return fmt.Errorf("%s\nmachine: %v\noracle: %v", line, err, werr)
	}
	if a, b := strip(got), strip(want); a != b {
		return fmt.Errorf("%s\nmachine:\n%s\noracle:\n%s", line, a, b)
	}
	for _, x := range w.driver.fx.All() {
		if x.Kind == event.EffectLiquidate || x.Kind == event.EffectOffload {
			s.Order(uint64(x.Order))
		}
	}
	return nil
}

func (w *twins) compareStates() error {
	got, want := strings.Split(strip(w.driver.State()), "\n"), strings.Split(strip(w.oracle.State()), "\n")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			return fmt.Errorf("states differ\nmachine: %v\noracle:  %v", got[min(i, len(got)):min(i+1, len(got))], want[min(i, len(want)):min(i+1, len(want))])
		}
	}
	if err := w.driver.Machine.Check(); err != nil {
		return err
	}
	return w.oracle.Check()
}

// run plays a stream of n events through both.
func (w *twins) run(s *Stream, n int) error {
	for _, line := range s.Setup() {
		if err := w.step(s, line); err != nil {
			return err
		}
	}
	for i := range n {
		if err := w.step(s, s.Next()); err != nil {
			return err
		}
		if i%37 == 0 {
			if err := w.compareStates(); err != nil {
				return err
			}
		}
	}
	return w.compareStates()
}

// TestMachineAgainstOracle compares effect by effect on seeded streams. More of
// them: go test ./core/coretest -run AgainstOracle -sequences 10000
func TestMachineAgainstOracle(t *testing.T) {
	for i := range uint64(*sequences) {
		seed := *firstSeed + i
		r := rand.New(rand.NewPCG(seed, 2))
		w := newTwins(t.Fatalf)
		if err := w.run(NewStream(r.IntN), 200); err != nil {
			t.Fatalf("seed %d, event %d: %v\n\nhistory:\n%s", seed, len(w.history), err, strings.Join(w.history, "\n"))
		}
	}
}

// TestMachineAgainstOracleShrinking does the same with streams that rapid draws, so
// that a difference comes with a short history.
func TestMachineAgainstOracleShrinking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newTwins(t.Fatalf)
		s := NewStream(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") })
		if err := w.run(s, 200); err != nil {
			t.Fatalf("%v\n\nhistory:\n%s", err, strings.Join(w.history, "\n"))
		}
	})
}
