package core

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/ring"
)

// A producer is interrupted in the middle of publishing an event. However long
// that takes, the recorder writes the event whole or not at all.
func TestHalfAnEventIsNotWritten(t *testing.T) {
	e, err := assemble(Config{
		Dir: filepath.Join(t.TempDir(), "data"), SegmentSize: smallestSegment, Journal: JournalAsync, FollowElsewhere: true,
		Limits: machine.Limits{Accounts: 1, Positions: 1, Symbols: 1, Funds: 1, Orders: 1, Sources: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &e.recorder
	r.every = 0 // it seals at the first look in vain
	name, _ := event.MakeName("USDT")
	whole := event.AppendFund(nil, event.FundSettings{ID: 1, Name: name})
	p := e.input.Producer()
	lo, err := p.Claim(len(whole))
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		*p.At(lo + ring.Sequence(i)) = whole[i]
	}
	p.Publish(lo, 1)
	from, to, err := r.next()
	if err != nil || to-from != 1 {
		t.Fatalf("%d records, %v; want the first of %d", to-from, err, len(whole))
	}
	if err := e.recordBatch(from, to); err != nil {
		t.Fatal(err)
	}
	go func() {
		for range 1000 {
			runtime.Gosched()
		}
		p.Publish(lo+1, len(whole)-1)
	}()
	from, to, err = r.next()
	if err != nil || r.writer.Written() != 0 {
		t.Fatalf("%v; %d events written, of half of one", err, r.writer.Written())
	}
	if err := e.recordBatch(from, to); err != nil || len(r.room) == 0 && r.writer.Written() != 1 {
		t.Fatalf("%v; %d events written, want 1", err, r.writer.Written())
	}
	if err := e.abandon(); err != nil {
		t.Fatal(err)
	}
}

// Stats calls nothing durable of which the effects cannot be read yet: who waits for
// the one and reads the other would find nothing.
func TestDurableIsWhatMayLeave(t *testing.T) {
	m, err := OpenManual(Config{Dir: t.TempDir(), SegmentSize: smallestSegment, Limits: machine.Limits{Accounts: 1, Positions: 1, Symbols: 1, Funds: 1, Orders: 1, Sources: 1}})
	if err != nil {
		t.Fatal(err)
	}
	e := m.Engine()
	if err := e.Producer().TrySend(event.Event{event.Halt(1)}); err != nil {
		t.Fatal(err)
	}
	m.Apply()
	r := &e.recorder
	lo, _, err := r.input.TryNext()
	if err == nil && r.take(r.input.At(lo)) {
		err = r.commit()
	}
	if err != nil {
		t.Fatal(err)
	}
	batch := make([]event.Effect, 1)
	for _, want := range []int{0, 1} {
		n, err := e.Effects().Poll(batch)
		if s := e.Stats(); err != nil || n != want || s.Durable != uint64(want) || r.writer.Durable() != 1 {
			t.Errorf("%d effects, %v, Durable is %d, want %d of each; in the journal it is %d, want 1", n, err, s.Durable, want, r.writer.Durable())
		}
		e.tellRecorded()
	}
	if err := m.Kill(); err != nil {
		t.Fatal(err)
	}
}
