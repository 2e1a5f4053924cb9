package oracle

import (
	"math/big"
	"strings"
	"testing"
)

// world is a fund with a million, and contracts X and Y at mark 100 of it.
const world = `{"e":"fund","fund":"F"}
{"e":"fund_transfer","fund":"F","amount":"1000000"}
{"e":"symbol","symbol":"X","fund":"F","tick":"0.01","lot":"1","max_age":"8760h","liq_attempts":1,"tiers":[{"floor":"0","mmr":"0.1","cum":"0"}]}
{"e":"symbol","symbol":"Y","fund":"F","tick":"0.01","lot":"1","max_age":"8760h","liq_attempts":1,"tiers":[{"floor":"0","mmr":"0.1","cum":"0"}]}
{"e":"tick","symbol":"X","mark":"100","t":1760131034000000000}
{"e":"tick","symbol":"Y","mark":"100"}
`

// TestWorked holds the numbers that the rules work out in passing, and what
// READINGS.md decides.
func TestWorked(t *testing.T) {
	for _, c := range []struct{ name, events, want string }{
		{
			"two hedge legs have a price above", `
{"e":"account_state","account":1,"wallet":"200","positions":[{"symbol":"X","position_side":"long","qty":"10","entry":"100"},{"symbol":"X","position_side":"short","qty":"-9","entry":"100"}]}
`, `{"state":"account","positions":[{"position_side":"long","liquidation_below":null,"liquidation_above":"~111.11"},{"position_side":"short","liquidation_above":"~111.11"}]}`,
		}, {
			"netting hedge legs heals", `
{"e":"account_state","account":1,"wallet":"100","positions":[{"symbol":"X","position_side":"long","qty":"10","entry":"100"},{"symbol":"X","position_side":"short","qty":"-9","entry":"100"}]}
{"e":"order_done","order":1}
`, `{"fx":"liquidate","order":1,"position_side":"long","qty":"-9"}
{"fx":"bankrupt","equity":"100","reason":"unable"}
{"fx":"netted","qty":"9","price":"100"}
{"fx":"recovered"}
{"state":"account","wallet":"100","status":"healthy","positions":[{"position_side":"long","qty":"1"}]}`,
		}, {
			"what cannot be liquidated leaves its equity, within the bound", `
{"e":"account_state","account":1,"wallet":"90","positions":[{"symbol":"X","qty":"10","entry":"100"}]}
{"e":"order_done","order":1}
`, `{"fx":"liquidate","limit":"91","qty":"-1"}
{"fx":"bankrupt","equity":"90","reason":"unable"}
{"fx":"takeover","price":"95","quote":"950","mark_loss":"-50"}
{"fx":"ledger","type":"takeover","amount":"0"}
{"fx":"surplus","amount":"40"}
{"fx":"ledger","type":"surplus","amount":"40","cash":"1000040"}
{"fx":"fund","cash":"1000040","equity":"1000090","net_notional":"1000","cap_notional":"1000040"}
{"state":"account","wallet":"0","status":"healthy","positions":[]}`,
		}, {
			"the fund covers what the bound leaves over", `
{"e":"account_state","account":1,"wallet":"-100","positions":[{"symbol":"X","qty":"10","entry":"100"}]}
`, `{"fx":"bankrupt","equity":"-100","reason":"equity"}
{"fx":"takeover","price":"105","quote":"1050","mark_loss":"50"}
{"fx":"cover","amount":"50"}
{"fx":"ledger","type":"cover","amount":"-50","cash":"999950"}
{"no":{"fx":"alarm"}}`,
		}, {
			"the bound gives way to an empty fund", `
{"e":"fund_transfer","fund":"F","amount":"-999970"}
{"e":"account_state","account":1,"wallet":"-100","positions":[{"symbol":"X","qty":"10","entry":"100"}]}
`, `{"fx":"receipt","needed":"10","taken":"0","cutoff":null,"candidates":0,"base":"0","room":"0"}
{"fx":"takeover","price":"107","quote":"1070"}
{"fx":"cover","amount":"30"}
{"fx":"alarm","code":"bound_lifted"}
{"fx":"alarm","code":"cap_exceeded"}
{"fx":"fund","cash":"0","equity":"-70"}`,
		}, {
			"a market try is bounded", `
{"e":"symbol","symbol":"X","try_market":true}
{"e":"account_state","account":1,"wallet":"-100","positions":[{"symbol":"X","qty":"10","entry":"100"}]}
{"e":"order_fill","order":1,"qty":"4","price":"99"}
{"e":"order_done","order":1}
`, `{"fx":"cancel_orders","seq":8}
{"fx":"liquidate","seq":8,"qty":"-10","limit":"95"}
{"fx":"cancel_orders","seq":10}
{"fx":"bankrupt","seq":10,"equity":"-104"}
{"fx":"takeover","qty":"6","price":"105"}`,
		}, {
			"a blocked mark keeps a position for later", `
{"e":"halt","symbol":"Y"}
{"e":"account_state","account":1,"wallet":"-10","positions":[{"symbol":"X","qty":"10","entry":"100"},{"symbol":"Y","qty":"10","entry":"100"}]}
{"e":"resume","symbol":"Y"}
`, `{"fx":"bankrupt","seq":8,"equity":"-10"}
{"fx":"takeover","seq":8,"symbol":"X","quote":"1005"}
{"fx":"takeover","seq":9,"symbol":"Y","quote":"1005"}
{"state":"account","wallet":"0","status":"healthy"}`,
		}, {
			"all blocked is not bankrupt before", `
{"e":"halt","symbol":"X"}
{"e":"account_state","account":1,"wallet":"-10","positions":[{"symbol":"X","qty":"10","entry":"100"}]}
{"e":"resume","symbol":"X"}
`, `{"no":{"seq":8}}
{"fx":"cancel_orders","seq":9,"i":0}
{"fx":"bankrupt","seq":9,"i":1}`,
		}, {
			"a jump is held until a second tick confirms it", `
{"e":"symbol","symbol":"X","max_jump":"0.1"}
{"e":"tick","symbol":"X","mark":"150","t":1760131034100000000}
{"e":"tick","symbol":"X","mark":"152","t":1760131034200000000}
{"e":"tick","symbol":"X","mark":"100","t":1760131034300000000}
{"e":"time","t":1760131035300000000}
{"e":"account_state","account":1,"wallet":"1000","positions":[{"symbol":"X","qty":"1","entry":"100"}]}
`, `{"fx":"alarm","seq":8,"code":"mark_held","symbol":"X"}
{"fx":"alarm","seq":10,"code":"mark_held"}
{"fx":"alarm","seq":11,"code":"mark_held"}
{"no":{"fx":"alarm","seq":9}}
{"state":"account","positions":[{"mark":"100"}]}`,
		}, {
			"a fact that does not fit puts the account out of sync", `
{"e":"account","account":1,"mode":"isolated"}
{"e":"fill","account":1,"symbol":"X","qty":"1","price":"1"}
{"e":"fill","account":1,"symbol":"Y","qty":"1","price":"1"}
{"e":"fill","account":1,"symbol":"Y","qty":"1","price":"1"}
{"e":"fill","account":1,"symbol":"X","position_side":"long","qty":"1","price":"1"}
{"e":"transfer","account":1,"amount":"-1","reason":"withdrawal"}
`, `{"fx":"alarm","seq":9,"code":"out_of_sync","account":1}
{"no":{"fx":"alarm","seq":10}}
{"fx":"rejected","seq":12,"code":"margin"}
{"state":"account","account":1,"status":"out_of_sync","positions":[{"symbol":"X","qty":"1"}]}`,
		}, {
			"a debt without a contract stays", `
{"e":"transfer","account":1,"amount":"-7","reason":"fee"}
{"e":"time","t":1760131035300000000}
`, `{"fx":"bankrupt","equity":"-7","reason":"deficit"}
{"fx":"alarm","code":"debt","account":1}
{"no":{"seq":8}}
{"state":"account","wallet":"-7"}`,
		}, {
			"a fund covers a flat account's debt", `
{"e":"trade","symbol":"X","qty":"1","price":"100","buyer":1,"seller":2,"seller_fee":"-1000"}
{"e":"trade","symbol":"X","qty":"1","price":"100","buyer":2,"seller":1,"seller_fee":"7"}
{"e":"order_done","order":1}
`, `{"fx":"bankrupt","seq":9,"account":1,"equity":"-7","reason":"deficit"}
{"fx":"cover","account":1,"fund":"F","symbol":"X","amount":"7"}
{"fx":"ledger","type":"cover","amount":"-7","cash":"999993"}
{"no":{"fx":"alarm"}}`,
		}, {
			"min_max spares the small", `
{"e":"symbol","symbol":"X","adl":{"policy":"min_max"}}
{"e":"fund","fund":"F","adl_only":true}
{"e":"account_state","account":2,"wallet":"1000","positions":[{"symbol":"X","qty":"-10","entry":"100"}]}
{"e":"account_state","account":3,"wallet":"3000","positions":[{"symbol":"X","qty":"-10","entry":"100"}]}
{"e":"account_state","account":1,"wallet":"-8","positions":[{"symbol":"X","qty":"8","entry":"100"}]}
`, `{"fx":"deleverage","counterparty":2,"qty":"2","quote":"202","score":null,"realized":"-2"}
{"fx":"deleverage","counterparty":3,"qty":"6","quote":"606","realized":"-6"}
{"fx":"receipt","policy":"min_max","cutoff":"0.002","price":"101"}
{"no":{"fx":"takeover"}}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, []byte(c.want), run(t, New(), []byte(world+strings.TrimSpace(c.events))))
		})
	}
}

// The example of the rules: 40.2 of profit on 4.27 at a margin ratio of 13.42 %.
func TestScoreBinance(t *testing.T) {
	r := row{accountPnL: rate("40.2"), wallet: rate("4.27"), mm: rate("0.1342"), equity: rate("1")}
	if got, want := decimal(showRat(r.scored(&symbol{score: "binance"}, true))), "1.26342857"; got != want {
		t.Errorf("score %s, want %s", got, want)
	}
	r.wallet = rate("0.5") // below one unit it counts as one
	if got := r.scored(&symbol{score: "binance"}, true); got.Cmp(rat(mul(rate("40.2"), rate("0.1342")), e16)) != 0 {
		t.Errorf("score with half a unit in the wallet: %v", got)
	}
}

func TestShareTiesGoToTheEarlier(t *testing.T) {
	got := share(big.NewInt(-10), []num{one, one, one})
	if got[0].Int64() != -4 || got[1].Int64() != -3 || got[2].Int64() != -3 {
		t.Errorf("got %v, want -4 -3 -3", got)
	}
}

func TestHalfEven(t *testing.T) {
	for _, c := range []struct{ a, b, want int64 }{{5, 2, 2}, {7, 2, 4}, {-5, 2, -2}, {-7, 2, -4}, {5, -2, -2}, {8, 3, 3}, {7, 3, 2}, {-8, 3, -3}} {
		if got := halfEven(big.NewInt(c.a), big.NewInt(c.b)); got.Int64() != c.want {
			t.Errorf("%d/%d = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
