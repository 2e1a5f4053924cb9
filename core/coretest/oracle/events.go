package oracle

// handlers read an event and give the function that changes the state; that
// function returns a reject code, and has changed nothing when it does.
var handlers map[string]func(*Engine, *fields) func() string

func init() {
	handlers = map[string]func(*Engine, *fields) func() string{
		"fund": fundEvent, "fund_transfer": fundTransferEvent, "fund_fill": fundFillEvent,
		"symbol": symbolEvent, "account": accountEvent, "account_close": closeEvent,
		"account_state": stateEvent, "mode": modeEvent, "transfer": transferEvent,
		"fill": fillEvent, "trade": tradeEvent, "tick": tickEvent, "depth": depthEvent,
		"order_fill": orderFillEvent, "order_done": orderDoneEvent,
		"halt": haltEvent(true), "resume": haltEvent(false), "time": nothing, "ack": nothing,
	}
}

func nothing(*Engine, *fields) func() string { return func() string { return "" } }

func modeEvent(e *Engine, f *fields) func() string {
	mode := f.oneOf("mode", "live", "loading")
	return func() string {
		e.loading = mode == "loading"
		return ""
	}
}

func accountEvent(e *Engine, f *fields) func() string {
	id := f.needID("account")
	owner, mode := f.id("owner", id), f.oneOf("mode", "cross", "isolated")
	return func() string {
		if e.accounts[id] != nil {
			return "exists"
		}
		a := e.open(id)
		a.owner, a.mode = owner, mode
		return ""
	}
}

func closeEvent(e *Engine, f *fields) func() string {
	id := f.needID("account")
	return func() string {
		a := e.accounts[id]
		switch {
		case a == nil:
			return "unknown_account"
		case len(a.positions) > 0 || a.wallet.Sign() != 0 || a.round != nil:
			return "not_flat"
		}
		delete(e.accounts, id)
		return ""
	}
}

func transferEvent(e *Engine, f *fields) func() string {
	id, amount := f.needID("account"), f.decimal("amount", nil)
	reason := f.oneOf("reason", "deposit", "withdrawal", "funding", "fee", "rebate", "other")
	return func() string {
		a := e.accounts[id]
		switch {
		case a == nil && reason == "withdrawal":
			return "unknown_account"
		case amount.Sign() == 0:
			return "zero"
		case reason == "deposit" && amount.Sign() < 0, reason == "withdrawal" && amount.Sign() > 0:
			return "sign"
		case reason == "withdrawal" && !a.mayWithdraw(amount):
			return "margin"
		}
		a = e.open(id)
		if !fits(add(a.wallet, amount)) {
			if reason == "withdrawal" {
				return "overflow"
			}
			e.outOfSync(a)
			return ""
		}
		a.wallet = add(a.wallet, amount)
		e.money = add(e.money, amount)
		return ""
	}
}

// mayWithdraw says whether margin is left after a change of the wallet.
func (a *account) mayWithdraw(amount num) bool {
	if a.outOfSync || !a.assessable() {
		return false
	}
	equity24 := mul(add(a.equity16(), mul(amount, e8)), e8)
	initial := rat(zero, one)
	for _, p := range a.positions {
		if lev := p.sym.tierOf(p.notional16()).leverage; lev != nil {
			initial = ratAdd(initial, rat(mul(p.notional16(), e8), lev))
		}
	}
	return equity24.Cmp(a.mm24()) >= 0 && rat(equity24, e8).Cmp(initial) >= 0
}

func fillEvent(e *Engine, f *fields) func() string {
	id, name, side := f.needID("account"), f.text("symbol"), f.oneOf("position_side", "both", "long", "short")
	qty, price, fee := f.decimal("qty", nil), f.decimal("price", nil), f.decimal("fee", zero)
	return func() string {
		s := e.symbols[name]
		switch {
		case s == nil:
			return "unknown_symbol"
		case qty.Sign() == 0 || price.Sign() == 0:
			return "zero"
		case price.Sign() < 0:
			return "sign"
		}
		a := e.accounts[id]
		l := a.try(s, side, qty, signed(quoteOf(qty, price), qty), fee)
		if a == nil && l.wrong != "" {
			return l.wrong
		}
		e.external(e.open(id), l)
		return ""
	}
}

