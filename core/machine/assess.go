package machine

import (
	"cmp"
	"slices"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// scratch is space reused from event to event; it grows to the largest need.
type scratch struct {
	closing []closing
	fees    []contractFee
	weights []fixedpoint.Int256
	shares  []int64
	split   fixedpoint.SplitScratch
	deleverage
}

// handle decides on every account whose health the event changed, in ascending id,
// each once. Only those that need a decision are sorted: most do not, and no
// decision on one account makes another need one.
func (m *Machine) handle() {
	kept := m.touched[:0]
	for _, s := range m.touched {
		if m.needsDecision(s) {
			kept = append(kept, s)
		}
	}
	if m.timed && m.now >= m.roundDue {
		kept = m.appendTimedOut(kept)
	}
	m.touched = kept
	slices.SortFunc(kept, func(a, b account.Slot) int {
		return cmp.Compare(m.accounts.At(a).ID, m.accounts.At(b).ID)
	})
	last := account.Slot(account.None)
	for _, s := range kept {
		if s != last {
			m.decide(s)
		}
		last = s
	}
}

// needsDecision reports whether decide would do anything. It is the check that
// runs for every account a tick may have hurt.
func (m *Machine) needsDecision(s account.Slot) bool {
	a := m.accounts.At(s)
	if a.Orders > 0 || a.Has(account.OutOfSync) {
		return false // a round that is overdue is found apart
	}
	if a.Flags != 0 || a.Pending != 0 || a.Wallet < 0 && m.accounts.Flat(s) {
		return true
	}
	if surplus, sure := m.quickSurplus(a); sure {
		return surplus.Sign() < 0
	}
	sums, known := m.sums(a)
	return known && !sums.Healthy(a.Wallet)
}

// quickSurplus is the surplus of sums at 1e-24 where 128 bits are enough for it and
// all marks are known.
func (m *Machine) quickSurplus(a *account.Account) (surplus fixedpoint.Int128, sure bool) {
	var q margin.Quick
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		if l := m.legOf(p); l.Mark == 0 || !q.Add(&l) {
			return surplus, false
		}
		i = m.accounts.Next(p)
	}
	free, fit := fitsLess(a.Wallet, a.Pending)
	return q.Surplus(free), fit
}

// decide brings one account's case forward: recovered, another round, or resolved.
func (m *Machine) decide(s account.Slot) {
	a := m.accounts.At(s)
	switch {
	case a.Orders > 0:
		m.checkTimeout(s)
		return
	case a.Has(account.OutOfSync):
		return
	case m.accounts.Flat(s):
		m.decideFlat(s)
		return
	case a.Has(account.Bankrupt) && !m.anyOpen(a):
		return // reckoned anew when a block ends
	}
	sums, known := m.sums(a)
	switch {
	case !known:
	case surplusOf(a, &sums).Sign() >= 0:
		m.recover(s)
	case a.Has(account.Bankrupt):
		reason := event.ByEquity
		if a.Has(account.Exhausted) {
			reason = event.Unable
		}
		m.resolve(s, reason)
	case sums.Bankrupt(a.Wallet):
		if rules := m.rulesFor(a); rules.tryMarket && !a.Has(account.TriedMarket) {
			m.startRound(s, &sums, &rules, true)
		} else {
			m.resolve(s, event.ByEquity)
		}
	default:
		rules := m.rulesFor(a)
		switch {
		case a.Attempts >= rules.attempts:
			m.resolve(s, event.Unable)
		case !a.Waiting:
			m.startRound(s, &sums, &rules, false)
		}
	}
}

// decideFlat ends the case of an account that holds nothing any more.
func (m *Machine) decideFlat(s account.Slot) {
	a := m.accounts.At(s)
	switch {
	case a.Wallet >= 0:
		m.recover(s)
	case a.LastReduced == account.None:
		if !a.Has(account.Indebted) {
			a.Flags |= account.Indebted
			m.sayBankrupt(a, fixedpoint.Int128From(int64(a.Wallet)), event.Deficit)
			m.fx.Append(event.Effect{
				Kind: event.EffectAlarm, Flags: event.HasAccount, Reason: uint8(event.AlarmDebt),
				Account: a.ID, Amount: a.Wallet,
			})
		}
	default:
		m.coverDeficit(s)
	}
}

