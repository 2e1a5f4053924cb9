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
		m.accounts.At(s).Listed = false
		if m.look(s) {
			kept = append(kept, s)
		}
	}
	if m.timed && m.timers.next() <= m.now {
		kept = m.timers.overdue(m.now, kept)
	}
	m.touched = kept
	slices.SortFunc(kept, func(a, b account.Slot) int {
		return cmp.Compare(m.accounts.At(a).ID, m.accounts.At(b).ID)
	})
	for _, s := range kept {
		m.decide(s)
		m.unsettle(s) // who was brought here could not give before
	}
	for _, s := range kept {
		m.station(s)
	}
	for i := range m.equities { // counterparties
		m.station(m.equities[i].slot)
	}
}

// quickSurplus is the surplus of sums at 1e-24 where 128 bits are enough for it and
// all marks are known.
func (m *Machine) quickSurplus(a *account.Account) (surplus fixedpoint.Int128, sure bool) {
	var t margin.Tally
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		c := &m.contracts[p.Contract]
		if c.mark == 0 || !t.Add(p.Qty, p.Cost, c.mark, c.tiers) {
			return surplus, false
		}
		i = m.accounts.Next(p)
	}
	free, fit := fitsLess(a.Wallet, a.Pending)
	return t.Surplus(free), fit
}

// decide brings one account's case forward: recovered, another round, or resolved.
func (m *Machine) decide(s account.Slot) {
	a := m.accounts.At(s)
	switch {
	case a.Orders > 0:
		m.alarmTimeout(s) // only an overdue one is brought here
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
	if a.Pending == 0 {
		return fees // so none of its positions has any
	}
	for i := a.First; i != account.None; {
		p := m.accounts.Position(i)
		next := m.accounts.Next(p)
		fee, contract := m.accounts.Fee(i), p.Contract
		if n := len(fees); *fee != 0 && n > 0 && fees[n-1].contract == contract {
			fees[n-1].fee += *fee
		} else if *fee != 0 {
			fees = append(fees, contractFee{contract, *fee})
		}
		*fee = 0
		m.accounts.Prune(i)
		i = next
	}
	a.Pending = 0
	m.scratch.fees = fees
	return fees
}
