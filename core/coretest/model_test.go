package coretest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/event/ndjson"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// model is a machine, what a bookkeeper outside knows of it, and the same machine
// without the sender's repetitions.
type model struct {
	machine, once *machine.Machine
	fx, fxOnce    *event.Effects
	names         ndjson.Names
	decoder       *ndjson.Decoder
	history       []string

	money fixedpoint.Int128 // deposits less fees less quotes of fills from outside
	sent  []event.Event     // under the sender's own sequence, from 1
	known int               // of them, up to the last that was accepted
	calls map[string]int    // what was looked at
}

// sender is who stamps every event of a model, so that it may send them again.
var sender = event.Source{Number: 9}

func newModel() (*model, error) {
	m, err := machine.New(SmallLimits)
	if err != nil {
		return nil, err
	}
	once, err := machine.New(SmallLimits)
	d := &model{machine: m, once: once, fx: event.NewEffects(64, nil), fxOnce: event.NewEffects(64, nil), calls: map[string]int{}}
	d.decoder = ndjson.NewDecoder(&d.names)
	return d, err
}

// play applies a line to both and holds its effects to the rules.
func (d *model) play(line string) ([]event.Effect, error) {
	d.history = append(d.history, line)
	e, err := d.decoder.Decode([]byte(line), nil)
	if err != nil {
		return nil, err
	}
	own := !e[0].Has(event.FlagSource)
	if own {
		e = e.WithSource(sender, uint64(len(d.sent)+1))
		d.sent = append(d.sent, e)
	}
	before := d.funds()
	d.fx.Reset()
	d.fxOnce.Reset()
	_, code := d.machine.Apply(e, d.fx)
	d.once.Apply(e, d.fxOnce)
	if code == event.Accepted {
		bind(&d.names, e)
		d.book(e)
		if own {
			d.known = len(d.sent)
		}
	}
	fx := d.fx.All()
	if err := sameButSequence(fx, d.fxOnce.All()); err != nil {
		return nil, fmt.Errorf("after events that were sent twice: %w", err)
	}
	if err := d.conserve(e); err != nil {
		return nil, err
	}
	if err := d.capped(before, fx); err != nil {
		return nil, err
	}
	return fx, d.ranked(fx)
}

// sameButSequence compares effects of two machines of which one has seen duplicates
// in between.
func sameButSequence(got, want []event.Effect) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d effects, want %d", len(got), len(want))
	}
	for i := range got {
		a, b := got[i], want[i]
		a.Seq, b.Seq, a.RankedAt, b.RankedAt = 0, 0, 0, 0
		if a != b {
			return fmt.Errorf("effect %d: %+v, want %+v", i, a, b)
		}
	}
	return nil
}

// again sends n events up to the last accepted one once more. Each is a duplicate,
// and nothing changes.
func (d *model) again(n int) error {
	before := d.machine.Totals()
	for _, e := range d.sent[max(0, d.known-n):d.known] {
		d.fx.Reset()
		if _, code := d.machine.Apply(e, d.fx); code != event.Duplicate {
			return fmt.Errorf("%v %d was sent again, and is %v", e[0].Kind(), e[0].SourceSequence(), code)
		}
		if fx := d.fx.All(); len(fx) != 1 || fx[0].Kind != event.EffectRejected {
			return fmt.Errorf("%v %d was sent again, and had %d effects", e[0].Kind(), e[0].SourceSequence(), len(fx))
		}
		d.calls["sent again"]++
	}
	after := d.machine.Totals()
	if after.Money != before.Money || !slices.Equal(after.Qty, before.Qty) || d.machine.Time() != d.once.Time() {
		return fmt.Errorf("events that were sent again have changed the books")
	}
	return nil
}

// book notes what an accepted event brings in from outside.
func (d *model) book(e event.Event) {
	h := &e[0]
	add := func(a fixedpoint.Amount) { d.money = d.money.Add(fixedpoint.Int128From(int64(a))) }
	switch h.Kind() {
	case event.KindTransfer, event.KindFundTransfer:
		add(h.Amount())
	case event.KindFill:
		quote, _ := fixedpoint.Quote(h.Qty(), h.Price())
		add(-quote)
		add(-h.Fee())
	case event.KindFundFill:
		quote, _ := fixedpoint.Quote(h.Qty(), h.Price())
		add(-quote)
	case event.KindTrade:
		buyer, seller := e.Fees()
		add(-buyer)
		add(-seller)
	}
}

// conserve: money moves but never appears. Facts that come as a whole state, fills
// of the venue's whose sign only the order knows, and facts that an account cannot
// book are where the books are opened anew.
func (d *model) conserve(e event.Event) error {
	have := d.machine.Totals().Money
	switch k := e[0].Kind(); {
	case k == event.KindAccountState, k == event.KindOrderFill, k == event.KindTrade && (d.lost(e[0].Buyer()) || d.lost(e[0].Seller())),
		(k == event.KindFill || k == event.KindTransfer) && d.lost(e[0].Account()):
		d.money = have
	case have != d.money:
		return fmt.Errorf("%v: the books have %v, from outside came %v", k, have, d.money)
	}
	d.calls["conserved"]++
	return nil
}

// lost reports whether an account is out of sync: facts that do not fit it are
// dropped, with an alarm for the first.
func (d *model) lost(id event.AccountID) bool {
	var a event.AccountView
	return d.machine.Viewer().Account(id, &a) && a.Status == event.OutOfSync
}

type held struct {
	fund   event.FundID
	symbol event.SymbolID
}

