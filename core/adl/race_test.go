//go:build race

package adl_test

// The race detector allocates on its own: counts of allocations mean nothing.
const raceEnabled = true
