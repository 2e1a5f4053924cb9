package machine

import (
	"testing"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/event"
	"pgregory.net/rapid"
)

// The dumb twin is a map that is searched.
func TestTimersAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const accounts = 40
		table := account.New(accounts, accounts, 1)
		for id := range event.AccountID(accounts) {
			table.Add(id, id, event.Cross)
		}
		x, twin := newTimers(accounts, table), map[account.Slot]int64{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			s := account.Slot(rapid.Int32Range(0, accounts-1).Draw(t, "slot"))
			if rapid.IntRange(0, 2).Draw(t, "what") == 0 {
				x.stop(s)
				delete(twin, s)
			} else {
				due := rapid.Int64Range(1, 20).Draw(t, "due")
				x.start(timer{due, 1, s})
				twin[s] = due
			}
			if now := rapid.Int64Range(0, 25).Draw(t, "now"); rapid.IntRange(0, 9).Draw(t, "overdue") == 0 {
				for _, s := range x.overdue(now, nil) {
					if twin[s] > now || twin[s] == 0 {
						t.Fatalf("slot %d of %d is overdue at %d", s, twin[s], now)
					}
					twin[s] = now + 1
				}
			}
			first := int64(never)
			for s := range account.Slot(accounts) {
				if got := x.of(s).due; got != twin[s] {
					t.Fatalf("slot %d is due at %d, want %d", s, got, twin[s])
				}
			}
			for _, due := range twin {
				first = min(first, due)
			}
			if x.next() != first || len(x.heap) != len(twin) {
				t.Fatalf("next at %d of %d, want %d of %d", x.next(), len(x.heap), first, len(twin))
			}
		}
	})
}
