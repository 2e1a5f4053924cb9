package coretest

import (
	"fmt"
	"strings"

	"github.com/backstop-fund/backstop/core/event"
)

// operator is what people do.
func (s *Stream) operator(name string) string {
	switch s.choose(9) {
	case 0:
		if v := s.choose(s.most(2000)) - 700; v != 0 {
			return s.stamp(fmt.Sprintf(`{"e":"fund_transfer","fund":"F","amount":"%s"`, s.strange(s.money(v))))
		}
		return s.stamp(`{"e":"fund_transfer","fund":"F","amount":"0"`)
	case 1:
		return s.stamp(fmt.Sprintf(`{"e":"fund_transfer","fund":"%s","amount":"-%s","reason":"adjustment"`, s.pick("F", "G"), s.money(1+s.choose(300))))
	case 2:
		return s.stamp(`{"e":"mode","mode":"loading"`)
	case 3, 4:
		return s.stamp(`{"e":"mode","mode":"live"`)
	case 5:
		return s.stamp(fmt.Sprintf(`{"e":"fund","fund":"%s",%s`, s.pick("F", "G", "H"), s.pick(`"adl_only":true`, `"adl_only":false`, `"cap":"0.2"`, `"cap":"2"`)))
	case 6:
		return strings.Replace(s.symbol(name, ""), `"fund":"F",`, "", 1)
	case 7:
		return s.stamp(fmt.Sprintf(`{"e":"account_close","account":%d`, s.account()))
	}
	return s.stamp(fmt.Sprintf(`{"e":"account","account":%d,"mode":"%s"`, s.account(), s.pick("cross", "isolated")))
}

// mistake is an event that the rules refuse, or would if the state were another.
func (s *Stream) mistake(name string) string {
	order := event.OrderID(1 + s.choose(300))
	if n := len(s.orders); n > 0 && s.choose(3) > 0 {
		order = s.orders[n-1]
	}
	return s.stamp(s.pick(
		`{"e":"tick","symbol":"Q","mark":"1"`,
		fmt.Sprintf(`{"e":"tick","symbol":"%s","mark":"1","mt":%d`, name, s.t+3e9),
		fmt.Sprintf(`{"e":"tick","symbol":"%s","mark":"1","mt":%d`, name, s.t-900e9),
		fmt.Sprintf(`{"e":"tick","symbol":"%s","mark":"92233720368.54775807"`, name),
		`{"e":"fund_transfer","fund":"Q","amount":"1"`,
		`{"e":"fund_transfer","fund":"F","amount":"-1","reason":"deposit"`,
		`{"e":"fund_transfer","fund":"F","amount":"90000000000"`,
		fmt.Sprintf(`{"e":"fund_transfer","fund":"G","amount":"-%s","reason":"withdrawal"`, s.money(500)),
		`{"e":"fund","fund":"Q","id":7`,
		`{"e":"fund","fund":"F","id":9`,
		`{"e":"fund","fund":"F","cap":"-1"`,
		`{"e":"account_close","account":99`,
		fmt.Sprintf(`{"e":"order_fill","order":%d,"qty":"90000","price":"%s"`, order, s.near(name)),
		fmt.Sprintf(`{"e":"order_fill","order":%d,"qty":"0","price":"1"`, order),
		fmt.Sprintf(`{"e":"order_done","order":%d`, order+500),
		fmt.Sprintf(`{"e":"symbol","symbol":"%s","lot":"0.07"`, name),
		fmt.Sprintf(`{"e":"symbol","symbol":"%s","tick":"0"`, name),
		fmt.Sprintf(`{"e":"symbol","symbol":"%s","liq_attempts":0`, name),
		fmt.Sprintf(`{"e":"symbol","symbol":"%s","fund":"Q"`, name),
		fmt.Sprintf(`{"e":"symbol","symbol":"%s","fund":"%s"`, name, s.pick("F", "G")),
		fmt.Sprintf(`{"e":"symbol","symbol":"%s","tiers":[{"floor":"0","cap":"1000000","mmr":"0.01","cum":"0"},{"floor":"1000000","mmr":"0.02","cum":"16300"}]`, name),
		fmt.Sprintf(`{"e":"symbol","symbol":"Q","id":%d,"fund":"F","tick":"1","lot":"1","tiers":[{"floor":"0","mmr":"0.1","cum":"0"}]`, 1+s.choose(2)),
		`{"e":"symbol","symbol":"P","fund":"F","tick":"1","tiers":[{"floor":"0","mmr":"0.1","cum":"0"}]`,
		fmt.Sprintf(`{"e":"fill","account":50,"symbol":"%s","position_side":"short","qty":"1","price":"1"`, name),
		fmt.Sprintf(`{"e":"fill","account":50,"symbol":"%s","qty":"90000000000","price":"90000"`, name),
		fmt.Sprintf(`{"e":"fund_fill","fund":"G","symbol":"%s","qty":"-1","price":"1"`, s.pick(symbols...)),
		`{"e":"account_state","account":51,"mode":"isolated","wallet":"1","positions":[{"symbol":"X","qty":"1","entry":"1"},{"symbol":"Y","qty":"1","entry":"1"}]`,
		fmt.Sprintf(`{"e":"account_state","account":%d,"wallet":"1","positions":[{"symbol":"X","qty":"1","entry":"1"},{"symbol":"X","qty":"1","entry":"1"}]`, s.account()),
		fmt.Sprintf(`{"e":"account_state","account":%d,"wallet":"1","positions":[{"symbol":"X","qty":"1","cost":"-1"}]`, s.account()),
		fmt.Sprintf(`{"e":"transfer","account":%d,"amount":"%s","reason":"withdrawal"`, s.account(), s.pick("-900000", "1", "0")),
		`{"e":"depth","symbol":"X","bid_qty":"-1","ask_qty":"0"`,
		fmt.Sprintf(`{"e":"ack","seq":%d,"i":0`, s.choose(3)),
	))
}
