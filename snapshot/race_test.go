//go:build race

package snapshot

// raceEnabled skips what the race detector's own allocations would spoil.
const raceEnabled = true
