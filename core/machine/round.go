package machine

import (
	"cmp"
	"slices"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// rules are the settings that apply to an account, where those of its contracts
// differ.
type rules struct {
	full      bool
	tryMarket bool
	attempts  int32
	timeout   int64
}

func (m *Machine) rulesFor(a *account.Account) rules {
	r := rules{timeout: 1<<63 - 1}
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		i = m.accounts.Next(p)
		if p.Qty == 0 {
			continue
		}
		c := &m.contracts[p.Contract]
		r.full = r.full || c.full
		r.tryMarket = r.tryMarket || c.tryMarket
		r.attempts = max(r.attempts, c.liqAttempts)
		r.timeout = min(r.timeout, c.orderTimeout)
	}
	return r
}

// closing is a position of the account in hand on its way out.
type closing struct {
	at       int32
	order    int // among the account's positions: by symbol id, long before short
	leg      margin.Leg
	notional fixedpoint.Int128
	mm       fixedpoint.Int256
	quote    fixedpoint.Int256 // at which the account would end with nothing
	share    fixedpoint.Int256 // the same without the remainder of rounding, if some position is blocked
	blocked  bool
}

// closings lists an account's positions in order of resolution, largest notional
// first, each with its bankruptcy quote. sums are the account's.
//
// Quotes are rounded, and the last takes the remainder so that the account ends
// with exactly nothing.
func (m *Machine) closings(a *account.Account, sums *margin.Sums) []closing {
	list, blocked := m.scratch.closing[:0], false
	total := fixedpoint.Int256{}
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		if p.Qty != 0 {
			c := closing{at: i, order: len(list), leg: m.legOf(p), blocked: m.blocked(&m.contracts[p.Contract])}
			c.notional, c.mm = c.leg.Notional(), c.leg.Maintenance()
			total = total.Add(c.notional.Wide())
			blocked = blocked || c.blocked
			list = append(list, c)
		}
		i = m.accounts.Next(p)
	}
	m.scratch.closing = list
	slices.SortFunc(list, func(x, y closing) int {
		return cmp.Or(y.notional.Cmp(x.notional), x.order-y.order)
	})
	byMargin := sums.Maintenance.Sign() > 0
	if byMargin {
		total = sums.Maintenance
	}
	equity := sums.Equity(a.Wallet)
	rest := fixedpoint.Int256From(-int64(a.Wallet)) // quotes must add up to cost - wallet
	for i := range list {
		c := &list[i]
		rest = rest.Add(fixedpoint.Int256From(int64(c.leg.Cost)))
		last := i == len(list)-1
		if last && !blocked {
			c.quote = rest // and nobody asks for its share
			break
		}
		weight := c.notional.Wide()
		if byMargin {
			weight = c.mm
		}
		c.share = margin.BankruptcyQuote(c.leg.Value(), equity, weight, total)
		if c.quote = rest; !last {
			c.quote = c.share
			rest = rest.Sub(c.share)
		}
	}
	return list
}

// startRound sends one immediate-or-cancel order per position to be cut. With
// market set the account is bankrupt and everything goes, at the bound.
func (m *Machine) startRound(s account.Slot, sums *margin.Sums, r *rules, market bool) {
	a := m.accounts.At(s)
	list := m.closings(a, sums)
	open := 0
	for i := range list {
		if !list[i].blocked {
			open++
		}
	}
	if open == 0 {
		return
	}
	if open > m.orders.room() {
		a.Waiting = true
		m.fx.Append(event.Effect{
			Kind: event.EffectAlarm, Flags: event.HasAccount, Reason: uint8(event.AlarmCapacity),
			Account: a.ID, Candidates: uint32(event.Orders), RankedAt: uint64(m.limits.Orders),
		})
		return
	}
	if !a.Has(account.Liquidating) {
		a.Flags |= account.Liquidating
		m.cancelOrders(a.ID)
	}
	if market {
		a.Flags |= account.TriedMarket
	}
	a.RoundFilled, a.RoundTried, a.Waiting = false, false, false
	slices.SortFunc(list, func(x, y closing) int { return cmp.Or(y.mm.Cmp(x.mm), x.order-y.order) })
	surplus := surplusOf(a, sums)
	for i := range list {
		c := &list[i]
		if c.blocked {
			continue
		}
		k := &m.contracts[m.accounts.Position(c.at).Contract]
		qty, enough := c.leg.Qty, false
		if !r.full && !market {
			var lots int64
			if lots, enough = margin.SmallestCut(surplus, &c.leg, k.lot, k.liqFee); enough {
				qty = fixedpoint.Qty(lots) * k.lot
				if c.leg.Qty < 0 {
					qty = -qty
				}
			}
		}
		m.sendLiquidation(a, c, k, qty, market)
		if enough {
			break
		}
		surplus = surplus.Add(c.mm).Sub(c.notional.MulInt64(int64(k.liqFee)))
		if !r.full && !market && surplus.Sign() >= 0 {
			break // the off-lot remainder made the difference
		}
	}
	m.startTimeout(s, r.timeout)
}

