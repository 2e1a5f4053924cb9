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
		{
			"profit goes before score, and a record holds until the next tick", `
{"e":"fund","fund":"F","adl_only":true}
{"e":"account_state","account":2,"wallet":"900","positions":[{"symbol":"X","qty":"-3","entry":"101"}]}
{"e":"account_state","account":3,"wallet":"900","positions":[{"symbol":"X","qty":"-9","entry":"101"}]}
{"e":"account_state","account":4,"wallet":"300","positions":[{"symbol":"X","qty":"-20","entry":"99"},{"symbol":"Y","qty":"1","entry":"10"}]}
{"e":"account_state","account":1,"wallet":"-1","positions":[{"symbol":"X","qty":"2","entry":"100"}]}
{"e":"account_state","account":5,"wallet":"900","positions":[{"symbol":"X","qty":"-5","entry":"150"}]}
{"e":"account_state","account":1,"wallet":"-1","positions":[{"symbol":"X","qty":"25","entry":"100"}]}
`, `{"fx":"cancel_orders","seq":11,"account":3,"symbol":"X"}
{"fx":"deleverage","seq":11,"counterparty":3,"qty":"2","rank":1,"score":"0.0009901","unrealized_pnl":"9"}
{"fx":"receipt","seq":11,"needed":"2","taken":"2","ranked_at":11,"candidates":3}
{"fx":"deleverage","seq":13,"counterparty":3,"qty":"7","rank":1,"cost":"-909"}
{"fx":"deleverage","seq":13,"counterparty":2,"qty":"3","rank":2}
{"fx":"deleverage","seq":13,"counterparty":4,"qty":"15","rank":3}
{"fx":"receipt","seq":13,"ranked_at":11,"candidates":3}`,
		}, {
			"an exhausted record is followed by one new ranking", `
{"e":"fund","fund":"F","adl_only":true}
{"e":"account_state","account":2,"wallet":"900","positions":[{"symbol":"X","qty":"-3","entry":"101"}]}
{"e":"account_state","account":1,"wallet":"-1","positions":[{"symbol":"X","qty":"2","entry":"100"}]}
{"e":"account_state","account":5,"wallet":"900","positions":[{"symbol":"X","qty":"-5","entry":"150"}]}
{"e":"account_state","account":1,"wallet":"-1","positions":[{"symbol":"X","qty":"7","entry":"100"}]}
`, `{"fx":"receipt","seq":9,"ranked_at":9}
{"fx":"deleverage","seq":11,"counterparty":2,"qty":"1","rank":1}
{"fx":"deleverage","seq":11,"counterparty":5,"qty":"5","rank":2}
{"fx":"receipt","seq":11,"needed":"7","taken":"6","ranked_at":11,"candidates":2}
{"fx":"takeover","seq":11,"qty":"1"}
{"fx":"alarm","seq":11,"code":"cap_exceeded"}`,
		}, {
			"pro rata by profit, lots by largest remainder, caps in force", `
{"e":"symbol","symbol":"X","adl":{"policy":"pro_rata","max_counterparties":3}}
{"e":"fund","fund":"F","adl_only":true}
{"e":"account_state","account":2,"wallet":"900","positions":[{"symbol":"X","qty":"-2","entry":"200"}]}
{"e":"account_state","account":3,"wallet":"900","positions":[{"symbol":"X","qty":"-10","entry":"110"}]}
{"e":"account_state","account":4,"wallet":"900","positions":[{"symbol":"X","qty":"-10","entry":"110"}]}
{"e":"account_state","account":5,"wallet":"900","positions":[{"symbol":"X","qty":"-10","entry":"101"}]}
{"e":"account_state","account":1,"wallet":"0","positions":[{"symbol":"X","qty":"7","entry":"100"}]}
{"e":"order_done","order":1}
`, `{"fx":"deleverage","counterparty":2,"qty":"2","score":null,"realized":"200"}
{"fx":"deleverage","counterparty":3,"qty":"3"}
{"fx":"deleverage","counterparty":4,"qty":"2"}
{"fx":"receipt","policy":"pro_rata","candidates":3,"cutoff":null,"taken":"7"}
{"no":{"counterparty":5}}`,
		}, {
			"nobody gives more than keeps him healthy", `
{"e":"fund","fund":"F","adl_only":true}
{"e":"account_state","account":2,"wallet":"104.5","positions":[{"symbol":"X","qty":"-10","entry":"100"}]}
{"e":"account_state","account":1,"wallet":"-10","positions":[{"symbol":"X","qty":"10","entry":"100"}]}
`, `{"fx":"deleverage","counterparty":2,"qty":"4","price":"101","realized":"-4"}
{"fx":"receipt","needed":"10","taken":"4"}
{"fx":"takeover","qty":"6","price":"101"}
{"fx":"alarm","code":"cap_exceeded"}`,
		}, {
			"a slice is no larger than its share of the depth", `
{"e":"symbol","symbol":"X","max_age":"60s"}
{"e":"fund_fill","fund":"F","symbol":"X","qty":"-100","price":"100"}
{"e":"depth","symbol":"X","bid_qty":"1000","ask_qty":"0","t":1760131043000000000}
{"e":"time","t":1760131044000000000}
{"e":"depth","symbol":"X","bid_qty":"1000","ask_qty":"41","t":1760131044000000000}
`, `{"no":{"seq":10,"fx":"offload"}}
{"fx":"offload","seq":11,"qty":"3","limit":"101"}`,
		}, {
			"a source may repeat itself", `
{"e":"transfer","account":1,"amount":"5","src":"a","sseq":4}
{"e":"transfer","account":1,"amount":"5","src":"a","sseq":4}
{"e":"transfer","account":1,"amount":"5","src":"b","sseq":4}
{"e":"transfer","account":1,"amount":"-5","src":"b","sseq":5}
{"e":"transfer","account":1,"amount":"5","src":"b","sseq":5}
`, `{"fx":"rejected","seq":8,"code":"duplicate"}
{"fx":"rejected","seq":10,"code":"sign"}
{"state":"account","wallet":"15"}`,
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
