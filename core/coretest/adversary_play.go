package coretest

import (
	"math"
	"slices"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// play chooses what comes next. The first choice ends in an event, whatever the
// state.
func (a *Adversary) play() {
	s := step{contract: a.anyContract()}
	switch n := a.choose(64); {
	case n > 0 && a.loading && n%8 == 0:
		s.do = (*Adversary).live
	case n > 0 && a.contracts[s.contract].halted && n%4 == 0:
		s.do = (*Adversary).resume
	case n > 0 && len(a.orders) > 24 && n%2 == 0:
		s.do = (*Adversary).answer
	case n < 14:
		s.do = (*Adversary).wander
	case n < 24:
		s.do = (*Adversary).park
	case n < 27:
		s.do = (*Adversary).squeeze
	case n < 33:
		s.do = (*Adversary).replace
	case n < 36:
		s.do = (*Adversary).exact
	case n < 43:
		s.do = (*Adversary).fill
	case n < 53:
		s.do = (*Adversary).answer
	case n < 57:
		a.block(s.contract)
		return
	case n < 59:
		s.do = (*Adversary).settings
	case n < 60:
		s.do = (*Adversary).border
	case n < 61:
		s.do = (*Adversary).edge
	case n < 62:
		s.do = (*Adversary).reopen
	default:
		s.do = (*Adversary).rare
	}
	a.then(s)
}

// park puts the mark on the prices around an account's liquidation price.
func (a *Adversary) park(s step) event.Event {
	id := a.find(-1)
	if id == 0 {
		return a.replace(s)
	}
	a.parkOn(id, &a.view.Positions[a.choose(len(a.view.Positions))])
	return nil
}

// parkOn parks on one position's prices, in the direction that hurts.
func (a *Adversary) parkOn(id event.AccountID, p *event.PositionView) {
	price, adverse := p.LiquidationBelow, fixedpoint.Price(-1)
	if price == 0 || p.LiquidationAbove != 0 && a.choose(2) == 0 {
		price, adverse = p.LiquidationAbove, 1
	}
	if price == 0 || price == math.MaxInt64 {
		return
	}
	c := a.marketOf(p.Symbol)
	last := a.lastHealthy(p.Symbol, price, adverse)
	var burst [12]step
	n := 1 + a.choose(len(burst)-2)
	for i := range n {
		price, kind := a.spot(p.Mark, last, adverse)
		burst[i] = step{kind: kind, price: clamped(price)}
	}
	if a.choose(4) > 0 {
		burst[n] = step{kind: LastHealthy, price: last}
		n++
	}
	burst[n] = step{kind: FirstBreach, price: clamped(last + adverse)}
	for i := range n + 1 {
		burst[i].do, burst[i].contract, burst[i].account = (*Adversary).tickAt, c, id
	}
	a.then(burst[:n+1]...)
}

// spot is a price on the way from a mark to the last healthy one, where a trigger may
// lie or an index may round.
func (a *Adversary) spot(mark, last, adverse fixedpoint.Price) (fixedpoint.Price, Point) {
	part := mark + (last-mark)/16*fixedpoint.Price(1+a.choose(15))
	switch a.choose(8) {
	case 0:
		return last, LastHealthy
	case 1:
		return last - adverse*fixedpoint.Price(a.choose(4)), Anywhere
	case 2:
		return a.rounded(last, 25), NearCode
	case 3:
		return a.rounded(part, 25), NearCode
	case 4:
		return a.rounded(last, 13), NearCode
	case 5:
		return a.rounded(part, 13), BucketBorder
	case 6:
		return part, Anywhere
	}
	return mark + min(mark-last, math.MaxInt64-mark)/fixedpoint.Price(1+a.choose(8)), Anywhere
}

// rounded is a price of n leading bits next to another, or a step beside that.
func (a *Adversary) rounded(p fixedpoint.Price, n int) fixedpoint.Price {
	unit := leading(p, n)
	low := p &^ (unit - 1)
	if a.choose(2) == 0 && low < math.MaxInt64-unit {
		low += unit
	}
	return low + fixedpoint.Price(a.choose(3)-1)
}

// lastHealthy is the last price at which the account in view is healthy, given the
// shown one, which is rounded.
func (a *Adversary) lastHealthy(symbol event.SymbolID, shown, adverse fixedpoint.Price) fixedpoint.Price {
	for p := shown + adverse; ; p -= adverse {
		if p == shown-2*adverse || p > 0 && a.healthyAt(symbol, p) {
			return p
		}
	}
}

// healthyAt tells whether the account in view would be at another mark of a symbol.
func (a *Adversary) healthyAt(symbol event.SymbolID, mark fixedpoint.Price) bool {
	var sums margin.Sums
	for _, p := range a.view.Positions {
		l := margin.Leg{Qty: p.Qty, Cost: p.Cost, Mark: p.Mark, Tiers: &a.contracts[a.marketOf(p.Symbol)].tiers}
		if p.Symbol == symbol {
			l.Mark = mark
		}
		sums.Add(&l)
	}
	return sums.Healthy(a.view.Wallet - a.view.PendingFee)
}

// squeeze takes an account's surplus contract by contract, each a part of the way to
// where it would breach, and the last one all the way.
func (a *Adversary) squeeze(step) event.Event {
	id := a.find(-1)
	if id == 0 {
		return nil
	}
	for range len(a.view.Positions) {
		a.then(step{do: (*Adversary).squeezeOne, account: id, n: 1 + a.choose(30)})
	}
	a.queue = append(a.queue, step{do: (*Adversary).squeezeLast, account: id})
	return nil
}

func (a *Adversary) squeezeOne(s step) event.Event {
	if !a.look(s.account) {
		return nil
	}
	p := &a.view.Positions[a.choose(len(a.view.Positions))]
	end := p.LiquidationBelow
	if end == 0 {
		end = p.LiquidationAbove
	}
	if end == 0 {
		return nil
	}
	to := p.Mark + (end-p.Mark)/32*fixedpoint.Price(s.n)
	return a.tick(a.marketOf(p.Symbol), clamped(to))
}

func (a *Adversary) squeezeLast(s step) event.Event {
	if !a.look(s.account) {
		return nil
	}
	p := &a.view.Positions[a.choose(len(a.view.Positions))]
	end, adverse := p.LiquidationBelow, fixedpoint.Price(-1)
	if end == 0 {
		end, adverse = p.LiquidationAbove, 1
	}
	if end == 0 || end == math.MaxInt64 {
		return nil
	}
	c, last := a.marketOf(p.Symbol), a.lastHealthy(p.Symbol, end, adverse)
	a.then(step{do: (*Adversary).tickAt, contract: c, account: s.account, price: clamped(last), kind: LastHealthy},
		step{do: (*Adversary).tickAt, contract: c, account: s.account, price: clamped(last + adverse), kind: Squeezed})
	return nil
}

// edge puts the mark where a position's notional is a tier's cap, and beside it.
func (a *Adversary) edge(step) event.Event {
	if a.find(-1) == 0 {
		return nil
	}
	p := &a.view.Positions[a.choose(len(a.view.Positions))]
	i := a.marketOf(p.Symbol)
	c := &a.contracts[i]
	limit := c.given[a.choose(len(c.given))].Cap
	at, ok := fixedpoint.UnitPrice(limit, p.Qty)
	if !ok || at == 0 || at == math.MaxInt64 {
		return nil
	}
	for range 1 + a.choose(3) {
		a.then(step{do: (*Adversary).tickAt, contract: i, price: clamped(at + fixedpoint.Price(a.choose(3)-1)), kind: TierEdge})
	}
	return nil
}

// fill trades: one account alone, two with each other, or one through zero.
func (a *Adversary) fill(s step) event.Event {
	c := &a.contracts[s.contract]
	id, qty := a.anyAccount(), a.qty(c)
	if a.choose(4) == 0 && a.find(-1) != 0 && !hedges(a.view.Account) {
		p := &a.view.Positions[a.choose(len(a.view.Positions))]
		c, id, qty = &a.contracts[a.marketOf(p.Symbol)], a.view.Account, a.against(p)
	} else if a.choose(2) == 0 {
		qty = -qty
	}
	if other := a.anyAccount(); a.choose(2) == 0 && other != id {
		return a.trade(c, id, other, qty)
	}
	fee := fixedpoint.Amount(0)
	if a.choose(4) == 0 {
		fee = fixedpoint.Amount(a.choose(1000) - 100)
	}
	return a.one(event.Fill(id, c.id, a.side(id, qty), qty, a.near(c), fee))
}

// against is a quantity that closes a part of a position, all of it, or more.
func (a *Adversary) against(p *event.PositionView) fixedpoint.Qty {
	switch a.choose(3) {
	case 0:
		return -p.Qty
	case 1:
		if p.Qty < 1<<60 && p.Qty > -1<<60 {
			a.sent.kind = Flip
			return -p.Qty - p.Qty/2 - sign(p.Qty)
		}
	}
	return -(p.Qty/2 + sign(p.Qty))
}

func sign(q fixedpoint.Qty) fixedpoint.Qty {
	if q < 0 {
		return -1
	}
	return 1
}

func (a *Adversary) trade(c *market, id, other event.AccountID, qty fixedpoint.Qty) event.Event {
	t := event.TradeLegs{Symbol: c.id, Qty: max(qty, -qty), Price: a.near(c), Buyer: id, Seller: other}
	if qty < 0 {
		t.Buyer, t.Seller = other, id
	}
	t.BuyerSide, t.SellerSide = a.side(t.Buyer, 1), a.side(t.Seller, -1)
	return a.stamped(event.AppendTrade(a.records[:0], t))
}

// side is the leg of a fill: in hedge mode mostly the one it opens.
func (a *Adversary) side(id event.AccountID, qty fixedpoint.Qty) event.PositionSide {
	switch {
	case !hedges(id):
		return event.Both
	case qty > 0 == (a.choose(4) > 0):
		return event.Long
	}
	return event.Short
}

// answer is the venue's: fills, in parts or whole, at the limit, better or worse; the
// end of an order; and fills that come after it.
func (a *Adversary) answer(s step) event.Event {
	if len(a.orders) == 0 {
		return a.wander(s)
	}
	i := len(a.orders) - 1 - a.choose(len(a.orders))
	o := &a.orders[i]
	if o.qty > 0 && a.choose(4) < a.temper.fills {
		qty := o.qty
		if a.choose(3) == 0 {
			qty = max(1, qty/2)
		}
		o.qty -= qty
		return a.one(event.OrderFill(o.id, qty, times(o.limit, int64(1000+a.choose(41)-10), 1000)))
	}
	id, left := o.id, o.qty
	if left > 0 && a.choose(8) == 0 {
		a.then(step{do: (*Adversary).lateFill, n: int(id), price: fixedpoint.Price(left), kind: LateFill})
	}
	a.orders = slices.Delete(a.orders, i, i+1)
	reasons := [...]event.DoneReason{event.Expired, event.Expired, event.Filled, event.Rejected}
	return a.one(event.OrderDone(id, reasons[a.choose(len(reasons))]))
}

func (a *Adversary) lateFill(s step) event.Event {
	c := &a.contracts[a.anyContract()]
	return a.one(event.OrderFill(event.OrderID(s.n), fixedpoint.Qty(s.price), a.near(c)))
}

// block blocks a contract's mark, drowns accounts that hold it, and ends the block,
// often at the very same mark.
func (a *Adversary) block(i int) {
	at := step{contract: i}
	plain := func(do func(*Adversary, step) event.Event) step {
		s := at
		s.do = do
		return s
	}
	drown, any, again := plain((*Adversary).drown), plain((*Adversary).elsewhere), plain((*Adversary).again)
	middle := []step{drown, any, drown}[:1+a.choose(3)]
	var begin, end step
	switch n := a.choose(5); {
	case a.contracts[i].jumps && n < 3:
		begin, end = plain((*Adversary).leap), plain((*Adversary).expire)
	case n < 2:
		begin, end = plain((*Adversary).halt), plain((*Adversary).resume)
		if a.choose(2) == 0 {
			middle = append(middle, plain((*Adversary).wander))
		}
	case n == 2:
		begin, end = plain((*Adversary).suspectTick), again
	case n == 3:
		begin, end = plain((*Adversary).stale), again
	default:
		begin, end = plain((*Adversary).load), plain((*Adversary).live)
	}
	if a.choose(8) == 0 {
		end = any // the block stays, until something ends it
	}
	a.then(slices.Concat([]step{begin}, middle, []step{end})...)
}

// elsewhere is a mark of another contract.
func (a *Adversary) elsewhere(s step) event.Event {
	s.contract = (s.contract + 1 + a.choose(len(a.contracts)-1)) % len(a.contracts)
	return a.wander(s)
}

func (a *Adversary) halt(s step) event.Event {
	a.contracts[s.contract].halted = true
	return a.one(event.Halt(a.contracts[s.contract].id))
}

func (a *Adversary) resume(s step) event.Event {
	a.contracts[s.contract].halted = false
	a.sent.kind = WokenByResume
	return a.one(event.Resume(a.contracts[s.contract].id))
}

// stale lets a mark grow old.
func (a *Adversary) stale(s step) event.Event {
	if a.temper.silent > 0 {
		return nil
	}
	a.now += a.contracts[s.contract].maxAge + int64(a.choose(2))
	return a.one(event.Time(a.now))
}

// leap sends a mark that is held.
func (a *Adversary) leap(s step) event.Event {
	c := &a.contracts[s.contract]
	if c.mark == 0 {
		return nil
	}
	return a.one(event.Tick(c.id, times(c.mark, int64(600+a.choose(800)), 1000)))
}

// expire ends a hold by time.
func (a *Adversary) expire(s step) event.Event {
	if a.temper.silent > 0 {
		return nil
	}
	a.now += a.contracts[s.contract].maxHold
	a.sent.kind = WokenByExpiry
	return a.one(event.Time(a.now))
}

func (a *Adversary) load(step) event.Event {
	a.loading = true
	return a.one(event.SetMode(event.Loading))
}

func (a *Adversary) live(step) event.Event {
	a.loading = false
	a.sent.kind = WokenByLive
	return a.one(event.SetMode(event.Live))
}

// reopen closes an account and opens another, which takes its slot.
func (a *Adversary) reopen(step) event.Event {
	id := a.anyAccount()
	empty := event.AccountReplacement{Account: id}
	a.then(step{do: (*Adversary).closeAccount, account: id, kind: Closed},
		step{do: (*Adversary).replace, account: a.anyAccount()})
	return a.stamped(event.AppendAccountState(a.records[:0], empty, nil))
}

func (a *Adversary) closeAccount(s step) event.Event { return a.one(event.CloseAccount(s.account)) }
