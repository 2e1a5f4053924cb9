package bench

import (
	"fmt"
	"slices"
	"time"
)

// Latencies gathers samples without allocating.
type Latencies struct {
	samples []time.Duration
	sorted  bool
}

// NewLatencies has room for so many samples.
func NewLatencies(size int) *Latencies {
	return &Latencies{samples: make([]time.Duration, 0, size)}
}

// Add keeps a sample. It panics beyond the size: percentiles of a part of them
// would be read as those of all.
func (l *Latencies) Add(d time.Duration) {
	if len(l.samples) == cap(l.samples) {
		panic(fmt.Sprintf("bench: more than the %d samples there is room for", cap(l.samples)))
	}
	l.samples = append(l.samples, d)
	l.sorted = false
}

// Len is the number of samples.
func (l *Latencies) Len() int { return len(l.samples) }

// At is the smallest sample that perMille of all are not above: 500 is the
// median, 1000 the largest. It is 0 without samples.
func (l *Latencies) At(perMille int) time.Duration {
	if len(l.samples) == 0 {
		return 0
	}
	if !l.sorted {
		slices.Sort(l.samples)
		l.sorted = true
	}
	rank := (len(l.samples)*perMille + 999) / 1000 // rounded up, from 1
	return l.samples[max(rank, 1)-1]
}

// Paced calls due for events 0 to n-1, event i as soon as i intervals have passed
// since start, whatever the calls before it took, and idle in between.
func Paced(start time.Time, n int, interval time.Duration, due func(i int), idle func()) {
	for i := range n {
		for at := time.Duration(i) * interval; time.Since(start) < at; {
			idle()
		}
		due(i)
	}
}