// recover ends an episode well: the fees set aside go to the funds of the
// contracts that caused them.
func (m *Machine) recover(s account.Slot) {
	a := m.accounts.At(s)
	episode := a.Has(account.Liquidating | account.Bankrupt)
	m.payFees(s)
	m.endEpisode(s)
	if episode {
		m.fx.Append(event.Effect{Kind: event.EffectRecovered, Flags: event.HasAccount, Account: a.ID})
	}
}

func (m *Machine) endEpisode(s account.Slot) {
	a := m.accounts.At(s)
	a.Flags &^= account.Liquidating | account.Bankrupt | account.TriedMarket | account.Exhausted | account.Indebted
	a.Attempts, a.Waiting = 0, false
}

// contractFee is what one contract caused of an account's pending fees.
type contractFee struct {
	contract int32
	fee      fixedpoint.Amount
}

// payFees moves the pending fees, at most the wallet of a flat account, split by
// what each contract caused.
func (m *Machine) payFees(s account.Slot) {
	a := m.accounts.At(s)
	if a.Pending == 0 {
		return
	}
	total := a.Pending
	if m.accounts.Flat(s) {
		total = min(total, a.Wallet)
	}
	fees := m.releaseFees(s)
	m.scratch.weights = m.scratch.weights[:0]
	for _, f := range fees {
		m.scratch.weights = append(m.scratch.weights, fixedpoint.Int256From(int64(f.fee)))
	}
	m.scratch.shares = slices.Grow(m.scratch.shares[:0], len(fees))[:len(fees)]
	fixedpoint.Split(int64(total), m.scratch.weights, m.scratch.shares, &m.scratch.split)
	for i, f := range fees {
		share := fixedpoint.Amount(m.scratch.shares[i])
		c := &m.contracts[f.contract]
		if _, ok := fits(m.funds[c.fund].Cash, share); share == 0 || !ok {
			continue // a fund that cannot write it down leaves it where it is
		}
		a.Wallet -= share
		m.fx.Append(event.Effect{
			Kind: event.EffectFee, Flags: event.HasAccount | event.HasFund | event.HasSymbol,
			Account: a.ID, Fund: m.funds[c.fund].ID, Symbol: c.id, Amount: share,
		})
		m.moveCash(c.fund, f.contract, event.LedgerLiquidationFee, share)
		m.alarmDeficit(c.fund) // it may no longer be in one
	}
}

// releaseFees takes the pending fees off an account and returns them by contract,
// in the order of symbol ids.
func (m *Machine) releaseFees(s account.Slot) []contractFee {
	a := m.accounts.At(s)
	fees := m.scratch.fees[:0]
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		next := m.accounts.Next(p)
		if n := len(fees); p.Fee != 0 && n > 0 && fees[n-1].contract == p.Contract {
			fees[n-1].fee += p.Fee
		} else if p.Fee != 0 {
			fees = append(fees, contractFee{p.Contract, p.Fee})
		}
		p.Fee = 0
		m.accounts.Prune(i)
		i = next
	}
	a.Pending = 0
	m.scratch.fees = fees
	return fees
}

// rules are the settings that apply to an account, where those of its contracts
// differ.
type rules struct {
	full      bool
	tryMarket bool
	attempts  int32
	timeout   int64
}

func (m *Machine) rulesFor(a *account.Account) rules {
	r := rules{timeout: 1<<63 - 1}
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		i = m.accounts.Next(p)
		if p.Qty == 0 {
			continue
		}
		c := &m.contracts[p.Contract]
		r.full = r.full || c.full
		r.tryMarket = r.tryMarket || c.tryMarket
		r.attempts = max(r.attempts, c.liqAttempts)
		r.timeout = min(r.timeout, c.orderTimeout)
	}
	return r
}

