//go:build race

package margin_test

const raceEnabled = true
