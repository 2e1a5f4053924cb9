package oracle

import (
	"math/big"
	"slices"
)

// symbol is one contract: its settings, its mark and its offloading.
type symbol struct {
	name       string
	id         uint64
	fund       *fund
	tick, lot  num
	tiers      []tier
	liqFee     num
	full       bool
	attempts   int64
	timeout    int64
	tryMarket  bool
	whole      bool
	capShare   num
	deviation  num
	maxAge     int64
	maxJump    num
	maxHold    int64
	policy     string
	score      string
	maxParties int64
	offload    offloading

	mark     num // last accepted, nil before the first
	markTime stamp
	lastTick stamp // the latest own time of a tick, accepted as the mark or not
	ticks    int   // ticks and marks so far; a ranking of record lives within one
	suspect  bool
	halted   bool

	heldPrice num // a tick too far from the mark, nil while there is none
	heldTime  stamp
	heldSince stamp
	heldMore  int // further ticks since the hold began

	bid, ask  num // resting volume, nil before the first depth
	depthTime stamp

	sliceFrom stamp // when the inventory became non-zero, or the last slice
	slice     *order
}

// offloading is how the fund leaves its inventory in a contract.
type offloading struct {
	on                                    bool
	interval                              int64
	fraction, fullSize, depthShare, slips num
}

// tier is a row of the maintenance margin table; cap nil is open-ended.
type tier struct {
	floor, cap, mmr, cum, leverage num
}

// tierOf is the tier of a notional; one equal to a cap belongs to that tier.
func (s *symbol) tierOf(notional16 num) tier {
	for _, t := range s.tiers[:len(s.tiers)-1] {
		if notional16.Cmp(mul(t.cap, e8)) <= 0 {
			return t
		}
	}
	return s.tiers[len(s.tiers)-1]
}

// mm24 is the maintenance margin of a notional.
func (s *symbol) mm24(notional16 num) num {
	t := s.tierOf(notional16)
	return sub(mul(notional16, t.mmr), mul(t.cum, e16))
}

// checkTiers says whether a table is continuous and rising.
func checkTiers(tiers []tier) bool {
	if len(tiers) == 0 || tiers[0].floor.Sign() != 0 || tiers[0].cum.Sign() != 0 {
		return false
	}
	for i, t := range tiers {
		if t.mmr.Sign() <= 0 || t.mmr.Cmp(e8) >= 0 {
			return false
		}
		if t.cap != nil && t.cap.Cmp(t.floor) <= 0 {
			return false
		}
		if t.leverage != nil && t.leverage.Sign() <= 0 {
			return false
		}
		if i == 0 {
			continue
		}
		last := tiers[i-1]
		if last.cap == nil || last.cap.Cmp(t.floor) != 0 || t.mmr.Cmp(last.mmr) < 0 {
			return false
		}
		step := mul(t.floor, sub(t.mmr, last.mmr))
		if mul(t.cum, e8).Cmp(add(mul(last.cum, e8), step)) != 0 {
			return false
		}
	}
	return true
}

// blocked says whether nothing may be closed at this contract's mark now.
func (e *Engine) blocked(s *symbol) bool {
	stale := e.now.known && s.markTime.known && apart(e.now, s.markTime).Cmp(big.NewInt(s.maxAge)) > 0
	return s.mark == nil || stale || s.halted || s.suspect || s.heldPrice != nil
}

// far says whether two prices differ by more than max_jump of the second.
func (s *symbol) far(price, from num) bool {
	return mul(abs(sub(price, from)), e8).Cmp(mul(s.maxJump, from)) > 0
}

// second is how far a tick may be ahead of the sequencer, in nanoseconds.
const second = 1e9

