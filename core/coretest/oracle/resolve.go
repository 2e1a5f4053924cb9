package oracle

import (
	"cmp"
	"maps"
	"math/big"
	"slices"
)

// byNotional are an account's positions in the order of their resolution.
func (a *account) byNotional() []*position {
	all := a.held()
	slices.SortStableFunc(all, func(p, q *position) int { return q.notional16().Cmp(p.notional16()) })
	return all
}

// shareQuote is mark value - worth x weight / sum of weights: what closing one
// position has to bring, half-even.
func shareQuote(value16, worth16, weight, sum num) num {
	return halfEven(sub(mul(value16, sum), mul(worth16, weight)), mul(e8, sum))
}

// quotes are the signed quotes at which an account's positions have to be
// closed for it to end with exactly nothing; the last one takes the remainder.
func (a *account) quotes() map[positionKey]num {
	weigh, sum := (*position).mm24, a.mm24()
	if sum.Sign() == 0 {
		weigh = (*position).notional16
		for _, p := range a.positions {
			sum = add(sum, p.notional16())
		}
	}
	quotes := map[positionKey]num{}
	order := a.byNotional()
	left := neg(a.wallet)
	for _, p := range order {
		left = add(left, p.cost)
	}
	for i, p := range order {
		q := shareQuote(p.value16(), a.worth16(), weigh(p), sum)
		if i == len(order)-1 {
			q = left
		}
		left = sub(left, q)
		quotes[positionKey{p.sym.name, p.side}] = q
	}
	return quotes
}

// bankruptcyPrices are quote / qty of each position, as plain numbers.
func (a *account) bankruptcyPrices() map[positionKey]*big.Rat {
	prices := map[positionKey]*big.Rat{}
	for key, q := range a.quotes() {
		prices[key] = rat(q, a.positions[key].qty)
	}
	return prices
}

// resolve closes a bankrupt account's positions with the funds and with
// counterparties, those of blocked contracts excepted.
func (e *Engine) resolve(a *account, reason string) {
	e.announce(a, reason)
	if e.net(a) && a.healthy() {
		e.recover(a)
		return
	}
	if len(a.positions) == 0 {
		e.coverFlat(a)
		a.endEpisode()
		return
	}
	// Shares are of what the account is now; when nothing is blocked the last
	// one is what is left after the others were booked.
	quotes := a.quotes()
	order := a.byNotional()
	blocked := slices.ContainsFunc(order, func(p *position) bool { return e.blocked(p.sym) })
	if blocked {
		quotes = a.plainShares()
	}
	for _, p := range order {
		if !e.blocked(p.sym) && !a.outOfSync {
			e.resolvePosition(a, p, quotes[positionKey{p.sym.name, p.side}])
		}
	}
	a.endEpisode()
	if len(a.positions) > 0 && !a.outOfSync {
		a.bankrupt, a.reason = true, reason
	}
}

// plainShares are quotes without a remainder for the last.
func (a *account) plainShares() map[positionKey]num {
	quotes := map[positionKey]num{}
	for key, p := range a.positions {
		quotes[key] = shareQuote(p.value16(), a.worth16(), p.mm24(), a.mm24())
	}
	return quotes
}

// net closes matched hedge legs of a symbol against each other at the mark.
func (e *Engine) net(a *account) bool {
	netted := false
	for _, s := range e.symbolsByID() {
		long, short := a.positions[positionKey{s.name, "long"}], a.positions[positionKey{s.name, "short"}]
		if long == nil || short == nil || e.blocked(s) {
			continue
		}
		qty := lessOf(long.qty, abs(short.qty))
		quote := quoteOf(qty, s.mark)
		was := *a
		was.positions = maps.Clone(a.positions)
		a.book(a.try(s, "long", neg(qty), neg(quote), zero))
		a.book(a.try(s, "short", qty, quote, zero))
		if !fits(quote) || !fits(a.wallet) {
			*a = was
			continue
		}
		e.effect("netted", "account", a.id, "symbol", s.name, "qty", qty, "price", s.mark)
		netted = true
	}
	return netted
}

// piece is a position on its way out of a bankrupt account.
type piece struct {
	account *account
	sym     *symbol
	side    string
	qty     num // signed
	quote   num // signed, within the bound, for all of it
	settled num // what the fund pays on top, negative where it receives
	lifted  bool
	lots    num // whole ones
	rest    num // what is left over
	cash    num // of the fund, once settled is paid
}

// price is quote / qty as a plain number.
func (p *piece) price() *big.Rat { return rat(p.quote, p.qty) }

