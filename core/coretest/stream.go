// Package coretest makes what tests of the whole core share: random streams of
// events in which trouble is common, and a second, simple implementation of the
// rules to compare with (package oracle beneath it).
package coretest

import (
	"fmt"
	"strings"
)

// Stream writes random events as NDJSON: thin wallets, jumping marks, hedge legs,
// halts, holds, several funds and every policy, with a venue that answers late,
// partly, wrongly or not at all. All chance comes from choose, which returns a
// number in [0, n), so that a fuzzer or a property test can steer and shrink it.
type Stream struct {
	choose func(n int) int
	t      int64
	marks  map[string]int // in cents
	orders []uint64       // ids seen in effects
	sseq   int
}

// Symbols of every stream, with their first marks in cents.
var symbols = []string{"X", "Y", "Z"}

// NewStream returns a stream that takes its choices from choose.
func NewStream(choose func(n int) int) *Stream {
	return &Stream{choose: choose, t: 1760131034000000000, marks: map[string]int{"X": 10000, "Y": 5000, "Z": 300}}
}

func (s *Stream) pick(of ...string) string { return of[s.choose(len(of))] }

// Order tells the stream of an order that an effect opened, for its venue to
// answer.
func (s *Stream) Order(id uint64) { s.orders = append(s.orders, id) }

// Setup returns the events that open funds and contracts.
func (s *Stream) Setup() []string {
	lines := []string{
		fmt.Sprintf(`{"e":"fund","fund":"F","cap":"%s"}`, s.pick("1", "0.5", "0.1", "3")),
		fmt.Sprintf(`{"e":"fund_transfer","fund":"F","amount":"%d"}`, 1+s.choose(5000)),
		`{"e":"fund","fund":"G","id":7}`,
		fmt.Sprintf(`{"e":"fund_transfer","fund":"G","amount":"%d.5"}`, 1+s.choose(500)),
	}
	for _, name := range symbols {
		lines = append(lines, s.symbol(name, ""))
		if s.choose(8) > 0 {
			lines = append(lines, s.stamp(fmt.Sprintf(`{"e":"tick","symbol":"%s","mark":"%s"`, name, cents(s.marks[name]))))
		}
	}
	return lines
}

// symbol writes a contract with settings drawn from those that matter.
func (s *Stream) symbol(name, id string) string {
	return fmt.Sprintf(`{"e":"symbol","symbol":"%s"%s,"fund":"%s","tick":"%s","lot":"%s","liq_fee":"%s","liquidation":"%s","liq_attempts":%s,`+
		`"order_timeout":"%s","try_market":%s,"takeover":"%s","cap_share":"%s","max_deviation":"%s","max_age":"%s","max_jump":"%s","max_hold":"%s",`+
		`"tiers":[{"floor":"0","cap":"500","mmr":"0.01","cum":"0"},{"floor":"500","cap":"2000","mmr":"0.05","cum":"20","max_leverage":%s},{"floor":"2000","mmr":"0.1","cum":"120","max_leverage":3}],`+
		`"adl":{"policy":"%s","score":"%s","max_counterparties":%s},"offload":{"interval":"%s","fraction":"%s","full_size":"%s","slippage":"%s"}}`,
		name, id, s.pick("F", "F", "G"), s.pick("0.01", "0.5"), s.pick("0.1", "0.03", "1"), s.pick("0", "0.01", "0.2"),
		s.pick("partial", "partial", "full"), s.pick("1", "2", "3"), s.pick("5s", "1s"), s.pick("false", "false", "true"),
		s.pick("split", "whole"), s.pick("1", "0.3"), s.pick("0.05", "0", "0.002"), s.pick("5s", "1s", "1h"),
		s.pick("0", "0", "0.05", "0.15"), s.pick("1s", "3s", "0s"), s.pick("10", "7"),
		s.pick("queue", "queue", "pro_rata", "drain", "min_max"), s.pick("binance", "bitmex", "hyperliquid"), s.pick("10000", "2", "1"),
		s.pick("3s", "10s"), s.pick("0.1", "1"), s.pick("1", "0", "20"), s.pick("0.01", "0", "0.5"))
}

