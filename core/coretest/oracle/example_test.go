package oracle_test

import (
	"fmt"
	"strings"

	"github.com/backstop-fund/backstop/core/coretest/oracle"
)

// The story of the event vocabulary: a long at 1000 with 100 in its wallet is
// bankrupt at 895, and the fund takes it over at 900.
func Example() {
	e := oracle.New()
	var last []string
	for _, line := range strings.Split(`{"e":"fund","fund":"USDT"}
{"e":"fund_transfer","fund":"USDT","amount":"1000"}
{"e":"symbol","symbol":"BTCUSDT","fund":"USDT","tick":"0.01","lot":"0.001","tiers":[{"floor":"0","cap":"1000000","mmr":"0.005","cum":"0"}]}
{"e":"transfer","account":1,"amount":"100"}
{"e":"transfer","account":2,"amount":"100000"}
{"e":"tick","symbol":"BTCUSDT","mark":"1000","t":1760131033000000000}
{"e":"trade","symbol":"BTCUSDT","qty":"1","price":"1000","buyer":1,"seller":2}
{"e":"tick","symbol":"BTCUSDT","mark":"895","t":1760131034000000000}`, "\n") {
		effects, err := e.Apply([]byte(line))
		if err != nil {
			fmt.Println(err)
		}
		last = effects
	}
	for _, fx := range last {
		fmt.Println(fx)
	}
	fmt.Println(e.State()[0])
	fmt.Println("invariants:", e.Check())
	// Output:
	// {"seq":8,"i":0,"fx":"cancel_orders","account":1}
	// {"seq":8,"i":1,"fx":"bankrupt","account":1,"equity":"-5","reason":"equity"}
	// {"seq":8,"i":2,"fx":"takeover","account":1,"fund":"USDT","symbol":"BTCUSDT","position_side":"both","qty":"1","price":"900","quote":"900","mark_loss":"5"}
	// {"seq":8,"i":3,"fx":"ledger","fund":"USDT","symbol":"BTCUSDT","type":"takeover","amount":"0","cash":"1000"}
	// {"seq":8,"i":4,"fx":"fund","fund":"USDT","cash":"1000","equity":"995","net_notional":"895","cap_notional":"995","mode":"normal"}
	// {"state":"account","account":1,"owner":1,"mode":"cross","status":"healthy","wallet":"0","pending_fee":"0","equity":"0","maintenance_margin":"0","positions":[]}
	// invariants: <nil>
}
