package ndjson_test

import (
	"fmt"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/event/ndjson"
)

// A fund is created, its name bound once it is accepted, and then referred to.
// A line that can be read in two ways is refused where the second one begins.
func ExampleDecoder_Decode() {
	var names ndjson.Names
	d := ndjson.NewDecoder(&names)

	e, err := d.Decode([]byte(`{"e":"fund","fund":"USDT","cap":"0.5"}`), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	created := e.FundSettings()
	if err := names.BindFund(created.Name, created.ID); err != nil {
		fmt.Println(err)
		return
	}

	e, err = d.Decode([]byte(`{"e":"fund_transfer","fund":"USDT","amount":"1000.50"}`), e)
	fmt.Println(string(ndjson.AppendEvent(nil, &names, e)), err)

	_, err = d.Decode([]byte(`{"e":"fund_transfer","fund":"USDT","amount":"1","amount":"1000000"}`), e)
	fmt.Println(err)
	// Output:
	// {"e":"fund_transfer","fund":"USDT","amount":"1000.5","reason":"deposit"} <nil>
	// 3:49: key "amount" is given twice
}

// The detail of a refusal is made from its code and evidence.
func ExampleAppendEffect() {
	var names ndjson.Names
	x := event.Effect{
		Seq: 9, Kind: event.EffectRejected, Reason: uint8(event.Margin),
		Flags: event.HasAccount, Account: 7, Amount: 12_50000000,
	}
	fmt.Println(string(ndjson.AppendEffect(nil, &names, &x)))
	// Output:
	// {"seq":9,"i":0,"fx":"rejected","code":"margin","detail":"account 7 may withdraw at most 12.5 now"}
}
