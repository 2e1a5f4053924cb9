package oracle

import "slices"

// fund is one insurance fund.
type fund struct {
	name      string
	id        uint64
	cash, cap num
	adlOnly   bool // by its owner's wish; a deficit has the same effect
	inventory map[string]*position
}

// contracts are the inventory's positions by symbol id.
func (f *fund) contracts() []*position {
	var all []*position
	for _, p := range f.inventory {
		all = append(all, p)
	}
	slices.SortFunc(all, func(p, q *position) int {
		if p.sym.id < q.sym.id {
			return -1
		}
		return 1
	})
	return all
}

func (f *fund) equity16() num {
	sum := mul(f.cash, e8)
	for _, p := range f.inventory {
		sum = add(sum, p.pnl16())
	}
	return sum
}

// net16 is the sum over contracts of |net inventory x mark|.
func (f *fund) net16() num {
	sum := zero
	for _, p := range f.inventory {
		sum = add(sum, p.notional16())
	}
	return sum
}

// base16 is what caps are a multiple of.
func (f *fund) base16() num {
	return moreOf(zero, lessOf(mul(f.cash, e8), f.equity16()))
}

// onlyADL says whether the fund takes nothing beyond zero.
func (f *fund) onlyADL() bool { return f.adlOnly || f.cash.Sign() < 0 }

func (f *fund) modeName() string {
	if f.onlyADL() {
		return "adl_only"
	}
	return "normal"
}

// in is the inventory in a contract, zero where there is none.
func (f *fund) in(s *symbol) *position {
	if p := f.inventory[s.name]; p != nil {
		return p
	}
	return &position{s, "both", zero, zero}
}

// take trades dq at a signed quote of dc into the inventory and books what was
// realized.
func (e *Engine) take(f *fund, s *symbol, dq, dc num) (realized num) {
	was := f.in(s)
	qty, cost, realized := trade(was.qty, was.cost, dq, dc)
	if qty.Sign() == 0 {
		delete(f.inventory, s.name)
	} else {
		f.inventory[s.name] = &position{s, "both", qty, cost}
	}
	if was.qty.Sign() == 0 {
		s.sliceFrom = e.now
	}
	f.cash = add(f.cash, realized)
	return realized
}

// canTake says whether the fund's own numbers would hold such a trade, before and
// after what is settled is paid.
func (f *fund) canTake(s *symbol, cash, dq, dc num) bool {
	was := f.in(s)
	qty, cost, realized := trade(was.qty, was.cost, dq, dc)
	return fits(qty) && fits(cost) && fits(dc) && fits(realized) && fits(add(cash, realized)) && fits(add(f.cash, realized))
}

func (e *Engine) ledger(f *fund, symbol, kind string, amount num) {
	e.effect("ledger", "fund", f.name, "symbol", symbol, "type", kind, "amount", amount, "cash", f.cash)
}

// pay moves an amount into the fund's cash, out of it where negative.
func (e *Engine) pay(f *fund, symbol, kind string, amount num) {
	f.cash = add(f.cash, amount)
	e.ledger(f, symbol, kind, amount)
}

// deficit raises the alarm where cash went below zero since it was before.
func (e *Engine) deficit(f *fund, before num) {
	if before.Sign() >= 0 && f.cash.Sign() < 0 {
		e.effect("alarm", "code", "fund_deficit", "fund", f.name)
	}
}

// fundState is what the closing fund effect reports changes of.
func (f *fund) fundState() string {
	text := decimal(f.cash) + " " + decimal(f.cap) + " " + f.modeName()
	for _, p := range f.contracts() {
		text += " " + p.sym.name + " " + decimal(p.qty) + " " + decimal(p.cost)
	}
	return text
}

func (e *Engine) fundStates() map[string]string {
	states := map[string]string{}
	for name, f := range e.funds {
		states[name] = f.fundState()
	}
	return states
}