func (m *Machine) cancelOrders(id event.AccountID) {
	m.fx.Append(event.Effect{Kind: event.EffectCancelOrders, Flags: event.HasAccount, Account: id})
}

// sendLiquidation opens an order that closes qty of the position.
func (m *Machine) sendLiquidation(a *account.Account, c *closing, k *contract, qty fixedpoint.Qty, market bool) {
	p := m.accounts.Position(c.at)
	sells := qty > 0
	var limit fixedpoint.Price
	if market && k.maxDeviation != 0 {
		limit = boundLimit(k, sells)
	} else {
		limit = quoteLimit(c, k, sells)
	}
	id := m.orders.add(order{
		account: a.ID, contract: p.Contract, side: p.Side, qty: -qty, limit: limit,
	})
	a.Orders++
	m.fx.Append(event.Effect{
		Kind: event.EffectLiquidate, Flags: event.HasAccount | event.HasSymbol | event.HasOrder,
		Order: id, Account: a.ID, Symbol: k.id, Side: p.Side, Qty: -qty, Price: limit,
	})
}

// quoteLimit is the position's bankruptcy price rounded to the tick on the side
// that cannot leave the account below zero; at least one tick.
func quoteLimit(c *closing, k *contract, sells bool) fixedpoint.Price {
	quote := c.quote
	if !sells {
		quote = quote.Neg() // now positive is a price to pay
	}
	size := c.leg.Qty
	if size < 0 {
		size = -size
	}
	return tickLimit(k.tick, sells, quote, fixedpoint.Int256From(fixedpoint.One), fixedpoint.Int256From(int64(size)))
}

// boundLimit is mark x (1 -/+ max_deviation) rounded inside; at least one tick.
func boundLimit(k *contract, sells bool) fixedpoint.Price {
	bound := fixedpoint.Int256From(fixedpoint.One)
	if d := fixedpoint.Int256From(int64(k.maxDeviation)); sells {
		bound = bound.Sub(d)
	} else {
		bound = bound.Add(d)
	}
	return tickLimit(k.tick, sells, bound, fixedpoint.Int256From(int64(k.mark)), fixedpoint.Int256From(fixedpoint.One))
}

// tickLimit rounds a x b / d to the tick, up for sales and down for purchases; at
// least one tick, at most the largest multiple that is a price.
func tickLimit(tick fixedpoint.Price, sells bool, a, b, d fixedpoint.Int256) fixedpoint.Price {
	r := fixedpoint.Floor
	if sells {
		r = fixedpoint.Ceil
	}
	num, den := [2]fixedpoint.Int256{a, b}, [2]fixedpoint.Int256{d, fixedpoint.Int256From(int64(tick))}
	ticks, ok := fixedpoint.QuoProducts(num[:], den[:], r)
	if !ok {
		panic("machine: a price needs more than 256 bits")
	}
	if ticks.Sign() <= 0 {
		return tick
	}
	most := fixedpoint.Price((1<<63 - 1) / int64(tick))
	if n, ok := ticks.Int64(); ok && fixedpoint.Price(n) <= most {
		return fixedpoint.Price(n) * tick
	}
	return most * tick
}

// startTimeout sets when an open round is overdue; never before time is known.
func (m *Machine) startTimeout(s account.Slot, timeout int64) {
	due := int64(never)
	if m.now != 0 || m.timed {
		due = later(m.now, timeout)
	}
	m.timers.start(timer{due, timeout, s})
}

// alarmTimeout raises order_timeout for a round not done in time, again every
// timeout. The round is never assumed dead.
func (m *Machine) alarmTimeout(s account.Slot) {
	m.fx.Append(event.Effect{
		Kind: event.EffectAlarm, Flags: event.HasAccount, Reason: uint8(event.AlarmOrderTimeout),
		Account: m.accounts.At(s).ID,
	})
}
