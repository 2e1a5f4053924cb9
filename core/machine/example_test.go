package machine_test

import (
	"fmt"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/event/ndjson"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/fixedpoint"
)

const unit = fixedpoint.One

// A long of 1 at 1000 with 100 in the wallet is worth less than nothing at 895:
// the fund takes it at its bankruptcy price of 900.
func ExampleMachine() {
	m, err := machine.New(machine.DefaultLimits)
	if err != nil {
		fmt.Println(err)
		return
	}
	fund, _ := event.MakeName("USDT")
	symbol, _ := event.MakeName("BTCUSDT")
	var names ndjson.Names // only to print effects
	if err := names.BindFund(fund, 1); err != nil {
		fmt.Println(err)
	}
	if err := names.BindSymbol(symbol, 1); err != nil {
		fmt.Println(err)
	}
	effects := event.NewEffects(16, nil)
	for _, e := range []event.Event{
		event.AppendFund(nil, event.FundSettings{ID: 1, Name: fund}),
		{event.FundTransfer(1, 1_000*unit, event.FundDeposit)},
		event.AppendSymbol(nil, &event.SymbolSettings{
			ID: 1, Name: symbol, Fund: 1, Tick: unit / 100, Lot: unit / 1000,
			Set:   event.SetFund | event.SetTick | event.SetLot | event.SetTiers,
			Tiers: []event.Tier{{Cap: 1_000_000 * unit, MMR: unit / 200}},
		}),
		{event.Transfer(1, 100*unit, event.TransferDeposit)},
		{event.Transfer(2, 100_000*unit, event.TransferDeposit)},
		{event.Tick(1, 1_000*unit).At(1760131033000000000)},
		event.AppendTrade(nil, event.TradeLegs{Symbol: 1, Qty: unit, Price: 1_000 * unit, Buyer: 1, Seller: 2}),
		{event.Tick(1, 895*unit).At(1760131034000000000)},
	} {
		effects.Reset()
		if _, code := m.Apply(e, effects); code != event.Accepted {
			fmt.Println("refused:", code)
		}
	}
	for _, x := range effects.All() {
		fmt.Println(string(ndjson.AppendEffect(nil, &names, &x)))
	}
	// Output:
	// {"seq":8,"i":0,"fx":"cancel_orders","account":1}
	// {"seq":8,"i":1,"fx":"bankrupt","account":1,"equity":"-5","reason":"equity"}
	// {"seq":8,"i":2,"fx":"takeover","account":1,"fund":"USDT","symbol":"BTCUSDT","position_side":"both","qty":"1","price":"900","quote":"900","mark_loss":"5"}
	// {"seq":8,"i":3,"fx":"ledger","fund":"USDT","symbol":"BTCUSDT","type":"takeover","amount":"0","cash":"1000"}
	// {"seq":8,"i":4,"fx":"fund","fund":"USDT","cash":"1000","equity":"995","net_notional":"895","cap_notional":"995","mode":"normal"}
}
