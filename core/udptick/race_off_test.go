//go:build !race

package udptick

const raceEnabled = false
