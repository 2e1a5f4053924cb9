package simulator

import (
	"fmt"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
)

// id is an effect's, by which effects are ordered; or nothing.
type id struct {
	seq   uint64
	index uint32
}

func idOf(x *event.Effect) id { return id{x.Seq, x.Index} }

func (a id) after(b id) bool { return a.seq > b.seq || a.seq == b.seq && a.index > b.index }

// entry is what one sequence stands for: an event of the tape, or an ack.
type entry struct {
	tape int // -1 for an ack
	ack  id
}

// twin is a machine that never crashes. It is given the events in the order in which
// they went into the engine's ring, and no earlier than their effects are seen: so
// it says what the engine must say.
type twin struct {
	machine *machine.Machine
	tape    *tape
	fx      *event.Effects
	// pending are the effects that the acks applied so far leave over, and read how
	// many of them the consumer has had since the last restart.
	pending []event.Effect
	read    int
}

func newTwin(t *tape) (*twin, error) {
	m, err := machine.New(t.limits)
	return &twin{machine: m, tape: t, fx: event.NewEffects(64, nil)}, err
}

func (t *twin) sequence() uint64 { return t.machine.Sequence() }

// event is what an entry stands for.
func (t *twin) event(e entry) event.Event {
	if e.tape >= 0 {
		return t.tape.event(e.tape)
	}
	return event.Event{event.Ack(e.ack.seq, e.ack.index)}
}

// apply applies the next entry.
func (t *twin) apply(e entry) {
	t.fx.Reset()
	t.machine.Apply(t.event(e), t.fx)
	t.pending = append(t.pending, t.fx.All()...)
	if e.tape >= 0 {
		return
	}
	seq, index, any := t.machine.Acked()
	n := 0
	for any && n < len(t.pending) && !idOf(&t.pending[n]).after(id{seq, index}) {
		n++
	}
	t.pending = append(t.pending[:0], t.pending[n:]...)
	t.read = max(0, t.read-n)
}

// advance applies entries up to a sequence.
func (t *twin) advance(log []entry, to uint64) {
	for t.sequence() < to {
		t.apply(log[t.sequence()])
	}
}

// expect compares an effect that the engine delivered with the next one there is.
func (t *twin) expect(log []entry, x *event.Effect) error {
	for t.read == len(t.pending) {
		if t.sequence() == uint64(len(log)) {
			return fmt.Errorf("effect (%d, %d) %v: nothing that was sent causes it", x.Seq, x.Index, x.Kind)
		}
		t.apply(log[t.sequence()])
	}
	if want := &t.pending[t.read]; *x != *want {
		return fmt.Errorf("effect (%d, %d) %+v\nwant   (%d, %d) %+v", x.Seq, x.Index, *x, want.Seq, want.Index, *want)
	}
	t.read++
	return nil
}

// skip is what a consumer does that acknowledges effects it has not read.
func (t *twin) skip(to id) {
	for t.read < len(t.pending) && !idOf(&t.pending[t.read]).after(to) {
		t.read++
	}
}
