package main

import (
	"fmt"
	"time"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// fate is what became of an account: a set.
type fate uint8

const (
	wasLiquidated fate = 1 << iota
	hasRecovered
	wentBankrupt
	wasDeleveraged
)

// demoTally counts what the engine decided, by its effects, and keeps its own
// books of what came in from outside.
type demoTally struct {
	scenario *demoScenario
	fates    []fate // by account, from 1

	liquidated, recovered, bankrupt, deleveraged int // accounts, each once
	takeovers, deleveragings                     int
	takenOver, takenLoss, adlTaken               fixedpoint.Int128 // quotes, scale 1e-8
	refused                                      int
	alarms                                       [event.AlarmCapacity + 1]int

	liquidation, offload demoFills

	// What came in: money as deposits less fees less the quotes of fills with the
	// venue, quantities as those fills.
	money fixedpoint.Int128
	qty   []fixedpoint.Int128

	samples []demoSample
	low     fixedpoint.Int128 // least equity of the fund, at samples and in effects
}

// demoFills adds up fills of the venue.
type demoFills struct {
	orders, filled int
	quote          fixedpoint.Int128
	slippage       fixedpoint.Int128 // what they were worse than the mark, in money
}

// demoSample is a look at the market and the fund after a mark.
type demoSample struct {
	nanos               int64
	marks               []fixedpoint.Price
	equity, net, capped fixedpoint.Int128
}

func newTally(s *demoScenario) *demoTally {
	return &demoTally{scenario: s, fates: make([]fate, s.accounts+1), qty: make([]fixedpoint.Int128, len(s.contracts))}
}

// contract is the index of a symbol: their ids count from 1.
func (t *demoTally) contract(symbol event.SymbolID) int { return int(symbol) - 1 }

func (t *demoTally) deposited(a fixedpoint.Amount) {
	t.money = t.money.Add(fixedpoint.Int128From(int64(a)))
}

func (t *demoTally) charged(a fixedpoint.Amount) {
	t.money = t.money.Sub(fixedpoint.Int128From(int64(a)))
}

// filled books a fill of the venue: who buys pays the quote to it.
func (t *demoTally) filled(o demoOrder, qty fixedpoint.Qty, price, mark fixedpoint.Price) {
	quote, ok := fixedpoint.Quote(qty, price)
	value, fits := fixedpoint.Quote(qty, mark)
	if !ok || !fits {
		panic("demo: a fill within an order's limit has a quote that fits")
	}
	t.charged(quote)
	t.qty[o.contract] = t.qty[o.contract].Add(fixedpoint.Int128From(int64(qty)))
	f := &t.liquidation
	if o.offload {
		f = &t.offload
	}
	f.filled++
	f.quote = f.quote.Add(fixedpoint.Int128From(int64(quote)).Abs())
	f.slippage = f.slippage.Add(fixedpoint.Int128From(int64(quote - value)))
}

// once sets what became of an account, and reports whether it is new.
func (t *demoTally) once(account event.AccountID, f fate) int {
	if t.fates[account]&f != 0 {
		return 0
	}
	t.fates[account] |= f
	return 1
}

// note counts an effect.
func (t *demoTally) note(x *event.Effect) {
	switch x.Kind {
	case event.EffectRejected:
		t.refused++
	case event.EffectLiquidate:
		t.liquidation.orders++
		t.liquidated += t.once(x.Account, wasLiquidated)
	case event.EffectOffload:
		t.offload.orders++
	case event.EffectRecovered:
		t.recovered += t.once(x.Account, hasRecovered)
	case event.EffectBankrupt:
		t.bankrupt += t.once(x.Account, wentBankrupt)
	case event.EffectTakeover:
		t.takeovers++
		t.takenOver = t.takenOver.Add(fixedpoint.Int128From(int64(x.Quote)).Abs())
		t.takenLoss = t.takenLoss.Sub(x.PnL)
	case event.EffectDeleverage:
		t.deleveraged += t.once(x.Counterparty, wasDeleveraged)
		t.adlTaken = t.adlTaken.Add(fixedpoint.Int128From(int64(x.Quote)).Abs())
	case event.EffectReceipt:
		t.deleveragings++
	case event.EffectFund:
		if len(t.samples) > 0 && x.Equity.Less(t.low) {
			t.low = x.Equity
		}
	case event.EffectAlarm:
		t.alarms[x.Reason]++
	}
}

// sample keeps a look at the fund.
func (t *demoTally) sample(nanos int64, marks []fixedpoint.Price, fund *event.FundView) {
	s := demoSample{nanos: nanos, marks: append([]fixedpoint.Price(nil), marks...), equity: fund.Equity, net: fund.NetNotional, capped: fund.CapNotional}
	if len(t.samples) == 0 || s.equity.Less(t.low) {
		t.low = s.equity
	}
	t.samples = append(t.samples, s)
}

// line is where things stand, for a person who waits.
func (t *demoTally) line(nanos int64) string {
	s := &t.samples[len(t.samples)-1]
	text := "+" + time.Duration(nanos-t.samples[0].nanos).Truncate(time.Second).String()
	for i, c := range t.scenario.contracts {
		text += fmt.Sprintf("  %s %v", c.name, s.marks[i])
	}
	return text + fmt.Sprintf("  fund %s  bankrupt %s", millions(s.equity), grouped(int64(t.bankrupt)))
}

// residual is what the machine has more than came in: nothing, or money and
// quantities appeared.
func (o *demoOutcome) residual(have machine.Totals) {
	o.moneyResidual = have.Money.Sub(o.money)
	for i := range o.qty {
		o.qtyResidual = append(o.qtyResidual, have.Qty[i].Sub(o.qty[i]))
	}
}
