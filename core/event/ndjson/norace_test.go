//go:build !race

package ndjson

// raceEnabled is false without the race detector.
const raceEnabled = false
