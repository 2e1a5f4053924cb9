package machine

import (
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/internal/invariant"
)

// quietTick applies a tick that moves a mark and does nothing else: most are of this
// kind, and then it is all that Apply does. For any other event it reports false and
// has changed nothing. What it decides, applyTick and those after it would decide as
// well; a machine that scans goes that way always, which is how tests compare the
// two.
func (m *Machine) quietTick(e event.Event, fx *event.Effects) bool {
	const (
		flags = event.FlagTime | event.FlagMarkTime
		mask  = (1<<48 - 1) &^ (uint64(flags) << 16) // the source says nothing without its flag
	)
	h := &e[0]
	if h[0]&mask != uint64(event.KindTick) || !m.timed || m.mode != event.Live ||
		len(m.stocked)|m.heldMarks != 0 {
		return false
	}
	i := m.symbolIDs.Find(uint64(h.Symbol()))
	if i < 0 {
		return false
	}
	c, mark, now := &m.contracts[i], h.Mark(), m.time
	if h.Has(event.FlagTime) {
		now = max(now, h.Time())
	}
	own := now
	if h.Has(event.FlagMarkTime) {
		if own = h.MarkTime(); own <= c.last || own > later(now, second) {
			return false
		}
	}
	if mark <= 0 || c.mark == 0 || c.suspect || c.rankings[longs].made|c.rankings[shorts].made != 0 ||
		c.maxJump != 0 && !near(mark, c.mark, c.maxJump) ||
		overflows(c.most, mark) || m.timers.next() <= now || !m.index.Quiet(i, mark) {
		return false
	}
	m.seq++
	m.stats.Events++
	fx.Begin(m.seq)
	m.now, m.time = now, now
	c.mark, c.markTime, c.last = mark, own, max(c.last, own)
	m.epoch++
	if invariant.Enabled {
		if err := m.Check(); err != nil {
			panic(err)
		}
	}
	return true
}
