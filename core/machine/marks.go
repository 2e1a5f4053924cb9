package machine

import (
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// age is how long ago something of time at was.
func (m *Machine) age(at int64) int64 { return m.now - at }

// blocked reports whether positions in c cannot be closed now: no first mark, the
// mark is old, held or suspect, or the contract is halted.
func (m *Machine) blocked(c *contract) bool {
	return c.mark == 0 || c.halted || c.suspect || c.held != 0 ||
		m.timed && c.markTime != 0 && m.age(c.markTime) > c.maxAge
}

// second is how far ahead of t a tick's own time may be.
const second = int64(1e9)

// applyTick stores a mark, holds it, or notes that it is suspect.
func (m *Machine) applyTick(h *event.Record) event.Reject {
	i := m.contractOf(h.Symbol())
	if i < 0 {
		return event.UnknownSymbol
	}
	c := &m.contracts[i]
	mark := h.Mark()
	if code := checkPositive(int64(mark)); code != event.Accepted {
		return code
	}
	if h.Has(event.FlagIndex) {
		if code := checkPositive(int64(h.Index())); code != event.Accepted {
			return code
		}
	}
	timed := m.timedNow(h)
	own := int64(0)
	if timed {
		own = m.now
	}
	if h.Has(event.FlagMarkTime) {
		own = h.MarkTime()
		if own <= c.last {
			m.refusal.RankedAt = uint64(c.last)
			return event.LateTick
		}
		if latest := later(m.now, second); timed && own > latest {
			m.refusal.RankedAt = uint64(latest)
			return event.FutureTime
		}
	}
	if !h.Has(event.FlagSuspect) && m.wouldOverflow(i, mark) {
		return event.Overflow
	}
	c.last = max(c.last, own)
	c.rankings[longs].made, c.rankings[shorts].made = 0, 0 // of record until the next tick, be it the mark or not
	if h.Has(event.FlagSuspect) {
		c.suspect = true
		return event.Accepted
	}
	c.suspect = false
	switch {
	case c.mark == 0 || c.maxJump == 0 || near(mark, c.mark, c.maxJump):
		m.setMark(i, mark, own)
	case c.held == 0:
		c.held, c.heldTime, c.heldSince, c.heldMore = mark, own, m.now, 0
		m.heldMarks++
		m.alarmHeld(c, 0)
	case near(mark, c.held, c.maxJump):
		m.setMark(i, mark, own)
	default:
		c.held, c.heldTime = mark, own
		if c.heldMore++; c.heldMore == 2 {
			m.alarmHeld(c, 1)
			m.setMark(i, mark, own)
		}
	}
	return event.Accepted
}

// near reports |p - q| <= q x part.
func near(p, q fixedpoint.Price, part fixedpoint.Rate) bool {
	return !fixedpoint.Mul64(int64(q), int64(part)).Less(fixedpoint.Mul64(int64(p-q), fixedpoint.One).Abs())
}

func (m *Machine) alarmHeld(c *contract, forced uint32) {
	m.fx.Append(event.Effect{
		Kind: event.EffectAlarm, Flags: event.HasSymbol, Reason: uint8(event.AlarmMarkHeld),
		Symbol: c.id, Mark: c.held, Price: c.mark, Rank: forced,
	})
}

// setMark accepts a mark; a hold ends with it, and so does the ranking of record.
func (m *Machine) setMark(i int32, mark fixedpoint.Price, own int64) {
	c := &m.contracts[i]
	if c.held != 0 {
		c.held, c.heldMore = 0, 0
		m.heldMarks--
	}
	c.mark, c.markTime = mark, own
	m.epoch++
	c.rankings[longs].made, c.rankings[shorts].made = 0, 0
	m.fire(i, true)
}

// wouldOverflow reports whether at the mark some position held now, by an account
// or the fund, would have a mark value that does not fit an Amount.
func (m *Machine) wouldOverflow(i int32, mark fixedpoint.Price) bool {
	c := &m.contracts[i]
	if !overflows(c.most, mark) {
		return false
	}
	if c.fewer { // than most, perhaps: counted again, once for each time the largest shrinks
		c.most, c.fewer = max(c.inventory.Qty, -c.inventory.Qty), false
		m.holders(i, func(at int32) bool {
			q := m.accounts.Position(at).Qty
			c.most = max(c.most, q, -q)
			return true
		})
	}
	return overflows(c.most, mark)
}

func overflows(q fixedpoint.Qty, p fixedpoint.Price) bool { return !fixedpoint.QuoteFits(q, p) }

// expireHolds accepts the latest of the marks that were held for max_hold.
func (m *Machine) expireHolds() {
	for _, i := range m.byID {
		c := &m.contracts[i]
		if c.held == 0 || !m.timed || m.now-c.heldSince < c.maxHold {
			continue
		}
		m.alarmHeld(c, 1)
		if m.wouldOverflow(i, c.held) {
			// A position grew while it was held: the old mark stays, and goes stale.
			c.held, c.heldMore = 0, 0
			m.heldMarks--
			m.fire(i, false)
			continue
		}
		m.setMark(i, c.held, c.heldTime)
	}
}

func (m *Machine) applyHalt(h *event.Record, halt bool) event.Reject {
	i := m.contractOf(h.Symbol())
	if i < 0 {
		return event.UnknownSymbol
	}
	m.contracts[i].halted = halt
	if !halt && m.contracts[i].mark != 0 {
		m.fire(i, false)
	}
	return event.Accepted
}

func (m *Machine) applyDepth(h *event.Record) event.Reject {
	i := m.contractOf(h.Symbol())
	if i < 0 {
		return event.UnknownSymbol
	}
	if h.Bid() < 0 || h.Ask() < 0 {
		return event.Sign
	}
	c := &m.contracts[i]
	c.bid, c.ask, c.depthKnown, c.depthTime = h.Bid(), h.Ask(), true, m.now
	return event.Accepted
}
