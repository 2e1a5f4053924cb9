package oracle

import (
	"math/big"
	"slices"
)

// assess gives an account its turn after an event.
func (e *Engine) assess(a *account) {
	if a.round != nil {
		if e.elapsed(a.round.since, a.round.timeout) {
			a.round.since = e.now
			e.effect("alarm", "code", "order_timeout", "account", a.id)
		}
		return
	}
	if a.outOfSync || !a.assessable() {
		return
	}
	switch open := e.unblocked(a); {
	case len(a.positions) == 0:
		e.assessFlat(a)
	case a.bankrupt && len(open) == 0:
	case a.bankrupt && a.healthy():
		e.recover(a)
	case a.bankrupt:
		e.resolve(a, a.reason)
	case a.worth16().Sign() < 0 && len(open) > 0:
		if !a.marketTried && a.anySetting(func(s *symbol) bool { return s.tryMarket }) {
			a.marketTried = true
			e.startRound(a, true)
			return
		}
		e.resolve(a, "equity")
	case a.healthy():
		if a.liquidating {
			e.recover(a)
		}
	case len(open) == 0:
	case a.liquidating && a.attempts >= a.maxAttempts():
		e.resolve(a, "unable")
	case !a.waiting:
		e.startRound(a, false)
	}
}

// unblocked are the positions that may be closed now.
func (e *Engine) unblocked(a *account) []*position {
	return slices.DeleteFunc(a.held(), func(p *position) bool { return e.blocked(p.sym) })
}

func (a *account) anySetting(is func(*symbol) bool) bool {
	for _, p := range a.positions {
		if is(p.sym) {
			return true
		}
	}
	return false
}

func (a *account) maxAttempts() int64 {
	most := int64(0)
	for _, p := range a.positions {
		most = max(most, p.sym.attempts)
	}
	return most
}

// assessFlat handles an account without positions.
func (e *Engine) assessFlat(a *account) {
	switch {
	case a.wallet.Sign() >= 0 && (a.liquidating || a.bankrupt):
		e.recover(a)
	case a.wallet.Sign() < 0 && !a.debt && !a.coverable():
		e.outOfSync(a)
	case a.wallet.Sign() < 0 && !a.debt:
		e.announce(a, "deficit")
		e.coverFlat(a)
		a.endEpisode()
	}
}

// coverFlat makes good what a flat account is short of, if a fund has to.
func (e *Engine) coverFlat(a *account) {
	if a.lastReduced == nil {
		a.debt = true
		e.effect("alarm", "code", "debt", "account", a.id)
		return
	}
	if !a.coverable() {
		e.outOfSync(a)
		return
	}
	s := a.lastReduced
	before := s.fund.cash
	amount := neg(a.wallet)
	e.effect("cover", "account", a.id, "fund", s.fund.name, "symbol", s.name, "amount", amount)
	e.pay(s.fund, s.name, "cover", neg(amount))
	a.wallet = add(a.wallet, amount)
	e.deficit(s.fund, before)
}

// coverable says whether the fund that has to could write down the cover.
func (a *account) coverable() bool {
	return a.lastReduced == nil || fits(add(a.lastReduced.fund.cash, a.wallet))
}

// recover pays the fees that were set aside and ends the episode.
func (e *Engine) recover(a *account) {
	due := a.pendingFee()
	if len(a.positions) == 0 {
		due = lessOf(due, a.wallet)
	}
	var causes []*symbol
	var weights []num
	for _, s := range e.symbolsByID() {
		if fee := a.pending[s.name]; fee != nil && fee.Sign() > 0 {
			causes, weights = append(causes, s), append(weights, fee)
		}
	}
	if due.Sign() > 0 {
		for i, amount := range share(due, weights) {
			s := causes[i]
			if amount = lessOf(amount, sub(maxInt, s.fund.cash)); amount.Sign() == 0 {
				continue
			}
			a.wallet = sub(a.wallet, amount)
			e.effect("fee", "account", a.id, "fund", s.fund.name, "symbol", s.name, "amount", amount)
			e.pay(s.fund, s.name, "liquidation_fee", amount)
		}
	}
	e.effect("recovered", "account", a.id)
	a.endEpisode()
}

