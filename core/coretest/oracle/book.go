package oracle

import (
	"cmp"
	"slices"
)

// account is one margin account.
type account struct {
	id, owner uint64
	mode      string // cross or isolated
	wallet    num
	positions map[positionKey]*position
	pending   map[string]num // liquidation fees set aside, by the symbol that caused them

	outOfSync   bool
	debt        bool    // the alarm about its debt was raised
	lastReduced *symbol // whose fund covers what is missing once it is flat

	// The episode: from the first order until recovered or resolved.
	liquidating bool
	bankrupt    bool   // resolved in part, the rest waits for a blocked mark
	reason      string // of that bankruptcy
	marketTried bool
	round       *round
	attempts    int64
	waiting     bool // for the next mark of one of its contracts
}

// round is one set of liquidation orders that are out together.
type round struct {
	orders  []*order
	since   stamp // when it was sent, or its last alarm
	timeout int64
	filled  bool
}

// order is one of ours at the venue; it is never forgotten, fills may be late.
type order struct {
	id       uint64
	account  uint64 // of a liquidation
	fund     *fund  // of an offload, otherwise nil
	sym      *symbol
	side     string
	qty      num // signed
	filled   num // unsigned
	limit    num
	done     bool
	rejected bool
}

type positionKey struct{ symbol, side string }

// position is a signed quantity and the signed quote paid for it.
type position struct {
	sym       *symbol
	side      string // both, long or short
	qty, cost num
}

// value16 is the mark value; the contract must have a mark.
func (p *position) value16() num { return mul(p.qty, p.sym.mark) }

// pnl16 is the unrealized PnL, 0 without a mark.
func (p *position) pnl16() num {
	if p.sym.mark == nil {
		return zero
	}
	return sub(p.value16(), mul(p.cost, e8))
}

// notional16 is the absolute mark value, 0 without a mark.
func (p *position) notional16() num {
	if p.sym.mark == nil {
		return zero
	}
	return abs(p.value16())
}

func (p *position) mm24() num { return p.sym.mm24(p.notional16()) }

// held are the positions by symbol id, long before short.
func (a *account) held() []*position {
	var all []*position
	for _, p := range a.positions {
		all = append(all, p)
	}
	slices.SortFunc(all, func(p, q *position) int {
		if c := cmp.Compare(p.sym.id, q.sym.id); c != 0 {
			return c
		}
		return cmp.Compare(p.side, q.side)
	})
	return all
}

// pendingFee is everything set aside.
func (a *account) pendingFee() num {
	sum := zero
	for _, fee := range a.pending {
		sum = add(sum, fee)
	}
	return sum
}

// worth16 is wallet + unrealized PnL, which decides bankruptcy.
func (a *account) worth16() num {
	sum := mul(a.wallet, e8)
	for _, p := range a.positions {
		sum = add(sum, p.pnl16())
	}
	return sum
}

// equity16 is wallet - pending fees + unrealized PnL.
func (a *account) equity16() num {
	return sub(a.worth16(), mul(a.pendingFee(), e8))
}

func (a *account) mm24() num {
	sum := zero
	for _, p := range a.positions {
		sum = add(sum, p.mm24())
	}
	return sum
}

// spare24 is equity less maintenance margin.
func (a *account) spare24() num { return sub(mul(a.equity16(), e8), a.mm24()) }

// assessable says whether every contract it holds has a mark.
func (a *account) assessable() bool {
	for _, p := range a.positions {
		if p.sym.mark == nil {
			return false
		}
	}
	return true
}

func (a *account) healthy() bool { return a.assessable() && a.spare24().Sign() >= 0 }

// candidate says whether counterparty-liquidation may take from it.
func (a *account) candidate() bool {
	return a.healthy() && !a.outOfSync && !a.liquidating && !a.bankrupt && a.round == nil
}

// trade is what a fill does to a position: dq at a signed quote of dc. A fill
// that flips is split, the closing part getting its floor of the quote.
func trade(qty, cost, dq, dc num) (qty2, cost2, realized num) {
	if qty.Sign() == 0 || dq.Sign() == 0 || qty.Sign() == dq.Sign() {
		return add(qty, dq), add(cost, dc), zero
	}
	closing := lessOf(abs(dq), abs(qty))
	paid := portion(dc, closing, abs(dq))
	released := portion(cost, closing, abs(qty))
	realized = sub(neg(paid), released)
	if rest := sub(abs(dq), closing); rest.Sign() > 0 {
		return add(qty, dq), sub(dc, paid), realized
	}
	return add(qty, dq), sub(cost, released), realized
}

