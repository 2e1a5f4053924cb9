package core_test

import (
	"testing"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/machine"
)

// Stats tells the memory that was set aside, and that no more of it is in huge pages
// than there is; how much is, is the system's affair.
func TestMemory(t *testing.T) {
	l := machine.Limits{Accounts: 1 << 18, Positions: 1 << 19, Symbols: 4, Funds: 1, Orders: 1 << 10, Sources: 1}
	e, err := core.Open(core.Config{Limits: l})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, e)
	s := e.Stats()
	if least := 64*l.Accounts + 32*l.Positions; s.Memory < least || s.HugePages < 0 || s.HugePages > s.Memory {
		t.Errorf("%d bytes, of them %d in huge pages; want %d at least", s.Memory, s.HugePages, least)
	}
	t.Logf("%d MiB, %d MiB in huge pages", s.Memory>>20, s.HugePages>>20)
}
