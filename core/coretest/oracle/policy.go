package oracle

import (
	"cmp"
	"math/big"
	"slices"
)

// weigh takes by one of the proportional policies, from those in profit first. Who
// may take part and who counts as in profit is as in the ranking of record; what
// they weigh is as now.
func (e *Engine) weigh(p *piece, r *receipt) {
	longs := p.qty.Sign() < 0
	list, fresh := e.record(p.sym, longs)
	gave, left := map[partyKey]num{}, r.needed
	for {
		r.rankedAt = list.seq
		left = e.weighOnce(p, r, list, gave, left)
		if left.Sign() == 0 || fresh {
			return
		}
		list, fresh = e.rerank(p.sym, longs), true
	}
}

// partyKey names a counterparty's position in the contract at hand.
type partyKey struct {
	account uint64
	side    string
}

func (e *Engine) weighOnce(p *piece, r *receipt, list *ranking, gave map[partyKey]num, left num) num {
	var able []row
	for _, m := range list.rows {
		k := partyKey{m.account, m.side}
		if gave[k] != nil || e.canGive(p, m, zero).Sign() == 0 || int64(len(r.gifts)+len(able)) >= p.sym.maxParties {
			continue
		}
		now := rowOf(e.accounts[m.account], e.accounts[m.account].positions[positionKey{p.sym.name, m.side}])
		now.profit, now.score = m.profit, nil
		able = append(able, now)
	}
	r.candidates += len(able)
	slices.SortFunc(able, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.side, b.side))
	})
	var groups [2]group
	for _, m := range able {
		g := &groups[1]
		if m.profit {
			g = &groups[0]
		}
		if p.weighsProfit() && m.profit && m.pnl16.Sign() <= 0 {
			continue // in profit when ranked, but not now: its share is nothing
		}
		g.rows, g.caps = append(g.rows, m), append(g.caps, e.canGive(p, m, zero))
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
				r.gifts = append(r.gifts, gift{row: m, lots: lots})
				gave[partyKey{m.account, m.side}] = lots
			}
		}
		left = sub(left, need)
	}
	return left
}

// weighsProfit says whether shares go by unrealized profit.
func (p *piece) weighsProfit() bool {
	return p.sym.policy == "pro_rata" || p.sym.policy == "min_max" && p.lossPerLot().Sign() <= 0
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