// closing is a position of the account in hand on its way out.
type closing struct {
	at       int32
	order    int // among the account's positions: by symbol id, long before short
	leg      margin.Leg
	notional fixedpoint.Int128
	mm       fixedpoint.Int256
	quote    fixedpoint.Int256 // at which the account would end with nothing
	share    fixedpoint.Int256 // the same without the remainder of rounding
	blocked  bool
}

// closings lists an account's positions in order of resolution, largest notional
// first, each with its bankruptcy quote. sums are the account's.
//
// Quotes are rounded, and the last takes the remainder so that the account ends
// with exactly nothing.
func (m *Machine) closings(a *account.Account, sums *margin.Sums) []closing {
	list := m.scratch.closing[:0]
	total := fixedpoint.Int256{}
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		if p.Qty != 0 {
			c := closing{at: i, order: len(list), leg: m.legOf(p), blocked: m.blocked(&m.contracts[p.Contract])}
			c.notional, c.mm = c.leg.Notional(), c.leg.Maintenance()
			total = total.Add(c.notional.Wide())
			list = append(list, c)
		}
		i = m.accounts.Next(p)
	}
	m.scratch.closing = list
	slices.SortFunc(list, func(x, y closing) int {
		return cmp.Or(y.notional.Cmp(x.notional), x.order-y.order)
	})
	byMargin := sums.Maintenance.Sign() > 0
	if byMargin {
		total = sums.Maintenance
	}
	equity := sums.Equity(a.Wallet)
	rest := fixedpoint.Int256From(-int64(a.Wallet)) // quotes must add up to cost - wallet
	for i := range list {
		c := &list[i]
		weight := c.notional.Wide()
		if byMargin {
			weight = c.mm
		}
		c.share = margin.BankruptcyQuote(c.leg.Value(), equity, weight, total)
		c.quote = c.share
		rest = rest.Add(fixedpoint.Int256From(int64(c.leg.Cost)))
		if i < len(list)-1 {
			rest = rest.Sub(c.quote)
		}
	}
	list[len(list)-1].quote = rest
	return list
}

// startRound sends one immediate-or-cancel order per position to be cut. With
// market set the account is bankrupt and everything goes, at the bound.
func (m *Machine) startRound(s account.Slot, sums *margin.Sums, r *rules, market bool) {
	a := m.accounts.At(s)
	list := m.closings(a, sums)
	open := 0
	for i := range list {
		if !list[i].blocked {
			open++
		}
	}
	if open == 0 {
		return
	}
	if open > m.orders.room() {
		a.Waiting = true
		m.noRoom(event.Orders, m.limits.Orders)
		m.fx.Append(event.Effect{
			Kind: event.EffectAlarm, Flags: event.HasAccount, Reason: uint8(event.AlarmCapacity),
			Account: a.ID, Candidates: m.refusal.Candidates, RankedAt: m.refusal.RankedAt,
		})
		return
	}
	if !a.Has(account.Liquidating) {
		a.Flags |= account.Liquidating
		m.cancelOrders(a.ID)
	}
	if market {
		a.Flags |= account.TriedMarket
	}
	a.RoundFilled, a.RoundTried, a.Waiting = false, false, false
	slices.SortFunc(list, func(x, y closing) int { return cmp.Or(y.mm.Cmp(x.mm), x.order-y.order) })
	surplus := surplusOf(a, sums)
	for i := range list {
		c := &list[i]
		if c.blocked {
			continue
		}
		k := &m.contracts[m.accounts.Position(c.at).Contract]
		qty, enough := c.leg.Qty, false
		if !r.full && !market {
			var lots int64
			if lots, enough = margin.SmallestCut(surplus, &c.leg, k.lot, k.liqFee); enough {
				qty = fixedpoint.Qty(lots) * k.lot
				if c.leg.Qty < 0 {
					qty = -qty
				}
			}
		}
		m.sendLiquidation(a, c, k, qty, market)
		if enough {
			break
		}
		surplus = surplus.Add(c.mm).Sub(c.notional.MulInt64(int64(k.liqFee)))
		if !r.full && !market && surplus.Sign() >= 0 {
			break // the off-lot remainder made the difference
		}
	}
	a.Timeout = r.timeout
	m.startTimeout(a)
}