func tickEvent(e *Engine, f *fields) func() string {
	name, price, mt := f.text("symbol"), f.decimal("mark", nil), f.nanos("mt")
	suspect := f.oneOf("flags", "", "suspect") == "suspect"
	f.decimal("index", zero)
	return func() string {
		s := e.symbols[name]
		switch {
		case s == nil:
			return "unknown_symbol"
		case price.Sign() == 0:
			return "zero"
		case price.Sign() < 0:
			return "sign"
		case mt.known && s.lastTick.known && mt.ns <= s.lastTick.ns:
			return "late_tick"
		case mt.known && e.now.known && apart(mt, e.now).Cmp(big.NewInt(second)) > 0:
			return "future_time"
		case !suspect && e.markOverflows(s, price):
			return "overflow"
		}
		own := mt
		if !own.known {
			own = e.now
		}
		if own.known && (!s.lastTick.known || own.ns > s.lastTick.ns) {
			s.lastTick = own
		}
		s.ticks++
		s.suspect = suspect
		if !suspect {
			e.takeTick(s, price, own)
		}
		return ""
	}
}

// markOverflows says whether some position held now would not fit an Amount.
func (e *Engine) markOverflows(s *symbol, price num) bool {
	for _, a := range e.accounts {
		for _, p := range a.positions {
			if p.sym == s && !fits(quoteOf(p.qty, price)) {
				return true
			}
		}
	}
	for _, f := range e.funds {
		if p := f.inventory[s.name]; p != nil && !fits(quoteOf(p.qty, price)) {
			return true
		}
	}
	return false
}

// takeTick accepts a tick as the mark, or holds it.
func (e *Engine) takeTick(s *symbol, price num, own stamp) {
	jumps := s.maxJump.Sign() > 0 && s.mark != nil && s.far(price, s.mark)
	switch {
	case !jumps:
		e.accept(s, price, own)
	case s.heldPrice == nil:
		s.heldPrice, s.heldTime, s.heldSince, s.heldMore = price, own, e.now, 0
		e.effect("alarm", "code", "mark_held", "symbol", s.name)
	case !s.far(price, s.heldPrice):
		e.accept(s, price, own)
	default:
		s.heldPrice, s.heldTime = price, own
		if s.heldMore++; s.heldMore == 2 {
			e.forceHold(s)
		}
	}
}

// accept makes a price the mark, and lets those who waited for it try again.
func (e *Engine) accept(s *symbol, price num, own stamp) {
	s.mark, s.markTime, s.heldPrice = price, own, nil
	s.ticks++
	for _, a := range e.accounts {
		for _, p := range a.positions {
			if p.sym == s {
				a.waiting = false
			}
		}
	}
}

// forceHold ends a hold with the latest held price; where a position has grown
// since, so that its mark value would not fit, the old mark stays.
func (e *Engine) forceHold(s *symbol) {
	if e.markOverflows(s, s.heldPrice) {
		s.heldPrice = nil
	} else {
		e.accept(s, s.heldPrice, s.heldTime)
	}
	e.effect("alarm", "code", "mark_held", "symbol", s.name)
}

// expireHolds ends the holds that lasted max_hold, by symbol id.
func (e *Engine) expireHolds() {
	for _, s := range e.symbolsByID() {
		if s.heldPrice != nil && e.elapsed(s.heldSince, s.maxHold) {
			e.forceHold(s)
		}
	}
}

func (e *Engine) symbolsByID() []*symbol {
	var all []*symbol
	for _, s := range e.symbols {
		all = append(all, s)
	}
	slices.SortFunc(all, func(s, o *symbol) int {
		if s.id < o.id {
			return -1
		}
		return 1
	})
	return all
}

func depthEvent(e *Engine, f *fields) func() string {
	name, bid, ask := f.text("symbol"), f.decimal("bid_qty", nil), f.decimal("ask_qty", nil)
	return func() string {
		s := e.symbols[name]
		if s == nil {
			return "unknown_symbol"
		}
		if bid.Sign() < 0 || ask.Sign() < 0 {
			return "sign"
		}
		s.bid, s.ask, s.depthTime = bid, ask, e.now
		return ""
	}
}

func haltEvent(halted bool) func(*Engine, *fields) func() string {
	return func(e *Engine, f *fields) func() string {
		name := f.text("symbol")
		return func() string {
			s := e.symbols[name]
			if s == nil {
				return "unknown_symbol"
			}
			s.halted = halted
			return ""
		}
	}
}
