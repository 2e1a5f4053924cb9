package oracle

import (
	"cmp"
	"math/big"
	"slices"
)

// row is a counterparty as ranked: every input of its score, rounded as shown.
type row struct {
	account uint64
	side    string
	profit  bool     // its position is in profit at the mark
	score   *big.Rat // nil where the policy has none

	wallet, equity, mm, accountPnL, pnl, notional, entry, cost, positionMM num

	// Exact, for the policies that weigh instead of ranking.
	pnl16, notional16, equity16 num
}

// rankingKey names the ranking of record: a contract, and whether its longs or
// its shorts are ranked, by which score.
type rankingKey struct {
	symbol string
	longs  bool
	score  string
}

// ranking is an order of counterparties that holds until the symbol's next tick.
type ranking struct {
	ticks int
	seq   uint64
	rows  []row
}

// gift is what one counterparty gives up.
type gift struct {
	row  row
	lots num
	rank int
}

// receipt is the account of one ADL.
type receipt struct {
	needed, taken num // lots
	candidates    int
	cutoff        *big.Rat
	rankedAt      uint64
	base, room    num
	gifts         []gift
}

// rows are the candidates of a side, those with the largest unrealized PnL of
// the position first, no more than may take part.
func (e *Engine) rows(s *symbol, longs bool, most int64) []row {
	var all []row
	for _, id := range sortedKeys(e.accounts) {
		a := e.accounts[id]
		for _, p := range a.held() {
			if p.sym == s && (p.qty.Sign() > 0) == longs && a.candidate() {
				all = append(all, rowOf(a, p))
			}
		}
	}
	slices.SortStableFunc(all, func(r, q row) int { return q.pnl16.Cmp(r.pnl16) })
	return all[:min(int64(len(all)), most)]
}

func rowOf(a *account, p *position) row {
	account := zero
	for _, other := range a.positions {
		account = add(account, other.pnl16())
	}
	r := row{
		account: a.id, side: p.side, profit: p.pnl16().Sign() > 0,
		wallet: a.wallet, equity: show8(a.equity16()), mm: show24(a.mm24()), accountPnL: show8(account),
		pnl: show8(p.pnl16()), notional: show8(p.notional16()), entry: priceOf(p.cost, p.qty), cost: p.cost,
		positionMM: show24(p.mm24()), pnl16: p.pnl16(), notional16: p.notional16(), equity16: a.equity16(),
	}
	r.score = r.scored(p.sym, p.qty.Sign() > 0)
	return r
}

// scored is the score from the inputs as shown; a denominator is at least 1e-8.
func (r row) scored(s *symbol, long bool) *big.Rat {
	some := func(v num) num { return moreOf(v, one) }
	equity := some(r.equity)
	switch s.score {
	case "bitmex":
		gain := rat(r.pnl, some(abs(r.cost)))
		leverage := rat(mul(r.notional, some(r.mm)), mul(equity, some(r.positionMM)))
		if gain.Sign() > 0 {
			return ratMul(gain, leverage)
		}
		if leverage.Sign() == 0 {
			return gain
		}
		return ratDiv(gain, leverage)
	case "hyperliquid":
		ratio := rat(s.mark, some(r.entry))
		if !long {
			ratio = rat(r.entry, s.mark)
		}
		return ratMul(ratio, rat(r.notional, equity))
	default: // binance
		return ratMul(rat(moreOf(zero, r.accountPnL), moreOf(e8, r.wallet)), rat(r.mm, equity))
	}
}

// rank orders rows as a queue: profit first, then score, notional, account, side.
func rank(rows []row) {
	slices.SortFunc(rows, func(r, q row) int {
		if r.profit != q.profit {
			if r.profit {
				return -1
			}
			return 1
		}
		return cmp.Or(q.score.Cmp(r.score), q.notional.Cmp(r.notional),
			cmp.Compare(r.account, q.account), cmp.Compare(r.side, q.side))
	})
}

// record is the ranking of record of a side, made where the symbol's last tick
// has none yet.
func (e *Engine) record(s *symbol, longs bool) (r *ranking, fresh bool) {
	key := rankingKey{s.name, longs, s.score}
	if r = e.rankings[key]; r != nil && r.ticks == s.ticks {
		return r, false
	}
	return e.rerank(s, longs), true
}

func (e *Engine) rerank(s *symbol, longs bool) *ranking {
	r := &ranking{ticks: s.ticks, seq: e.seq, rows: e.rows(s, longs, s.maxParties)}
	rank(r.rows)
	e.rankings[rankingKey{s.name, longs, s.score}] = r
	return r
}

