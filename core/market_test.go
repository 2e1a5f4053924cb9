package core_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/fixedpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	unit = fixedpoint.One
	usdt = event.FundID(1)
	btc  = event.SymbolID(1)
	eth  = event.SymbolID(2)
)

// small is room for the tests' markets: an engine that opens in a millisecond.
var small = machine.Limits{Accounts: 1 << 10, Positions: 1 << 11, Symbols: 16, Funds: 4, Orders: 1 << 12, Sources: 16}

func name(s string) event.Name {
	n, ok := event.MakeName(s)
	if !ok {
		panic("bad name " + s)
	}
	return n
}

// venue opens a fund and two contracts, and gives so many accounts a wallet.
func venue(accounts int) []event.Event {
	events := []event.Event{
		event.AppendFund(nil, event.FundSettings{ID: usdt, Name: name("USDT")}),
		{event.FundTransfer(usdt, 1_000*unit, event.FundDeposit)},
	}
	events = append(events, contract(btc, "BTCUSDT"), contract(eth, "ETHUSDT"))
	for id := range event.AccountID(accounts) {
		events = append(events, event.Event{event.Transfer(id+1, 100*unit, event.TransferDeposit)})
	}
	return events
}

func contract(id event.SymbolID, text string) event.Event {
	return event.AppendSymbol(nil, &event.SymbolSettings{
		ID: id, Name: name(text), Fund: usdt, Tick: unit / 100, Lot: unit / 1000,
		Set:   event.SetFund | event.SetTick | event.SetLot | event.SetTiers,
		Tiers: []event.Tier{{Cap: 1_000_000 * unit, MMR: unit / 200}},
	})
}

// market is a seeded stream that has some of everything: trades with fees, marks
// that walk and fall, answers to orders, transfers, refusals. Events have one to
// five records, and one in seven carries a source.
func market(seed uint64, n int) []event.Event {
	r := rand.New(rand.NewPCG(seed, 1))
	const accounts = 24
	events := venue(accounts)
	price := map[event.SymbolID]int64{btc: 1000, eth: 500}
	now := int64(1_760_131_033_000_000_000)
	order := event.OrderID(1)
	anyone := func() event.AccountID { return event.AccountID(1 + r.IntN(accounts)) }
	for len(events) < n {
		symbol := btc + event.SymbolID(r.IntN(2))
		var e event.Event
		switch r.IntN(10) {
		case 0, 1, 2:
			now += int64(r.IntN(3)) * 1_000_000_000
			price[symbol] = max(1, price[symbol]*int64(970+r.IntN(58))/1000)
			e = event.Event{event.Tick(symbol, fixedpoint.Price(price[symbol]*unit)).At(now)}
		case 3, 4, 5:
			buyer := anyone()
			e = event.AppendTrade(nil, event.TradeLegs{
				Symbol: symbol, Qty: fixedpoint.Qty(1+r.IntN(1000)) * unit / 1000, Price: fixedpoint.Price(price[symbol] * unit),
				Buyer: buyer, Seller: buyer%accounts + 1, BuyerFee: fixedpoint.Amount(r.IntN(2)), SellerFee: 1,
			})
		case 6:
			e = event.Event{event.OrderFill(order, unit/1000, fixedpoint.Price(price[symbol]*unit))}
		case 7:
			e = event.Event{event.OrderDone(order, event.Expired)}
			order++
		case 8:
			e = event.Event{event.Transfer(anyone(), fixedpoint.Amount(r.IntN(50)-20)*unit, event.TransferOther)}
		default:
			e = event.AppendAccountState(nil, event.AccountReplacement{Account: anyone(), Wallet: 100 * unit},
				[]event.PositionState{{Symbol: btc, Qty: unit, Value: 1000 * unit}, {Symbol: eth, Qty: -unit, Value: -500 * unit}}[:r.IntN(3)])
		}
		if r.IntN(7) == 0 {
			e = e.WithSource(event.Source{Name: name("feed")}, uint64(len(events)))
		}
		events = append(events, e)
	}
	return events
}

// alone applies events to a machine without rings, the dumb twin of an engine.
func alone(t testing.TB, events []event.Event) (*machine.Machine, []event.Effect) {
	t.Helper()
	m := newMachine(t)
	fx := event.NewEffects(1, nil)
	for _, e := range events {
		m.Apply(e, fx)
	}
	return m, slices.Clone(fx.All())
}

func newMachine(t testing.TB) *machine.Machine {
	t.Helper()
	m, err := machine.New(small)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func open(t testing.TB, c core.Config) *core.Engine {
	t.Helper()
	c.Limits = small
	e, err := core.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func mustClose(t testing.TB, e *core.Engine) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Error("Close:", err)
	}
}

func mustSend(t testing.TB, p *core.Producer, events ...event.Event) {
	t.Helper()
	for i, e := range events {
		if err := p.Send(e); err != nil {
			t.Fatalf("event %d of %d (%v): %v", i+1, len(events), e[0].Kind(), err)
		}
	}
}

func digestOf(t testing.TB, e *core.Engine) (digest [32]byte) {
	t.Helper()
	if err := e.View(context.Background(), func(m *machine.Machine) { digest = m.Digest() }); err != nil {
		t.Fatal("View:", err)
	}
	return digest
}

// drain reads until the engine ends and returns everything it read.
func drain(x *core.Effects, batch int, each func(*event.Effect)) (all []event.Effect, err error) {
	for buf := make([]event.Effect, batch); ; {
		n, err := x.Next(buf)
		if err != nil {
			return all, err
		}
		for i := range buf[:n] {
			all = append(all, buf[i])
			if each != nil {
				each(&buf[i])
			}
		}
	}
}

// sameEffects fails with the first difference.
func sameEffects(t testing.TB, got, want []event.Effect) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("effect %d of %d:\n got %s\nwant %s", i, len(want), show(&got[i]), show(&want[i]))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d effects, want %d", len(got), len(want))
	}
}

func show(x *event.Effect) string {
	return fmt.Sprintf("(%d, %d) %v %+v", x.Seq, x.Index, x.Kind, *x)
}
