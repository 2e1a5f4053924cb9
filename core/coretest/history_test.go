package coretest

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/event/ndjson"
	"github.com/backstop-fund/backstop/core/machine"
)

// chronicle is a history kept such that parts of it make sense: order ids depend on
// all that happened before, so an answer of the venue's goes to the order that the
// same event sent, whatever its id has become.
type chronicle struct {
	limits machine.Limits
	events []event.Event
	orders map[event.OrderID]origin
}

// origin is where an order came from: the n-th that an event sent.
type origin struct{ event, n int }

func newChronicle(l machine.Limits) *chronicle {
	return &chronicle{limits: l, orders: map[event.OrderID]origin{}}
}

// append adds an event before it is applied, sent what came of it.
func (c *chronicle) append(e event.Event) { c.events = append(c.events, slices.Clone(e)) }

func (c *chronicle) sent(effects []event.Effect) {
	for n, id := range orderIDs(effects) {
		c.orders[id] = origin{len(c.events) - 1, n}
	}
}

func orderIDs(effects []event.Effect) (ids []event.OrderID) {
	for i := range effects {
		if k := effects[i].Kind; k == event.EffectLiquidate || k == event.EffectOffload {
			ids = append(ids, effects[i].Order)
		}
	}
	return ids
}

// replay plays some of the events, in order, through a new pair. It returns what it
// played and how index and scan part, nil if they do not.
func (c *chronicle) replay(some []int) (played []event.Event, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	l, err := newLockstep(c.limits)
	if err != nil {
		return nil, err
	}
	sent := map[origin]event.OrderID{}
	for _, at := range some {
		e := slices.Clone(c.events[at])
		if k := e[0].Kind(); k == event.KindOrderFill || k == event.KindOrderDone {
			if from, known := c.orders[e[0].Order()]; known {
				id, again := sent[from]
				if !again {
					continue
				}
				e[0][3] = uint64(id)
			}
		}
		played = append(played, e)
		if err := l.step(e); err != nil {
			return played, err
		}
		for n, id := range orderIDs(l.want.All()) {
			sent[origin{at, n}] = id
		}
	}
	return played, l.same()
}

// shortest is a short part of the history after which index and scan part, found by
// leaving out ever smaller runs of events, until none can be spared.
func (c *chronicle) shortest() (events []event.Event, err error) {
	all := make([]int, len(c.events))
	for i := range all {
		all[i] = i
	}
	some := shrunk(all, func(less []int) bool {
		_, err := c.replay(less)
		return err != nil
	})
	return c.replay(some)
}

func shrunk(some []int, parts func([]int) bool) []int {
	for {
		before := len(some)
		for run := (len(some) + 1) / 2; run > 0; run /= 2 {
			for at := len(some) - run; at >= 0; at = min(at-run, len(some)-run) {
				if less := slices.Delete(slices.Clone(some), at, at+run); parts(less) {
					some = less
				}
			}
		}
		if len(some) == before {
			return some
		}
	}
}

// asText writes events as lines that backstop apply takes. Names are bound as their
// events go by, refused or not: a refused one is not referred to by name.
func asText(w io.Writer, events []event.Event) {
	var names ndjson.Names
	for _, e := range events {
		fmt.Fprintf(w, "%s\n", ndjson.AppendEvent(nil, &names, e))
		switch e[0].Kind() {
		case event.KindFund:
			s := e.FundSettings()
			_ = names.BindFund(s.Name, s.ID)
		case event.KindSymbol:
			var s event.SymbolSettings
			e.SymbolSettings(&s)
			_ = names.BindSymbol(s.Name, s.ID)
		}
	}
}

// panicked is a panic as an error, with where it came from.
func panicked(p any) error {
	stack := make([]byte, 1<<12)
	return fmt.Errorf("panic: %v\n%s", p, stack[:runtime.Stack(stack, false)])
}

// A history shrinks to what matters, or a failure would be of no use: here, to the
// events without which one order would not be answered.
func TestShrunk(t *testing.T) {
	d, err := newDuel(1)
	if err != nil {
		t.Fatal(err)
	}
	d.kept = newChronicle(d.limits)
	if err := d.play(2000); err != nil {
		t.Fatal(err)
	}
	answered := -1
	for i, e := range d.kept.events {
		if e[0].Kind() == event.KindOrderDone {
			answered = i
		}
	}
	if answered < 1000 {
		t.Fatalf("the last order answered is at event %d: the history is too quiet to tell", answered)
	}
	all := make([]int, len(d.kept.events))
	for i := range all {
		all[i] = i
	}
	answers := func(some []int) bool {
		last := len(some) - 1
		if last < 0 || some[last] != answered {
			return false
		}
		before, err := d.kept.replay(some[:last])
		if err != nil {
			t.Fatal(err)
		}
		played, err := d.kept.replay(some)
		if err != nil {
			t.Fatal(err)
		}
		return len(played) > len(before) // an answer to an order that is not there is left out
	}
	short := shrunk(all[:answered+1], answers)
	played, _ := d.kept.replay(short)
	var b strings.Builder
	asText(&b, played)
	if len(short) > 16 || strings.Count(b.String(), "\n") != len(short) {
		t.Errorf("%d of %d events are left, want those that lead to one order:\n%s", len(short), len(all), b.String())
	}
}