func tradeEvent(e *Engine, f *fields) func() string {
	name, qty, price := f.text("symbol"), f.decimal("qty", nil), f.decimal("price", nil)
	ids := [2]uint64{f.needID("buyer"), f.needID("seller")}
	sides := [2]string{f.oneOf("buyer_side", "both", "long", "short"), f.oneOf("seller_side", "both", "long", "short")}
	fees := [2]num{f.decimal("buyer_fee", zero), f.decimal("seller_fee", zero)}
	return func() string {
		s := e.symbols[name]
		switch {
		case s == nil:
			return "unknown_symbol"
		case qty.Sign() == 0 || price.Sign() == 0:
			return "zero"
		case qty.Sign() < 0 || price.Sign() < 0:
			return "sign"
		}
		dq := [2]num{qty, neg(qty)}
		leg := func(i int) leg {
			return e.accounts[ids[i]].try(s, sides[i], dq[i], signed(quoteOf(qty, price), dq[i]), fees[i])
		}
		for i, id := range ids {
			if l := leg(i); e.accounts[id] == nil && l.wrong != "" {
				return l.wrong
			}
		}
		for i, id := range ids {
			e.external(e.open(id), leg(i))
		}
		return ""
	}
}

// statedPosition is a position as an account_state names it.
type statedPosition struct {
	symbol, side     string
	qty, cost, entry num // either cost or entry
}

func stateEvent(e *Engine, f *fields) func() string {
	id := f.needID("account")
	wallet := f.decimal("wallet", nil)
	var stated []statedPosition
	for _, row := range f.objects("positions") {
		p := statedPosition{symbol: row.text("symbol"), side: row.oneOf("position_side", "both", "long", "short"), qty: row.decimal("qty", nil)}
		if row.has("cost") == row.has("entry") {
			f.fail("positions: one of entry and cost")
		} else if row.has("cost") {
			p.cost = row.decimal("cost", nil)
		} else {
			p.entry = row.decimal("entry", nil)
		}
		if row.err != nil {
			f.err = row.err
		}
		stated = append(stated, p)
	}
	old := e.accounts[id]
	mode, owner := "cross", id
	if old != nil {
		mode, owner = old.mode, old.owner
	}
	if f.has("mode") {
		mode = f.oneOf("mode", "cross", "isolated")
	}
	owner = f.id("owner", owner)
	return func() string {
		next := &account{mode: mode, positions: map[positionKey]*position{}}
		wrong := ""
		for _, p := range stated {
			if e.symbols[p.symbol] == nil {
				return "unknown_symbol"
			}
		}
		for _, p := range stated {
			if p.qty.Sign() == 0 || p.entry != nil && p.entry.Sign() == 0 {
				return "zero"
			}
			if !sideAllows(p.side, p.qty) || p.entry != nil && p.entry.Sign() < 0 ||
				p.cost != nil && p.cost.Sign() != 0 && p.cost.Sign() != p.qty.Sign() {
				return "sign"
			}
			if next.positions[positionKey{p.symbol, p.side}] != nil {
				return "exists"
			}
			s, cost := e.symbols[p.symbol], p.cost
			if cost == nil {
				cost = signed(quoteOf(p.qty, p.entry), p.qty)
			}
			switch {
			case wrong != "":
			case next.otherContract(s):
				wrong = "wrong_symbol"
			case next.otherSide(s, p.side):
				wrong = "wrong_mode"
			case !fits(cost):
				wrong = "overflow"
			}
			next.positions[positionKey{p.symbol, p.side}] = &position{s, p.side, p.qty, cost}
		}
		if wrong != "" && old == nil {
			return wrong
		}
		a := e.open(id)
		if wrong != "" {
			e.outOfSync(a)
			return ""
		}
		e.replace(a, next.positions, wallet)
		a.owner, a.mode, a.outOfSync = owner, mode, false
		return ""
	}
}

// replace puts the venue's word in place of an account's wallet and positions;
// our own orders, pending fees and attempts stay.
func (e *Engine) replace(a *account, positions map[positionKey]*position, wallet num) {
	for _, p := range a.held() {
		e.expect(p.sym, neg(p.qty), p.cost)
		now := positions[positionKey{p.sym.name, p.side}]
		if now == nil || now.qty.Sign() != p.qty.Sign() || now.qty.CmpAbs(p.qty) < 0 {
			a.lastReduced = p.sym
		}
	}
	e.money = add(e.money, sub(wallet, a.wallet))
	a.positions, a.wallet = positions, wallet
	for _, p := range a.held() {
		e.expect(p.sym, p.qty, neg(p.cost))
	}
}