// canGive is how many lots a ranked counterparty can give now at the piece's
// price, less what it gives already in this ADL.
func (e *Engine) canGive(p *piece, r row, already num) num {
	a := e.accounts[r.account]
	if a == nil || a == p.account || !a.candidate() {
		return zero
	}
	pos := a.positions[positionKey{p.sym.name, r.side}]
	if pos == nil || pos.qty.Sign() != -p.qty.Sign() {
		return zero
	}
	lots := floorDiv(abs(pos.qty), p.sym.lot)
	if loss := p.lossPerLot(); loss.Sign() > 0 {
		lots = lessOf(lots, ratFloor(ratDiv(rat(a.spare24(), new(big.Int).Mul(e16, e8)), loss)))
	}
	holds := func(k num) bool {
		x := mul(k, p.sym.lot)
		return a.try(p.sym, r.side, signed(x, p.qty), p.partOf(x), zero).wrong == ""
	}
	if !holds(lots) {
		lots = firstTrue(zero, lots, func(k num) bool { return !holds(add(k, one)) })
	}
	return moreOf(zero, sub(lots, already))
}

// lossPerLot is what a counterparty loses against its mark by giving one lot,
// negative where it gains.
func (p *piece) lossPerLot() *big.Rat {
	perUnit := ratSub(p.price(), rat(p.sym.mark, e8))
	return ratMul(perUnit, rat(signed(p.sym.lot, p.qty), e8))
}

// deleverage finds counterparties for so many lots of the piece.
func (e *Engine) deleverage(p *piece, needed num) *receipt {
	r := &receipt{needed: needed, rankedAt: e.seq}
	r.base, r.room = p.room()
	if p.sym.policy == "queue" {
		e.queue(p, r)
	} else {
		e.weigh(p, r)
	}
	r.taken = zero
	for i := range r.gifts {
		r.gifts[i].rank = i + 1
		r.taken = add(r.taken, r.gifts[i].lots)
	}
	return r
}

// room is the fund's base before the piece, cover or surplus paid, and how much
// more of the contract it may hold.
func (p *piece) room() (base, room num) {
	f := p.sym.fund
	after := *f
	after.cash = p.cash
	base16 := after.base16()
	own := sub(mul(p.sym.capShare, base16), mul(f.in(p.sym).notional16(), e8))
	all := sub(mul(f.cap, base16), mul(f.net16(), e8))
	return show8(base16), moreOf(zero, show24(lessOf(own, all)))
}

// queue takes from the highest score down. A ranking of record made earlier
// that runs out is followed by one new ranking.
func (e *Engine) queue(p *piece, r *receipt) {
	longs := p.qty.Sign() < 0
	list, fresh := e.record(p.sym, longs)
	gave, able := map[partyKey]num{}, map[partyKey]bool{}
	left := r.needed
	for {
		r.rankedAt = list.seq
		for _, m := range list.rows {
			k := partyKey{m.account, m.side}
			if gave[k] == nil {
				gave[k] = zero
			}
			can := e.canGive(p, m, gave[k])
			if can.Sign() == 0 || !able[k] && int64(len(able)) >= p.sym.maxParties {
				continue
			}
			able[k] = true
			x := lessOf(can, left)
			if x.Sign() > 0 {
				r.gifts = append(r.gifts, gift{row: m, lots: x})
				r.cutoff = m.score
				gave[k] = add(gave[k], x)
				left = sub(left, x)
			}
		}
		if left.Sign() == 0 || fresh {
			break
		}
		list, fresh = e.rerank(p.sym, longs), true
	}
	r.candidates = len(able)
}

// give books one counterparty's part of the piece for a signed quote, on its side.
func (e *Engine) give(p *piece, g gift, quote num) {
	a, s := e.accounts[g.row.account], p.sym
	qty := signed(mul(g.lots, s.lot), p.qty)
	e.effect("cancel_orders", "account", a.id, "symbol", s.name)
	l := a.try(s, g.row.side, qty, quote, zero)
	a.book(l)
	m := g.row
	e.effect("deleverage", "account", p.account.id, "counterparty", a.id, "symbol", s.name,
		"position_side", p.side, "counterparty_side", m.side, "qty", qty, "price", priceOf(quote, qty), "quote", quote,
		"rank", g.rank, "score", ratText(m.score), "wallet", m.wallet, "equity", m.equity,
		"maintenance_margin", m.mm, "account_pnl", m.accountPnL, "unrealized_pnl", m.pnl, "notional", m.notional,
		"entry", m.entry, "cost", m.cost, "position_mm", m.positionMM, "realized", l.realized)
}

func ratText(r *big.Rat) any {
	if r == nil {
		return nil
	}
	return showRat(r)
}

func (e *Engine) showReceipt(p *piece, r *receipt) {
	s := p.sym
	e.effect("receipt", "account", p.account.id, "symbol", s.name, "needed", mul(r.needed, s.lot), "taken", mul(r.taken, s.lot),
		"price", priceOf(p.quote, p.qty), "mark", s.mark, "policy", s.policy, "candidates", r.candidates,
		"cutoff", ratText(r.cutoff), "ranked_at", r.rankedAt, "base", r.base, "room", r.room)
}
