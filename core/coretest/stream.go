// Package coretest makes what tests of the whole core share: random streams of
// events in which trouble is common, and a second, simple implementation of the
// rules to compare with (package oracle beneath it).
package coretest

import (
	"fmt"
	"strings"

	"github.com/backstop-fund/backstop/core/event"
)

// Stream writes random events as NDJSON: thin wallets, jumping marks, hedge legs,
// isolated accounts, halts, holds, several funds and every policy, with a venue
// that answers late, partly, wrongly or not at all, and senders that make every
// mistake the rules refuse. All chance comes from choose, which returns a number
// in [0, n), so that a fuzzer or a property test can steer and shrink it.
type Stream struct {
	choose func(n int) int
	t      int64
	silent int             // events to come before the first that carries a t
	marks  map[string]int  // in cents
	orders []event.OrderID // ids seen in effects
	sseq   int
	large  bool // numbers near the largest that fit are common
	odd    bool // now and then a number is absurd
}

// Symbols of every stream, with their first marks in cents.
var symbols = []string{"X", "Y", "Z"}

// NewStream returns a stream that takes its choices from choose.
func NewStream(choose func(n int) int) *Stream {
	s := &Stream{choose: choose, t: 1760131034000000000, marks: map[string]int{"X": 10000, "Y": 5000, "Z": 300}}
	s.large, s.odd = choose(5) == 4, choose(3) == 2
	if choose(5) == 4 {
		s.silent = choose(80)
	}
	return s
}

func (s *Stream) pick(of ...string) string { return of[s.choose(len(of))] }

// Answer shows the stream the effects of an event: its venue answers the orders
// among them, some time or never.
func (s *Stream) Answer(effects []event.Effect) {
	for i := range effects {
		if k := effects[i].Kind; k == event.EffectLiquidate || k == event.EffectOffload {
			s.orders = append(s.orders, effects[i].Order)
		}
	}
}

// Setup returns the events that open funds, contracts and accounts of a mode.
func (s *Stream) Setup() []string {
	lines := []string{
		fmt.Sprintf(`{"e":"fund","fund":"F","cap":"%s"}`, s.pick("1", "0.5", "0.1", "3")),
		fmt.Sprintf(`{"e":"fund_transfer","fund":"F","amount":"%s"}`, s.money(1+s.choose(s.most(5000)))),
		`{"e":"fund","fund":"G","id":7}`,
		fmt.Sprintf(`{"e":"fund_transfer","fund":"G","amount":"%s.5"}`, s.money(1+s.choose(s.most(500)))),
	}
	for i, name := range symbols {
		id := ""
		if s.choose(4) == 3 {
			id = fmt.Sprintf(`,"id":%d`, 100-10*i) // the order of ids is not that of names
		}
		lines = append(lines, s.symbol(name, id))
		if s.choose(8) > 0 {
			lines = append(lines, s.stamp(fmt.Sprintf(`{"e":"tick","symbol":"%s","mark":"%s"`, name, s.price(s.marks[name]))))
		}
	}
	for range s.choose(3) {
		lines = append(lines, s.stamp(fmt.Sprintf(`{"e":"account","account":%d,"owner":%d,"mode":"isolated"`, 2+s.choose(3), s.account())))
	}
	return lines
}

// symbol writes a contract with settings drawn from those that matter.
func (s *Stream) symbol(name, id string) string {
	tiers := fmt.Sprintf(`{"floor":"0","cap":"%[1]s","mmr":"0.01","cum":"0"},{"floor":"%[1]s","cap":"2000","mmr":"0.05","cum":"20","max_leverage":%[2]s},{"floor":"2000","mmr":"0.1","cum":"120","max_leverage":3}`,
		"500", s.pick("10", "7"))
	if s.large {
		tiers = fmt.Sprintf(`{"floor":"0","cap":"%[1]s","mmr":"0.01","cum":"0"},{"floor":"%[1]s","mmr":"0.05","cum":"%[2]s"}`, s.money(500), s.money(20))
	}
	return fmt.Sprintf(`{"e":"symbol","symbol":"%s"%s,"fund":"%s","tick":"%s","lot":"%s","liq_fee":"%s","liquidation":"%s","liq_attempts":%s,`+
		`"order_timeout":"%s","try_market":%s,"takeover":"%s","cap_share":"%s","max_deviation":"%s","max_age":"%s","max_jump":"%s","max_hold":"%s",`+
		`"tiers":[%s],"adl":{"policy":"%s","score":"%s","max_counterparties":%s},"offload":%s}`,
		name, id, s.pick("F", "F", "G"), s.pick("0.01", "0.5"), s.pick("0.1", "0.03", "1"), s.pick("0", "0.01", "0.2"),
		s.pick("partial", "partial", "full"), s.pick("1", "2", "3"), s.pick("5s", "1s"), s.pick("false", "false", "true"),
		s.pick("split", "whole"), s.pick("1", "0.3"), s.pick("0.05", "0", "0.002"), s.pick("5s", "1s", "1h"),
		s.pick("0", "0", "0.05", "0.15"), s.pick("1s", "3s", "0s"), tiers,
		s.pick("queue", "queue", "pro_rata", "drain", "min_max"), s.pick("binance", "bitmex", "hyperliquid"), s.pick("10000", "2", "1"),
		s.offload())
}

