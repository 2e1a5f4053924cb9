package core_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
)

// A matching process links the engine: it sends its trades and marks, and acts on
// the effects. The engine asks it to sell part of account 1, and it does.
func Example() {
	engine, err := core.Open(core.Config{}) // with a Dir it would resume after a restart
	if err != nil {
		log.Fatal(err)
	}
	in, out := engine.Producer(), engine.Effects()
	for _, e := range []event.Event{
		event.AppendFund(nil, event.FundSettings{ID: usdt, Name: name("USDT")}),
		contract(btc, "BTCUSDT"), // tick 0.01, lot 0.001, maintenance margin 0.5 %
		{event.Transfer(1, 100*unit, event.TransferDeposit)},
		{event.Transfer(2, 5_000*unit, event.TransferDeposit)},
		{event.Tick(btc, 1_000*unit)},
		event.AppendTrade(nil, event.TradeLegs{Symbol: btc, Qty: unit, Price: 1_000 * unit, Buyer: 1, Seller: 2}),
		{event.Tick(btc, 904*unit)}, // account 1 has 4 left and needs 4.52
	} {
		if err := in.Send(e); err != nil {
			log.Fatal(err)
		}
	}
	effects := make([]event.Effect, 64)
	for recovered := false; !recovered; {
		n, err := out.Next(effects)
		if err != nil {
			log.Fatal(err)
		}
		for _, x := range effects[:n] {
			fmt.Println(x.Kind, "account", x.Account, "order", x.Order, "qty", x.Qty, "limit", x.Price)
			recovered = x.Kind == event.EffectRecovered
			if x.Kind != event.EffectLiquidate {
				continue
			}
			// The order goes to the book, which fills it at 904. Who reads effects
			// never waits to send: at core.ErrFull it would read on and try again.
			for _, answer := range []event.Record{event.OrderFill(x.Order, -x.Qty, 904*unit), event.OrderDone(x.Order, event.Filled)} {
				if err := in.TrySend(event.Event{answer}); err != nil {
					log.Fatal(err)
				}
			}
		}
		if err := out.Ack(effects[n-1].Seq, effects[n-1].Index); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(engine.Close())
	// Output:
	// fund account 0 order 0 qty 0 limit 0
	// cancel_orders account 1 order 0 qty 0 limit 0
	// liquidate account 1 order 1 qty -0.116 limit 900
	// recovered account 1 order 0 qty 0 limit 0
	// <nil>
}

// The machine alone: no ring, no goroutine, effects as soon as Apply returns.
func Example_machine() {
	m, err := machine.New(machine.DefaultLimits)
	if err != nil {
		log.Fatal(err)
	}
	fx := event.NewEffects(16, nil)
	var seq uint64
	for _, e := range crash(2) { // two longs at 1000, then a mark of 904
		fx.Reset()
		seq, _ = m.Apply(e, fx)
	}
	for _, x := range fx.All() { // of the last event
		fmt.Println(x.Seq == seq, x.Index, x.Kind, x.Account)
	}
	// Output:
	// true 0 cancel_orders 1
	// true 1 liquidate 1
	// true 2 cancel_orders 2
	// true 3 liquidate 2
}

// Readers look at the machine on the core's goroutine, between two events.
func ExampleEngine_View() {
	engine, err := core.Open(core.Config{AutoAck: true})
	if err != nil {
		log.Fatal(err)
	}
	in := engine.Producer()
	for _, e := range venue(2) {
		if err := in.Send(e); err != nil {
			log.Fatal(err)
		}
	}
	var account event.AccountView
	err = engine.View(context.Background(), func(m *machine.Machine) {
		for id, text := range m.Symbols {
			fmt.Println(id, text)
		}
		m.Account(2, &account)
	})
	fmt.Println("wallet", account.Wallet, err)
	fmt.Println(engine.Close())
	// Output:
	// 1 BTCUSDT
	// 2 ETHUSDT
	// wallet 100 <nil>
	// <nil>
}

// Each snapshot is compared with what the one before it and the journal lead to.
func ExampleVerify() {
	dir, err := os.MkdirTemp("", "backstop")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	config := core.Config{Dir: dir, Limits: small, AutoAck: true}
	for _, events := range [][]event.Event{venue(2), {{event.Tick(btc, 1_000*unit)}}} {
		engine, err := core.Open(config)
		if err != nil {
			log.Fatal(err)
		}
		for _, e := range events {
			if err := engine.Producer().Send(e); err != nil {
				log.Fatal(err)
			}
		}
		if err := engine.Close(); err != nil { // takes a snapshot
			log.Fatal(err)
		}
	}
	found, err := core.Verify(context.Background(), config)
	for _, x := range found {
		fmt.Println("snapshot of event", x.Snapshot.Sequence, "from", x.From, "by", x.Events, "events:", x.Err)
	}
	fmt.Println(err)
	// Output:
	// snapshot of event 6 from 0 by 6 events: <nil>
	// snapshot of event 7 from 6 by 1 events: <nil>
	// <nil>
}

// A core that spins on a thread of its own, for those who have a CPU to spare. On
// Linux Pin and FIFO would add which CPU, and that nothing else gets it.
func ExampleThread() {
	engine, err := core.Open(core.Config{Thread: core.Thread{Lock: true, Spin: true}})
	if err != nil {
		log.Fatal(err)
	}
	has := engine.Thread()
	fmt.Println("locked:", has.Lock, "spins:", has.Spin)
	fmt.Println(engine.Close())
	// Output:
	// locked: true spins: true
	// <nil>
}
