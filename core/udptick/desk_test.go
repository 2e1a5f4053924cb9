package udptick

import (
	"testing"

	"github.com/backstop-fund/backstop/core/event"
)

// held is what the machine holds of a contract.
type held struct {
	uid     int64 // the last mark accepted, by the number the exchange gave it; 0 for none
	last    int64 // time of the last tick
	suspect bool
}

// desk is a machine reduced to what RULES section 9 says of a tick's time and of
// suspect marks. Core's own machine is in guard_test.go.
type desk struct {
	testing.TB
	now    int64
	refuse func() bool // no room for the next record
	marks  [instruments]held
	ticks  int // records with a mark that were taken
}

func (d *desk) Offer(r event.Record) bool {
	if d.refuse != nil && d.refuse() {
		return false
	}
	m := &d.marks[r.Symbol()]
	switch {
	case r.Kind() != event.KindTick:
		d.Fatalf("a record of kind %v", r.Kind())
	case r.MarkTime() <= m.last:
		d.Fatalf("symbol %d: mark of time %d after one of %d: the machine refuses it", r.Symbol(), r.MarkTime(), m.last)
	case r.MarkTime() > d.now+second:
		d.Fatalf("symbol %d: mark from the future", r.Symbol())
	case int64(r.Mark()) < m.uid:
		d.Fatalf("symbol %d: mark %d after mark %d", r.Symbol(), r.Mark(), m.uid)
	}
	d.ticks++
	m.last = r.MarkTime()
	m.suspect = r.Has(event.FlagSuspect)
	if !m.suspect {
		m.uid = int64(r.Mark())
	}
	return true
}

// check compares what is held with what was made: a mark is the newest of those
// made before a time, or newer, or suspect.
func (d *desk) check(made *[instruments][]sentTick, before int64) {
	d.Helper()
	for id := range d.marks {
		m, ticks := &d.marks[id], made[id]
		if m.suspect || m.uid == 0 {
			continue
		}
		// Those that were made before are at the front, and mostly all of them.
		i := len(ticks)
		for i > 0 && ticks[i-1].at > before {
			i--
		}
		if i > 0 && m.uid < ticks[i-1].uid {
			d.Fatalf("at noon+%d ns symbol %d is at mark %d and not suspect; %d was made %d ns ago",
				d.now-noon, id, m.uid, ticks[i-1].uid, d.now-ticks[i-1].at)
		}
	}
}

// suspects counts the symbols that are suspect.
func (d *desk) suspects() (n int) {
	for i := range d.marks {
		if d.marks[i].suspect {
			n++
		}
	}
	return n
}

// current reports whether every symbol is at the newest mark that was made.
func (d *desk) current(made *[instruments][]sentTick) bool {
	for id, ticks := range made {
		if m := &d.marks[id]; m.suspect || m.uid != ticks[len(ticks)-1].uid {
			return false
		}
	}
	return true
}
