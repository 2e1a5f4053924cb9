package simulator

import (
	"runtime/debug"
	"testing"

	"go.uber.org/goleak"
)

// A run makes machines, rings and files anew at every restart, and leaves them
// behind: the more seldom they are looked for, the more runs there are.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	goleak.VerifyTestMain(m)
}
