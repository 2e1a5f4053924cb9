package machine

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/adl"
	"github.com/backstop-fund/backstop/core/internal/invariant"
	"github.com/backstop-fund/backstop/core/trigger"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// ranking is the record of who stood where on one side of a contract: made at the
// first counterparty-liquidation after the last tick, and good until the next.
type ranking struct {
	made    uint64 // sequence; 0 when there is none
	members []adl.Member
	standing
}

// holder is a position on the side in question, with what chooses those who take
// part: its unrealized PnL at 1e-16.
type holder struct {
	at  int32
	pnl fixedpoint.Int128
}

// rank makes the ranking of record of one side: those who are candidates now, at
// most max_counterparties, those with the largest unrealized PnL of the position.
func (m *Machine) rank(contract int32, side int) {
	c := &m.contracts[contract]
	r := &c.rankings[side]
	r.made = m.seq
	x := &m.scratch
	x.members, x.left = x.members[:0], x.left[:0]
	list := m.front(contract, side)
	for batch := range slices.Chunk(list, groupSize) {
		m.near(batch)
		for i := range batch {
			member, surplus := m.member(&batch[i])
			x.members, x.left = append(x.members, member), append(x.left, m.left(batch[i].at, surplus))
		}
	}
	r.members = slices.Grow(r.members[:0], len(list))[:len(list)]
	m.keep(r)
	for i, k := range m.order(c, x.members) {
		at := list[k].at
		r.members[i] = x.members[k]
		r.know(i, place{slot: m.accounts.Position(at).Account, at: at}, x.left[k])
	}
}

// order returns the indexes of members as they are deleveraged.
func (m *Machine) order(c *contract, members []adl.Member) []int32 {
	if !m.scan {
		return m.ranker.Order(c.score, members)
	}
	order := make([]int32, len(members))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(i, j int32) int { return adl.Compare(c.score, &members[i], &members[j]) })
	return order
}

// front collects in scratch those of a side's holders who are to be ranked, in no
// order. Most of a million it passes over with a look at the position and its
// trigger: who is behind the best so far does not count, and who is armed is
// healthy. It keeps at most twice as many as are wanted.
func (m *Machine) front(contract int32, side int) []holder {
	c, x := &m.contracts[contract], &m.scratch
	n := m.index.Len(contract, trigger.Side(side))
	most, room := c.maxCounter, n
	if !m.scan && n > 2*most {
		room = 2 * most
	}
	x.holders = slices.Grow(x.holders[:0], room)
	last := holder{at: account.None}
	m.holdersOf(contract, trigger.Side(side), func(at int32) bool {
		h := m.holder(c, at)
		if last.at != account.None && (h.pnl.Less(last.pnl) || m.compareHolders(&h, &last) > 0) ||
			!m.mayRank(at, m.accounts.Position(at).Account) {
			return true
		}
		if len(x.holders) == room {
			last = m.cut(most)
		}
		x.holders = append(x.holders, h)
		return true
	})
	if len(x.holders) > most {
		m.cut(most)
	}
	return x.holders
}

// holder is the position at at. Its PnL cannot wrap: it is below 2^126 + 2^90.
func (m *Machine) holder(c *contract, at int32) holder {
	p := m.accounts.Position(at)
	return holder{at, fixedpoint.Value(p.Qty, c.mark).Sub(fixedpoint.Mul64(int64(p.Cost), fixedpoint.One))}
}

// sparse is how many positions one walks past as fast as one follows a link.
const sparse = 32

// holdersOf yields the positions on one side of a contract, in no particular order:
// along the table of positions, which memory likes, unless there are few.
func (m *Machine) holdersOf(contract int32, side trigger.Side, yield func(at int32) bool) {
	n := m.index.Len(contract, side)
	if m.limits.Positions > sparse*n {
		m.index.Each(contract, side, yield)
		return
	}
	for at := int32(0); n > 0; at++ {
		if p := m.accounts.Position(at); p.Contract == contract && p.Qty != 0 && sideOf(p.Qty) == side {
			n--
			yield(at)
		}
	}
}

// mayRank reports whether the account of the position may be a counterparty.
func (m *Machine) mayRank(at int32, s account.Slot) bool {
	if m.scan || m.index.At(at) != trigger.Armed {
		_, ok := m.eligible(s)
		return ok
	}
	if invariant.Enabled {
		if _, ok := m.eligible(s); !ok {
			panic("machine: an armed position of an account that may not be a counterparty")
		}
	}
	return true
}

// cut leaves the first of the holders in scratch, so many, and returns the last.
func (m *Machine) cut(most int) (last holder) {
	list := m.scratch.holders
	m.selectFirst(list, most)
	m.scratch.holders = list[:most]
	last = list[0]
	for i := range list[:most] {
		if m.compareHolders(&list[i], &last) > 0 {
			last = list[i]
		}
	}
	return last
}

