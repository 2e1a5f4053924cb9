package oracle

import "math"

// symbolEvent reads a contract's settings over its old ones or the defaults.
func symbolEvent(e *Engine, f *fields) func() string {
	name := f.text("symbol")
	if name == "" {
		f.fail("symbol is missing")
	}
	old := e.symbols[name]
	s := &symbol{name: name, tick: zero, lot: zero, liqFee: zero, attempts: 3, timeout: 5 * second, capShare: e8, deviation: rate("0.05"),
		maxAge: 5 * second, maxJump: zero, maxHold: second, policy: "queue", score: "binance", maxParties: 10_000,
		offload: offloading{on: true, interval: 10 * second, fraction: rate("0.1"), depthShare: rate("0.05"), slips: rate("0.01")}}
	if old != nil {
		copied := *old
		s = &copied
	}
	s.tick, s.lot = f.decimal("tick", s.tick), f.decimal("lot", s.lot)
	s.liqFee, s.capShare = f.decimal("liq_fee", s.liqFee), f.decimal("cap_share", s.capShare)
	s.deviation, s.maxJump = f.decimal("max_deviation", s.deviation), f.decimal("max_jump", s.maxJump)
	if f.has("liquidation") {
		s.full = f.oneOf("liquidation", "partial", "full") == "full"
	}
	if f.has("takeover") {
		s.whole = f.oneOf("takeover", "split", "whole") == "whole"
	}
	s.attempts = int64(min(f.id("liq_attempts", uint64(s.attempts)), math.MaxInt64))
	s.timeout, s.maxAge, s.maxHold = f.duration("order_timeout", s.timeout), f.duration("max_age", s.maxAge), f.duration("max_hold", s.maxHold)
	s.tryMarket = f.flag("try_market", s.tryMarket)
	if f.has("tiers") {
		s.tiers = readTiers(f)
	}
	if adl := f.object("adl"); adl != nil {
		if adl.has("policy") {
			s.policy = adl.oneOf("policy", "queue", "pro_rata", "drain", "min_max")
		}
		if adl.has("score") {
			s.score = adl.oneOf("score", "binance", "bitmex", "hyperliquid")
		}
		s.maxParties = int64(min(adl.id("max_counterparties", uint64(s.maxParties)), math.MaxInt64))
		f.err = firstError(f.err, adl.err)
	}
	s.readOffload(f)
	return func() string { return e.putSymbol(f, old, s) }
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func rate(text string) num {
	v, err := parseDecimal(text)
	if err != nil {
		panic(err) // a constant of this package
	}
	return v
}

func readTiers(f *fields) []tier {
	var tiers []tier
	for _, row := range f.objects("tiers") {
		t := tier{floor: row.decimal("floor", nil), mmr: row.decimal("mmr", nil), cum: row.decimal("cum", nil)}
		if row.has("cap") {
			t.cap = row.decimal("cap", nil)
		}
		if row.has("max_leverage") {
			t.leverage = row.decimal("max_leverage", nil)
		}
		f.err = firstError(f.err, row.err)
		tiers = append(tiers, t)
	}
	return tiers
}

func (s *symbol) readOffload(f *fields) {
	o := f.object("offload")
	if o == nil {
		if f.has("offload") {
			s.offload.on = f.oneOf("offload", "off") != "off"
		}
		return
	}
	s.offload.on = true
	s.offload.interval = o.duration("interval", s.offload.interval)
	s.offload.fraction = o.decimal("fraction", s.offload.fraction)
	if o.has("full_size") {
		s.offload.fullSize = o.decimal("full_size", nil)
	}
	s.offload.depthShare = o.decimal("max_depth_fraction", s.offload.depthShare)
	s.offload.slips = o.decimal("slippage", s.offload.slips)
	f.err = firstError(f.err, o.err)
}

// putSymbol checks new settings against the state and puts them in force.
func (e *Engine) putSymbol(f *fields, old, s *symbol) string {
	if f.has("fund") || old == nil {
		if s.fund = e.funds[f.text("fund")]; s.fund == nil {
			return "unknown_fund"
		}
	}
	last := uint64(0)
	for _, other := range e.symbols {
		if f.has("id") && (other != old) == (other.id == f.id("id", 0)) {
			return "exists"
		}
		last = max(last, other.id)
	}
	signedSettings := []num{s.tick, s.lot, s.liqFee, s.capShare, s.deviation, s.maxJump, s.offload.fraction, s.offload.depthShare, s.offload.slips}
	if s.offload.fullSize != nil {
		signedSettings = append(signedSettings, s.offload.fullSize)
	}
	if s.tick.Sign() == 0 || s.lot.Sign() == 0 || s.attempts == 0 || s.maxParties == 0 {
		return "zero"
	}
	for _, v := range signedSettings {
		if v.Sign() < 0 {
			return "sign"
		}
	}
	if !checkTiers(s.tiers) {
		return "tiers"
	}
	if old == nil {
		if s.id = last + 1; f.has("id") {
			s.id = f.id("id", 0)
		}
		if s.offload.fullSize == nil {
			s.offload.fullSize = mul(big20, s.lot)
		}
		e.symbols[s.name] = s
		return ""
	}
	switch {
	case mod(old.tick, s.tick).Sign() != 0 || mod(old.lot, s.lot).Sign() != 0:
		return "not_divisible"
	case s.fund != old.fund && e.someoneHolds(old):
		return "held"
	}
	*old = *s
	return ""
}

// someoneHolds says whether an account or a fund has a position in s.
func (e *Engine) someoneHolds(s *symbol) bool {
	for _, a := range e.accounts {
		for _, p := range a.positions {
			if p.sym == s {
				return true
			}
		}
	}
	for _, f := range e.funds {
		if f.inventory[s.name] != nil {
			return true
		}
	}
	return false
}
