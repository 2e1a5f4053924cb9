package core

import (
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/ring"
)

// ahead tells the machine of the accounts in the records from lo on, as many as it
// wants to know at once, and returns the first sequence after them. Records that are
// no head of an event may name accounts that are none; nothing comes of those.
func (l *loop) ahead(lo, hi ring.Sequence) ring.Sequence {
	var ids [machine.Lookahead + 1]event.AccountID // a trade names two
	some := ids[:0]
	for ; lo < hi && len(some) < machine.Lookahead; lo++ {
		some = l.input.At(lo).Accounts(some)
	}
	l.machine.Ahead(some)
	return lo
}
