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
)

var (
	sequences = flag.Int("sequences", 0, "random streams to compare machine and oracle on; 0 for as many as take a few seconds")
	firstSeed = flag.Uint64("first-seed", 1, "seed of the first of them")
)

// length is how many events a stream has after its opening.
const length = 200

// covering is how many streams are enough to reach everything.
const covering = 300

func streams() int {
	switch {
	case *sequences > 0:
		return *sequences
	case testing.Short(), raceEnabled:
		return covering / 6
	}
	return covering
}

// rapid looks at fewer streams than it would of itself, unless told how many.
func init() {
	if err := flag.Set("rapid.checks", "15"); err != nil {
		panic(err)
	}
}

// twins runs one stream through machine and oracle.
type twins struct {
	driver  *Driver
	oracle  *oracle.Engine
	history []string
	reached coverage
}

func newTwins(fatal func(string, ...any)) *twins {
	d, err := NewDriver(SmallLimits)
	if err != nil {
		fatal("%v", err)
	}
	return &twins{driver: d, oracle: oracle.New(), reached: coverage{}}
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
	if err := compare(strip(got), strip(want)); err != nil {
		return fmt.Errorf("%s\n%w", line, err)
	}
	w.reached.add(w.driver.fx.All())
	s.Answer(w.driver.fx.All())
	return nil
}

// compare tells the first line in which two outputs differ.
func compare(machine, oracle string) error {
	if machine == oracle {
		return nil
	}
	got, want := strings.Split(machine, "\n"), strings.Split(oracle, "\n")
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	line := func(of []string) string { return strings.Join(of[min(i, len(of)):min(i+1, len(of))], "") }
	return fmt.Errorf("line %d\nmachine: %s\noracle:  %s", i+1, line(got), line(want))
}

func (w *twins) compareStates() error {
	if err := compare(strip(w.driver.State()), strip(w.oracle.State())); err != nil {
		return err
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

// TestMachineAgainstOracle compares effect by effect on seeded streams, and checks
// that they reach everything. More of them:
//
//	go test -tags invariants ./core/coretest -run 'AgainstOracle$' -sequences 10000
func TestMachineAgainstOracle(t *testing.T) {
	reached, events := coverage{}, 0
	for i := range uint64(streams()) {
		seed := *firstSeed + i
		r := rand.New(rand.NewPCG(seed, 2))
		w := newTwins(t.Fatalf)
		w.reached = reached
		if err := w.run(NewStream(r.IntN), length); err != nil {
			t.Fatalf("seed %d, event %d: %v\n\nhistory:\n%s", seed, len(w.history), err, strings.Join(w.history, "\n"))
		}
		events += len(w.history)
	}
	t.Logf("%d streams from seed %d, %d events", streams(), *firstSeed, events)
	if streams() >= covering {
		reached.check(t)
	}
}

// TestMachineAgainstOracleShrinking does the same with streams that rapid draws, so
// that a difference comes with a short history.
func TestMachineAgainstOracleShrinking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newTwins(t.Fatalf)
		s := NewStream(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") })
		if err := w.run(s, length); err != nil {
			t.Fatalf("%v\n\nhistory:\n%s", err, strings.Join(w.history, "\n"))
		}
	})
}