func (m *Machine) cancelOrders(id event.AccountID) {
	m.fx.Append(event.Effect{Kind: event.EffectCancelOrders, Flags: event.HasAccount, Account: id})
}

// sendLiquidation opens an order that closes qty of the position.
func (m *Machine) sendLiquidation(a *account.Account, c *closing, k *contract, qty fixedpoint.Qty, market bool) {
	p := m.accounts.Position(c.at)
	sells := qty > 0
	var limit fixedpoint.Price
	if market && k.maxDeviation != 0 {
		limit = boundLimit(k, sells)
	} else {
		limit = quoteLimit(c, k, sells)
	}
	id := m.orders.add(order{
		account: a.ID, contract: p.Contract, side: p.Side, qty: -qty, limit: limit,
	})
	a.Orders++
	m.fx.Append(event.Effect{
		Kind: event.EffectLiquidate, Flags: event.HasAccount | event.HasSymbol | event.HasOrder,
		Order: id, Account: a.ID, Symbol: k.id, Side: p.Side, Qty: -qty, Price: limit,
	})
}

// quoteLimit is the position's bankruptcy price rounded to the tick on the side
// that cannot leave the account below zero; at least one tick.
func quoteLimit(c *closing, k *contract, sells bool) fixedpoint.Price {
	quote := c.quote
	if !sells {
		quote = quote.Neg() // now positive is a price to pay
	}
	size := c.leg.Qty
	if size < 0 {
		size = -size
	}
	return tickLimit(k.tick, sells, quote, fixedpoint.Int256From(fixedpoint.One), fixedpoint.Int256From(int64(size)))
}

// boundLimit is mark x (1 -/+ max_deviation) rounded inside; at least one tick.
func boundLimit(k *contract, sells bool) fixedpoint.Price {
	bound := fixedpoint.Int256From(fixedpoint.One)
	if d := fixedpoint.Int256From(int64(k.maxDeviation)); sells {
		bound = bound.Sub(d)
	} else {
		bound = bound.Add(d)
	}
	return tickLimit(k.tick, sells, bound, fixedpoint.Int256From(int64(k.mark)), fixedpoint.Int256From(fixedpoint.One))
}

// tickLimit rounds a x b / d to the tick, up for sales and down for purchases; at
// least one tick, at most the largest multiple that is a price.
func tickLimit(tick fixedpoint.Price, sells bool, a, b, d fixedpoint.Int256) fixedpoint.Price {
	r := fixedpoint.Floor
	if sells {
		r = fixedpoint.Ceil
	}
	num, den := [2]fixedpoint.Int256{a, b}, [2]fixedpoint.Int256{d, fixedpoint.Int256From(int64(tick))}
	ticks, ok := fixedpoint.QuoProducts(num[:], den[:], r)
	if !ok {
		panic("machine: a price needs more than 256 bits")
	}
	if ticks.Sign() <= 0 {
		return tick
	}
	most := fixedpoint.Price((1<<63 - 1) / int64(tick))
	if n, ok := ticks.Int64(); ok && fixedpoint.Price(n) <= most {
		return fixedpoint.Price(n) * tick
	}
	return most * tick
}

// startTimeout sets when an open round is overdue, once time is known.
func (m *Machine) startTimeout(a *account.Account) {
	if m.now == 0 && !m.timed {
		return
	}
	a.RoundDue = later(m.now, a.Timeout)
	m.roundDue = min(m.roundDue, a.RoundDue)
}

