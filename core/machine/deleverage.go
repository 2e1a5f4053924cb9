package machine

import (
	"slices"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/adl"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// deleverage is the scratch of a counterparty-liquidation.
type deleverage struct {
	holders    []holder
	members    []adl.Member
	left       []fixedpoint.Int128
	candidates []adl.Candidate
	gives      []give
	byAccount  []giver
	given      []int32 // positions that gave, sorted
}

// give is what one counterparty gives up.
type give struct {
	account event.AccountID
	side    event.PositionSide
	slot    account.Slot
	at      int32
	qty     fixedpoint.Qty // unsigned
	quote   fixedpoint.Amount
	inputs  adl.Inputs // as ranked, or as now
}

// giver is a counterparty as its account orders it; the number of its give is i.
type giver struct {
	account event.AccountID
	side    event.PositionSide
	i       int32
}

// found sums up a search for counterparties.
type found struct {
	made       bool // there was a need
	need       int64
	given      int64
	candidates int
	rankedAt   uint64
	cutoff     adl.Cutoff
}

// findCounterparties decides who gives up how much of need lots, and leaves it in
// scratch.gives in the order of the effects.
func (m *Machine) findCounterparties(t *terms, need int64) found {
	side := shorts
	if t.piece.Qty < 0 {
		side = longs
	}
	c := &m.contracts[t.contract]
	r := &c.rankings[side]
	fresh := r.made == 0
	if fresh {
		m.rank(t.contract, side)
	}
	f := found{made: true, need: need, rankedAt: r.made}
	m.collect(t, r, &f, 0)
	if f.given < need && !fresh {
		taken := len(m.scratch.gives)
		m.rank(t.contract, side)
		f.rankedAt = r.made
		m.collect(t, r, &f, taken)
	}
	return f
}

// collect adds what the members of a ranking give, up to what is still needed.
// taken counterparties took part before.
func (m *Machine) collect(t *terms, r *ranking, f *found, taken int) {
	c := &m.contracts[t.contract]
	x := &m.scratch
	x.given = x.given[:0]
	for i := range x.gives {
		x.given = append(x.given, x.gives[i].at)
	}
	slices.Sort(x.given)
	if r.epoch != m.epoch {
		m.keep(r)
	}
	offer := m.offer(t)
	list := x.candidates[:0]
	need := f.need - f.given
	profits, able, sum := 0, 0, int64(0)
	room := c.maxCounter - taken
	for i := m.able(&offer, r, 0); i < len(r.members) && able < room; i = m.able(&offer, r, i+1) {
		if c.policy == event.PolicyQueue && sum == need && len(x.given) == 0 {
			able = min(able+m.count(&offer, r, i), room) // those behind are only counted
			break
		}
		if _, gave := slices.BinarySearch(x.given, r.places[i].at); gave {
			continue
		}
		able++
		if c.policy == event.PolicyQueue && sum == need {
			continue
		}
		k := m.candidate(&offer, r.places[i])
		k.Member = i
		list = append(list, k)
		sum += min(k.Limit, need-sum) // as much as is needed, so it fits
		if r.members[i].InProfit {
			profits++
		}
	}
	x.candidates = list
	f.candidates += able
	terms := adl.Terms{Policy: c.policy, Lot: c.lot, Mark: c.mark, Loss: offer.loss, Size: int64(t.size())}
	for _, group := range [2][]adl.Candidate{list[:profits], list[profits:]} {
		if terms.Need = f.need - f.given; terms.Need == 0 || len(group) == 0 {
			continue
		}
		if c.policy != event.PolicyQueue {
			slices.SortFunc(group, func(a, b adl.Candidate) int { return r.members[a.Member].CompareKey(&r.members[b.Member]) })
		}
		given, cutoff := m.allocator.Allocate(&terms, group, r.members[group[0].Member].InProfit)
		f.given += given
		f.cutoff = cutoff
	}
	m.appendGives(c, r, f, list)
}

// appendGives lists those who give, in the order of their effects: those in profit
// first, a queue by rank, other policies by account.
func (m *Machine) appendGives(c *contract, r *ranking, f *found, list []adl.Candidate) {
	x := &m.scratch
	for i := range list {
		k := &list[i]
		if k.Give == 0 {
			continue
		}
		member, w := &r.members[k.Member], r.places[k.Member]
		g := give{
			account: member.Account, side: member.Side, slot: w.slot, at: w.at,
			qty: fixedpoint.Qty(k.Give) * c.lot, inputs: member.Inputs,
		}
		if c.policy != event.PolicyQueue {
			g.inputs, _ = m.inputs(w.slot, w.at)
		}
		x.gives = append(x.gives, g)
	}
	if n := len(x.gives); c.policy == event.PolicyQueue && n > 0 {
		// Of this ranking or, where nobody in it gave, of the one before.
		v, ok := adl.Value(c.score, &x.gives[n-1].inputs)
		f.cutoff = adl.Cutoff{Value: v, Known: ok}
	}
}

// deleverageAll books what the counterparties give and leaves the receipt.
func (m *Machine) deleverageAll(a *account.Account, c *closing, t *terms, f *found) {
	if !f.made {
		return
	}
	k := &m.contracts[t.contract]
	side := m.accounts.Position(c.at).Side
	for i := range m.scratch.gives {
		g := &m.scratch.gives[i]
		m.fx.Append(event.Effect{
			Kind: event.EffectCancelOrders, Flags: event.HasAccount | event.HasSymbol,
			Account: g.account, Symbol: k.id,
		})
		m.closeCounterparty(a.ID, side, t, g, uint32(i+1))
	}
	price := priceOf(t.piece.Quote, t.piece.Qty)
	x := event.Effect{
		Kind: event.EffectReceipt, Flags: event.HasAccount | event.HasSymbol, Reason: uint8(k.policy),
		Account: a.ID, Symbol: k.id, Qty: fixedpoint.Qty(f.need) * k.lot, Taken: fixedpoint.Qty(f.given) * k.lot,
		Price: price, Mark: k.mark, Candidates: uint32(f.candidates), RankedAt: f.rankedAt,
		Base: t.base, Room: t.room,
	}
	if f.cutoff.Known {
		x.Flags |= event.HasScore
		x.Score = f.cutoff.Value
	}
	m.fx.Append(x)
}

func (m *Machine) closeCounterparty(bankrupt event.AccountID, side event.PositionSide, t *terms, g *give, rank uint32) {
	k := &m.contracts[t.contract]
	a, p := m.accounts.At(g.slot), m.accounts.Position(g.at)
	m.unsettle(g.slot)
	m.noteEquity(g.slot, a)
	b, _ := account.Book(p.Qty, p.Cost, t.signed(g.qty), g.quote)
	price := priceOf(g.quote, t.signed(g.qty))
	in := &g.inputs
	x := event.Effect{
		Kind: event.EffectDeleverage, Flags: event.HasAccount | event.HasSymbol,
		Account: bankrupt, Counterparty: g.account, Symbol: k.id, Side: side, CounterSide: g.side,
		Qty: t.signed(g.qty), Price: price, Quote: g.quote, Rank: rank,
		Balance: in.Wallet, Equity: in.Equity, MM: in.MM, AccountPnL: in.AccountPnL, PnL: in.PnL,
		Notional: in.Notional, Entry: in.Entry, Cost: in.Cost, PositionMM: in.PositionMM, Amount: b.Realized,
	}
	if k.policy == event.PolicyQueue {
		if v, ok := adl.Value(k.score, in); ok {
			x.Flags |= event.HasScore
			x.Score = v
		}
	}
	a.Wallet += b.Realized
	m.setPosition(g.at, b)
	m.fx.Append(x)
}
