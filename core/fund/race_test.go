//go:build race

package fund_test

// The race detector allocates on its own: counts of allocations mean nothing.
const raceEnabled = true
