package machine_test

import (
	"fmt"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
)

// BenchmarkApplyTick is a tick that hurts nobody while so many accounts hold its
// contract: each of them is looked at.
func BenchmarkApplyTick(b *testing.B) {
	for _, accounts := range []int{1e4, 1e5} {
		b.Run(fmt.Sprintf("scan/accounts=%.0e", float64(accounts)), func(b *testing.B) {
			c := newCrowd(b, accounts)
			quiet(b, c, c.tick)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*accounts), "ns/account")
		})
	}
}

// BenchmarkApplyFill is a fill that opens or closes a little and endangers nobody,
// each time of another of 1e5 accounts.
func BenchmarkApplyFill(b *testing.B) {
	c := newCrowd(b, 1e5)
	quiet(b, c, c.fill)
}

// BenchmarkApplyTransfer is a funding payment, each time of another of 1e5 accounts.
func BenchmarkApplyTransfer(b *testing.B) {
	c := newCrowd(b, 1e5)
	quiet(b, c, c.transfer)
}

// quiet applies events that are to have no effect.
func quiet(b *testing.B, c *crowd, next func(int) event.Event) {
	before := c.fx.Count()
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		c.apply(b, next(i))
		i++
	}
	if n := c.fx.Count() - before; n != 0 {
		b.Fatalf("workload drifted: %d effects of events that hurt nobody", n)
	}
}
