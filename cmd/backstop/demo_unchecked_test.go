//go:build !race && !invariants

package main

// checked is explained beside its other value.
const checked = false
