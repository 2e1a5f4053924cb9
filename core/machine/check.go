package machine

import (
	"fmt"
	"math"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/internal/invariant"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/core/trigger"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// conservation keeps, in builds with invariants, what came in from outside, so
// that Check can tell money and quantity that appeared from nowhere.
type conservation struct {
	money fixedpoint.Int128   // wallets + cash - costs
	qty   []fixedpoint.Int128 // by contract
}

func (l *conservation) outside(a fixedpoint.Amount) {
	if invariant.Enabled {
		l.money = l.money.Add(fixedpoint.Int128From(int64(a)))
	}
}

// fill is a leg from outside: whoever it is of pays the quote and the fee.
func (l *conservation) fill(qty fixedpoint.Qty, quote, fee fixedpoint.Amount, contract int32) {
	if !invariant.Enabled {
		return
	}
	l.money = l.money.Sub(fixedpoint.Int128From(int64(quote))).Sub(fixedpoint.Int128From(int64(fee)))
	for len(l.qty) <= int(contract) {
		l.qty = append(l.qty, fixedpoint.Int128{})
	}
	l.qty[contract] = l.qty[contract].Add(fixedpoint.Int128From(int64(qty)))
}

func (l *conservation) outsideFill(qty fixedpoint.Qty, quote fixedpoint.Amount, contract int32) {
	l.fill(qty, quote, 0, contract)
}

// replaced counts an account out (sign -1) before its state is replaced, and in
// (+1) after.
func (l *conservation) replaced(m *Machine, s account.Slot, sign int64) {
	if !invariant.Enabled {
		return
	}
	a := m.accounts.At(s)
	l.money = l.money.Add(fixedpoint.Mul64(int64(a.Wallet), sign))
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		l.fill(p.Qty*fixedpoint.Qty(sign), p.Cost*fixedpoint.Amount(sign), 0, p.Contract)
		i = m.accounts.Next(p)
	}
}

// Totals are what conserve and flat are about, recounted from scratch.
type Totals struct {
	Money fixedpoint.Int128   // sum over accounts and funds of wallet or cash, less cost
	Qty   []fixedpoint.Int128 // by contract, in the order they were created
}

// Totals adds up the state. Money changes only by transfers, venue fees and fills
// from outside; quantity only by fills from outside.
func (m *Machine) Totals() Totals {
	t := Totals{Qty: make([]fixedpoint.Int128, len(m.contracts))}
	money := func(in, cost fixedpoint.Amount) {
		t.Money = t.Money.Add(fixedpoint.Int128From(int64(in))).Sub(fixedpoint.Int128From(int64(cost)))
	}
	for i := range m.funds {
		money(m.funds[i].Cash, 0)
	}
	for i := range m.contracts {
		inv := &m.contracts[i].inventory
		money(0, inv.Cost)
		t.Qty[i] = fixedpoint.Int128From(int64(inv.Qty))
	}
	for s := range m.accounts.Slots() {
		if !m.accounts.Open(s) {
			continue
		}
		a := m.accounts.At(s)
		money(a.Wallet, 0)
		for i := a.First; i != account.None; {
			p := m.accounts.Position(i)
			money(0, p.Cost)
			t.Qty[p.Contract] = t.Qty[p.Contract].Add(fixedpoint.Int128From(int64(p.Qty)))
			i = m.accounts.Next(p)
		}
	}
	return t
}

// Check recounts the invariants from scratch: conserve and flat against what came
// in from outside, settled (no account is left that somebody had to handle), and
// the bookkeeping of orders and fees. It is for tests and builds with invariants,
// where Apply calls it; only there is what came in from outside counted.
func (m *Machine) Check() error {
	if invariant.Enabled {
		t := m.Totals()
		if t.Money != m.ledger.money {
			return fmt.Errorf("machine: conserve: %v in the books at sequence %d, %v came in", t.Money, m.seq, m.ledger.money)
		}
		for i, q := range t.Qty {
			want := fixedpoint.Int128{}
			if i < len(m.ledger.qty) {
				want = m.ledger.qty[i]
			}
			if q != want {
				return fmt.Errorf("machine: flat: %v of %v at sequence %d, %v came in", q, m.contracts[i].name, m.seq, want)
			}
		}
	}
	orders := map[event.AccountID]int32{}
	for i := range m.orders.orders {
		if o := &m.orders.orders[i]; o.id != 0 && !o.done && !o.offload {
			orders[o.account]++
		}
	}
	for s := range m.accounts.Slots() {
		if m.accounts.Open(s) {
			err := m.checkAccount(s, orders)
			if err == nil && !m.scan {
				err = m.checkStation(s)
			}
			if err != nil {
				return fmt.Errorf("%w at sequence %d", err, m.seq)
			}
		}
	}
	return nil
}

