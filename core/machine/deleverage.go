package machine

import (
	"cmp"
	"slices"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/adl"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// ranking is the record of who stood where on one side of a contract: made at the
// first counterparty-liquidation after the last tick, and good until the next.
type ranking struct {
	made    uint64 // sequence; 0 when there is none
	members []adl.Member
	// Where each member was found last: checked before it is believed, and not part
	// of the state.
	places []place
}

type place struct {
	slot account.Slot
	at   int32
}

// equityBefore is what an account was worth before the first one was handled in
// this event; kept for those a counterparty-liquidation has touched since.
type equityBefore struct {
	slot   account.Slot
	equity fixedpoint.Int256
}

// deleverage is the scratch of a counterparty-liquidation.
type deleverage struct {
	holders    []holder
	candidates []adl.Candidate
	gives      []give
	byAccount  []int32
	given      []int32 // positions that gave, sorted
}

// holder is a position on the side in question, with what chooses those who take
// part.
type holder struct {
	at  int32
	pnl fixedpoint.Int256
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
	offer := m.offer(t)
	list := x.candidates[:0]
	profits, able, sum := 0, 0, int64(0)
	for i := range r.members {
		if taken+able == c.maxCounter {
			break
		}
		w := m.find(t, r, i)
		if w.at == account.None {
			continue
		}
		if _, gave := slices.BinarySearch(x.given, w.at); gave {
			continue
		}
		if c.policy == event.PolicyQueue && sum >= f.need-f.given {
			// Those behind are only counted.
			if m.couldGive(&offer, w) {
				able++
			}
			continue
		}
		k := m.candidate(&offer, w)
		if k.Limit == 0 {
			continue
		}
		k.Member = i
		list = append(list, k)
		able++
		sum += min(k.Limit, f.need-f.given-sum) // as much as is needed, so it fits
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
			g.inputs = m.inputs(w.slot, w.at)
		} else {
			v, ok := adl.Value(c.score, &member.Inputs)
			f.cutoff = adl.Cutoff{Value: v, Known: ok}
		}
		x.gives = append(x.gives, g)
	}
}

// loss is what closing the whole piece costs counterparties against the mark, at
// 1e-16.
func (m *Machine) loss(t *terms) fixedpoint.Int256 {
	value := fixedpoint.Value(t.piece.Qty, t.piece.Mark).Wide()
	return fixedpoint.Mul64(int64(t.piece.Quote), fixedpoint.One).Wide().Sub(value)
}

// rank makes the ranking of record of one side: those who are candidates now, at
// most max_counterparties, those with the largest unrealized PnL of the position.
func (m *Machine) rank(contract int32, side int) {
	c := &m.contracts[contract]
	r := &c.rankings[side]
	list := m.scratch.holders[:0]
	for i := m.accounts.FirstHolder(contract); i != account.None; {
		p := m.accounts.Position(i)
		if p.Qty != 0 && (p.Qty > 0) == (side == longs) {
			if _, ok := m.eligible(p.Account); ok {
				l := m.legOf(p)
				list = append(list, holder{at: i, pnl: l.PnL()})
			}
		}
		i = m.accounts.NextHolder(p)
	}
	m.scratch.holders = list
	if len(list) > c.maxCounter {
		selectFirst(list, c.maxCounter, func(a, b holder) int {
			return cmp.Or(b.pnl.Cmp(a.pnl), m.compareHolders(a.at, b.at))
		})
		list = list[:c.maxCounter]
	}
	r.made = m.seq
	r.members = r.members[:0]
	r.places = r.places[:0]
	for _, h := range list {
		p := m.accounts.Position(h.at)
		r.members = append(r.members, adl.Member{
			Account: m.accounts.At(p.Account).ID, Side: p.Side, InProfit: h.pnl.Sign() > 0, Inputs: m.inputs(p.Account, h.at),
		})
		r.places = append(r.places, place{slot: account.None, at: account.None})
	}
	slices.SortFunc(r.members, func(a, b adl.Member) int { return adl.Compare(c.score, &a, &b) })
}