// selectFirst moves the k first of list to its front, in any order: quickselect with
// the median of three, so no full sort for a cut-off. It sorts after all when that
// takes more than twice the rounds of a lucky one.
func (m *Machine) selectFirst(list []holder, k int) {
	before := func(a, b *holder) bool { return b.pnl.Less(a.pnl) || m.compareHolders(a, b) < 0 }
	for rounds := 2 * bits.Len(uint(len(list))); len(list) > 1; rounds-- {
		if rounds == 0 {
			slices.SortFunc(list, func(a, b holder) int { return m.compareHolders(&a, &b) })
			return
		}
		last, mid := len(list)-1, len(list)/2
		if before(&list[mid], &list[0]) {
			list[mid], list[0] = list[0], list[mid]
		}
		if before(&list[last], &list[mid]) {
			list[last], list[mid] = list[mid], list[last]
			if before(&list[mid], &list[0]) {
				list[mid], list[0] = list[0], list[mid]
			}
		}
		pivot := list[mid]
		i, j := 0, last
		for i <= j {
			for before(&list[i], &pivot) {
				i++
			}
			for before(&pivot, &list[j]) {
				j--
			}
			if i <= j {
				list[i], list[j] = list[j], list[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case k <= j:
			list = list[:j+1]
		case k >= i:
			list, k = list[i:], k-i
		default:
			return
		}
	}
}

// compareHolders puts the larger PnL first, then the lower account, long before
// short.
func (m *Machine) compareHolders(a, b *holder) int {
	if c := b.pnl.Cmp(a.pnl); c != 0 {
		return c
	}
	p, q := m.accounts.Position(a.at), m.accounts.Position(b.at)
	return cmp.Or(
		cmp.Compare(m.accounts.At(p.Account).ID, m.accounts.At(q.Account).ID),
		cmp.Compare(p.Side, q.Side))
}

// near brings the accounts of some holders, and all they hold, near: at once, where
// one after the other would each wait for memory alone.
func (m *Machine) near(list []holder) {
	var next [groupSize]int32
	for i := range list {
		next[i] = m.accounts.At(m.accounts.Position(list[i].at).Account).First
	}
	for more := true; more; {
		more = false
		for i := range list {
			if at := next[i]; at != account.None {
				next[i] = m.accounts.Next(m.accounts.Position(at))
				more = true
			}
		}
	}
}

// member is a holder as it is now, with its account's surplus at 1e-24.
func (m *Machine) member(h *holder) (adl.Member, fixedpoint.Int256) {
	p := m.accounts.Position(h.at)
	in, surplus := m.inputs(p.Account, h.at)
	return adl.Member{Account: m.accounts.At(p.Account).ID, Side: p.Side, InProfit: h.pnl.Sign() > 0, Inputs: in}, surplus
}

// inHands reports whether an account is being liquidated or resolved, or nobody
// knows what it holds.
func inHands(a *account.Account) bool {
	return a.Orders > 0 || a.Has(account.Liquidating|account.Bankrupt|account.OutOfSync|account.Indebted)
}

// eligible reports whether an account may be a counterparty, healthy, in sync and
// not being liquidated, and its surplus over the maintenance margin at 1e-24.
func (m *Machine) eligible(s account.Slot) (surplus fixedpoint.Int256, ok bool) {
	a := m.accounts.At(s)
	if inHands(a) {
		return surplus, false
	}
	if quick, sure := m.quickSurplus(a); sure {
		return quick.Wide(), quick.Sign() >= 0
	}
	sums, known := m.sums(a)
	surplus = surplusOf(a, &sums)
	return surplus, known && surplus.Sign() >= 0
}

// inputs are the score's, as they are now, at 1e-8 half-even; surplus is the
// account's at 1e-24.
func (m *Machine) inputs(s account.Slot, at int32) (in adl.Inputs, surplus fixedpoint.Int256) {
	a, p := m.accounts.At(s), m.accounts.Position(at)
	sums, _ := m.sums(a)
	l := m.legOf(p)
	in = adl.Inputs{
		Wallet: a.Wallet, Equity: amount(equityOf(a, &sums)), MM: shownMargin(sums.Maintenance),
		AccountPnL: amount(sums.PnL), Notional: amount(l.Notional().Wide()),
		Entry: priceOf(p.Cost, p.Qty), Cost: p.Cost, Mark: l.Mark, Long: p.Qty > 0,
	}
	if a.First == at && m.accounts.Next(p) == account.None {
		in.PnL, in.PositionMM = in.AccountPnL, in.MM // all it holds
	} else {
		in.PnL, in.PositionMM = amount(l.PnL()), shownMargin(l.Maintenance())
	}
	return in, surplusOf(a, &sums)
}