// funds is what the funds hold.
func (d *model) funds() map[held]fixedpoint.Qty {
	holds := map[held]fixedpoint.Qty{}
	var f event.FundView
	for id := range d.machine.Funds {
		d.machine.Fund(id, &f)
		for _, i := range f.Inventory {
			holds[held{id, i.Symbol}] = i.Qty
		}
	}
	return holds
}

// capped: a fund that adds to its inventory stays within its cap, unless it says that
// it had to. Looked at where one takeover is the last that an event does to the fund:
// what it has to cover afterwards, elsewhere, lowers its cap.
func (d *model) capped(before map[held]fixedpoint.Qty, fx []event.Effect) error {
	takeovers := map[event.FundID][]*event.Effect{}
	unclear := map[event.FundID]bool{}
	for i := range fx {
		switch x := &fx[i]; {
		case x.Kind == event.EffectTakeover:
			takeovers[x.Fund] = append(takeovers[x.Fund], x)
		case x.Kind == event.EffectAlarm, x.Kind == event.EffectCover && len(takeovers[x.Fund]) > 0:
			unclear[x.Fund] = true
		}
	}
	for i := range fx {
		x := &fx[i]
		t := takeovers[x.Fund]
		if x.Kind != event.EffectFund || len(t) != 1 || unclear[x.Fund] {
			continue
		}
		had := before[held{x.Fund, t[0].Symbol}]
		if (had < 0) == (t[0].Qty < 0) || had == 0 || max(had, -had) < max(t[0].Qty, -t[0].Qty) {
			d.calls["capped"]++
			if x.Room.Less(x.Notional) && d.wholeLots(t[0]) {
				return fmt.Errorf("the fund took over %v of symbol %d beside %v: net notional %v, cap %v, and no alarm",
					t[0].Qty, t[0].Symbol, had, x.Notional, x.Room)
			}
		}
	}
	return nil
}

// wholeLots reports whether a takeover has no remainder, which goes to the fund cap or
// not. The streams' lots are 0.1, 0.03 and 1; all of them divide 3.
func (d *model) wholeLots(x *event.Effect) bool { return x.Qty%(3*fixedpoint.One) == 0 }

// ranked: the receipt of an ADL tells who gave in what order, and adds up.
func (d *model) ranked(fx []event.Effect) error {
	var rows []*event.Effect
	for i := range fx {
		switch x := &fx[i]; x.Kind {
		case event.EffectDeleverage:
			rows = append(rows, x)
		case event.EffectReceipt:
			if err := receipt(x, rows); err != nil {
				return fmt.Errorf("receipt of account %d, symbol %d: %w", x.Account, x.Symbol, err)
			}
			d.calls["ranked"] += len(rows)
			rows = rows[:0]
		}
	}
	if len(rows) > 0 {
		return fmt.Errorf("%d deleveraged, and no receipt", len(rows))
	}
	return nil
}

func receipt(x *event.Effect, rows []*event.Effect) error {
	var taken fixedpoint.Qty
	rises := 0
	for i, row := range rows {
		taken += max(row.Qty, -row.Qty)
		if row.Rank != uint32(i+1) || row.Account != x.Account || row.Symbol != x.Symbol || row.Counterparty == x.Account {
			return fmt.Errorf("row %d: rank %d of account %d against %d", i+1, row.Rank, row.Account, row.Counterparty)
		}
		if event.Policy(x.Reason) == event.PolicyQueue && i > 0 {
			last := rows[i-1]
			zero := fixedpoint.Int128{}
			profit, lastProfit := zero.Less(row.PnL), zero.Less(last.PnL)
			if last.Score.Less(row.Score) && profit == lastProfit {
				rises++
			}
		}
	}
	// A ranking that is exhausted is made anew, in this event: one rise then, and one
	// between those in profit and those not.
	if most := map[bool]int{false: 1, true: 2}[x.RankedAt == x.Seq]; rises > most {
		return fmt.Errorf("%d times a higher score after a lower one", rises)
	}
	if taken != x.Taken || x.Taken > x.Qty {
		return fmt.Errorf("the rows add up to %v, it says %v of %v", taken, x.Taken, x.Qty)
	}
	return nil
}

// TestModel holds random histories, which rapid draws and shrinks, to what every
// history keeps: money is conserved, a fund never chooses to exceed its cap, ADL is
// in order, and what a sender repeats changes nothing. As CI runs it, and longer:
//
//	go test ./core/coretest -run 'TestModel$' -rapid.checks 10000
//	go test ./core/coretest -run 'TestModel$' -rapid.checks 1000000 -timeout 24h
func TestModel(t *testing.T) {
	calls := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		choose := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") }
		d, err := newModel()
		if err != nil {
			t.Fatal(err)
		}
		s := NewStream(choose)
		play := func(line string) {
			fx, err := d.play(line)
			if err == nil && choose(12) == 0 {
				s.Answer(fx)
				fx = nil
				err = d.again(1 + choose(6))
			}
			if err != nil {
				t.Fatalf("%v\n\nhistory:\n%s", err, strings.Join(d.history, "\n"))
			}
			s.Answer(fx)
		}
		for _, line := range s.Setup() {
			play(line)
		}
		for range 100 {
			play(s.Next())
		}
		for what, n := range d.calls {
			calls[what] += n
		}
	})
	t.Log(calls)
	if testing.Short() || raceEnabled {
		return // too few to reach everything
	}
	for _, what := range []string{"conserved", "capped", "ranked", "sent again"} {
		if calls[what] == 0 {
			t.Errorf("nothing was %s in all of it: the histories are too calm to tell", what)
		}
	}
}
