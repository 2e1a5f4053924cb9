package core

import (
	"context"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/ring"
)

// What the engine does at its end with effects in flight, step by step: these
// moments are too short to be met from outside.

func openSmall(t *testing.T) *Engine {
	t.Helper()
	e, err := Open(Config{Limits: machine.Limits{Accounts: 1, Positions: 1, Symbols: 1, Funds: 1, Orders: 1, Sources: 1}, AutoAck: true})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The core has claimed a slot when Close stops the ring, and publishes it when
// the consumer has already seen the stop.
func TestPublishedAfterStop(t *testing.T) {
	e := openSmall(t)
	claimed, stopped := make(chan struct{}), make(chan struct{})
	var done, closed = make(chan error), make(chan error)
	go func() {
		done <- e.View(context.Background(), func(*machine.Machine) {
			lo, err := e.loop.out.ring.Claim(1)
			if err != nil {
				t.Error(err)
			}
			close(claimed)
			<-stopped
			*e.loop.out.ring.At(lo) = event.Effect{Seq: 1, Kind: event.EffectAlarm}
			e.loop.out.ring.Publish(lo, 1)
		})
	}()
	<-claimed
	go func() { closed <- e.Close() }()
	for {
		if _, _, err := e.effects.reader.TryNext(); err == ring.ErrStopped {
			break
		}
	}
	close(stopped)
	buf := make([]event.Effect, 2)
	if n, err := e.Effects().Next(buf); n != 1 || err != nil || buf[0].Kind != event.EffectAlarm {
		t.Errorf("%d effects, %v; want the one published last", n, err)
	}
	if n, err := e.Effects().Next(buf); n != 0 || err != ErrClosed {
		t.Errorf("then %d effects, %v; want the end", n, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// The machine panics in the middle of an event: its effects are of a decision
// that was never finished, those of the events before it stand.
func TestFaultInTheMiddle(t *testing.T) {
	e := openSmall(t)
	fault := e.View(context.Background(), func(*machine.Machine) {
		l := &e.loop
		l.applied = 7
		for seq := range uint64(8) {
			l.fx.Begin(seq + 1)
			l.fx.Append(event.Effect{Kind: event.EffectAlarm})
		}
		l.event = append(l.event, event.Halt(1))
		panic("in the middle of event 8")
	})
	f, ok := fault.(*Fault)
	if !ok || f.Sequence != 8 || f.Kind != event.KindHalt {
		t.Fatalf("%v, want a fault at event 8", fault)
	}
	buf := make([]event.Effect, 16)
	n, err := e.Effects().Next(buf)
	if n != 7 || err != nil || buf[6].Seq != 7 {
		t.Errorf("%d effects, %v; want those of the 7 events before", n, err)
	}
	if n, err := e.Effects().Next(buf); n != 0 || err != f {
		t.Errorf("then %d effects, %v; want the fault", n, err)
	}
	if err := e.Close(); err != f {
		t.Errorf("Close: %v, want the fault", err)
	}
}