// resolvePosition closes one position for a quote: first what the fund may take
// is worked out, then counterparties take the rest, then the fund its piece.
func (e *Engine) resolvePosition(a *account, pos *position, quote num) {
	s, f := pos.sym, pos.sym.fund
	cashBefore := f.cash
	p := &piece{account: a, sym: s, side: pos.side, qty: pos.qty}
	p.lots, p.rest = new(big.Int).DivMod(abs(pos.qty), s.lot, new(big.Int))
	e.bound(p, quote)
	p.cash = sub(f.cash, p.settled)
	closed := a.try(s, pos.side, neg(p.qty), neg(p.quote), zero)
	if closed.wrong != "" || !fits(add(closed.wallet, p.settled)) {
		e.outOfSync(a) // its own wallet cannot hold the outcome: the position stays
		return
	}

	may := p.mayTake()
	needed := sub(p.lots, may)
	var given []gift
	taken := zero
	var receipt *receipt
	if needed.Sign() > 0 {
		receipt = e.deleverage(p, needed)
		given = receipt.gifts
		for _, g := range given {
			taken = add(taken, g.lots)
		}
	}
	fundLots := sub(p.lots, taken)
	fundQty := add(mul(fundLots, s.lot), p.rest)
	for !f.canTake(s, p.cash, signed(fundQty, p.qty), p.partOf(fundQty)) && fundQty.Sign() > 0 {
		fundQty = p.lessFor(f, fundQty)
	}
	e.distribute(p, given, receipt, fundQty)
	p.settled = portion(p.settled, add(fundQty, mul(taken, s.lot)), abs(p.qty)) // all of it, unless some stays

	if p.settled.Sign() > 0 {
		e.effect("cover", "account", a.id, "fund", f.name, "symbol", s.name, "amount", p.settled)
		e.pay(f, s.name, "cover", neg(p.settled))
	} else if p.settled.Sign() < 0 {
		e.effect("surplus", "account", a.id, "fund", f.name, "symbol", s.name, "amount", neg(p.settled))
		e.pay(f, s.name, "surplus", neg(p.settled))
	}
	a.wallet = add(a.wallet, p.settled)
	if p.lifted {
		e.effect("alarm", "code", "bound_lifted", "account", a.id, "symbol", s.name, "fund", f.name)
	}
	if floorDiv(fundQty, s.lot).Cmp(may) > 0 {
		e.effect("alarm", "code", "cap_exceeded", "account", a.id, "symbol", s.name, "fund", f.name)
	}
	e.deficit(f, cashBefore)
	if a.positions[positionKey{s.name, p.side}] != nil {
		e.outOfSync(a)
	}
}

// lessFor is the most the fund's numbers can hold below qty: whole lots, or
// what is off-lot alone, or nothing.
func (p *piece) lessFor(f *fund, qty num) num {
	s := p.sym
	holds := func(x num) bool { return f.canTake(s, p.cash, signed(x, p.qty), p.partOf(x)) }
	lots := floorDiv(qty, s.lot)
	k := firstTrue(zero, lots, func(k num) bool { return !holds(mul(add(k, one), s.lot)) })
	return mul(k, s.lot)
}

// partOf is the quote of part of the piece, half-even.
func (p *piece) partOf(qty num) num {
	return halfEven(mul(p.quote, qty), abs(p.qty))
}

// bound keeps the price near the mark and above 0, and works out what the fund
// has to settle for that; where it cannot, the bound gives way.
func (e *Engine) bound(p *piece, quote num) {
	s := p.sym
	want := signed(quote, p.qty) // unsigned where the price is positive
	low, high := one, num(nil)
	if s.deviation.Sign() > 0 {
		value := mul(abs(p.qty), s.mark)
		low = moreOf(one, halfEven(mul(value, sub(e8, s.deviation)), e16))
		high = moreOf(one, halfEven(mul(value, add(e8, s.deviation)), e16))
	}
	within := moreOf(want, low)
	if high != nil {
		within = lessOf(within, high)
	}
	p.settled = signed(sub(want, within), p.qty)
	if can := moreOf(zero, floorDiv(s.fund.equity16(), e8)); p.settled.Cmp(can) > 0 {
		p.settled, p.lifted = can, true
		within = sub(want, signed(can, p.qty))
	}
	p.quote = signed(within, p.qty)
}

// mayTake is how many lots of the piece the fund may take.
func (p *piece) mayTake() num {
	s, f := p.sym, p.sym.fund
	was := f.in(s)
	towards := zero
	if was.qty.Sign() == -p.qty.Sign() && was.qty.CmpAbs(p.rest) >= 0 {
		towards = lessOf(p.lots, floorDiv(sub(abs(was.qty), p.rest), s.lot))
	}
	k := zero
	if most, ok := largest(zero, towards, p.equityAfter); ok {
		k = most
	}
	if k.Cmp(towards) == 0 && !f.onlyADL() {
		if most, ok := p.beyondZero(add(towards, one)); ok && (!s.whole || most.Cmp(p.lots) == 0) {
			k = most
		}
	}
	holds := func(k num) bool {
		x := add(mul(k, s.lot), p.rest)
		return f.canTake(s, p.cash, signed(x, p.qty), p.partOf(x))
	}
	if !holds(k) {
		k = firstTrue(zero, k, func(k num) bool { return !holds(add(k, one)) })
	}
	return k
}