func cents(v int) string { return fmt.Sprintf("%d.%02d", v/100, v%100) }

// stamp ends an object that lacks its brace, with a time as often as not.
func (s *Stream) stamp(line string) string {
	if s.choose(2) == 0 {
		s.t += int64(s.choose(20)) * 1e8
	}
	if s.choose(6) == 0 {
		return line + "}"
	}
	return fmt.Sprintf(`%s,"t":%d}`, line, s.t)
}

func (s *Stream) account() int { return 1 + s.choose(9) }

func (s *Stream) qty() string { return fmt.Sprintf("%d.%d", s.choose(9), 1+s.choose(9)) }

// near is a price within a few percent of a mark.
func (s *Stream) near(name string) string { return cents(max(1, s.marks[name]*(96+s.choose(9))/100)) }

// side is how an account keeps its positions: the last ones in hedge mode, with a
// slip now and then that takes it out of sync.
func (s *Stream) side(account int) string {
	if s.choose(40) == 0 {
		return s.pick("both", "long", "short")
	}
	if account >= hedged {
		return s.pick("long", "short")
	}
	return "both"
}

// hedged is the first account in hedge mode.
const hedged = 8

// Next returns the next event.
func (s *Stream) Next() string {
	name := s.pick("X", "X", "Y", "Z")
	switch n := s.choose(48); {
	case n < 4:
		return s.stamp(fmt.Sprintf(`{"e":"transfer","account":%d,"amount":"%s"`, s.account(), s.pick("5.5", "17.3", "60.1", "200", "0.00000001")))
	case n < 6:
		return s.stamp(fmt.Sprintf(`{"e":"transfer","account":%d,"amount":"-%d","reason":"%s"`, s.account(), 1+s.choose(60), s.pick("withdrawal", "fee", "funding", "other")))
	case n < 14:
		return s.trade(name)
	case n < 18:
		return s.fill(name)
	case n < 28:
		return s.tick(name)
	case n < 38:
		return s.answer()
	case n < 40:
		return s.stamp(fmt.Sprintf(`{"e":"%s","symbol":"%s"`, s.pick("halt", "resume", "resume", "resume"), name))
	case n < 41:
		return s.stamp(fmt.Sprintf(`{"e":"depth","symbol":"%s","bid_qty":"%d","ask_qty":"%d"`, name, s.choose(50), s.choose(50)))
	case n < 42:
		return s.stamp(fmt.Sprintf(`{"e":"fund_fill","fund":"%s","symbol":"%s","qty":"%d.%d","price":"%s"`, s.pick("F", "G"), name, s.choose(9)-4, s.choose(10), s.near(name)))
	case n < 44:
		return s.state(name)
	case n < 45:
		s.t += int64(s.choose(8)) * 1e9
		return fmt.Sprintf(`{"e":"time","t":%d}`, s.t)
	}
	return s.operator(name)
}

func (s *Stream) trade(name string) string {
	buyer, seller := s.account(), s.account()
	return s.stamp(fmt.Sprintf(`{"e":"trade","symbol":"%s","qty":"%s","price":"%s","buyer":%d,"seller":%d,"buyer_side":"%s","seller_side":"%s","buyer_fee":"%s"`,
		name, s.qty(), s.near(name), buyer, seller, s.side(buyer), s.side(seller), s.pick("0", "0.01")))
}

// fill is of one account alone. In hedge mode it mostly opens.
func (s *Stream) fill(name string) string {
	account, sign := s.account(), s.pick("", "-")
	side := s.side(account)
	if side == "long" && s.choose(4) > 0 {
		sign = ""
	}
	if side == "short" && s.choose(4) > 0 {
		sign = "-"
	}
	return s.stamp(fmt.Sprintf(`{"e":"fill","account":%d,"symbol":"%s","position_side":"%s","qty":"%s%s","price":"%s","fee":"%s"`,
		account, name, side, sign, s.qty(), s.near(name), s.pick("0", "0.05", "-0.01")))
}

