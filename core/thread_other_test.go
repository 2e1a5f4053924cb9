//go:build !linux

package core_test

import (
	"testing"

	"github.com/backstop-fund/backstop/core"
)

// What this system cannot give is refused, not left out.
func TestThreadElsewhere(t *testing.T) {
	refused(t, core.Config{Thread: core.Thread{Pin: true}}, "for Linux, this is")
	refused(t, core.Config{Thread: core.Thread{FIFO: 1}}, "for Linux, this is")
}