// endEpisode forgets the trouble an account was in.
func (a *account) endEpisode() {
	a.pending = map[string]num{}
	a.liquidating, a.bankrupt, a.reason, a.marketTried = false, false, "", false
	a.attempts, a.waiting = 0, false
}

func (e *Engine) cancelAll(a *account) {
	if !e.cancelled[a.id] {
		e.cancelled[a.id] = true
		e.effect("cancel_orders", "account", a.id)
	}
}

// announce says that an account is bankrupt and gives it its pending fees back.
func (e *Engine) announce(a *account, reason string) {
	e.cancelAll(a)
	e.effect("bankrupt", "account", a.id, "equity", show8(a.worth16()), "reason", reason)
	a.pending = map[string]num{}
}

// startRound sends a liquidation order for every position to be cut.
func (e *Engine) startRound(a *account, market bool) {
	if !a.liquidating {
		e.cancelAll(a)
		a.liquidating = true
	}
	r := &round{since: e.now, timeout: a.shortestTimeout()}
	limits := a.bankruptcyPrices()
	for _, c := range e.cuts(a) {
		p := c.position
		exact := limits[positionKey{p.sym.name, p.side}]
		if market && p.sym.deviation.Sign() > 0 {
			exact = p.sym.boundPrice(p.qty.Sign() < 0)
		}
		e.lastOrder++
		o := &order{id: e.lastOrder, account: a.id, sym: p.sym, side: p.side, qty: signed(c.qty, neg(p.qty)),
			filled: zero, limit: p.sym.toTick(exact, p.qty.Sign() > 0)}
		e.orders[o.id] = o
		r.orders = append(r.orders, o)
		e.effect("liquidate", "order", o.id, "account", a.id, "symbol", p.sym.name, "position_side", p.side, "qty", o.qty, "limit", o.limit)
	}
	a.round = r
}

func (a *account) shortestTimeout() int64 {
	shortest := int64(-1)
	for _, p := range a.positions {
		if shortest < 0 || p.sym.timeout < shortest {
			shortest = p.sym.timeout
		}
	}
	return shortest
}

// cut is how much of a position a round closes, unsigned.
type cut struct {
	position *position
	qty      num
}

// cuts are the orders of a round: positions by largest maintenance margin, each
// cut by the fewest lots that make the account healthy at the mark, or whole.
func (e *Engine) cuts(a *account) []cut {
	open := e.unblocked(a)
	slices.SortStableFunc(open, func(p, q *position) int { return q.mm24().Cmp(p.mm24()) })
	full := a.anySetting(func(s *symbol) bool { return s.full })
	equity, margin := mul(a.equity16(), e8), a.mm24()
	var all []cut
	for _, p := range open {
		if !full {
			if k := fewestLots(p, equity, sub(margin, p.mm24())); k != nil {
				return append(all, cut{p, mul(k, p.sym.lot)})
			}
		}
		all = append(all, cut{p, abs(p.qty)})
		fee := mul(p.notional16(), p.sym.liqFee)
		equity = sub(equity, lessOf(fee, moreOf(equity, zero)))
		margin = sub(margin, p.mm24())
		if !full && equity.Cmp(margin) >= 0 {
			break // an off-lot remainder made the difference: of the next, 0 lots are enough
		}
	}
	return all
}

// fewestLots is the smallest k such that equity - fee(k) covers the margin of
// what is left of p and of everything else, nil if none does. What is spare
// after k is a concave function of k, margin being convex in the notional, so
// the first half up to its top rises and can be searched.
func fewestLots(p *position, equity24, other24 num) num {
	spare := func(k num) num {
		notional := mul(mul(k, p.sym.lot), p.sym.mark)
		left := p.sym.mm24(sub(p.notional16(), notional))
		return sub(sub(sub(equity24, mul(notional, p.sym.liqFee)), other24), left)
	}
	lots := floorDiv(abs(p.qty), p.sym.lot)
	top := firstTrue(zero, lots, func(k num) bool { return spare(add(k, one)).Cmp(spare(k)) <= 0 })
	if top.Sign() == 0 || spare(top).Sign() < 0 {
		return nil
	}
	return firstTrue(one, top, func(k num) bool { return spare(k).Sign() >= 0 })
}

