package core

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
)

func openJournaled(t *testing.T) *Engine {
	t.Helper()
	e, err := Open(Config{
		Dir: t.TempDir(), SegmentSize: smallestSegment, AutoAck: true,
		Limits: machine.Limits{Accounts: 1, Positions: 1, Symbols: 1, Funds: 1, Orders: 1, Sources: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The alarm for two machines that differ works, if they do.
func TestDiverged(t *testing.T) {
	e := openJournaled(t)
	ctx := context.Background()
	if err := e.Producer().Send(event.Event{event.Halt(1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	if e.loop.out.chain == 0 {
		t.Error("an effect leaves no trace in the chain")
	}
	if err := e.do(ctx, func() { e.loop.out.chain++ }); err != nil {
		t.Fatal(err)
	}
	if err := e.Producer().Send(event.Event{event.Halt(2)}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Snapshot(ctx); !errors.Is(err, ErrDiverged) {
		t.Fatalf("Snapshot: %v, want %v: the follower goes on", err, ErrDiverged)
	}
	<-e.followed
	if s := e.Stats(); !errors.Is(s.FollowerErr, ErrDiverged) || s.SnapshotFailures != 1 || e.Err() != nil {
		t.Errorf("%+v, %v: want the alarm, and an engine that lives", s, e.Err())
	}
	if err := e.View(ctx, func(*machine.Machine) {}); !errors.Is(err, ErrDiverged) {
		t.Errorf("View: %v, want %v", err, ErrDiverged)
	}
	if err := e.Close(); !errors.Is(err, ErrDiverged) {
		t.Errorf("Close: %v, want %v", err, ErrDiverged)
	}
	if names, _ := filepath.Glob(filepath.Join(e.config.Dir, "*.snapshot")); len(names) != 1 {
		t.Errorf("%v: want the one before", names)
	}
}

// A machine that panics at an event does so in the replay too: Open says which.
func TestReplayOfAFault(t *testing.T) {
	e := openJournaled(t)
	if err := e.Producer().Send(event.Event{event.Halt(1)}); err != nil {
		t.Fatal(err)
	}
	if err := e.do(context.Background(), func() { *e.loop.machine = machine.Machine{} }); err != nil {
		t.Fatal(err)
	}
	if err := e.Producer().Send(event.Event{event.Halt(2)}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); e.Err() == nil || !errors.Is(err, e.Err()) {
		t.Errorf("Close: %v, want the fault", err)
	}
	r, err := newReplica(&e.config)
	if err != nil {
		t.Fatal(err)
	}
	*r.machine = machine.Machine{}
	r.rest, _ = event.Event{event.Halt(2)}.AppendBinary(nil)
	f := &Fault{}
	if err := r.applySafely(1); !errors.As(err, &f) || f.Kind != event.KindHalt || !strings.Contains(err.Error(), "replay") {
		t.Errorf("%v, want a fault of the replay", err)
	}
}
