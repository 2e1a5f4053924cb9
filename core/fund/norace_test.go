//go:build !race

package fund_test

const raceEnabled = false
