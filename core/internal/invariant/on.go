//go:build invariants || race

package invariant

// Enabled is true in builds with -tags invariants or -race, false in all
// others. A broken invariant found behind it panics.
const Enabled = true