// appendTimedOut adds the accounts whose round is overdue. It looks at the open
// orders when the earliest of them may be.
func (m *Machine) appendTimedOut(list []account.Slot) []account.Slot {
	m.roundDue = 1<<63 - 1
	for i := range m.orders.orders {
		o := &m.orders.orders[i]
		if o.id == 0 || o.done || o.offload {
			continue
		}
		s := m.accounts.Find(o.account)
		due := m.accounts.At(s).RoundDue
		if due != 0 && due <= m.now {
			list = append(list, s)
		} else if due != 0 {
			m.roundDue = min(m.roundDue, due)
		}
	}
	return list
}

// checkTimeout raises order_timeout for a round not done in time, again every
// timeout. The round is never assumed dead.
func (m *Machine) checkTimeout(s account.Slot) {
	a := m.accounts.At(s)
	if a.RoundDue == 0 || a.RoundDue > m.now {
		return
	}
	m.fx.Append(event.Effect{
		Kind: event.EffectAlarm, Flags: event.HasAccount, Reason: uint8(event.AlarmOrderTimeout),
		Account: a.ID,
	})
	m.startTimeout(a)
}

// mayWithdraw reports whether an account may be changed by a, which is negative: it
// must keep its maintenance margin and what its tiers' leverage asks.
func (m *Machine) mayWithdraw(s account.Slot, a fixedpoint.Amount) bool {
	acc := m.accounts.At(s)
	sums, known := m.sums(acc)
	if !known || acc.Has(account.OutOfSync) {
		return false
	}
	most := rounded(lesser(surplusOf(acc, &sums), m.leverageSurplus(acc, &sums)), fixedpoint.One*fixedpoint.One, fixedpoint.Floor)
	if n, ok := most.Int64(); ok {
		m.refusal.Amount = max(fixedpoint.Amount(n), 0)
		return n > 0 && -n <= int64(a) // a's magnitude may not fit
	}
	return most.Sign() > 0
}

func lesser(a, b fixedpoint.Int256) fixedpoint.Int256 {
	if b.Less(a) {
		return b
	}
	return a
}

// leverageSurplus is equity - sum of notional / max_leverage at 1e-24. The sum is
// taken over the least common multiple of the leverages, so that it is exact: 100
// at 3x three times is 100.
func (m *Machine) leverageSurplus(a *account.Account, sums *margin.Sums) fixedpoint.Int256 {
	equity := equityOf(a, sums).MulInt64(fixedpoint.One)
	multiple := int64(1)
	m.eachLeverage(a, func(_ fixedpoint.Int128, l int64) { multiple = lcm(multiple, l) })
	sum := fixedpoint.Int256{}
	m.eachLeverage(a, func(notional fixedpoint.Int128, l int64) {
		if multiple%l == 0 {
			sum = sum.Add(notional.MulInt64(multiple / l))
			return
		}
		// Leverages so odd that their multiple does not fit: the share is rounded up,
		// by less than 1e-24.
		num := [2]fixedpoint.Int256{notional.Wide(), fixedpoint.Int256From(multiple)}
		den := [1]fixedpoint.Int256{fixedpoint.Int256From(l)}
		q, _ := fixedpoint.QuoProducts(num[:], den[:], fixedpoint.Ceil)
		sum = sum.Add(q)
	})
	num := [3]fixedpoint.Int256{sum, fixedpoint.Int256From(fixedpoint.One), fixedpoint.Int256From(fixedpoint.One)}
	den := [1]fixedpoint.Int256{fixedpoint.Int256From(multiple)}
	q, _ := fixedpoint.QuoProducts(num[:], den[:], fixedpoint.Ceil)
	return equity.Sub(q)
}

func (m *Machine) eachLeverage(a *account.Account, do func(notional fixedpoint.Int128, leverage int64)) {
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		i = m.accounts.Next(p)
		l := m.legOf(p)
		if lev := l.Tiers.MaxLeverage(l.Notional()); lev != 0 && p.Qty != 0 {
			do(l.Notional(), int64(lev))
		}
	}
}

// lcm is the least common multiple, or a where that does not fit.
func lcm(a, b int64) int64 {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	if m, ok := fixedpoint.Mul64(a/x, b).Int64(); ok {
		return m
	}
	return a
}