func (s *Stream) offload() string {
	if s.choose(8) == 7 {
		return `"off"`
	}
	return fmt.Sprintf(`{"interval":"%s","fraction":"%s","full_size":"%s","max_depth_fraction":"%s","slippage":"%s"}`,
		s.pick("3s", "10s"), s.pick("0.1", "1"), s.pick("1", "0", "20"), s.pick("0.05", "1"), s.pick("0.01", "0", "0.5"))
}

// In a large stream prices are 1e5 times and quantities 1e3 times as large, and
// money is 1e8 times: the largest that fits is then 922.
func (s *Stream) money(v int) string {
	if s.large {
		v *= 1e8
	}
	return fmt.Sprint(v)
}

func (s *Stream) price(cents int) string {
	if s.large {
		return s.strange(fmt.Sprintf("%d000", cents))
	}
	return s.strange(cash(cents))
}

func (s *Stream) qty() string {
	whole, tenth := s.choose(9), 1+s.choose(9)
	if s.large {
		return s.strange(fmt.Sprint((10*whole + tenth) * 100))
	}
	return s.strange(fmt.Sprintf("%d.%d", whole, tenth))
}

// most is n, or what of it fits in a large stream.
func (s *Stream) most(n int) int {
	if s.large {
		return min(n, 900)
	}
	return n
}

func cash(cents int) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }

// strange replaces a number, now and then, by one that nobody should send.
func (s *Stream) strange(number string) string {
	if !s.odd || s.choose(60) > 0 {
		return number
	}
	return s.pick("0", "0.00000001", "92233720368.54775807", "46116860184.27387904", "3037000499.97605", "1000000.00000001", "-1", "-92233720368.54775807")
}

// negative turns a number's sign.
func negative(number string) string {
	if positive, ok := strings.CutPrefix(number, "-"); ok {
		return positive
	}
	return "-" + number
}

// stamp ends an object that lacks its brace, with a time as often as not, and now
// and then with a sender's own sequence, which may be one it has sent before.
func (s *Stream) stamp(line string) string {
	if s.choose(2) == 0 {
		s.t += int64(s.choose(20)) * 1e8
	}
	if s.choose(24) == 0 {
		s.sseq++
		line += fmt.Sprintf(`,"src":"%s","sseq":%d`, s.pick("venue", "desk"), max(0, s.sseq-s.choose(3)))
	}
	if s.silent > 0 {
		s.silent--
		return line + "}"
	}
	if s.choose(6) == 0 {
		return line + "}"
	}
	return fmt.Sprintf(`%s,"t":%d}`, line, s.t-int64(max(0, s.choose(12)-10))*1e9)
}

func (s *Stream) account() int { return 1 + s.choose(9) }

// near is a price within a few percent of a mark.
func (s *Stream) near(name string) string {
	return s.price(max(1, s.marks[name]*(96+s.choose(9))/100))
}

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
	switch n := s.choose(50); {
	case n < 4:
		return s.stamp(fmt.Sprintf(`{"e":"transfer","account":%d,"amount":"%s"`, s.account(), s.strange(s.deposit())))
	case n < 6:
		return s.stamp(fmt.Sprintf(`{"e":"transfer","account":%d,"amount":"%s","reason":"%s"`,
			s.account(), s.strange("-"+s.money(1+s.choose(60))), s.pick("withdrawal", "fee", "funding", "other")))
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
		qty := s.qty()
		if s.choose(2) == 0 {
			qty = negative(qty)
		}
		return s.stamp(fmt.Sprintf(`{"e":"fund_fill","fund":"%s","symbol":"%s","qty":"%s","price":"%s"`, s.pick("F", "G"), name, qty, s.near(name)))
	case n < 44:
		return s.state(name)
	case n < 45:
		return s.time()
	case n < 47:
		return s.mistake(name)
	}
	return s.operator(name)
}

func (s *Stream) deposit() string {
	if s.large {
		return s.money(1 + s.choose(90))
	}
	return s.pick("5.5", "17.3", "60.1", "200", "0.00000001")
}

