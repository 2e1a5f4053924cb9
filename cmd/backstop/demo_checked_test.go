//go:build race || invariants

package main

// checked tells that the machine recounts its state after every event, which
// makes a demonstration slower by as much as it has accounts.
const checked = true
