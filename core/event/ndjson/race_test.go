//go:build race

package ndjson

// raceEnabled is true where the race detector's own allocations spoil counts.
const raceEnabled = true