// showFunds ends an event: one effect per fund that changed, by name.
func (e *Engine) showFunds(before map[string]string) {
	for _, name := range sortedKeys(e.funds) {
		if f := e.funds[name]; before[name] != f.fundState() {
			e.effect("fund", f.shown()...)
		}
	}
}

func (f *fund) shown() []any {
	return []any{"fund", f.name, "cash", f.cash, "equity", show8(f.equity16()), "net_notional", show8(f.net16()),
		"cap_notional", show24(mul(f.cap, f.base16())), "mode", f.modeName()}
}

func fundEvent(e *Engine, f *fields) func() string {
	name, id := f.text("fund"), f.id("id", 0)
	var cap num
	if f.has("cap") {
		cap = f.decimal("cap", nil)
	}
	if name == "" {
		f.fail("fund is missing")
	}
	return func() string {
		old := e.funds[name]
		last := uint64(0)
		for _, other := range e.funds {
			if f.has("id") && (other != old) == (other.id == id) {
				return "exists"
			}
			last = max(last, other.id)
		}
		if cap != nil && cap.Sign() < 0 {
			return "sign"
		}
		if old == nil {
			old = &fund{name: name, id: last + 1, cash: zero, cap: e8, inventory: map[string]*position{}}
			if f.has("id") {
				old.id = id
			}
			e.funds[name] = old
		}
		if cap != nil {
			old.cap = cap
		}
		old.adlOnly = f.flag("adl_only", old.adlOnly)
		return ""
	}
}

func fundTransferEvent(e *Engine, f *fields) func() string {
	name, amount := f.text("fund"), f.decimal("amount", nil)
	reason := f.oneOf("reason", "", "deposit", "withdrawal", "adjustment")
	if reason == "" && amount.Sign() < 0 {
		reason = "withdrawal"
	} else if reason == "" {
		reason = "deposit"
	}
	return func() string {
		fu := e.funds[name]
		switch {
		case fu == nil:
			return "unknown_fund"
		case amount.Sign() == 0:
			return "zero"
		case reason == "deposit" && amount.Sign() < 0, reason == "withdrawal" && amount.Sign() > 0:
			return "sign"
		case reason == "withdrawal" && add(fu.cash, amount).Sign() < 0:
			return "cash"
		case reason == "withdrawal" && !fu.carries(amount):
			return "cap"
		case !fits(add(fu.cash, amount)):
			return "overflow"
		}
		before := fu.cash
		e.money = add(e.money, amount)
		e.pay(fu, "", reason, amount)
		e.deficit(fu, before)
		return ""
	}
}

// carries says whether the caps hold for the present inventory after a change of cash.
func (f *fund) carries(change num) bool {
	after := *f
	after.cash = add(f.cash, change)
	base := after.base16()
	for _, p := range f.inventory {
		if mul(p.notional16(), e8).Cmp(mul(p.sym.capShare, base)) > 0 {
			return false
		}
	}
	return mul(f.net16(), e8).Cmp(mul(f.cap, base)) <= 0
}

func fundFillEvent(e *Engine, f *fields) func() string {
	name, contract := f.text("fund"), f.text("symbol")
	qty, price := f.decimal("qty", nil), f.decimal("price", nil)
	return func() string {
		fu, s := e.funds[name], e.symbols[contract]
		switch {
		case fu == nil:
			return "unknown_fund"
		case s == nil:
			return "unknown_symbol"
		case qty.Sign() == 0 || price.Sign() == 0:
			return "zero"
		case price.Sign() < 0:
			return "sign"
		case s.fund != fu:
			return "wrong_symbol"
		}
		quote := signed(quoteOf(qty, price), qty)
		if !fu.canTake(s, fu.cash, qty, quote) {
			return "overflow"
		}
		before := fu.cash
		e.expect(s, qty, neg(quote))
		realized := e.take(fu, s, qty, quote)
		e.ledger(fu, s.name, "adjustment", realized)
		e.deficit(fu, before)
		return ""
	}
}
