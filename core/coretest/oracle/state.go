package oracle

import (
	"math/big"
	"slices"
	"strings"
)

// State is the state as lines, accounts by id and then funds by name, without a digest.
func (e *Engine) State() []string {
	var lines []string
	for _, id := range sortedKeys(e.accounts) {
		lines = append(lines, e.accountState(e.accounts[id]))
	}
	for _, name := range sortedKeys(e.funds) {
		lines = append(lines, e.funds[name].state())
	}
	return lines
}

func (f *fund) state() string {
	held := f.contracts()
	slices.SortFunc(held, func(p, q *position) int { return strings.Compare(p.sym.name, q.sym.name) })
	var rows []string
	for _, p := range held {
		rows = append(rows, object("symbol", p.sym.name, "qty", p.qty, "cost", p.cost))
	}
	args := append([]any{"state", "fund"}, f.shown()...)
	return object(append(args, "inventory", array(rows))...)
}

func array(rows []string) raw { return raw("[" + strings.Join(rows, ",") + "]") }

// status is an account's health in one word.
func (e *Engine) status(a *account) string {
	switch {
	case a.outOfSync:
		return "out_of_sync"
	case !a.assessable():
		return "unassessed"
	case a.bankrupt, len(a.positions) == 0 && a.wallet.Sign() < 0 && a.round == nil && !e.loading:
		return "bankrupt"
	case a.liquidating:
		return "liquidating"
	case a.healthy():
		return "healthy"
	case e.loading:
		return "unassessed"
	}
	return "liquidating"
}

func (e *Engine) accountState(a *account) string {
	held := a.held()
	slices.SortStableFunc(held, func(p, q *position) int { return strings.Compare(p.sym.name, q.sym.name) })
	status := e.status(a)
	prices := map[positionKey]*big.Rat{}
	if a.assessable() && len(held) > 0 {
		prices = a.bankruptcyPrices()
	}
	var rows []string
	for _, p := range held {
		var below, above, bankruptcy, quantile, mark any
		if p.sym.mark != nil {
			mark = p.sym.mark
		}
		if status == "healthy" {
			below, above = a.liquidationPrices(p.sym)
		}
		if price := prices[positionKey{p.sym.name, p.side}]; price != nil {
			bankruptcy = positivePrice(price)
		}
		if q, ok := e.quantile(a, p); ok {
			quantile = q
		}
		rows = append(rows, object("symbol", p.sym.name, "position_side", p.side, "qty", p.qty, "cost", p.cost,
			"entry", priceOf(p.cost, p.qty), "mark", mark, "unrealized_pnl", show8(p.pnl16()),
			"liquidation_below", below, "liquidation_above", above, "bankruptcy_price", bankruptcy, "adl_quantile", quantile))
	}
	return object("state", "account", "account", a.id, "owner", a.owner, "mode", a.mode, "status", status,
		"wallet", a.wallet, "pending_fee", a.pendingFee(), "equity", show8(a.equity16()),
		"maintenance_margin", show24(a.mm24()), "positions", array(rows))
}

// positivePrice shows a price half-even, as null where no positive
// representable one comes out.
func positivePrice(price *big.Rat) any {
	v := showRat(price)
	if v.Sign() <= 0 || !fits(v) {
		return nil
	}
	return v
}

// quantile is the five lights of a position among all candidates of its side.
func (e *Engine) quantile(a *account, p *position) (int, bool) {
	if p.sym.mark == nil {
		return 0, false
	}
	all := e.rows(p.sym, p.qty.Sign() > 0, maxInt.Int64())
	rank(all)
	i := slices.IndexFunc(all, func(r row) bool { return r.account == a.id && r.side == p.side })
	if i < 0 {
		return 0, false
	}
	return 4 - 5*i/len(all), true
}

// liquidationPrices are the ends of the range of marks of s, around its mark, in
// which equity covers the margin. Equity less margin is concave in the mark, so
// there is one range; an end is none where it does not stop.
func (a *account) liquidationPrices(s *symbol) (below, above any) {
	var legs []*position
	var turns []*big.Rat // marks at which a leg changes tier
	rest := rat(zero, one)
	for _, p := range a.held() {
		if p.sym != s {
			continue
		}
		legs = append(legs, p)
		for _, t := range s.tiers[1:] {
			turns = append(turns, rat(t.floor, abs(p.qty)))
		}
		rest = ratSub(rest, ratSub(rat(p.pnl16(), e16), rat(p.mm24(), new(big.Int).Mul(e16, e8))))
	}
	rest = ratAdd(rest, rat(a.spare24(), new(big.Int).Mul(e16, e8)))
	spare := func(mark *big.Rat) *big.Rat {
		sum := rest
		for _, p := range legs {
			value := ratMul(rat(p.qty, e8), mark)
			sum = ratAdd(sum, ratSub(value, rat(p.cost, e8)))
			sum = ratSub(sum, s.mmAt(new(big.Rat).Abs(value)))
		}
		return sum
	}
	mark := rat(s.mark, e8)
	slices.SortFunc(turns, func(x, y *big.Rat) int { return x.Cmp(y) })
	turns = slices.DeleteFunc(turns, func(x *big.Rat) bool { return x.Cmp(mark) == 0 })
	at, _ := slices.BinarySearchFunc(turns, mark, func(x, m *big.Rat) int { return x.Cmp(m) })
	lower, upper := slices.Clone(turns[:at]), turns[at:]
	slices.Reverse(lower)
	return firstEnd(spare, mark, append(lower, new(big.Rat)), false), firstEnd(spare, mark, upper, true)
}

// firstEnd walks from the mark over the turns, spare being linear between them,
// to the mark at which spare goes below 0; beyond the last turn it goes on where
// endless.
func firstEnd(spare func(*big.Rat) *big.Rat, from *big.Rat, turns []*big.Rat, endless bool) any {
	for _, to := range turns {
		at, there := spare(from), spare(to)
		if there.Sign() < 0 {
			step := ratMul(ratSub(to, from), ratDiv(at, ratSub(at, there)))
			return positivePrice(ratAdd(from, step))
		}
		from = to
	}
	if !endless {
		return nil
	}
	at := spare(from)
	slope := ratSub(spare(ratAdd(from, ratOf(one))), at)
	if slope.Sign() >= 0 {
		return nil
	}
	return positivePrice(ratSub(from, ratDiv(at, slope)))
}

// mmAt is the maintenance margin of a notional, both plain numbers.
func (s *symbol) mmAt(notional *big.Rat) *big.Rat {
	for i, t := range s.tiers {
		if i == len(s.tiers)-1 || notional.Cmp(rat(t.cap, e8)) <= 0 {
			return ratSub(ratMul(notional, rat(t.mmr, e8)), rat(t.cum, e8))
		}
	}
	return nil
}