// portion is the floor of |whole| x part / all, with the sign of whole.
func portion(whole, part, all num) num {
	p := floorDiv(mul(abs(whole), part), all)
	if whole.Sign() < 0 {
		return neg(p)
	}
	return p
}

// quoteOf is |qty| x price, half-even.
func quoteOf(qty, price num) num { return halfEven(mul(abs(qty), price), e8) }

// signed gives v the sign of like.
func signed(v, like num) num {
	if like.Sign() < 0 {
		return neg(v)
	}
	return v
}

// leg is the outcome of a fill on an account, before it is booked.
type leg struct {
	sym                         *symbol
	side                        string
	dq, dc, fee                 num
	qty, cost, realized, wallet num
	wrong                       string // why it cannot be booked, as a reject code
}

// try works out a fill of dq at a signed quote of dc without booking it. The
// account may be one that does not exist yet, nil.
func (a *account) try(s *symbol, side string, dq, dc, fee num) leg {
	l := leg{sym: s, side: side, dq: dq, dc: dc, fee: fee}
	qty, cost, wallet := zero, zero, zero
	if a != nil {
		wallet = a.wallet
		if p := a.positions[positionKey{s.name, side}]; p != nil {
			qty, cost = p.qty, p.cost
		}
	}
	l.qty, l.cost, l.realized = trade(qty, cost, dq, dc)
	l.wallet = sub(add(wallet, l.realized), fee)
	switch {
	case a != nil && a.otherContract(s):
		l.wrong = "wrong_symbol"
	case a != nil && a.otherSide(s, side), !sideAllows(side, l.qty):
		l.wrong = "wrong_mode"
	case !fits(dc) || !fits(l.qty) || !fits(l.cost) || !fits(l.realized) || !fits(l.wallet):
		l.wrong = "overflow"
	}
	return l
}

// otherContract: an isolated account that holds a contract other than s.
func (a *account) otherContract(s *symbol) bool {
	for _, p := range a.positions {
		if a.mode == "isolated" && p.sym != s {
			return true
		}
	}
	return false
}

// otherSide: a symbol held one-way and as a hedge leg at once.
func (a *account) otherSide(s *symbol, side string) bool {
	for _, p := range a.positions {
		if p.sym == s && (p.side == "both") != (side == "both") {
			return true
		}
	}
	return false
}

// sideAllows: a long leg is never short, nor the other way round.
func sideAllows(side string, qty num) bool {
	return !(side == "long" && qty.Sign() < 0 || side == "short" && qty.Sign() > 0)
}

// book makes a leg the account's state.
func (a *account) book(l leg) {
	key := positionKey{l.sym.name, l.side}
	if p := a.positions[key]; p != nil && p.qty.Sign() != l.dq.Sign() {
		a.lastReduced = l.sym
	}
	if l.qty.Sign() == 0 {
		delete(a.positions, key)
	} else {
		a.positions[key] = &position{l.sym, l.side, l.qty, l.cost}
	}
	a.wallet = l.wallet
}

// open is the account with this id, made cross and empty where there is none.
func (e *Engine) open(id uint64) *account {
	a := e.accounts[id]
	if a == nil {
		a = &account{id: id, owner: id, mode: "cross", wallet: zero,
			positions: map[positionKey]*position{}, pending: map[string]num{}}
		e.accounts[id] = a
	}
	return a
}

// outOfSync drops a fact about an account that could not be represented.
func (e *Engine) outOfSync(a *account) {
	if !a.outOfSync {
		a.outOfSync = true
		e.effect("alarm", "code", "out_of_sync", "account", a.id)
	}
}

// external books a leg that came from the venue, and what the invariants may
// expect after it. A leg that cannot be represented is dropped.
func (e *Engine) external(a *account, l leg) bool {
	if l.wrong != "" {
		e.outOfSync(a)
		return false
	}
	a.book(l)
	e.expect(l.sym, l.dq, neg(add(l.dc, l.fee)))
	return true
}

// expect adds an external leg to what conserve and flat recount.
func (e *Engine) expect(s *symbol, qty, money num) {
	e.money = add(e.money, money)
	if s != nil {
		e.held[s.name] = add(e.heldOf(s.name), qty)
	}
}

func (e *Engine) heldOf(name string) num {
	if v := e.held[name]; v != nil {
		return v
	}
	return zero
}
