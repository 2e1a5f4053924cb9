package oracle

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// stream makes random events in which trouble is common: thin wallets, jumping
// marks, hedge legs, halts, holds, every policy, and a venue that answers late.
type stream struct {
	*rand.Rand
	t      int64
	marks  map[string]int
	orders []int // ids that have been seen
}

func newStream(seed uint64) *stream {
	return &stream{Rand: rand.New(rand.NewPCG(seed, 1)), t: 1760131034000000000, marks: map[string]int{"X": 10000, "Y": 5000, "Z": 300}}
}

func pick[T any](s *stream, of ...T) T { return of[s.IntN(len(of))] }

func (s *stream) setup() []string {
	lines := []string{
		fmt.Sprintf(`{"e":"fund","fund":"F","cap":"%s"}`, pick(s, "1", "0.5", "0.1")),
		fmt.Sprintf(`{"e":"fund_transfer","fund":"F","amount":"%d"}`, 1+s.IntN(5000)),
		`{"e":"fund","fund":"G","id":7}`,
		fmt.Sprintf(`{"e":"fund_transfer","fund":"G","amount":"%d.5"}`, 1+s.IntN(500)),
	}
	for _, name := range []string{"X", "Y", "Z"} {
		lines = append(lines, fmt.Sprintf(`{"e":"symbol","symbol":"%s","fund":"%s","tick":"0.01","lot":"%s","liq_fee":"%s","liquidation":"%s","liq_attempts":%d,`+
			`"try_market":%t,"takeover":"%s","cap_share":"%s","max_deviation":"%s","max_jump":"%s",`+
			`"tiers":[{"floor":"0","cap":"500","mmr":"0.01","cum":"0"},{"floor":"500","cap":"2000","mmr":"0.05","cum":"20","max_leverage":10},{"floor":"2000","mmr":"0.1","cum":"120"}],`+
			`"adl":{"policy":"%s","score":"%s","max_counterparties":%d},"offload":{"interval":"3s","full_size":"1"}}`,
			name, pick(s, "F", "F", "G"), pick(s, "0.1", "0.03", "1"), pick(s, "0", "0.01", "0.2"), pick(s, "partial", "partial", "full"), pick(s, 1, 1, 2, 3),
			s.IntN(4) == 0, pick(s, "split", "whole"), pick(s, "1", "0.3"), pick(s, "0.05", "0", "0.002", "0.002"), pick(s, "0", "0.15"),
			pick(s, "queue", "queue", "pro_rata", "drain", "min_max"), pick(s, "binance", "bitmex", "hyperliquid"), pick(s, 10000, 2)))
		lines = append(lines, fmt.Sprintf(`{"e":"tick","symbol":"%s","mark":"%s","t":%d}`, name, cents(s.marks[name]), s.t))
	}
	return lines
}

func cents(v int) string { return fmt.Sprintf("%d.%02d", v/100, v%100) }

// side is a position side for a buyer or seller: accounts from 7 hedge, and now
// and then somebody mixes the two.
func (s *stream) side(account int, opens string) string {
	switch {
	case s.IntN(60) == 0:
		return pick(s, "both", "long", "short")
	case account >= 7:
		return opens
	}
	return "both"
}

func (s *stream) next() string {
	name := pick(s, "X", "X", "Y", "Z")
	account := 1 + s.IntN(9)
	if s.IntN(2) == 0 {
		s.t += int64(s.IntN(2e9))
	}
	at := fmt.Sprintf(`,"t":%d}`, s.t)
	switch s.IntN(22) {
	case 0, 1:
		return fmt.Sprintf(`{"e":"transfer","account":%d,"amount":"%d.%d"%s`, account, 1+s.IntN(200), 1+s.IntN(9), at)
	case 2:
		return fmt.Sprintf(`{"e":"transfer","account":%d,"amount":"-%d","reason":"%s"%s`, account, 1+s.IntN(60), pick(s, "withdrawal", "fee", "funding"), at)
	case 3, 4, 5, 6, 7:
		other := 1 + s.IntN(9)
		price := s.marks[name] * (98 + s.IntN(5)) / 100
		return fmt.Sprintf(`{"e":"trade","symbol":"%s","qty":"%d.%d","price":"%s","buyer":%d,"seller":%d,"buyer_side":"%s","seller_side":"%s","buyer_fee":"0.01"%s`,
			name, s.IntN(9), 1+s.IntN(9), cents(price), account, other, s.side(account, "long"), s.side(other, "short"), at)
	case 8, 9, 10, 11, 12:
		s.marks[name] = max(1, s.marks[name]*(90+s.IntN(21))/100)
		flags := pick(s, "", "", "", "", `,"flags":"suspect"`)
		return fmt.Sprintf(`{"e":"tick","symbol":"%s","mark":"%s"%s%s`, name, cents(s.marks[name]), flags, at)
	case 13, 14, 15, 16, 17:
		if len(s.orders) == 0 {
			return fmt.Sprintf(`{"e":"time"%s`, at)
		}
		order := s.orders[len(s.orders)-1-min(len(s.orders)-1, s.IntN(3))]
		if s.IntN(2) == 0 {
			return fmt.Sprintf(`{"e":"order_fill","order":%d,"qty":"0.%d","price":"%s"%s`, order, 1+s.IntN(9), cents(s.marks["X"]), at)
		}
		return fmt.Sprintf(`{"e":"order_done","order":%d,"reason":"%s"%s`, order, pick(s, "filled", "expired", "expired", "rejected"), at)
	case 18:
		return fmt.Sprintf(`{"e":"%s","symbol":"%s"%s`, pick(s, "halt", "resume", "resume", "resume"), name, at)
	case 19:
		return fmt.Sprintf(`{"e":"depth","symbol":"%s","bid_qty":"%d","ask_qty":"%d"%s`, name, s.IntN(50), s.IntN(50), at)
	case 20:
		return fmt.Sprintf(`{"e":"fund_fill","fund":"F","symbol":"%s","qty":"%d","price":"%s"%s`, name, s.IntN(7)-3, cents(s.marks[name]), at)
	default:
		return pick(s,
			fmt.Sprintf(`{"e":"fund_transfer","fund":"F","amount":"%d"%s`, s.IntN(2000)-700, at),
			fmt.Sprintf(`{"e":"mode","mode":"loading"%s`, at), fmt.Sprintf(`{"e":"mode","mode":"live"%s`, at), fmt.Sprintf(`{"e":"mode","mode":"live"%s`, at),
			fmt.Sprintf(`{"e":"fund","fund":"G","adl_only":%t%s`, s.IntN(2) == 0, at),
			fmt.Sprintf(`{"e":"account_state","account":%d,"wallet":"%d","positions":[{"symbol":"%s","qty":"%d","entry":"%s"}]%s`, account, s.IntN(pick(s, 90, 90, 4)), name, 1+s.IntN(5), cents(s.marks[name]), at))
	}
}

