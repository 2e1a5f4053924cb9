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
	type key struct {
		account uint64
		side    string
	}
	gave, able := map[key]num{}, map[key]bool{}
	left := r.needed
	for {
		r.rankedAt = list.seq
		for _, m := range list.rows {
			k := key{m.account, m.side}
			if gave[k] == nil {
				gave[k] = zero
			}
			can := e.canGive(p, m, gave[k])
			if can.Sign() > 0 {
				able[k] = true
			}
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

// weigh takes by one of the proportional policies, from those in profit first.
func (e *Engine) weigh(p *piece, r *receipt) {
	rows := e.rows(p.sym, p.qty.Sign() < 0, p.sym.maxParties)
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.side, b.side))
	})
	left := r.needed
	var groups [2]group
	for _, m := range rows {
		can := e.canGive(p, m, zero)
		if can.Sign() == 0 {
			continue
		}
		r.candidates++
		g := &groups[1]
		if m.profit {
			g = &groups[0]
		}
		g.rows, g.caps = append(g.rows, m), append(g.caps, can)
	}
	for _, g := range groups {
		need := lessOf(left, g.total())
		if need.Sign() == 0 {
			continue
		}
		shares, cutoff := e.shares(p, g, need)
		r.cutoff = cutoff
		for i, lots := range wholeLots(shares, g.caps, need) {
			if lots.Sign() > 0 {
				m := g.rows[i]
				m.score = nil
				r.gifts = append(r.gifts, gift{row: m, lots: lots})
			}
		}
		left = sub(left, need)
	}
}

// group is the counterparties in profit, or the others, and what each can give.
type group struct {
	rows []row
	caps []num // lots
}

func (g group) total() num {
	sum := zero
	for _, c := range g.caps {
		sum = add(sum, c)
	}
	return sum
}

// shares solves a policy exactly: lots of each, and its cut-off.
func (e *Engine) shares(p *piece, g group, need num) ([]*big.Rat, *big.Rat) {
	loss := p.lossPerLot()
	switch {
	case p.sym.policy == "drain":
		return e.drain(p, g, need)
	case p.sym.policy == "min_max" && loss.Sign() > 0:
		var weights []*big.Rat
		for _, m := range g.rows {
			weights = append(weights, ratDiv(rat(m.equity16, e16), loss))
		}
		return fill(need, g.caps, weights)
	}
	var weights []*big.Rat
	for _, m := range g.rows {
		if m.profit {
			weights = append(weights, rat(m.pnl16, e16))
		} else {
			weights = append(weights, rat(m.notional16, e16))
		}
	}
	shares, _ := fill(need, g.caps, weights)
	return shares, nil
}

// fill is the smallest h such that the sum of min(cap, h x weight) is need, which
// the caps allow, and those terms.
func fill(need num, caps []num, weights []*big.Rat) ([]*big.Rat, *big.Rat) {
	full := make([]bool, len(caps))
	highest := new(big.Rat)
	for {
		left, sum := ratOf(need), new(big.Rat)
		for i := range caps {
			if full[i] {
				left = ratSub(left, ratOf(caps[i]))
			} else {
				sum = ratAdd(sum, weights[i])
			}
		}
		h := highest
		if sum.Sign() > 0 {
			h = ratDiv(left, sum)
		}
		again := false
		for i := range caps {
			if !full[i] && weights[i].Sign() > 0 && ratMul(h, weights[i]).Cmp(ratOf(caps[i])) >= 0 {
				full[i], again = true, true
				if at := ratDiv(ratOf(caps[i]), weights[i]); at.Cmp(highest) > 0 {
					highest = at
				}
			}
		}
		if again {
			continue
		}
		shares := make([]*big.Rat, len(caps))
		for i := range caps {
			if shares[i] = ratOf(caps[i]); !full[i] {
				shares[i] = ratMul(h, weights[i])
			}
		}
		return shares, h
	}
}

// drain is the largest leverage L such that cutting everybody to L x equity, as
// far as the caps allow, gives need; equity is as before the first account was
// handled.
func (e *Engine) drain(p *piece, g group, need num) ([]*big.Rat, *big.Rat) {
	size, equity := make([]*big.Rat, len(g.rows)), make([]*big.Rat, len(g.rows))
	var turns []*big.Rat // leverages at which somebody's cut begins or ends
	lotValue := rat(mul(p.sym.lot, p.sym.mark), e16)
	for i, m := range g.rows {
		size[i] = ratDiv(rat(m.notional16, e16), lotValue)
		equity[i] = ratDiv(e.equities[m.account], lotValue)
		if equity[i].Sign() > 0 {
			turns = append(turns, ratDiv(size[i], equity[i]), ratDiv(ratSub(size[i], ratOf(g.caps[i])), equity[i]))
		}
	}
	slices.SortFunc(turns, func(a, b *big.Rat) int { return b.Cmp(a) })
	at := func(l *big.Rat) (cuts []*big.Rat, sum *big.Rat) {
		sum = new(big.Rat)
		for i := range g.rows {
			c := ratSub(size[i], ratMul(l, equity[i]))
			if limit := ratOf(g.caps[i]); equity[i].Sign() <= 0 || c.Cmp(limit) > 0 {
				c = limit
			}
			if c.Sign() < 0 {
				c = new(big.Rat)
			}
			cuts, sum = append(cuts, c), ratAdd(sum, c)
		}
		return cuts, sum
	}
	l := new(big.Rat)
	for i, turn := range turns {
		_, sum := at(turn)
		if sum.Cmp(ratOf(need)) < 0 {
			continue
		}
		l = turn
		if i > 0 {
			_, above := at(turns[i-1])
			missing, gain := ratSub(ratOf(need), above), ratSub(sum, above)
			if gain.Sign() > 0 {
				l = ratSub(turns[i-1], ratMul(ratSub(turns[i-1], turn), ratDiv(missing, gain)))
			}
		}
		break
	}
	cuts, _ := at(l)
	return cuts, l
}

// wholeLots rounds shares down and gives one lot more by largest remainder to
// those below their cap, until need is reached.
func wholeLots(shares []*big.Rat, caps []num, need num) []num {
	lots := make([]num, len(shares))
	rest := make([]*big.Rat, len(shares))
	left := need
	for i, x := range shares {
		lots[i] = ratFloor(x)
		rest[i] = ratSub(x, ratOf(lots[i]))
		left = sub(left, lots[i])
	}
	for left.Sign() > 0 {
		best := -1
		for i := range rest {
			if rest[i] != nil && lots[i].Cmp(caps[i]) < 0 && (best < 0 || rest[i].Cmp(rest[best]) > 0) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		lots[best], rest[best] = add(lots[best], one), nil
		left = sub(left, one)
	}
	return lots
}

// give books one counterparty's part, qty lots of the piece for a signed quote.
func (e *Engine) give(p *piece, g gift, quote num) {
	a, s := e.accounts[g.row.account], p.sym
	qty := signed(mul(g.lots, s.lot), p.qty)
	e.effect("cancel_orders", "account", a.id, "symbol", s.name)
	l := a.try(s, g.row.side, qty, quote, zero)
	a.book(l)
	p.account.book(p.account.try(s, p.side, neg(qty), neg(quote), zero))
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
