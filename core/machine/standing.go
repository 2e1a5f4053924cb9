package machine

import (
	"math"
	"math/bits"
	"slices"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/trigger"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// standing is what the members of a ranking have left to lose, kept until a mark moves
// or an account is opened: so that the second counterparty-liquidation does not ask
// all of them again. It is not part of the state.
//
// Whatever changes an account meanwhile makes the rankings it is in forget what they
// know of it: a touch, a decision, a gift, a position that goes.
type standing struct {
	epoch  uint64 // of the machine; what is of another is worth nothing
	places []place
	left   []fixedpoint.Int128 // surplus at 1e-24, or one of the marks below
	groups []group
	index  []int32 // members + 1 by slot, open addressing; twice the members at least
}

// place is where a member was found last: checked before it is believed.
type place struct {
	slot account.Slot
	at   int32
}

// group sums up members that stand side by side, so that most are counted or passed
// over together.
type group struct {
	low, high fixedpoint.Int128 // of those able
	able      int32             // could give something
	asked     int32             // have to be asked each time
	stale     bool
}

const groupSize = 64

// What left says of a member beside its surplus, which is never below 0.
var (
	unable  = fixedpoint.Int128From(-1)
	unknown = fixedpoint.Int128{Hi: math.MinInt64} // or its numbers are not plain: ask
)

// begin forgets everything of n members.
func (d *standing) begin(n int) {
	d.places = slices.Grow(d.places[:0], n)[:n]
	d.left = slices.Grow(d.left[:0], n)[:n]
	for i := range d.left {
		d.left[i] = unknown
	}
	n = (n + groupSize - 1) / groupSize
	d.groups = slices.Grow(d.groups[:0], n)[:n]
	for i := range d.groups {
		d.groups[i].stale = true
	}
	n = 2 << bits.Len(uint(len(d.left)))
	d.index = slices.Grow(d.index[:0], n)[:n]
	clear(d.index)
}

// entry is where in the index an account's member is, or where it belongs.
func (d *standing) entry(s account.Slot) *int32 {
	mask := uint32(len(d.index) - 1)
	i := uint32(s) * 0x9e3779b1 >> bits.LeadingZeros32(mask)
	for d.index[i] != 0 && d.places[d.index[i]-1].slot != s {
		i = (i + 1) & mask
	}
	return &d.index[i]
}

// know notes where a member is and what it has left.
func (d *standing) know(i int, w place, left fixedpoint.Int128) {
	d.places[i], d.left[i] = w, left
	if w.slot != account.None {
		*d.entry(w.slot) = int32(i + 1)
	}
}

// forget makes an account be asked again, if it is a member.
func (d *standing) forget(s account.Slot) {
	if i := *d.entry(s); i != 0 {
		d.left[i-1] = unknown
		d.groups[(i-1)/groupSize].stale = true
	}
}

// keep makes what is found out of a ranking's members from now on worth keeping.
func (m *Machine) keep(r *ranking) {
	r.begin(len(r.members))
	r.epoch, m.asked = m.epoch, m.epoch
}

// unsettle tells the rankings an account is in that it changes.
func (m *Machine) unsettle(s account.Slot) {
	if m.asked != m.epoch {
		return // nobody keeps anything: the usual case
	}
	for i := m.accounts.At(s).First; i != account.None; {
		p := m.accounts.Position(i)
		if p.Qty != 0 {
			m.unsettleIn(p.Contract, sideOf(p.Qty), s)
		}
		i = m.accounts.Next(p)
	}
}

// unsettleIn tells one ranking that an account in it changes.
func (m *Machine) unsettleIn(contract int32, side trigger.Side, s account.Slot) {
	if r := &m.contracts[contract].rankings[side]; m.asked == m.epoch && r.epoch == m.epoch {
		r.forget(s)
	}
}

// able returns the first member from i on that could give a lot, or the number of members.
func (m *Machine) able(o *offer, r *ranking, i int) int {
	for ; i < len(r.left); i++ {
		if !o.plain {
			if m.gives(o, m.find(o.terms, r, i)) {
				return i
			}
			continue
		}
		if i%groupSize == 0 {
			for i < len(r.left) && m.group(o, r, i/groupSize).without(o) {
				i += groupSize
			}
			if i >= len(r.left) {
				break
			}
		}
		if m.reaches(o, r, i) {
			return i
		}
	}
	return len(r.left)
}

// count returns how many members from i on could give a lot.
func (m *Machine) count(o *offer, r *ranking, i int) (n int) {
	if !o.plain {
		for i = m.able(o, r, i); i < len(r.left); i = m.able(o, r, i+1) {
			n++
		}
		return n
	}
	for ; i < len(r.left) && i%groupSize != 0; i++ {
		if m.reaches(o, r, i) {
			n++
		}
	}
	for ; i < len(r.left); i += groupSize {
		g := m.group(o, r, i/groupSize)
		switch {
		case g.without(o):
		case g.asked == 0 && !g.low.Less(o.least):
			n += int(g.able)
		default:
			for k := i; k < min(i+groupSize, len(r.left)); k++ {
				if m.reaches(o, r, k) {
					n++
				}
			}
		}
	}
	return n
}

// without reports whether nobody in the group could give a lot.
func (g *group) without(o *offer) bool {
	return g.asked == 0 && (g.able == 0 || g.high.Less(o.least))
}

// reaches reports whether a member of a group that is not stale could give a lot.
func (m *Machine) reaches(o *offer, r *ranking, i int) bool {
	if r.left[i] != unknown {
		return !r.left[i].Less(o.least)
	}
	return m.gives(o, r.places[i])
}

// gives works out whether a position could give a lot.
func (m *Machine) gives(o *offer, w place) bool {
	if w.at == account.None {
		return false
	}
	k := m.candidate(o, w)
	return k.Limit > 0
}

// group brings a group up to date.
func (m *Machine) group(o *offer, r *ranking, i int) *group {
	g := &r.groups[i]
	if !g.stale {
		return g
	}
	*g = group{}
	first := i * groupSize
	for i := first; i < min(first+groupSize, len(r.left)); i++ {
		if r.left[i] == unknown {
			left := m.ask(o, r, i)
			r.know(i, r.places[i], left)
		}
		switch left := r.left[i]; left {
		case unable:
		case unknown:
			g.asked++
		default:
			if g.able == 0 {
				g.low, g.high = left, left
			}
			g.able++
			if left.Less(g.low) {
				g.low = left
			}
			if g.high.Less(left) {
				g.high = left
			}
		}
	}
	return g
}

// ask returns what a member has left, unknown where only candidate can tell.
func (m *Machine) ask(o *offer, r *ranking, i int) fixedpoint.Int128 {
	w := m.find(o.terms, r, i)
	if w.at == account.None {
		return unable
	}
	surplus, ok := m.eligible(w.slot)
	if !ok {
		return unable
	}
	return m.left(w.at, surplus)
}

// left is what a position has left whose account, which may be a counterparty, has
// that surplus.
func (m *Machine) left(at int32, surplus fixedpoint.Int256) fixedpoint.Int128 {
	p := m.accounts.Position(at)
	left, fits := surplus.Int128()
	switch {
	case max(p.Qty, -p.Qty) < m.contracts[p.Contract].lot:
		return unable
	case !fits || !plain(int64(m.accounts.At(p.Account).Wallet)) || !plain(int64(p.Cost)) || !plain(int64(p.Qty)):
		return unknown
	}
	return left
}