// taken is the quantity of k lots and what is off-lot, signed.
func (p *piece) taken(k num) num {
	return signed(add(mul(k, p.sym.lot), p.rest), p.qty)
}

// equityAfter is the fund's equity after k lots, as a plain number.
func (p *piece) equityAfter(k num) *big.Rat {
	f, x := p.sym.fund, p.taken(k)
	equity := rat(sub(f.equity16(), mul(p.settled, e8)), e16)
	paid := ratMul(rat(x, e8), p.price())
	return ratSub(ratAdd(equity, rat(mul(x, p.sym.mark), e16)), paid)
}

// cashAfter is the fund's cash after k lots, reducing inventory being realized.
func (p *piece) cashAfter(k num) *big.Rat {
	f, x := p.sym.fund, p.taken(k)
	cash := rat(p.cash, e8)
	was := f.in(p.sym)
	if was.qty.Sign() != -x.Sign() || x.Sign() == 0 {
		return cash
	}
	closing := lessOf(abs(x), abs(was.qty))
	paid := ratMul(rat(signed(closing, x), e8), p.price())
	released := rat(mul(was.cost, closing), mul(abs(was.qty), e8))
	return ratSub(ratSub(cash, paid), released)
}

// beyondZero is the most lots, at least from, that keep both caps.
func (p *piece) beyondZero(from num) (num, bool) {
	if from.Cmp(p.lots) > 0 {
		return nil, false
	}
	s, f := p.sym, p.sym.fund
	was := f.in(s)
	others := rat(sub(f.net16(), was.notional16()), e16)
	net := func(k num) *big.Rat { return rat(mul(abs(add(was.qty, p.taken(k))), s.mark), e16) }
	room := func(limit num, base func(num) *big.Rat, others *big.Rat) func(num) *big.Rat {
		return func(k num) *big.Rat {
			return ratSub(ratSub(ratMul(rat(limit, e8), base(k)), net(k)), others)
		}
	}
	none := new(big.Rat)
	return largest(from, p.lots,
		room(s.capShare, p.cashAfter, none), room(s.capShare, p.equityAfter, none),
		room(f.cap, p.cashAfter, others), room(f.cap, p.equityAfter, others))
}

// largest is the largest k from lo to hi at which every one of the functions,
// all linear there, is at least 0.
func largest(lo, hi num, linear ...func(num) *big.Rat) (num, bool) {
	start := lo
	for _, g := range linear {
		at := g(start)
		slope := ratSub(g(add(start, one)), at)
		switch slope.Sign() {
		case 0:
			if at.Sign() < 0 {
				return nil, false
			}
		case 1:
			lo = moreOf(lo, sub(start, ratFloor(ratDiv(at, slope))))
		case -1:
			hi = lessOf(hi, add(start, ratFloor(ratDiv(at, new(big.Rat).Neg(slope)))))
		}
	}
	return hi, lo.Cmp(hi) <= 0
}

// distribute splits the piece's quote over all who take of it and books it.
func (e *Engine) distribute(p *piece, given []gift, r *receipt, fundQty num) {
	a, s, f := p.account, p.sym, p.sym.fund
	parties := slices.Clone(given)
	slices.SortStableFunc(parties, func(g, h gift) int { return cmp.Compare(g.row.account, h.row.account) })
	var weights []num
	stays := sub(abs(p.qty), fundQty)
	for _, g := range parties {
		weights = append(weights, mul(g.lots, s.lot))
		stays = sub(stays, mul(g.lots, s.lot))
	}
	quotes := share(p.quote, append(weights, fundQty, stays))
	for _, g := range given {
		i := slices.IndexFunc(parties, func(h gift) bool { return h.rank == g.rank })
		e.give(p, g, quotes[i])
	}
	if r != nil {
		e.showReceipt(p, r)
	}
	// The account's side is one closing, of all that leaves it.
	if closed := sub(abs(p.qty), stays); closed.Sign() > 0 {
		a.book(a.try(s, p.side, neg(signed(closed, p.qty)), sub(quotes[len(parties)+1], p.quote), zero))
	}
	if fundQty.Sign() == 0 {
		return
	}
	qty, quote := signed(fundQty, p.qty), quotes[len(parties)]
	realized := e.take(f, s, qty, quote)
	e.effect("takeover", "account", a.id, "fund", f.name, "symbol", s.name, "position_side", p.side,
		"qty", qty, "price", priceOf(quote, qty), "quote", quote, "mark_loss", show8(sub(mul(quote, e8), mul(qty, s.mark))))
	e.ledger(f, s.name, "takeover", realized)
}

// priceOf is quote / qty, half-even, for display: 0 where it does not fit.
func priceOf(quote, qty num) num {
	price := halfEven(mul(quote, e8), qty)
	if !fits(price) {
		return zero
	}
	return price
}