// see remembers the orders that effects name, for the venue to answer.
func (s *stream) see(t testing.TB, effects []string) {
	for _, line := range effects {
		fx, ok := parse(t, line).(map[string]any)
		if !ok {
			t.Fatalf("%s: no object", line)
		}
		if kind := fx["fx"]; kind == "liquidate" || kind == "offload" {
			id, ok := fx["order"].(float64)
			if !ok {
				t.Fatalf("%s: no order id", line)
			}
			s.orders = append(s.orders, int(id))
		}
	}
}

// settled says what must hold after every event while live.
func settled(e *Engine) error {
	for _, id := range sortedKeys(e.accounts) {
		a := e.accounts[id]
		if e.loading || a.outOfSync || !a.assessable() || a.round != nil {
			continue
		}
		open := len(e.unblocked(a))
		switch {
		case len(a.positions) == 0 && a.wallet.Sign() < 0 && !a.debt:
			return fmt.Errorf("account %d is flat and owes %s", id, decimal(a.wallet))
		case a.worth16().Sign() < 0 && open > 0:
			return fmt.Errorf("account %d is bankrupt and holds what could be closed", id)
		case !a.healthy() && open > 0 && !a.waiting:
			return fmt.Errorf("account %d is below margin and nothing is under way", id)
		case a.bankrupt && (open > 0 || len(a.positions) == 0):
			return fmt.Errorf("account %d stays bankrupt without a blocked mark", id)
		case a.healthy() && !a.bankrupt && (a.liquidating || a.pendingFee().Sign() > 0):
			return fmt.Errorf("account %d is healthy and its episode goes on", id)
		}
	}
	return nil
}

// TestStreams applies random events: nothing is lost, nobody is left in trouble,
// refusals leave the state as it was, and every kind of effect comes up.
func TestStreams(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(30) {
		s, e := newStream(seed), New()
		var history []string
		apply := func(line string) {
			var before []string
			if seed < 10 { // the state of every event takes most of the time
				before = e.State()
			}
			effects, err := e.Apply([]byte(line))
			history = append(history, line)
			history = append(history, effects...)
			if err == nil {
				err = e.Check()
			}
			if err == nil {
				err = settled(e)
			}
			if err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, strings.Join(history, "\n"))
			}
			for _, fx := range effects {
				m := struct{ Fx, Code, Type, Reason, Policy string }{}
				if err := json.Unmarshal([]byte(fx), &m); err != nil {
					t.Fatalf("seed %d: %s: %v", seed, fx, err)
				}
				seen[strings.TrimSpace(m.Fx+" "+m.Code+m.Type+m.Reason+m.Policy)]++
				if m.Fx == "rejected" && before != nil && !slices.Equal(before, e.State()) {
					t.Fatalf("seed %d: refused and yet changed\n%s", seed, strings.Join(history, "\n"))
				}
			}
			s.see(t, effects)
		}
		for _, line := range s.setup() {
			apply(line)
		}
		for range 200 {
			apply(s.next())
		}
	}
	for _, want := range []string{
		"alarm bound_lifted", "alarm cap_exceeded", "alarm debt", "alarm fund_deficit", "alarm mark_held", "alarm order_timeout",
		"alarm out_of_sync", "alarm worse_than_limit", "bankrupt deficit", "bankrupt equity", "bankrupt unable", "cancel_orders",
		"cover", "deleverage", "fee", "fund", "ledger adjustment", "ledger cover", "ledger deposit", "ledger liquidation_fee",
		"ledger offload_fill", "ledger surplus", "ledger takeover", "ledger withdrawal", "liquidate", "netted", "offload",
		"receipt drain", "receipt min_max", "receipt pro_rata", "receipt queue", "recovered", "surplus", "takeover",
		"rejected margin", "rejected overfill", "rejected zero",
	} {
		if seen[want] == 0 {
			t.Errorf("no %s in all the streams", want)
		}
	}
}