// time passes, and ends the silence.
func (s *Stream) time() string {
	s.silent = 0
	s.t += int64(s.choose(8)) * 1e9
	if s.choose(20) == 0 {
		s.t += 3600e9
	}
	return fmt.Sprintf(`{"e":"time","t":%d}`, s.t)
}

func (s *Stream) trade(name string) string {
	buyer, seller := s.account(), s.account()
	return s.stamp(fmt.Sprintf(`{"e":"trade","symbol":"%s","qty":"%s","price":"%s","buyer":%d,"seller":%d,"buyer_side":"%s","seller_side":"%s","buyer_fee":"%s"`,
		name, s.qty(), s.near(name), buyer, seller, s.side(buyer), s.side(seller), s.strange(s.pick("0", "0.01"))))
}

// fill is of one account alone. In hedge mode it mostly opens.
func (s *Stream) fill(name string) string {
	account, sells := s.account(), s.choose(2) == 1
	side := s.side(account)
	if side != "both" && s.choose(4) > 0 {
		sells = side == "short"
	}
	qty := s.qty()
	if sells {
		qty = negative(qty)
	}
	return s.stamp(fmt.Sprintf(`{"e":"fill","account":%d,"symbol":"%s","position_side":"%s","qty":"%s","price":"%s","fee":"%s"`,
		account, name, side, qty, s.near(name), s.strange(s.pick("0", "0.05", "-0.01"))))
}

// tick moves a mark by a little, by much, or by half at once.
func (s *Stream) tick(name string) string {
	move := 97 + s.choose(7)
	switch s.choose(16) {
	case 0, 1, 2, 3:
		move = 85 + s.choose(31)
	case 4:
		move = 40 + s.choose(120)
	}
	s.marks[name] = min(max(1, s.marks[name]*move/100), 1_000_000)
	line := fmt.Sprintf(`{"e":"tick","symbol":"%s","mark":"%s"%s`, name, s.price(s.marks[name]),
		s.pick("", "", "", "", "", `,"flags":"suspect"`, `,"index":"100"`))
	if s.choose(4) == 0 {
		line += fmt.Sprintf(`,"mt":%d`, s.t+int64(s.choose(30)-15)*1e8)
	}
	return s.stamp(line)
}

// answer is the venue's, to one of the last orders or, rarely, to any.
func (s *Stream) answer() string {
	if len(s.orders) == 0 {
		return s.stamp(`{"e":"order_done","order":1`)
	}
	back := 4
	if s.choose(12) == 0 {
		back = len(s.orders)
	}
	order := s.orders[len(s.orders)-1-min(len(s.orders)-1, s.choose(back))]
	if s.choose(2) == 0 {
		qty := s.pick("0.1", "0.3", "0.03", "1", "2.5")
		if s.large {
			qty = s.pick("100", "300.3", "30", "1000", "2500")
		}
		return s.stamp(fmt.Sprintf(`{"e":"order_fill","order":%d,"qty":"%s","price":"%s"`, order, s.strange(qty), s.near(s.pick(symbols...))))
	}
	return s.stamp(fmt.Sprintf(`{"e":"order_done","order":%d,"reason":"%s"`, order, s.pick("filled", "expired", "expired", "rejected")))
}

func (s *Stream) state(name string) string {
	var positions []string
	account := s.account()
	row := func(symbol, side, sign string) {
		value := fmt.Sprintf(`"entry":"%s"`, s.near(symbol))
		if s.choose(4) == 3 {
			value = fmt.Sprintf(`"cost":"%s%s"`, sign, s.money(1+s.choose(300)))
		}
		positions = append(positions, fmt.Sprintf(`{"symbol":"%s"%s,"qty":"%s%s",%s}`, symbol, side, sign, strings.TrimPrefix(s.qty(), "-"), value))
	}
	for _, n := range symbols {
		switch {
		case s.choose(2) > 0 && n != name:
		case account >= hedged:
			row(n, `,"position_side":"long"`, "")
			row(n, `,"position_side":"short"`, "-")
		default:
			row(n, "", s.pick("", "-"))
		}
	}
	if s.choose(4) == 0 {
		positions = nil
	}
	wallet := s.choose(90) - 10
	return s.stamp(fmt.Sprintf(`{"e":"account_state","account":%d%s,"wallet":"%s"%s,"positions":[%s]`,
		account, s.pick("", "", `,"owner":77`), s.strange(s.money(wallet)), s.pick("", "", "", `,"mode":"isolated"`, `,"mode":"cross"`), strings.Join(positions, ",")))
}
