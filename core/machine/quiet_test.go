package machine_test

import (
	"slices"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// A mark that reaches nobody's trigger, and a payment that leaves everyone safe, still
// change what a counterparty has left to give in another contract: what was reckoned
// before is worth nothing after. The scanning machine knows no short way and keeps
// nothing.
func TestQuietEventUnsettles(t *testing.T) {
	t.Run("tick", func(t *testing.T) { unsettles(t, event.Tick(2, unit*999/1000), true) })
	t.Run("transfer", func(t *testing.T) { unsettles(t, event.Transfer(1, -unit*45/100, event.TransferOther), false) })
}

func unsettles(t *testing.T, hurts event.Record, quiet bool) {
	l := machine.Limits{Accounts: 8, Positions: 16, Symbols: 2, Funds: 1, Orders: 64, Sources: 1}
	fx := event.NewEffects(64, nil)
	now := int64(1_760_131_033_000_000_000)
	tick := func(symbol event.SymbolID, mark fixedpoint.Price) event.Event {
		now += 1_000
		return event.Event{event.Tick(symbol, mark).At(now)}
	}
	state := func(id event.AccountID, wallet fixedpoint.Amount, p ...event.PositionState) event.Event {
		return event.AppendAccountState(nil, event.AccountReplacement{Account: id, Wallet: wallet}, p)
	}
	fund, _ := event.MakeName("USDT")
	events := []event.Event{event.AppendFund(nil, event.FundSettings{ID: 1, Name: fund, HasADLOnly: true, ADLOnly: true})}
	for id := event.SymbolID(1); id <= 2; id++ {
		name, _ := event.MakeName([]string{"X", "Y"}[id-1])
		events = append(events, event.AppendSymbol(nil, &event.SymbolSettings{
			ID: id, Name: name, Fund: 1, Tick: unit / 100, Lot: unit,
			Set:   event.SetFund | event.SetTick | event.SetLot | event.SetTiers,
			Tiers: []event.Tier{{MMR: unit / 200}},
		}))
	}
	// Account 1 is short 10 X and long 1,000 Y, with 5.4 beyond its margin of 10: closing
	// an X at 105 costs it 5, so it could give one, until Y falls by a thousandth, or it pays 0.45.
	// Account 4 is in profit and goes first: of the two only it gives.
	long := func(qty fixedpoint.Qty) event.PositionState {
		return event.PositionState{Symbol: 1, Qty: qty, Value: int64(qty) * 110}
	}
	events = append(events, tick(1, 100*unit), tick(2, unit),
		state(4, 1_000*unit, event.PositionState{Symbol: 1, Qty: -10 * unit, Value: -1_010 * unit}),
		state(2, 0), state(3, 0), // opened before: a new account, too, has everything reckoned anew
		state(1, 15*unit+unit*2/5, event.PositionState{Symbol: 1, Qty: -10 * unit, Value: -1_000 * unit}, event.PositionState{Symbol: 2, Qty: 1_000 * unit, Value: 1_000 * unit}),
		state(2, 5*unit, long(unit)),
		event.Event{hurts.At(now + 1_000_000)},
		state(3, 5*unit, long(unit)))

	m, err := machine.New(l)
	if err != nil {
		t.Fatal(err)
	}
	scan, err := machine.NewScan(l)
	if err != nil {
		t.Fatal(err)
	}
	twin := event.NewEffects(64, nil)
	var candidates []uint32
	for i, e := range events {
		fx.Reset()
		twin.Reset()
		before := m.Stats().Quiet
		_, code := m.Apply(e, fx)
		if _, other := scan.Apply(e, twin); code != event.Accepted || other != code || !slices.Equal(fx.All(), twin.All()) {
			t.Fatalf("event %d: %v and %v\n%+v\n%+v", i, code, other, fx.All(), twin.All())
		}
		if i == len(events)-2 && (m.Stats().Quiet > before) != quiet {
			t.Errorf("%v was quiet: %v, want %v", e[0].Kind(), !quiet, quiet)
		}
		for _, x := range fx.All() {
			if x.Kind == event.EffectReceipt {
				candidates = append(candidates, x.Candidates)
			}
		}
	}
	if want := []uint32{2, 1}; !slices.Equal(candidates, want) {
		t.Errorf("receipts with %d candidates, want %d", candidates, want)
	}
}

// A fill that goes the short way counts for the largest mark that fits.
func TestQuietFillGrowsTheLargest(t *testing.T) {
	m, err := machine.New(machine.Limits{Accounts: 2, Positions: 2, Symbols: 1, Funds: 1, Orders: 4, Sources: 1})
	if err != nil {
		t.Fatal(err)
	}
	fx := event.NewEffects(64, nil)
	usdt, _ := event.MakeName("USDT")
	apply := func(e event.Event) event.Reject {
		fx.Reset()
		_, code := m.Apply(e, fx)
		return code
	}
	const now = 1_760_131_033_000_000_000
	largest := fixedpoint.Price(1<<63-1) / 1000 // the mark value of 1,000 fits below it
	for _, e := range []event.Event{
		event.AppendFund(nil, event.FundSettings{ID: 1, Name: usdt}),
		event.AppendSymbol(nil, &event.SymbolSettings{
			ID: 1, Name: usdt, Fund: 1, Tick: 1, Lot: unit, Set: event.SetFund | event.SetTick | event.SetLot | event.SetTiers,
			Tiers: []event.Tier{{MMR: unit / 200}},
		}),
		{event.Tick(1, unit).At(now)},
		event.AppendAccountState(nil, event.AccountReplacement{Account: 1, Wallet: 1_000_000 * unit}, []event.PositionState{{Symbol: 1, Qty: 1_000 * unit, Value: 1_000 * unit}}),
		{event.Tick(1, unit+1).At(now + 1)},
	} {
		if code := apply(e); code != event.Accepted {
			t.Fatalf("%v: %v", e[0].Kind(), code)
		}
	}
	before := m.Stats().Quiet
	if code := apply(event.Event{event.Fill(1, 1, event.Both, unit, unit, 0)}); code != event.Accepted || m.Stats().Quiet == before {
		t.Fatalf("the fill was to be quiet: %v", code)
	}
	if code := apply(event.Event{event.Tick(1, largest).At(now + 2)}); code != event.Overflow {
		t.Errorf("a mark at which 1,001 are worth more than fits: %v, want %v", code, event.Overflow)
	}
}
