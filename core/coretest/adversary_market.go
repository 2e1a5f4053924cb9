package coretest

import (
	"fmt"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// open queues the events that make the market.
func (a *Adversary) open() {
	if a.choose(4) == 0 {
		a.queue = append(a.queue, step{do: (*Adversary).load})
	}
	for f := range 2 {
		a.queue = append(a.queue, step{do: (*Adversary).openFund, n: f + 1}, step{do: (*Adversary).refill, n: f + 1})
	}
	// Every other market is within an octave of the others, so that accounts of
	// several contracts hang on all of them.
	octave, alike := 20+a.choose(26), a.choose(2) == 0
	scale := 24 + a.choose(20)
	for i := range a.temper.contracts {
		if !alike {
			octave, scale = a.choose(62), 24+a.choose(26)
		}
		a.contracts = append(a.contracts, a.newMarket(i, octave, scale))
		a.queue = append(a.queue, step{do: (*Adversary).openMarket, contract: i})
		if a.choose(6) > 0 {
			a.queue = append(a.queue, step{do: (*Adversary).home, contract: i})
		}
	}
	for id := range a.temper.accounts * 3 / 4 {
		a.queue = append(a.queue, step{do: (*Adversary).replace, account: event.AccountID(id + 1)})
	}
	a.queue = append(a.queue, step{do: (*Adversary).live})
}

// newMarket draws a contract that begins in an octave of prices, with positions of a
// size.
func (a *Adversary) newMarket(i, octave, scale int) market {
	base := fixedpoint.Price(1) << octave
	c := market{
		id: symbolID(i), fund: event.FundID(1 + i%2),
		base:  base + base>>1*fixedpoint.Price(a.choose(2)) + fixedpoint.Price(a.choose(3)),
		scale: fixedpoint.Amount(1) << scale,
	}
	lot, _ := fixedpoint.MulDiv(int64(c.scale), fixedpoint.One, int64(c.base), fixedpoint.Floor)
	c.lot = fixedpoint.Qty(max(1, lot>>(8+a.choose(6))))
	if lot > 1<<58 {
		c.lot = 1 << 40
	}
	return c
}

// steepness are maintenance rates in thousandths: gentle, as published, and such that
// the margin of what is beyond an edge is many times that of what is before.
var steepness = [...][]int64{
	{5}, {4, 5, 10}, {10, 500}, {1, 400, 500}, {5, 10, 25, 50, 100, 125, 250, 500}, {500}, {4, 4, 5, 990},
}

// drawTiers draws a table whose edges lie around the contract's scale. Floors are
// multiples of 1e-5 and rates of a thousandth, so 8 decimals make it continuous.
func (a *Adversary) drawTiers(c *market) {
	rates := steepness[a.choose(len(steepness))]
	floor := max(1000, c.scale>>a.choose(10)/1000*1000)
	if a.choose(8) == 0 {
		rates = make([]int64, event.MaxTiers)
		for i := range rates {
			rates[i] = int64(2 + 7*i)
		}
	}
	c.given = c.given[:0]
	last := event.Tier{}
	for i, rate := range rates {
		t := event.Tier{Floor: last.Cap, MMR: fixedpoint.Rate(rate * fixedpoint.One / 1000)}
		if i > 0 {
			more, _ := fixedpoint.MulDiv(int64(t.Floor), int64(t.MMR-last.MMR), fixedpoint.One, fixedpoint.Floor)
			t.Cum = last.Cum + fixedpoint.Amount(more)
		}
		if i < len(rates)-1 {
			t.Cap = t.Floor + floor
			if floor < 1<<52 && len(rates) < 20 {
				floor *= fixedpoint.Amount(a.pick(1, 2, 10))
			}
		}
		c.given = append(c.given, t)
		last = t
	}
	c.tiers.Set(c.given)
}

// openMarket creates a contract.
func (a *Adversary) openMarket(s step) event.Event {
	c := &a.contracts[s.contract]
	name, ok := event.MakeName(fmt.Sprintf("S%02d", s.contract))
	if !ok {
		panic("coretest: a symbol's name is none")
	}
	a.drawTiers(c)
	x := event.SymbolSettings{
		ID: c.id, Name: name, Fund: c.fund, Tick: 1, Lot: c.lot, Tiers: c.given,
		Set: event.SetFund | event.SetTick | event.SetLot | event.SetTiers,
	}
	if c.base > 1<<30 {
		x.Tick = 1 << a.choose(16)
	}
	a.drawRules(c, &x)
	return a.stamped(event.AppendSymbol(a.records[:0], &x))
}

// drawRules draws how a contract is liquidated, taken over and deleveraged.
func (a *Adversary) drawRules(c *market, x *event.SymbolSettings) {
	x.Set |= event.SetLiqFee | event.SetLiquidation | event.SetLiqAttempts | event.SetOrderTimeout | event.SetTryMarket |
		event.SetTakeover | event.SetMaxDeviation | event.SetMaxAge | event.SetMaxJump | event.SetMaxHold |
		event.SetPolicy | event.SetScore | event.SetMaxCounterparties | event.SetOffload
	x.LiqFee = fixedpoint.Rate(a.pick(0, fixedpoint.One/200, fixedpoint.One/5))
	x.Full, x.TryMarket, x.Whole = a.choose(4) == 0, a.choose(4) == 0, a.choose(4) == 0
	x.LiqAttempts = uint32(1 + a.choose(3))
	x.OrderTimeout = a.pick(1e9, 5e9)
	x.MaxDeviation = fixedpoint.Rate(a.pick(fixedpoint.One/20, 0, fixedpoint.One/500))
	x.MaxAge = a.pick(5e9, 60e9, 1e9)
	x.MaxJump = fixedpoint.Rate(a.pick(0, 0, fixedpoint.One/4))
	x.MaxHold = a.pick(1e9, 1e8)
	x.Policy = event.Policy(a.choose(4))
	x.Score = event.Score(a.choose(3))
	x.MaxCounterparties = uint32(a.pick(10_000, 2, 1))
	x.OffloadOff = a.choose(3) == 0
	c.maxAge, c.maxHold, c.jumps = x.MaxAge, x.MaxHold, x.MaxJump != 0
}

// settings changes a contract: its tiers mostly, which moves every trigger there is.
func (a *Adversary) settings(s step) event.Event {
	c := &a.contracts[s.contract]
	name, _ := event.MakeName(fmt.Sprintf("S%02d", s.contract))
	x := event.SymbolSettings{ID: c.id, Name: name}
	if a.choose(4) == 0 {
		a.drawRules(c, &x)
	}
	if x.Set == 0 || a.choose(2) == 0 {
		a.drawTiers(c)
		x.Set |= event.SetTiers
		x.Tiers = c.given
		a.sent.kind = WokenByTiers
	}
	return a.stamped(event.AppendSymbol(a.records[:0], &x))
}

func (a *Adversary) openFund(s step) event.Event {
	name, ok := event.MakeName(fmt.Sprintf("F%d", s.n))
	if !ok {
		panic("coretest: a fund's name is none")
	}
	return a.stamped(event.AppendFund(a.records[:0], event.FundSettings{
		ID: event.FundID(s.n), Name: name, Cap: fixedpoint.Rate(a.pick(fixedpoint.One, fixedpoint.One/10, 3*fixedpoint.One)), HasCap: true,
	}))
}

// refill brings a fund's cash to what its market's positions are worth, or to next to
// nothing: then it deleverages.
func (a *Adversary) refill(s step) event.Event {
	id := event.FundID(s.n)
	cash := fixedpoint.Amount(0)
	if a.m.Fund(id, &a.fund) {
		cash = a.fund.Cash
	}
	want := fixedpoint.Amount(1000)
	for i := range a.contracts {
		if c := &a.contracts[i]; c.fund == id && !a.temper.poor {
			want = max(want, c.scale<<a.choose(8))
		}
	}
	return a.one(event.FundTransfer(id, want-cash, event.FundAdjustment))
}

// clear takes what a fund holds of a contract off its books.
func (a *Adversary) clear(s step) event.Event {
	c := &a.contracts[s.contract]
	a.m.Fund(c.fund, &a.fund)
	for _, v := range a.fund.Inventory {
		if v.Symbol == c.id {
			return a.one(event.FundFill(c.fund, c.id, -v.Qty, max(c.mark, 1)))
		}
	}
	return nil
}

// rare is what happens once in a while.
func (a *Adversary) rare(s step) event.Event {
	switch a.choose(8) {
	case 0:
		return a.refill(step{n: 1 + a.choose(2)})
	case 1:
		return a.clear(s)
	case 2:
		return a.load(s)
	case 3:
		a.now += a.pick(1e9, 3e9, 20e9)
		if a.temper.silent > 0 {
			return nil
		}
		return a.one(event.Time(a.now))
	case 4:
		return a.halt(s)
	case 5:
		return a.one(event.Depth(a.contracts[s.contract].id, fixedpoint.Qty(a.choose(1000)), a.contracts[s.contract].lot<<4))
	case 6:
		return a.wild(s)
	}
	return a.border(s)
}