// firstTrue is the smallest number from lo where is holds, hi if it does for none
// below; once it holds it goes on holding.
func firstTrue(lo, hi num, is func(num) bool) num {
	for lo.Cmp(hi) < 0 {
		middle := floorDiv(add(lo, hi), big.NewInt(2))
		if is(middle) {
			hi = middle
		} else {
			lo = add(middle, one)
		}
	}
	return lo
}

// boundPrice is mark x (1 +/- max_deviation) as a plain number.
func (s *symbol) boundPrice(above bool) *big.Rat {
	factor := sub(e8, s.deviation)
	if above {
		factor = add(e8, s.deviation)
	}
	return rat(mul(s.mark, factor), e16)
}

// toTick rounds a price to a multiple of the tick, at least one tick and no more
// than a price can hold.
func (s *symbol) toTick(price *big.Rat, up bool) num {
	ticks := ratDiv(ratMul(price, ratOf(e8)), ratOf(s.tick))
	n := floorDiv(ticks.Num(), ticks.Denom())
	if up {
		n = ceilDiv(ticks.Num(), ticks.Denom())
	}
	return mul(lessOf(moreOf(n, one), floorDiv(maxInt, s.tick)), s.tick)
}

func orderFillEvent(e *Engine, f *fields) func() string {
	id, qty, price := f.needID("order"), f.decimal("qty", nil), f.decimal("price", nil)
	return func() string {
		o := e.orders[id]
		switch {
		case o == nil:
			return "unknown_order"
		case qty.Sign() == 0 || price.Sign() == 0:
			return "zero"
		case qty.Sign() < 0 || price.Sign() < 0:
			return "sign"
		case add(o.filled, qty).CmpAbs(o.qty) > 0:
			return "overfill"
		}
		dq := signed(qty, o.qty)
		quote := signed(quoteOf(qty, price), dq)
		worse := o.qty.Sign() < 0 && price.Cmp(o.limit) < 0 || o.qty.Sign() > 0 && price.Cmp(o.limit) > 0
		if o.fund != nil {
			return e.offloadFill(o, dq, quote, worse)
		}
		return e.liquidationFill(o, dq, quote, worse)
	}
}

func (e *Engine) liquidationFill(o *order, dq, quote num, worse bool) string {
	l := e.accounts[o.account].try(o.sym, o.side, dq, quote, zero)
	if e.accounts[o.account] == nil && l.wrong != "" {
		return l.wrong
	}
	a := e.open(o.account)
	if !e.external(a, l) {
		return ""
	}
	o.filled = add(o.filled, abs(dq))
	if worse {
		e.effect("alarm", "code", "worse_than_limit", "account", a.id, "symbol", o.sym.name)
	}
	a.attempts, a.waiting = 0, false
	if a.round != nil {
		a.round.filled = true
	}
	if o.done {
		return ""
	}
	left := moreOf(zero, lessOf(floorDiv(a.equity16(), e8), sub(maxInt, a.pendingFee())))
	fee := lessOf(left, halfEven(mul(o.sym.liqFee, abs(quote)), e8))
	if was := a.pending[o.sym.name]; was != nil {
		fee = add(was, fee)
	}
	a.pending[o.sym.name] = fee
	return ""
}

func orderDoneEvent(e *Engine, f *fields) func() string {
	id, reason := f.needID("order"), f.oneOf("reason", "expired", "filled", "rejected")
	return func() string {
		o := e.orders[id]
		if o == nil {
			return "unknown_order"
		}
		if o.done {
			return ""
		}
		o.done, o.rejected = true, reason == "rejected"
		if o.fund != nil {
			if o.sym.slice == o {
				o.sym.slice = nil
			}
			return ""
		}
		e.endRound(e.accounts[o.account])
		return ""
	}
}

// endRound closes a round whose orders are all done and counts the attempt.
func (e *Engine) endRound(a *account) {
	r, rejected := a.round, true
	for _, o := range r.orders {
		if !o.done {
			return
		}
		rejected = rejected && o.rejected
	}
	a.round = nil
	switch {
	case r.filled:
		a.attempts, a.waiting = 0, false
	case rejected:
		a.waiting = true
	default:
		a.attempts++
		a.waiting = true
	}
}
