package machine

import "github.com/backstop-fund/backstop/core/event"

// Lookahead is how many accounts Ahead looks at together: as many as a CPU keeps
// loads of in flight.
const Lookahead = 16

// Ahead tells the machine of accounts that coming events are about, at most
// Lookahead of them. It changes nothing but what is near in the caches: with a
// million accounts an event waits for memory longer than it computes, and those of
// a batch can wait together. See [event.Record.Accounts].
func (m *Machine) Ahead(ids []event.AccountID) {
	var at [Lookahead]int32
	ids = ids[:min(len(ids), Lookahead)]
	m.seen ^= m.accounts.Ahead(ids, at[:]) ^ uint64(m.index.Ahead(at[:len(ids)]))
}
