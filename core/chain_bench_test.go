package core

import (
	"testing"

	"github.com/backstop-fund/backstop/core/event"
)

// BenchmarkEffectChain is what a follower costs the core: the hash of each effect.
// An event without effects costs it nothing.
func BenchmarkEffectChain(b *testing.B) {
	var c effectChain
	var buf chained
	batch := make([]event.Effect, gather)
	for b.Loop() {
		c.add(batch, &buf)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*gather), "ns/effect")
}
