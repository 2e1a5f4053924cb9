package machine

import (
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/internal/invariant"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// healthyPair is a machine with a long and a short of 1 at 1000.
func healthyPair(t *testing.T) *Machine {
	t.Helper()
	const unit = fixedpoint.One
	m, err := New(Limits{Accounts: 4, Positions: 4, Symbols: 1, Funds: 1, Orders: 4, Sources: 1})
	if err != nil {
		t.Fatal(err)
	}
	name, _ := event.MakeName("F")
	fx := event.NewEffects(8, nil)
	for _, e := range []event.Event{
		event.AppendFund(nil, event.FundSettings{ID: 1, Name: name}),
		{event.FundTransfer(1, 1_000*unit, event.FundDeposit)},
		event.AppendSymbol(nil, &event.SymbolSettings{
			ID: 1, Name: name, Fund: 1, Tick: unit, Lot: unit,
			Set:   event.SetFund | event.SetTick | event.SetLot | event.SetTiers,
			Tiers: []event.Tier{{MMR: unit / 100}},
		}),
		{event.Tick(1, 1_000*unit)},
		{event.Transfer(1, 100*unit, event.TransferDeposit)},
		{event.Transfer(2, 100*unit, event.TransferDeposit)},
		event.AppendTrade(nil, event.TradeLegs{Symbol: 1, Qty: unit, Price: 1_000 * unit, Buyer: 1, Seller: 2}),
	} {
		if _, code := m.Apply(e, fx); code != event.Accepted {
			t.Fatal(code)
		}
	}
	return m
}

// TestCanary breaks a machine in every way Check looks for: an alarm that cannot
// ring is none.
func TestCanary(t *testing.T) {
	if err := healthyPair(t).Check(); err != nil {
		t.Fatalf("whole: %v", err)
	}
	for _, c := range []struct {
		name   string
		always bool // not only in builds with invariants
		breaks func(m *Machine, a *account.Account, p *account.Position)
	}{
		{"conserve", false, func(_ *Machine, a *account.Account, _ *account.Position) { a.Wallet++ }},
		{"conserve", false, func(m *Machine, _ *account.Account, _ *account.Position) { m.funds[0].Cash-- }},
		{"conserve", false, func(_ *Machine, _ *account.Account, p *account.Position) { p.Cost++ }},
		{"flat", false, func(_ *Machine, _ *account.Account, p *account.Position) { p.Qty++ }},
		{"flat", false, func(m *Machine, _ *account.Account, _ *account.Position) { m.contracts[0].inventory.Qty-- }},
		{"settled", true, func(m *Machine, _ *account.Account, _ *account.Position) { m.contracts[0].mark = 1 }},
		{"pending", true, func(_ *Machine, a *account.Account, _ *account.Position) { a.Pending++ }},
		{"open orders", true, func(_ *Machine, a *account.Account, _ *account.Position) { a.Orders++ }},
		{"empty position", true, func(m *Machine, a *account.Account, _ *account.Position) { *m.accounts.Fee(a.First)-- }},
	} {
		if !c.always && !invariant.Enabled {
			continue // what came in is only counted there
		}
		m := healthyPair(t)
		a := m.accounts.At(m.accounts.Find(1))
		c.breaks(m, a, m.accounts.Position(a.First))
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), c.name) {
			t.Errorf("%s is broken, Check says %v", c.name, err)
		}
	}
	if !invariant.Enabled {
		t.Log("conserve and flat are counted under -tags invariants or -race")
	}
}

// TestCheckRuns: in builds with invariants Apply does not return from a broken state.
func TestCheckRuns(t *testing.T) {
	if !invariant.Enabled {
		t.Skip("no recount in this build: -tags invariants or -race has it")
	}
	m := healthyPair(t)
	m.accounts.At(m.accounts.Find(2)).Wallet++
	defer func() {
		if recover() == nil {
			t.Error("Apply went on with money from nowhere")
		}
	}()
	m.Apply(event.Event{event.Time(1)}, event.NewEffects(1, nil))
}
