package machine_test

import (
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// crowd is a machine in which every account holds one unit of contract 1 at 1000,
// half of them short, with so much margin that no mark between 900 and 1100 hurts.
type crowd struct {
	*machine.Machine
	fx  *event.Effects
	n   int
	one [1]event.Record // the event in hand, so that making it allocates nothing
}

func (c *crowd) event(r event.Record) event.Event {
	c.one[0] = r
	return c.one[:]
}

type discard struct{}

func (discard) Effects([]event.Effect) {}

func newCrowd(tb testing.TB, accounts int) *crowd {
	m, err := machine.New(machine.Limits{Accounts: accounts, Positions: accounts, Symbols: 1, Funds: 1, Orders: 64, Sources: 1})
	if err != nil {
		tb.Fatal(err)
	}
	c := &crowd{Machine: m, fx: event.NewEffects(64, discard{}), n: accounts}
	fund, _ := event.MakeName("USDT")
	symbol, _ := event.MakeName("BTCUSDT")
	c.apply(tb, event.AppendFund(nil, event.FundSettings{ID: 1, Name: fund}))
	c.apply(tb, event.Event{event.FundTransfer(1, 1_000_000*unit, event.FundDeposit)})
	c.apply(tb, event.AppendSymbol(nil, &event.SymbolSettings{
		ID: 1, Name: symbol, Fund: 1, Tick: unit / 100, Lot: unit / 1000,
		Set:   event.SetFund | event.SetTick | event.SetLot | event.SetTiers,
		Tiers: []event.Tier{{Cap: 50_000 * unit, MMR: unit / 200}, {Floor: 50_000 * unit, MMR: unit / 100, Cum: 250 * unit}},
	}))
	c.apply(tb, event.Event{event.Tick(1, 1_000*unit)})
	for i := range accounts {
		c.apply(tb, event.Event{event.Transfer(account(i), 10_000*unit, event.TransferDeposit)})
		qty := fixedpoint.Qty(unit)
		if i%2 == 1 {
			qty = -qty
		}
		c.apply(tb, event.Event{event.Fill(account(i), 1, event.Both, qty, 1_000*unit, 0)})
	}
	return c
}

func account(i int) event.AccountID { return event.AccountID(i + 1) }

func (c *crowd) apply(tb testing.TB, e event.Event) {
	if _, code := c.Apply(e, c.fx); code != event.Accepted {
		tb.Fatalf("workload drifted: %v refused as %v", e[0].Kind(), code)
	}
}

// tick moves the mark by a hundredth, up and down.
func (c *crowd) tick(i int) event.Event {
	return c.event(event.Tick(1, fixedpoint.Price(1_000*unit+int64(i%2)*unit/100)))
}

// fill adds a thousandth to a long or takes it away.
func (c *crowd) fill(i int) event.Event {
	qty := fixedpoint.Qty(unit / 1000)
	if i/c.n%2 == 1 {
		qty = -qty
	}
	return c.event(event.Fill(account(i*7%c.n), 1, event.Both, qty, 1_000*unit, 0))
}

func (c *crowd) transfer(i int) event.Event {
	return c.event(event.Transfer(account(i*7%c.n), fixedpoint.Amount(1-2*(i/c.n%2)), event.TransferFunding))
}
