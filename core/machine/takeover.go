package machine

import (
	"cmp"
	"math"
	"slices"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/fund"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// terms are those a bankrupt position is closed on.
type terms struct {
	contract int32
	piece    fund.Piece
	cover    fixedpoint.Amount // paid by the fund, or to it below 0
	lifted   bool              // the price left the bound, or fell to nothing
	room     fixedpoint.Int128 // as the receipt shows it
	base     fixedpoint.Int128

	// Parts of the quote, set by divide.
	fundQuote  fixedpoint.Amount
	staysQuote fixedpoint.Amount
}

// bound works out the quote of a position and what is settled with the fund for
// keeping it within the bound; false if the numbers do not fit.
//
// The price stays within mark x (1 +/- max_deviation) and above 0. What that
// leaves over is covered by the fund as long as its equity stays >= 0, or paid to
// it; beyond that the price gives way.
func (m *Machine) bound(c *closing, contract int32) (t terms, ok bool) {
	k := &m.contracts[contract]
	f := &m.funds[k.fund]
	exact, long := c.quote, c.leg.Qty > 0
	size := exact // above 0 is a price above 0
	if !long {
		size = size.Neg()
	}
	low, high := fixedpoint.Int256From(1), fixedpoint.Int256{}
	capped := k.maxDeviation != 0
	if capped {
		low, high = limits(c.notional, k.maxDeviation)
	}
	within := size
	switch {
	case size.Less(low):
		within = low
	case capped && high.Less(size):
		within = high
	}
	// What the account lacks at that price: above 0 the fund must cover it.
	lack := size.Sub(within)
	if !long {
		lack = lack.Neg()
	}
	if x := m.exposure(k.fund); lack.Sign() > 0 {
		most := rounded(f.Equity(x), fixedpoint.One, fixedpoint.Floor).Wide()
		if most.Sign() < 0 {
			most = fixedpoint.Int256{}
		}
		if most.Less(lack) {
			lack, t.lifted = most, true
		}
	}
	cover, ok1 := lack.Int64()
	quote, ok2 := exact.Sub(lack).Int64()
	_, ok3 := fits(f.Cash, -fixedpoint.Amount(cover))
	t.contract, t.cover = contract, fixedpoint.Amount(cover)
	t.piece = fund.Piece{
		Qty: c.leg.Qty, Quote: fixedpoint.Amount(quote), Lot: k.lot, Mark: k.mark,
		Share: k.capShare, Whole: k.whole,
	}
	return t, ok1 && ok2 && ok3 && cover != math.MinInt64 && quote != math.MinInt64
}

// limits returns the least and the largest quote within the bound, at least one
// step above 0.
func limits(notional fixedpoint.Int128, deviation fixedpoint.Rate) (low, high fixedpoint.Int256) {
	const scale = fixedpoint.One * fixedpoint.One
	one := fixedpoint.Int256From(1)
	share := func(part int64) fixedpoint.Int256 {
		num := [2]fixedpoint.Int256{notional.Wide(), fixedpoint.Int256From(part)}
		den := [1]fixedpoint.Int256{fixedpoint.Int256From(scale)}
		q, _ := fixedpoint.QuoProducts(num[:], den[:], fixedpoint.HalfEven)
		return q
	}
	low, high = share(fixedpoint.One-int64(deviation)), one
	if deviation <= math.MaxInt64-fixedpoint.One {
		high = share(fixedpoint.One + int64(deviation))
	}
	if low.Less(one) {
		low = one
	}
	if high.Less(low) {
		high = low
	}
	return low, high
}

// resolvePosition closes one position: the fund takes what it may, counterparties
// what it may not, and what they cannot goes to the fund anyway.
func (m *Machine) resolvePosition(s account.Slot, c *closing) {
	a := m.accounts.At(s)
	p := m.accounts.Position(c.at)
	t, ok := m.bound(c, p.Contract)
	if !ok || !outcomeFits(a, c, &t) {
		m.outOfSync(s, event.Overflow)
		return
	}
	k := &m.contracts[t.contract]
	// The fund as it stands once cover or surplus is booked.
	f := m.funds[k.fund]
	f.Cash -= t.cover
	x := m.exposure(k.fund)
	t.base = amount(f.Base(x))
	t.room = shownMargin(f.Room(x, k.capShare, fixedpoint.Value(k.inventory.Qty, k.mark).Abs()))
	if t.room.Sign() < 0 {
		t.room = fixedpoint.Int128{} // how much more it may hold: nothing
	}
	lots, rest := t.piece.Lots()
	// Cover is booked after the piece: it does not yet put the fund in deficit.
	taken := f.MayTake(x, k.inventory, t.piece, m.funds[k.fund].Restricted())
	taken = m.writable(&t, taken, rest)
	var found found
	m.scratch.gives = m.scratch.gives[:0]
	if need := lots - taken; need > 0 {
		found = m.findCounterparties(&t, need)
	}
	fundQty := fixedpoint.Qty(lots-found.given)*k.lot + rest
	if !m.divide(s, c, &t, fundQty) {
		fundQty = m.shrink(s, c, &t, lots-found.given)
	}
	t.coverPart(fundQty + fixedpoint.Qty(found.given)*k.lot)
	m.deleverageAll(a, c, &t, &found)
	m.takeOver(a, c, &t, fundQty)
	if t.cover != 0 {
		m.settle(a, t.contract, t.cover)
	}
	if t.lifted {
		price := priceOf(t.piece.Quote, t.piece.Qty)
		m.alarmResolution(a, k, event.AlarmBoundLifted, 0, price)
	}
	if over := fundQty.Lots(k.lot) - taken; over > 0 {
		m.alarmResolution(a, k, event.AlarmCapExceeded, fixedpoint.Qty(over)*k.lot, 0)
	}
	m.alarmDeficit(k.fund)
	if m.remains(c, s) {
		m.outOfSync(s, event.Overflow)
	}
}

// outcomeFits reports whether the account could write down closing the position.
func outcomeFits(a *account.Account, c *closing, t *terms) bool {
	b, ok := account.Book(c.leg.Qty, c.leg.Cost, -c.leg.Qty, -t.piece.Quote)
	wallet, ok1 := fits(a.Wallet, b.Realized)
	_, ok2 := fits(wallet, t.cover)
	return ok && ok1 && ok2
}

// writable is the most of so many lots, with the off-lot rest, after which the
// fund's cash still fits while the cover is not yet paid.
func (m *Machine) writable(t *terms, lots int64, rest fixedpoint.Qty) int64 {
	k := &m.contracts[t.contract]
	fitting := func(lots int64) bool {
		qty := fixedpoint.Qty(lots)*k.lot + rest
		quote, ok := fixedpoint.MulDiv(int64(t.piece.Quote), int64(qty), int64(t.size()), fixedpoint.HalfEven)
		b, ok1 := account.Book(k.inventory.Qty, k.inventory.Cost, t.signed(qty), fixedpoint.Amount(quote))
		_, ok2 := fits(m.funds[k.fund].Cash, b.Realized)
		return ok && ok1 && ok2
	}
	if fitting(lots) {
		return lots
	}
	low, high := int64(0), lots // the rest goes to the fund in any case
	for high-low > 1 {
		if mid := low + (high-low)/2; fitting(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// coverPart leaves of cover or surplus what belongs to the part that is closed;
// all of it unless some of the position has to stay.
func (t *terms) coverPart(closed fixedpoint.Qty) {
	// The part is not larger than the whole, which fits.
	part, _ := fixedpoint.MulDiv(int64(t.cover), int64(closed), int64(t.size()), fixedpoint.Truncate)
	t.cover = fixedpoint.Amount(part)
}

func (m *Machine) alarmResolution(a *account.Account, k *contract, code event.Alarm, qty fixedpoint.Qty, price fixedpoint.Price) {
	m.fx.Append(event.Effect{
		Kind: event.EffectAlarm, Flags: event.HasAccount | event.HasSymbol | event.HasFund, Reason: uint8(code),
		Account: a.ID, Symbol: k.id, Fund: m.funds[k.fund].ID, Qty: qty, Price: price, Mark: k.mark,
	})
}

// priceOf is quote / qty for display: below 0 where a price had to be, 0 where it
// does not fit.
func priceOf(quote fixedpoint.Amount, qty fixedpoint.Qty) fixedpoint.Price {
	p, ok := fixedpoint.UnitPrice(quote, qty)
	if !ok {
		return 0
	}
	if quote != 0 && quote > 0 != (qty > 0) {
		return -p
	}
	return p
}

// remains reports whether some of the position is still there.
func (m *Machine) remains(c *closing, s account.Slot) bool {
	for i := m.accounts.At(s).First; i != account.None; {
		if p := m.accounts.Position(i); i == c.at {
			return p.Qty != 0
		}
		i = m.accounts.Next(m.accounts.Position(i))
	}
	return false
}

// divide splits the quote over counterparties, the fund and what stays, by quantity
// and largest remainder; ties go to the lower account, then the fund. It reports
// whether fund and account can write down their part.
func (m *Machine) divide(s account.Slot, c *closing, t *terms, fundQty fixedpoint.Qty) bool {
	x := &m.scratch
	x.byAccount = x.byAccount[:0]
	stays := t.size() - fundQty
	for i := range x.gives {
		g := &x.gives[i]
		x.byAccount = append(x.byAccount, giver{g.account, g.side, int32(i)})
		stays -= g.qty
	}
	slices.SortFunc(x.byAccount, func(g, h giver) int {
		if c := cmp.Compare(g.account, h.account); c != 0 {
			return c
		}
		return cmp.Compare(g.side, h.side)
	})
	x.weights = x.weights[:0]
	for _, g := range x.byAccount {
		x.weights = append(x.weights, fixedpoint.Int256From(int64(x.gives[g.i].qty)))
	}
	x.weights = append(x.weights, fixedpoint.Int256From(int64(fundQty)), fixedpoint.Int256From(int64(stays)))
	n := len(x.weights)
	x.shares = slices.Grow(x.shares[:0], n)[:n]
	fixedpoint.Split(int64(t.piece.Quote), x.weights, x.shares, &x.split)
	for at, g := range x.byAccount {
		x.gives[g.i].quote = fixedpoint.Amount(x.shares[at])
	}
	t.fundQuote, t.staysQuote = fixedpoint.Amount(x.shares[n-2]), fixedpoint.Amount(x.shares[n-1])
	return m.fundFits(t, fundQty) && m.accountFits(s, c, t, t.size()-stays)
}

func (t *terms) size() fixedpoint.Qty {
	if t.piece.Qty < 0 {
		return -t.piece.Qty
	}
	return t.piece.Qty
}

// signed gives a part of the position its sign.
func (t *terms) signed(q fixedpoint.Qty) fixedpoint.Qty {
	if t.piece.Qty < 0 {
		return -q
	}
	return q
}

func (m *Machine) fundFits(t *terms, qty fixedpoint.Qty) bool {
	k := &m.contracts[t.contract]
	b, ok := account.Book(k.inventory.Qty, k.inventory.Cost, t.signed(qty), t.fundQuote)
	cash, ok1 := fits(m.funds[k.fund].Cash, b.Realized)
	_, ok2 := fits(cash, -t.cover)
	return ok && ok1 && ok2
}

func (m *Machine) accountFits(s account.Slot, c *closing, t *terms, closed fixedpoint.Qty) bool {
	b, ok := account.Book(c.leg.Qty, c.leg.Cost, -t.signed(closed), t.staysQuote-t.piece.Quote)
	wallet, ok1 := fits(m.accounts.At(s).Wallet, b.Realized)
	_, ok2 := fits(wallet, t.cover)
	return ok && ok1 && ok2
}

// shrink finds the most whole lots the fund can write down; what it cannot stays
// where it is, and so does the off-lot remainder.
func (m *Machine) shrink(s account.Slot, c *closing, t *terms, lots int64) fixedpoint.Qty {
	low, high := int64(0), lots+1 // low fits, high does not
	for high-low > 1 {
		mid := low + (high-low)/2
		if m.divide(s, c, t, fixedpoint.Qty(mid)*t.piece.Lot) {
			low = mid
		} else {
			high = mid
		}
	}
	qty := fixedpoint.Qty(low) * t.piece.Lot
	m.divide(s, c, t, qty)
	return qty
}

// takeOver moves the fund's piece into its inventory, and books the account's side
// of everything that leaves it.
func (m *Machine) takeOver(a *account.Account, c *closing, t *terms, qty fixedpoint.Qty) {
	k := &m.contracts[t.contract]
	p := m.accounts.Position(c.at)
	side, closed := p.Side, qty
	for i := range m.scratch.gives {
		closed += m.scratch.gives[i].qty
	}
	if closed == 0 {
		return
	}
	b, _ := account.Book(p.Qty, p.Cost, -t.signed(closed), t.staysQuote-t.piece.Quote)
	a.Wallet += b.Realized
	m.setPosition(c.at, b)
	if qty == 0 {
		return
	}
	price := priceOf(t.fundQuote, t.signed(qty))
	m.fx.Append(event.Effect{
		Kind:    event.EffectTakeover,
		Flags:   event.HasAccount | event.HasFund | event.HasSymbol,
		Account: a.ID, Fund: m.funds[k.fund].ID, Symbol: k.id, Side: side,
		Qty: t.signed(qty), Price: price, Quote: t.fundQuote,
		PnL: amount(fixedpoint.Value(t.signed(qty), k.mark).Wide().Sub(margin.Scaled(t.fundQuote))),
	})
	m.stock(t.contract, t.signed(qty), t.fundQuote, event.LedgerTakeover)
}