func (m *Machine) checkAccount(s account.Slot, orders map[event.AccountID]int32) error {
	a := m.accounts.At(s)
	if a.Orders != orders[a.ID] {
		return fmt.Errorf("machine: account %d counts %d open orders, there are %d", a.ID, a.Orders, orders[a.ID])
	}
	pending, open := fixedpoint.Amount(0), false
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		fee := *m.accounts.Fee(i)
		if p.Qty == 0 && (fee == 0 || p.Cost != 0) || fee < 0 || p.Account != s {
			return fmt.Errorf("machine: account %d has an empty position in symbol %d", a.ID, m.accounts.Symbol(p))
		}
		pending += fee
		open = open || p.Qty != 0 && !m.blocked(&m.contracts[p.Contract])
		i = m.accounts.Next(p)
	}
	if pending != a.Pending || pending < 0 {
		return fmt.Errorf("machine: account %d has %v pending, its positions caused %v", a.ID, a.Pending, pending)
	}
	if m.mode != event.Live || a.Has(account.OutOfSync) || a.Orders > 0 || !open {
		return nil
	}
	sums, known := m.sums(a)
	tried := a.Has(account.TriedMarket) || !m.rulesFor(a).tryMarket
	if known && sums.Bankrupt(a.Wallet) && tried {
		return fmt.Errorf("machine: settled: account %d is bankrupt and not resolved", a.ID)
	}
	return nil
}

// checkStation tells what is wrong with where the trigger index has an account's
// positions: at what it is asked to find, it would fail silently.
func (m *Machine) checkStation(s account.Slot) error {
	a := m.accounts.At(s)
	healthy, known := m.gather(a)
	if m.mode != event.Live && !a.Waiting {
		return nil // going live looks at everyone
	}
	quiet := a.Orders > 0 || a.Has(account.OutOfSync)
	trouble := a.Waiting || !quiet && (a.Flags != 0 || a.Pending != 0)
	armed, worst := 0, margin.Sums{}
	for _, i := range m.gathered.at {
		p := m.accounts.Position(i)
		c := &m.contracts[p.Contract]
		l := m.legOf(p)
		// The mark may go to where the trigger is about to fire: one step short of it, or
		// to the end of what a price is where it never does.
		switch bound := m.index.Bound(sideOf(p.Qty), i); {
		case p.Qty > 0 && bound < l.Mark:
			l.Mark = bound + 1
		case p.Qty < 0 && bound == math.MaxInt64:
			l.Mark = bound
		case p.Qty < 0 && bound > l.Mark:
			l.Mark = bound - 1
		}
		worst.Add(&l)
		ok := true
		switch at := m.index.At(i); at {
		case trigger.Armed:
			armed++
		case trigger.Idle:
			ok = !trouble && (quiet || !known && c.mark != 0)
		case trigger.Waiting:
			ok = !trouble && !quiet && known && m.blocked(c)
		}
		if !ok {
			return fmt.Errorf("machine: account %d is %v in symbol %d (quiet %v, in trouble %v, healthy %v)",
				a.ID, m.index.At(i), m.accounts.Symbol(p), quiet, trouble, healthy)
		}
	}
	safe := surplusOf(a, &worst).Sign() >= 0
	if armed > 0 && (trouble || quiet || !healthy || !safe || armed < len(m.gathered.at)) {
		return fmt.Errorf("machine: account %d is armed (quiet %v, in trouble %v, healthy %v, short of its triggers %v)",
			a.ID, quiet, trouble, healthy, safe)
	}
	return nil
}