// selectFirst moves the k first of list, by compare, to its front, in any order:
// quickselect with the median of three, so no full sort for a cut-off.
func selectFirst[T any](list []T, k int, compare func(a, b T) int) {
	low, high := 0, len(list)
	for high-low > 1 {
		mid := low + (high-low)/2
		if compare(list[mid], list[low]) < 0 {
			list[mid], list[low] = list[low], list[mid]
		}
		if compare(list[high-1], list[mid]) < 0 {
			list[high-1], list[mid] = list[mid], list[high-1]
			if compare(list[mid], list[low]) < 0 {
				list[mid], list[low] = list[low], list[mid]
			}
		}
		pivot := list[mid]
		i, j := low, high-1
		for i <= j {
			for compare(list[i], pivot) < 0 {
				i++
			}
			for compare(pivot, list[j]) < 0 {
				j--
			}
			if i <= j {
				list[i], list[j] = list[j], list[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case k <= j:
			high = j + 1
		case k >= i:
			low = i
		default:
			return
		}
	}
}

func (m *Machine) compareHolders(i, j int32) int {
	p, q := m.accounts.Position(i), m.accounts.Position(j)
	return cmp.Or(
		cmp.Compare(m.accounts.At(p.Account).ID, m.accounts.At(q.Account).ID),
		cmp.Compare(p.Side, q.Side))
}

// eligible reports whether an account may be a counterparty, healthy, in sync and
// not being liquidated, and its surplus over the maintenance margin at 1e-24.
func (m *Machine) eligible(s account.Slot) (surplus fixedpoint.Int256, ok bool) {
	a := m.accounts.At(s)
	const hands = account.Liquidating | account.Bankrupt | account.OutOfSync | account.Indebted
	if a.Has(hands) || a.Orders > 0 {
		return surplus, false
	}
	if quick, sure := m.quickSurplus(a); sure {
		return quick.Wide(), quick.Sign() >= 0
	}
	sums, known := m.sums(a)
	surplus = surplusOf(a, &sums)
	return surplus, known && surplus.Sign() >= 0
}

// offer is what a bankrupt position asks of its counterparties.
type offer struct {
	*terms
	policy event.Policy
	loss   fixedpoint.Int256 // see loss
	// A surplus x size must reach it for one lot; known where it fits.
	oneLot fixedpoint.Int256
	plain  bool // oneLot is known and the quote is far from the largest number
}

// plain reports whether a number can be added up a few times without a second look
// at whether it still fits.
func plain(v int64) bool { return -1<<60 < v && v < 1<<60 }

func (m *Machine) offer(t *terms) offer {
	o := offer{terms: t, policy: m.contracts[t.contract].policy, loss: m.loss(t)}
	f := [3]fixedpoint.Int256{o.loss, fixedpoint.Int256From(int64(t.piece.Lot)), fixedpoint.Int256From(fixedpoint.One)}
	o.oneLot, o.plain = fixedpoint.QuoProducts(f[:], nil, fixedpoint.Floor)
	o.plain = o.plain && plain(int64(t.piece.Quote))
	return o
}

// find returns where a member's position is now; at is None where it has none of
// the opposite sign any more.
func (m *Machine) find(t *terms, r *ranking, i int) place {
	member, w := &r.members[i], &r.places[i]
	id := m.contracts[t.contract].id
	if w.at == account.None || !m.isPlace(*w, member, id) {
		w.slot, w.at = m.accounts.Find(member.Account), account.None
		if w.slot != account.None {
			w.at = m.accounts.Lookup(w.slot, id, member.Side)
		}
	}
	if w.at == account.None {
		return *w
	}
	if q := m.accounts.Position(w.at).Qty; q == 0 || q > 0 == (t.piece.Qty > 0) {
		return place{w.slot, account.None}
	}
	return *w
}

// isPlace reports whether a remembered place still is the member's position.
func (m *Machine) isPlace(w place, member *adl.Member, id event.SymbolID) bool {
	p := m.accounts.Position(w.at)
	return p.Qty != 0 && p.Account == w.slot && p.Symbol == id && p.Side == member.Side &&
		m.accounts.At(w.slot).ID == member.Account
}

// couldGive reports whether the position could give at least one lot: candidate's
// answer, without working out how many.
func (m *Machine) couldGive(o *offer, w place) bool {
	a, p := m.accounts.At(w.slot), m.accounts.Position(w.at)
	if !o.plain || !plain(int64(a.Wallet)) || !plain(int64(p.Cost)) || !plain(int64(p.Qty)) {
		k := m.candidate(o, w)
		return k.Limit > 0
	}
	if max(p.Qty, -p.Qty) < o.piece.Lot {
		return false
	}
	surplus, ok := m.eligible(w.slot)
	return ok && (o.loss.Sign() <= 0 || !surplus.MulInt64(int64(o.size())).Less(o.oneLot))
}

// candidate is a position as it stands now; with Limit 0 it can give nothing.
func (m *Machine) candidate(o *offer, w place) (k adl.Candidate) {
	a, p := m.accounts.At(w.slot), m.accounts.Position(w.at)
	surplus, ok := m.eligible(w.slot)
	if !ok {
		return k
	}
	k.Qty = max(p.Qty, -p.Qty)
	k.Limit = k.Qty.Lots(o.piece.Lot)
	if o.loss.Sign() > 0 {
		num := [2]fixedpoint.Int256{surplus, fixedpoint.Int256From(int64(o.size()))}
		den := [3]fixedpoint.Int256{o.loss, fixedpoint.Int256From(int64(o.piece.Lot)), fixedpoint.Int256From(fixedpoint.One)}
		most, ok := fixedpoint.QuoProducts(num[:], den[:], fixedpoint.Floor)
		if n, small := most.Int64(); ok && small {
			k.Limit = min(k.Limit, n)
		}
	}
	k.Limit = o.representable(a, p, k.Limit)
	if o.policy != event.PolicyQueue {
		l := m.legOf(p)
		sums, _ := m.sums(a)
		k.PnL, k.Equity = l.PnL(), equityOf(a, &sums)
		k.EquityBefore = m.equityBeforeEvent(w.slot, a, k.Equity)
	}
	return k
}

// representable is the most lots up to limit that the counterparty can write down
// giving.
func (t *terms) representable(a *account.Account, p *account.Position, limit int64) int64 {
	if t.writable(a, p, limit) {
		return limit
	}
	low, high := int64(0), limit // giving nothing can be written down
	for high-low > 1 {
		if mid := low + (high-low)/2; t.writable(a, p, mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

func (t *terms) writable(a *account.Account, p *account.Position, lots int64) bool {
	qty := lots * int64(t.piece.Lot)
	quote, ok := fixedpoint.MulDiv(int64(t.piece.Quote), qty, int64(t.size()), fixedpoint.HalfEven)
	if !ok {
		return false
	}
	b, ok := account.Book(p.Qty, p.Cost, t.signed(fixedpoint.Qty(qty)), fixedpoint.Amount(quote))
	if !ok {
		return false
	}
	// One step of slack: the split may round its share up.
	w, ok := fits(a.Wallet, b.Realized)
	return ok && w <= 1<<63-2 && w >= -1<<63+2
}

// equityBeforeEvent is the account's equity before the first account was handled.
func (m *Machine) equityBeforeEvent(s account.Slot, a *account.Account, now fixedpoint.Int256) fixedpoint.Int256 {
	if i := a.Noted; i < uint32(len(m.equities)) && m.equities[i].slot == s {
		return m.equities[i].equity
	}
	return now
}

// noteEquity remembers an account's equity the first time the event is about to
// change it by a counterparty-liquidation.
func (m *Machine) noteEquity(s account.Slot, a *account.Account) {
	if i := a.Noted; i < uint32(len(m.equities)) && m.equities[i].slot == s {
		return
	}
	sums, _ := m.sums(a)
	a.Noted = uint32(len(m.equities))
	m.equities = append(m.equities, equityBefore{slot: s, equity: equityOf(a, &sums)})
}

// inputs are the score's, as they are now, at 1e-8 half-even.
func (m *Machine) inputs(s account.Slot, at int32) adl.Inputs {
	a, p := m.accounts.At(s), m.accounts.Position(at)
	sums, _ := m.sums(a)
	l := m.legOf(p)
	return adl.Inputs{
		Wallet: a.Wallet, Equity: amount(equityOf(a, &sums)), MM: shownMargin(sums.Maintenance),
		AccountPnL: amount(sums.PnL), PnL: amount(l.PnL()), Notional: amount(l.Notional().Wide()),
		Entry: priceOf(p.Cost, p.Qty), Cost: p.Cost, PositionMM: shownMargin(l.Maintenance()),
		Mark: l.Mark, Long: p.Qty > 0,
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
