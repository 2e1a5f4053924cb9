package bench_test

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/backstop-fund/backstop/bench"
	"github.com/backstop-fund/backstop/core"
)

// The budget: nothing on the way of an event allocates, neither of a fill nor of
// a tick with its datagram, its decision, the acknowledgement and the answer. The
// count is of the whole process, the engine's goroutine included.
//
// That takes in the Go runtime, which may allocate for itself: seven objects for
// a thread it starts, one for a goroutine's first wait on another thread. Whatever
// the path allocates comes again in every round, so one round must show none, and
// all of them no more than the runtime's few.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const rounds, runtimes = 4, 50
	cycles := 227_273 // 10,000,012 events in all rounds
	if testing.Short() {
		cycles = 2_500
	}
	p, err := bench.OpenPipe(bench.Shape{Accounts: 200, Contracts: 10, Positions: 2, Distress: 10}, core.Config{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	run(t, p, 1_000) // warms up what grows to its largest need
	// A collection allocates for itself.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC()
	var counts [rounds]uint64
	least, sum := ^uint64(0), uint64(0)
	for i := range counts {
		before := allocated()
		run(t, p, cycles)
		counts[i] = allocated() - before
		least, sum = min(least, counts[i]), sum+counts[i]
	}
	if least != 0 || sum > runtimes {
		t.Errorf("%d allocations in rounds of %d events, want 0", counts, cycles*cycle)
	}
	mustClose(t, p)
}

func run(t *testing.T, p *bench.Pipe, cycles int) {
	t.Helper()
	for range cycles * cycle {
		p.Step()
	}
	if err := p.Drain(); err != nil {
		t.Fatal(err)
	}
}

// allocated is how many objects the heap has ever given out. MemStats is exact,
// which runtime/metrics is not: that counts a span of objects once it is used up.
func allocated() uint64 {
	runtime.ReadMemStats(&stats)
	return stats.Mallocs
}

var stats runtime.MemStats

// The alarm rings: one allocation in the middle is seen.
func TestAllocationsAreCounted(t *testing.T) {
	before := allocated()
	kept = new([64]byte)
	if n := allocated() - before; n != 1 {
		t.Errorf("%d allocations counted, want 1", n)
	}
}

var kept *[64]byte
