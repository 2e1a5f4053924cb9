package ndjson

import (
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// What is said about each refusal, given its evidence.
func TestRefusalDetails(t *testing.T) {
	account, symbol, fund, order := event.HasAccount, event.HasSymbol, event.HasFund, event.HasOrder
	seen := map[event.Reject]bool{}
	for _, c := range []struct {
		code event.Reject
		x    event.Effect
		want string
	}{
		{event.UnknownFund, event.Effect{Flags: fund, Fund: UnknownID}, "no fund has the name in the event: a fund event creates it"},
		{event.UnknownFund, event.Effect{Flags: fund, Fund: 3}, "fund #3 is not known: a fund event creates it"},
		{event.UnknownSymbol, event.Effect{}, "a symbol of the event is not known: a symbol event creates it"},
		{event.UnknownAccount, event.Effect{Flags: account, Account: 7}, "account 7 is not known: a first transfer or fill, or an account event, opens an account"},
		{event.UnknownOrder, event.Effect{Flags: order, Order: 12}, "order 12 is not known: liquidate and offload effects say which orders there are"},
		{event.Duplicate, event.Effect{RankedAt: 17}, "sseq 17 is the highest accepted from this source: the next is above it"},
		{event.Exists, event.Effect{Flags: symbol, Symbol: 4}, "symbol BTCUSDT exists already: its name, id and owner cannot be given again or changed"},
		{event.NotFlat, event.Effect{Flags: account, Account: 7}, "account 7 is not flat: close its positions and empty its wallet first"},
		{event.Margin, event.Effect{Flags: account, Account: 7, Amount: 12_50000000}, "account 7 may withdraw at most 12.5 now"},
		{event.Cap, event.Effect{Flags: fund, Fund: 1, Room: wide(5 * unit)}, "fund USDT would exceed its cap: it leaves a net notional of at most 5"},
		{event.Cash, event.Effect{Flags: fund, Fund: 1, Balance: 100 * unit}, "fund USDT has cash 100: at most that can be withdrawn"},
		{event.NotDivisible, event.Effect{Flags: symbol, Symbol: 4, Price: unit / 10}, "symbol BTCUSDT: a new tick divides the old one, which is 0.1"},
		{event.NotDivisible, event.Effect{Flags: symbol, Symbol: 4, Qty: unit / 1000}, "symbol BTCUSDT: a new lot divides the old one, which is 0.001"},
		{event.BadTiers, tierEvidence(event.NoTiers, 0), "symbol BTCUSDT has no tiers: at least one is needed"},
		{event.BadTiers, tierEvidence(event.FirstFloor, 0), "symbol BTCUSDT: tier 3: the first floor is 0"},
		{event.BadTiers, tierEvidence(event.FloorGap, 50), "symbol BTCUSDT: tier 3: its floor is the cap before it, which is 50"},
		{event.BadTiers, tierEvidence(event.RateFalls, 0), "symbol BTCUSDT: tier 3: its mmr is not below the one before it"},
		{event.BadTiers, tierEvidence(event.RateRange, 0), "symbol BTCUSDT: tier 3: its mmr lies above 0 and below 1"},
		{event.BadTiers, tierEvidence(event.WrongCum, 11300), "symbol BTCUSDT: tier 3: its cum is 11300: then the margin does not jump at its floor"},
		{event.BadTiers, tierEvidence(event.CapBelowFloor, 0), "symbol BTCUSDT: tier 3: its cap is above its floor"},
		{event.Overflow, event.Effect{Flags: account | symbol, Account: 7, Symbol: 4}, "account 7, symbol BTCUSDT: the result does not fit: numbers lie between -92233720368.54775808 and 92233720368.54775807"},
		{event.Overflow, event.Effect{RankedAt: 5}, "the event: an ack of what is yet to come: its seq is below 5"},
		{event.Overfill, event.Effect{Flags: order, Order: 12, Qty: unit / 2}, "order 12 has 0.5 left to fill: at most that can fill"},
		{event.Zero, event.Effect{}, "the event: a number is 0 or missing that must not be"},
		{event.Sign, event.Effect{Flags: account, Account: 7}, "account 7: a number has the wrong sign: deposits, prices, sizes and rates are positive, withdrawals negative"},
		{event.LateTick, event.Effect{Flags: symbol, Symbol: 4, RankedAt: 1760131034000000000}, "symbol BTCUSDT already has a tick of mt 1760131034000000000: a later one has a greater mt"},
		{event.FutureTime, event.Effect{Flags: symbol, Symbol: 4, RankedAt: 99}, "the tick of symbol BTCUSDT is more than 1 s ahead of t: mt is at most 99"},
		{event.Capacity, event.Effect{Candidates: uint32(event.Accounts), RankedAt: 1000}, "the event: all 1000 accounts are in use: the limit is set at start"},
		{event.WrongSymbol, event.Effect{Flags: order | symbol, Order: 3, Symbol: 4}, "order 3, symbol BTCUSDT: the symbol does not belong to the other things the event names"},
		{event.WrongMode, event.Effect{Flags: account, Account: 7}, "account 7: the mode does not allow it: an isolated account has one contract, and both does not mix with long and short"},
		{event.Held, event.Effect{Flags: symbol, Symbol: 4}, "symbol BTCUSDT: someone holds it: it can change when nobody does"},
		{event.Malformed, event.Effect{}, "the event: the records are not an event: malformed"},
	} {
		seen[c.code] = true
		l := &line{names: bound(t)}
		if l.refusal(c.code, &c.x); string(l.b) != c.want {
			t.Errorf("%v\ngot  %s\nwant %s", c.code, l.b, c.want)
		}
	}
	for code := event.UnknownFund; code.String() != "unknown"; code++ {
		if !seen[code] {
			t.Errorf("%v: no row here", code)
		}
	}
}

func tierEvidence(fault event.TierFault, right int64) event.Effect {
	return event.Effect{Flags: event.HasSymbol, Symbol: 4, Rank: 3, Candidates: uint32(fault), Amount: fixedpoint.Amount(right * unit)}
}

// What is said in each alarm.
func TestAlarmDetails(t *testing.T) {
	account, symbol, fund, order := event.HasAccount, event.HasSymbol, event.HasFund, event.HasOrder
	seen := map[event.Alarm]bool{}
	for _, c := range []struct {
		code event.Alarm
		x    event.Effect
		want string
	}{
		{event.AlarmCapExceeded, event.Effect{Flags: symbol | fund, Symbol: 4, Fund: 1}, "symbol BTCUSDT, fund USDT: more than the cap was taken, because no counterparty could take the rest"},
		{event.AlarmFundDeficit, event.Effect{Flags: fund, Fund: 1, Balance: -unit}, "fund USDT has cash -1: it is adl_only until it is refilled"},
		{event.AlarmBoundLifted, event.Effect{Flags: account, Account: 7, Price: unit}, "account 7 was closed at 1, outside max_deviation, because the fund could not pay the difference"},
		{event.AlarmOrderTimeout, event.Effect{Flags: order, Order: 3}, "order 3: no answer within order_timeout: an order_done ends the wait"},
		{event.AlarmWorseThanLimit, event.Effect{Flags: order, Order: 3, Price: unit, Entry: 2 * unit}, "order 3 filled at 1, worse than its limit 2"},
		{event.AlarmMarkHeld, event.Effect{Flags: symbol, Symbol: 4, Mark: 2 * unit, Price: unit}, "symbol BTCUSDT: mark 2 is further than max_jump from 1 and is held until a second one confirms it or max_hold ends"},
		{event.AlarmMarkHeld, event.Effect{Flags: symbol, Symbol: 4, Mark: 2 * unit, Price: unit, Rank: 1}, "symbol BTCUSDT: the hold ended unconfirmed and mark 2 replaces 1"},
		{event.AlarmOutOfSync, event.Effect{Flags: account, Account: 7, Candidates: uint32(event.Overflow)}, "account 7 is out of sync until an account_state replaces it: a fact about it was refused as overflow"},
		{event.AlarmOutOfSync, event.Effect{Flags: account, Account: 7}, "account 7 is out of sync until an account_state replaces it: no side has room for its position"},
		{event.AlarmDebt, event.Effect{Flags: account, Account: 7, Amount: unit}, "account 7 owes 1 and never held a contract whose fund would cover it"},
		{event.AlarmCapacity, event.Effect{Flags: account, Account: 7, Candidates: uint32(event.Positions), RankedAt: 9}, "account 7: all 9 positions are in use: the limit is set at start"},
	} {
		seen[c.code] = true
		x := c.x
		x.Kind, x.Reason = event.EffectAlarm, uint8(c.code)
		l := &line{names: bound(t)}
		if l.alarm(&x); string(l.b) != `,"detail":"`+c.want+`"` {
			t.Errorf("%v\ngot  %s\nwant %s", c.code, l.b, c.want)
		}
	}
	for code := event.Alarm(0); code.String() != "unknown"; code++ {
		if !seen[code] {
			t.Errorf("%v: no row here", code)
		}
	}
}
