package bench_test

import (
	"flag"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"
)

var (
	huge = flag.Bool("huge", false, "markets of 1e7 accounts too: 8 GiB and minutes")
	fifo = flag.Int("fifo", 0, "priority of the core's thread under SCHED_FIFO; 0 leaves the policy")
)

// sizes are numbers of accounts. A short run has the smallest only.
func sizes() []int {
	switch {
	case testing.Short():
		return []int{1e4}
	case *huge:
		return []int{1e4, 1e5, 1e6, 1e7}
	}
	return []int{1e4, 1e5, 1e6}
}

// most is the usual largest of sizes.
func most() int {
	if testing.Short() {
		return 1e4
	}
	return 1e6
}

// power names a size: 1e6.
func power(n int) string { return fmt.Sprintf("1e%d", int(math.Round(math.Log10(float64(n))))) }

// rounds gathers what each loop took. Its median is the figure to quote on a
// machine that others use too; the best is what the code can do.
type rounds []time.Duration

func (r *rounds) time(f func()) {
	begun := time.Now()
	f()
	*r = append(*r, time.Since(begun))
}

// report gives both per one of the n things a loop did.
func (r rounds) report(b *testing.B, n int, what string) {
	slices.Sort(r)
	b.ReportMetric(float64(r[len(r)/2])/float64(n), "ns/"+what)
	b.ReportMetric(float64(r[0])/float64(n), "best-ns/"+what)
	b.ReportMetric(0, "ns/op")
}

// worst gives what a single event took, with the longest.
func (r rounds) worst(b *testing.B, what string) {
	r.report(b, 1, what)
	b.ReportMetric(float64(r[len(r)-1]), "max-ns/"+what)
}

// percentiles gives those of a latency.
func percentiles(b *testing.B, l interface{ At(int) time.Duration }, prefix string) {
	for _, q := range []struct {
		name     string
		perMille int
	}{{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p99.9", 999}, {"max", 1000}} {
		b.ReportMetric(float64(l.At(q.perMille)), prefix+q.name+"-ns")
	}
}

// noAllocations ends the benchmark if f allocates, which it calls a few times more
// after what was measured. The count is of the whole process.
func noAllocations(b *testing.B, f func()) {
	b.Helper()
	if raceEnabled {
		return
	}
	if n := testing.AllocsPerRun(1, f); n != 0 {
		b.Fatalf("%v allocations, want 0", n)
	}
	// What the loop notes down is not of what it measures.
	b.ReportAllocs()
	b.ReportMetric(0, "allocs/op")
	b.ReportMetric(0, "B/op")
}

// needCPUs skips shapes with more busy threads than CPUs: they would take each
// other's, and measure the scheduler.
func needCPUs(b *testing.B, busy int) {
	if n := min(runtime.NumCPU(), runtime.GOMAXPROCS(0)); n < busy {
		b.Skipf("%d busy threads need as many CPUs, here are %d", busy, n)
	}
}
