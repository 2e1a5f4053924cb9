package peers

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

// against times rounds of ours and of a peer in turn, each of which does n things.
func against(b *testing.B, n int, what string, ours, peer func() time.Duration) {
	b.Helper()
	ours() // to warm up
	peer()
	var us, them, ratios []float64
	for b.Loop() {
		u, t := float64(ours())/float64(n), float64(peer())/float64(n)
		us, them, ratios = append(us, u), append(them, t), append(ratios, t/u)
	}
	slices.Sort(ratios)
	b.ReportMetric(median(us), "ns/"+what)
	b.ReportMetric(median(them), "peer-ns/"+what)
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(ratios[0], "min-ratio")
	b.ReportMetric(ratios[len(ratios)-1], "max-ratio")
	b.ReportMetric(0, "ns/op")
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// took returns what f takes.
func took(f func()) time.Duration {
	begun := time.Now()
	f()
	return time.Since(begun)
}

// needCPUs skips shapes with more busy threads than CPUs: they would take each
// other's, and measure the scheduler.
func needCPUs(b *testing.B, busy int) {
	if n := min(runtime.NumCPU(), runtime.GOMAXPROCS(0)); n < busy {
		b.Skipf("%d busy threads need as many CPUs, here are %d", busy, n)
	}
}
