package oracle

import "math/big"

// offload sends the slices that are due, by symbol id.
func (e *Engine) offload() {
	for _, s := range e.symbolsByID() {
		p := s.fund.inventory[s.name]
		if p == nil || !s.offload.on || s.slice != nil || e.blocked(s) || !e.elapsed(s.sliceFrom, s.offload.interval) {
			continue
		}
		qty := e.sliceSize(s, p.qty)
		if qty.Sign() == 0 {
			continue
		}
		factor := add(e8, s.offload.slips)
		if p.qty.Sign() > 0 {
			factor = sub(e8, s.offload.slips)
		}
		limit := s.toTick(rat(mul(s.mark, factor), e16), p.qty.Sign() > 0)
		e.lastOrder++
		o := &order{id: e.lastOrder, fund: s.fund, sym: s, side: "both", qty: signed(qty, neg(p.qty)), filled: zero, limit: limit}
		e.orders[o.id], s.slice, s.sliceFrom = o, o, e.now
		e.effect("offload", "order", o.id, "fund", s.fund.name, "symbol", s.name, "qty", o.qty, "limit", limit)
	}
}

// sliceSize is how much of the inventory leaves now, unsigned.
func (e *Engine) sliceSize(s *symbol, inventory num) num {
	all := abs(inventory)
	size := all
	if all.Cmp(s.offload.fullSize) > 0 {
		size = lessOf(all, s.upToLots(mul(all, s.offload.fraction)))
	}
	if s.bid == nil || e.elapsed(s.depthTime, s.maxAge) {
		return size
	}
	depth := s.ask
	if inventory.Sign() > 0 {
		depth = s.bid
	}
	return lessOf(size, s.upToLots(mul(depth, s.offload.depthShare)))
}

// upToLots rounds a quantity with 16 decimals up to whole lots.
func (s *symbol) upToLots(qty16 num) num {
	return mul(ceilDiv(qty16, mul(s.lot, e8)), s.lot)
}

// offloadFill books what the venue filled of a slice.
func (e *Engine) offloadFill(o *order, dq, quote num, worse bool) string {
	f, s := o.sym.fund, o.sym // the contract may have gone to another fund since
	if !f.canTake(s, f.cash, dq, quote) {
		return "overflow"
	}
	before := f.cash
	e.expect(s, dq, neg(quote))
	o.filled = new(big.Int).Add(o.filled, abs(dq))
	realized := e.take(f, s, dq, quote)
	e.ledger(f, s.name, "offload_fill", realized)
	if worse {
		e.effect("alarm", "code", "worse_than_limit", "symbol", s.name, "fund", f.name)
	}
	e.deficit(f, before)
	return ""
}