func (s *Stream) tick(name string) string {
	move := 97 + s.choose(7)
	if s.choose(4) == 0 {
		move = 85 + s.choose(31)
	}
	s.marks[name] = max(1, s.marks[name]*move/100)
	line := fmt.Sprintf(`{"e":"tick","symbol":"%s","mark":"%s"%s`, name, cents(s.marks[name]), s.pick("", "", "", "", "", `,"flags":"suspect"`))
	if s.choose(4) == 0 {
		line += fmt.Sprintf(`,"mt":%d`, s.t+int64(s.choose(30)-15)*1e8)
	}
	return s.stamp(line)
}

// answer is the venue's, to one of the last orders.
func (s *Stream) answer() string {
	if len(s.orders) == 0 {
		return s.stamp(`{"e":"order_done","order":1`)
	}
	order := s.orders[len(s.orders)-1-min(len(s.orders)-1, s.choose(4))]
	if s.choose(2) == 0 {
		return s.stamp(fmt.Sprintf(`{"e":"order_fill","order":%d,"qty":"%s","price":"%s"`, order, s.pick("0.1", "0.3", "0.03", "1", "2.5"), s.near(s.pick(symbols...))))
	}
	return s.stamp(fmt.Sprintf(`{"e":"order_done","order":%d,"reason":"%s"`, order, s.pick("filled", "expired", "expired", "rejected")))
}

func (s *Stream) state(name string) string {
	var positions []string
	account := s.account()
	for _, n := range symbols {
		switch {
		case s.choose(2) > 0 && n != name:
		case account >= hedged:
			positions = append(positions,
				fmt.Sprintf(`{"symbol":"%s","position_side":"long","qty":"%s","entry":"%s"}`, n, s.qty(), s.near(n)),
				fmt.Sprintf(`{"symbol":"%s","position_side":"short","qty":"-%s","entry":"%s"}`, n, s.qty(), s.near(n)))
		default:
			positions = append(positions, fmt.Sprintf(`{"symbol":"%s","qty":"%s%s","entry":"%s"}`, n, s.pick("", "-"), s.qty(), s.near(n)))
		}
	}
	if s.choose(4) == 0 {
		positions = nil
	}
	return s.stamp(fmt.Sprintf(`{"e":"account_state","account":%d,"wallet":"%d"%s,"positions":[%s]`,
		account, s.choose(90)-10, s.pick("", "", `,"mode":"isolated"`, `,"mode":"cross"`), strings.Join(positions, ",")))
}

// operator is what people do, and what a repeating sender does.
func (s *Stream) operator(name string) string {
	switch s.choose(10) {
	case 0:
		return s.stamp(fmt.Sprintf(`{"e":"fund_transfer","fund":"F","amount":"%d"`, s.choose(2000)-700))
	case 1:
		return s.stamp(fmt.Sprintf(`{"e":"fund_transfer","fund":"%s","amount":"-%d","reason":"adjustment"`, s.pick("F", "G"), 1+s.choose(300)))
	case 2:
		return s.stamp(`{"e":"mode","mode":"loading"`)
	case 3, 4:
		return s.stamp(`{"e":"mode","mode":"live"`)
	case 5:
		return s.stamp(fmt.Sprintf(`{"e":"fund","fund":"G","adl_only":%s`, s.pick("true", "false")))
	case 6:
		return strings.Replace(s.symbol(name, ""), `"fund":"F",`, "", 1)
	case 7:
		return s.stamp(fmt.Sprintf(`{"e":"account_close","account":%d`, s.account()))
	case 8:
		return s.stamp(fmt.Sprintf(`{"e":"account","account":%d,"mode":"%s"`, s.account(), s.pick("cross", "isolated")))
	}
	s.sseq++
	return fmt.Sprintf(`{"e":"transfer","account":%d,"amount":"3","src":"venue","sseq":%d}`, s.account(), max(0, s.sseq-s.choose(3)))
}
