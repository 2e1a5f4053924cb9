package machine_test

import (
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/internal/invariant"
)

// A machine that runs allocates nothing: neither for ticks, fills and transfers
// that hurt nobody, nor for orders to an account in distress, their answers, a
// refusal.
func TestNoAllocations(t *testing.T) {
	if raceEnabled || invariant.Enabled {
		t.Skip("the race detector and the recount of invariants allocate")
	}
	c := newCrowd(t, 200)
	// Below its margin at every mark of the stream, and never bankrupt.
	c.apply(t, event.AppendAccountState(nil, event.AccountReplacement{Account: 1, Wallet: 100 * unit},
		[]event.PositionState{{Symbol: 1, Qty: unit, Value: 1_096 * unit}}))
	order := event.OrderID(1)
	i := 0
	round := func() {
		c.apply(t, c.event(event.OrderDone(order, event.Rejected)))
		c.apply(t, c.tick(i))
		c.apply(t, c.fill(2*i+1))
		c.apply(t, c.transfer(2*i+1))
		c.apply(t, c.event(event.Time(int64(i))))
		if _, code := c.Apply(c.event(event.Halt(9)), c.fx); code != event.UnknownSymbol {
			t.Fatalf("halt of an unknown symbol: %v", code)
		}
		order++
		i++
	}
	for range 300 {
		round() // scratch grows to its largest need, finished orders begin to be forgotten
	}
	before := c.fx.Count()
	const rounds = 5_000
	if n := testing.AllocsPerRun(rounds, round); n != 0 {
		t.Errorf("%v allocations a round of 6 events, want 0", n)
	}
	if n := c.fx.Count() - before; n != 2*(rounds+1) {
		t.Errorf("%d effects of %d rounds, want an order and a refusal each", n, rounds+1)
	}
}
