package machine

import (
	"math"
	"math/bits"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/internal/invariant"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Most events decide nothing: a tick that reaches no trigger, a fact about accounts
// that stay safe. For these, what is below is all that Apply does, and it books
// what the functions for all cases would book. Where it is not sure it has changed
// nothing and leaves the event to them; a machine that scans does so always, which is
// how tests compare the two.

// quietly applies an event that decides nothing, or reports false.
func (m *Machine) quietly(e event.Event, fx *event.Effects) bool {
	if e[0].Kind() == event.KindTick {
		return len(e) == 1 && m.quietTick(&e[0], fx)
	}
	return m.quietFact(e, fx)
}

// timeOf is what the time is after an event.
func (m *Machine) timeOf(h *event.Record) int64 {
	if h.Has(event.FlagTime) {
		return max(m.time, h.Time())
	}
	return m.time
}

// dueAt is the time from which on an event may have more to do than it says: a round
// or a slice is due. Only events that are not quiet change it.
func (m *Machine) dueAt() int64 {
	if !m.timed || m.mode != event.Live || m.heldMarks != 0 {
		return math.MinInt64
	}
	due := m.timers.next()
	for _, i := range m.stocked {
		if c := &m.contracts[i]; !c.offload.Off && c.offloadOrder == 0 {
			due = min(due, later(c.sliceFrom, c.offload.Interval))
		}
	}
	return due
}

// passed is all there is to do at the end of a quiet event.
func (m *Machine) passed(now int64, fx *event.Effects) bool {
	m.seq++
	m.stats.Events++
	m.stats.Quiet++
	fx.Begin(m.seq)
	m.now, m.time = now, now
	if invariant.Enabled {
		if err := m.Check(); err != nil {
			panic(err)
		}
	}
	return true
}

// safelyFits bounds the upper word of a product that surely fits, see wouldOverflow.
const safelyFits = fixedpoint.One/2 - 1

// quietTick moves a mark at which nobody has to be looked at.
func (m *Machine) quietTick(h *event.Record, fx *event.Effects) bool {
	const (
		flags = event.FlagTime | event.FlagMarkTime
		mask  = (1<<48 - 1) &^ (uint64(flags) << 16) // the source says nothing without its flag
	)
	now := m.timeOf(h)
	if now >= m.quietUntil || h[0]&mask != uint64(event.KindTick) {
		return false
	}
	i := m.symbolIDs.Find(uint64(h.Symbol()))
	if i < 0 {
		return false
	}
	c, mark, own := &m.contracts[i], h.Mark(), now
	if h.Has(event.FlagMarkTime) {
		if own = h.MarkTime(); own <= c.last || own > later(now, second) {
			return false
		}
	}
	worth, _ := bits.Mul64(uint64(c.most), uint64(mark))
	if mark <= 0 || worth >= safelyFits || c.mark == 0 || c.suspect || c.rankings[longs].made|c.rankings[shorts].made != 0 ||
		c.maxJump != 0 && !near(mark, c.mark, c.maxJump) ||
		!m.index.Quiet(i, mark) {
		return false
	}
	c.mark, c.markTime, c.last = mark, own, max(c.last, own)
	m.epoch++
	return m.passed(now, fx)
}

// quietLeg is what a fact does to one account, worked out before it is written.
type quietLeg struct {
	id       event.AccountID
	contract int32 // None: a transfer
	side     event.PositionSide
	qty      fixedpoint.Qty
	quote    fixedpoint.Amount
	fee      fixedpoint.Amount

	account  *account.Account
	position *account.Position
	booking  account.Booking
	wallet   fixedpoint.Amount
}

// quietFact books a fill, a transfer or both legs of a trade if all of that changes
// only positions there are, and leaves these on their side and the accounts safe.
func (m *Machine) quietFact(e event.Event, fx *event.Effects) bool {
	h := &e[0]
	now := m.timeOf(h)
	if now >= m.quietUntil || m.asked == m.epoch || !e.Plain() && (h.Kind() != event.KindTrade || e.Validate() != nil) {
		return false // what a ranking keeps would have to be forgotten, or it may be malformed
	}
	sender := -1
	if h.Has(event.FlagSource) {
		sender = m.findSource(e.Source())
		if sender < 0 || h.SourceSequence() <= m.sources[sender].highest {
			return false
		}
	}
	switch h.Kind() {
	case event.KindTransfer:
		if !m.quietTransfer(h) {
			return false
		}
	case event.KindFill:
		l := quietLeg{id: h.Account(), side: h.Side(), qty: h.Qty(), fee: h.Fee()}
		if !m.quote(&l, h) || !m.quietFill(&l) {
			return false
		}
		m.bookQuietly(&l)
	case event.KindTrade:
		if !m.quietTrade(e) {
			return false
		}
	default:
		return false
	}
	if sender >= 0 {
		m.sources[sender].highest = h.SourceSequence()
	}
	return m.passed(now, fx)
}

// quietTransfer books a transfer. A withdrawal has a rule of its own.
func (m *Machine) quietTransfer(h *event.Record) bool {
	reason, amount := event.TransferReason(h.Code()), h.Amount()
	if reason == event.TransferWithdrawal || amount == 0 || reason == event.TransferDeposit && amount < 0 {
		return false
	}
	l := quietLeg{id: h.Account(), contract: account.None}
	left, ok := m.worst(&l)
	if !ok {
		return false
	}
	wallet, ok := fits(l.account.Wallet, amount)
	if !ok || left.Surplus(wallet).Hi < 0 {
		return false
	}
	l.account.Wallet = wallet
	m.ledger.outside(amount)
	return true
}

// quietTrade books both legs of a trade between two accounts.
func (m *Machine) quietTrade(e event.Event) bool {
	h := &e[0]
	buyerFee, sellerFee := e.Fees()
	buyer := quietLeg{id: h.Buyer(), side: h.Side(), qty: h.Qty(), fee: buyerFee}
	if buyer.qty <= 0 || buyer.id == h.Seller() || !m.quote(&buyer, h) {
		return false
	}
	seller := quietLeg{
		id: h.Seller(), contract: buyer.contract, side: h.SellerSide(), qty: -buyer.qty, quote: -buyer.quote, fee: sellerFee,
	}
	if !m.quietFill(&buyer) || !m.quietFill(&seller) {
		return false
	}
	m.bookQuietly(&buyer)
	m.bookQuietly(&seller)
	return true
}

// quote finds the contract of a leg, and what its quantity comes to at the price.
func (m *Machine) quote(l *quietLeg, h *event.Record) (ok bool) {
	l.contract = m.symbolIDs.Find(uint64(h.Symbol()))
	price := h.Price()
	if l.contract < 0 || l.qty == 0 || price <= 0 {
		return false
	}
	l.quote, ok = fixedpoint.Quote(l.qty, price)
	return ok
}

// quietFill works out what a leg does, and reports whether it is quiet.
func (m *Machine) quietFill(l *quietLeg) bool {
	left, ok := m.worst(l)
	if !ok || l.position == nil {
		return false
	}
	wallet, ok1 := fits(l.account.Wallet, l.booking.Realized)
	wallet, ok2 := fitsLess(wallet, l.fee)
	l.wallet = wallet
	return ok1 && ok2 && left.Surplus(wallet).Hi >= 0
}

// worst finds a leg's account, which is in nobody's hands, and its position, and adds
// up what the account has after it at the worst marks its triggers allow, as safe does.
func (m *Machine) worst(l *quietLeg) (left margin.Tally, ok bool) {
	s := m.accounts.Find(l.id)
	if s == account.None {
		return left, false
	}
	a := m.accounts.At(s)
	home, read := m.accounts.Home(s)
	m.seen ^= read ^ uint64(m.index.Ahead([]int32{home}))
	if a.Flags != 0 || a.Waiting || a.Orders != 0 || a.Pending != 0 {
		return left, false
	}
	l.account = a
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		qty, cost := p.Qty, p.Cost
		if p.Contract == l.contract && p.Side == l.side {
			var fit bool
			l.position = p
			if l.booking, fit = account.Book(qty, cost, l.qty, l.quote); !fit || l.booking.Qty == 0 || (qty^l.booking.Qty) < 0 {
				return left, false
			}
			qty, cost = l.booking.Qty, l.booking.Cost
		}
		c := &m.contracts[p.Contract]
		worst, armed := m.index.Worst(sideOf(qty), i, c.mark)
		if !armed || !left.Add(qty, cost, worst, c.tiers) {
			return left, false
		}
		i = m.accounts.Next(p)
	}
	return left, true
}

// bookQuietly writes what was worked out.
func (m *Machine) bookQuietly(l *quietLeg) {
	p := l.position
	m.contracts[l.contract].noteSize(p.Qty, l.booking.Qty)
	p.Qty, p.Cost = l.booking.Qty, l.booking.Cost
	if l.booking.Reduced {
		l.account.LastReduced = l.contract
	}
	l.account.Wallet = l.wallet
	m.ledger.fill(l.qty, l.quote, l.fee, l.contract)
}
