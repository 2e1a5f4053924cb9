package machine

import (
	"cmp"
	"slices"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/adl"
	"github.com/backstop-fund/backstop/core/trigger"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// ranking is the record of who stood where on one side of a contract: made at the
// first counterparty-liquidation after the last tick, and good until the next.
type ranking struct {
	made    uint64 // sequence; 0 when there is none
	members []adl.Member
	// Where each member was found last: checked before it is believed, and not part
	// of the state.
	places []place
}

type place struct {
	slot account.Slot
	at   int32
}

// holder is a position on the side in question, with what chooses those who take
// part.
type holder struct {
	at  int32
	pnl fixedpoint.Int256
}

// rank makes the ranking of record of one side: those who are candidates now, at
// most max_counterparties, those with the largest unrealized PnL of the position.
func (m *Machine) rank(contract int32, side int) {
	c := &m.contracts[contract]
	r := &c.rankings[side]
	list := m.scratch.holders[:0]
	m.index.Each(contract, trigger.Side(side), func(i int32) bool {
		p := m.accounts.Position(i)
		if _, ok := m.eligible(p.Account); ok {
			l := m.legOf(p)
			list = append(list, holder{at: i, pnl: l.PnL()})
		}
		return true
	})
	m.scratch.holders = list
	if len(list) > c.maxCounter {
		selectFirst(list, c.maxCounter, func(a, b holder) int {
			return cmp.Or(b.pnl.Cmp(a.pnl), m.compareHolders(a.at, b.at))
		})
		list = list[:c.maxCounter]
	}
	r.made = m.seq
	r.members = r.members[:0]
	r.places = r.places[:0]
	for _, h := range list {
		p := m.accounts.Position(h.at)
		r.members = append(r.members, adl.Member{
			Account: m.accounts.At(p.Account).ID, Side: p.Side, InProfit: h.pnl.Sign() > 0, Inputs: m.inputs(p.Account, h.at),
		})
		r.places = append(r.places, place{slot: account.None, at: account.None})
	}
	slices.SortFunc(r.members, func(a, b adl.Member) int { return adl.Compare(c.score, &a, &b) })
}

// selectFirst moves the k first of list, by compare, to its front, in any order:
// quickselect with the median of three, so no full sort for a cut-off.
func selectFirst[T any](list []T, k int, compare func(a, b T) int) {
	low, high := 0, len(list)
	for high-low > 1 {
		mid := low + (high-low)/2
		if compare(list[mid], list[low]) < 0 {
			list[mid], list[low] = list[low], list[mid]
		}
		if compare(list[high-1], list[mid]) < 0 {
			list[high-1], list[mid] = list[mid], list[high-1]
			if compare(list[mid], list[low]) < 0 {
				list[mid], list[low] = list[low], list[mid]
			}
		}
		pivot := list[mid]
		i, j := low, high-1
		for i <= j {
			for compare(list[i], pivot) < 0 {
				i++
			}
			for compare(pivot, list[j]) < 0 {
				j--
			}
			if i <= j {
				list[i], list[j] = list[j], list[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case k <= j:
			high = j + 1
		case k >= i:
			low = i
		default:
			return
		}
	}
}

func (m *Machine) compareHolders(i, j int32) int {
	p, q := m.accounts.Position(i), m.accounts.Position(j)
	return cmp.Or(
		cmp.Compare(m.accounts.At(p.Account).ID, m.accounts.At(q.Account).ID),
		cmp.Compare(p.Side, q.Side))
}

// eligible reports whether an account may be a counterparty, healthy, in sync and
// not being liquidated, and its surplus over the maintenance margin at 1e-24.
func (m *Machine) eligible(s account.Slot) (surplus fixedpoint.Int256, ok bool) {
	a := m.accounts.At(s)
	const hands = account.Liquidating | account.Bankrupt | account.OutOfSync | account.Indebted
	if a.Has(hands) || a.Orders > 0 {
		return surplus, false
	}
	if quick, sure := m.quickSurplus(a); sure {
		return quick.Wide(), quick.Sign() >= 0
	}
	sums, known := m.sums(a)
	surplus = surplusOf(a, &sums)
	return surplus, known && surplus.Sign() >= 0
}

// inputs are the score's, as they are now, at 1e-8 half-even.
func (m *Machine) inputs(s account.Slot, at int32) adl.Inputs {
	a, p := m.accounts.At(s), m.accounts.Position(at)
	sums, _ := m.sums(a)
	l := m.legOf(p)
	return adl.Inputs{
		Wallet: a.Wallet, Equity: amount(equityOf(a, &sums)), MM: shownMargin(sums.Maintenance),
		AccountPnL: amount(sums.PnL), PnL: amount(l.PnL()), Notional: amount(l.Notional().Wide()),
		Entry: priceOf(p.Cost, p.Qty), Cost: p.Cost, PositionMM: shownMargin(l.Maintenance()),
		Mark: l.Mark, Long: p.Qty > 0,
	}
}
