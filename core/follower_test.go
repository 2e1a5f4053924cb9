package core_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
)

// The follower takes the periodic snapshots, and each is where a restart may
// begin.
func TestFollowerTakesSnapshots(t *testing.T) {
	c := journaled(t)
	c.SnapshotEvery, c.Keep, c.EffectsSize = 100, 100, 1<<12
	e := open(t, c)
	events := market(6, 1000)
	p := e.Producer()
	for i := range events {
		mustSend(t, p, events[i])
		if i%50 == 0 {
			digestOf(t, e)
		}
	}
	want := digestOf(t, e)
	mustClose(t, e)
	s := e.Stats()
	if s.SnapshotErr != nil || s.Snapshots < 8 || s.LastSnapshot.Sequence != uint64(len(events)) || s.Followed != s.Applied {
		t.Errorf("%+v, want about ten snapshots, the last at %d", s, len(events))
	}
	_, effects := alone(t, events)
	names, err := filepath.Glob(filepath.Join(c.Dir, "*.snapshot"))
	if err != nil || uint64(len(names)) != s.Snapshots {
		t.Fatalf("%v, %v: want %d", names, err, s.Snapshots)
	}
	for i := len(names) - 1; i > 0; i-- {
		damage(t, names[i])
		e := open(t, c)
		if r := e.Recovery(); r.Snapshot.Path != names[i-1] || r.Effects != len(effects) || digestOf(t, e) != want {
			t.Errorf("%+v: want to begin with %s, %d effects, and the same digest", r, names[i-1], len(effects))
		}
		if got, err := e.Snapshot(context.Background()); err != nil || got.Path != names[len(names)-1] {
			t.Errorf("snapshot %+v, %v", got, err)
		}
		mustClose(t, e)
		damage(t, names[len(names)-1])
	}
}

// SnapshotAfter goes by the time of the events.
func TestSnapshotAfter(t *testing.T) {
	c := journaled(t)
	c.SnapshotAfter, c.AutoAck = time.Minute, true
	e := open(t, c)
	p := e.Producer()
	for n := range int64(10) {
		mustSend(t, p, event.Event{event.Time(1 + n*int64(20*time.Second))})
		digestOf(t, e)
	}
	mustClose(t, e)
	if s := e.Stats(); s.SnapshotErr != nil || s.Snapshots < 3 || s.Snapshots > 5 {
		t.Errorf("%+v, want about three snapshots of three minutes, and the last", s)
	}
}

// A reader that dwells holds up the follower, not the core.
func TestReaderHoldsUpNobody(t *testing.T) {
	c := journaled(t)
	c.AutoAck = true
	e := open(t, c)
	looking, enough := make(chan struct{}), make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		if err := e.View(context.Background(), func(*machine.Machine) { close(looking); <-enough }); err != nil {
			t.Error(err)
		}
	})
	<-looking
	p := e.Producer()
	for n := range 1000 {
		mustSend(t, p, refusal(n))
	}
	applied(e, 1000)
	soon, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := e.View(soon, func(*machine.Machine) { t.Error("two at once") }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("View beside a reader that dwells: %v, want %v", err, context.DeadlineExceeded)
	}
	close(enough)
	reader.Wait()
	mustClose(t, e)
}

// A View that panics ends the follower, which says so; the engine lives.
func TestViewPanicsOnTheFollower(t *testing.T) {
	c := journaled(t)
	c.AutoAck = true
	e := open(t, c)
	err := e.View(context.Background(), func(*machine.Machine) { panic("boom") })
	f, ok := errors.AsType[*core.Fault](err)
	if !ok || f.Cause != "boom" {
		t.Errorf("View: %v, want a fault", err)
	}
	mustSend(t, e.Producer(), refusal(1))
	applied(e, 1)
	if s := e.Stats(); e.Err() != nil || s.FollowerErr == nil {
		t.Errorf("%v, %+v: want an engine that lives and a follower that does not", e.Err(), s)
	}
	if err := e.Close(); !errors.Is(err, f) {
		t.Errorf("Close: %v, want that the last snapshot is missing: %v", err, f)
	}
}

// A follower of its own, as in another process, beside an engine that has none.
func TestFollowElsewhere(t *testing.T) {
	c := journaled(t)
	c.FollowElsewhere, c.EffectsSize = true, 1<<12
	there := c
	there.SnapshotEvery, there.Limits = 150, small
	f, err := core.OpenFollower(there) // before the engine
	if err != nil {
		t.Fatal(err)
	}
	e := open(t, c)
	if _, err := e.Snapshot(context.Background()); !errors.Is(err, core.ErrConfig) {
		t.Errorf("Snapshot of an engine that takes none: %v, want %v", err, core.ErrConfig)
	}
	events := market(7, 700)
	p := e.Producer()
	snapshots := 0
	for i := range events {
		mustSend(t, p, events[i])
		if i%20 != 0 {
			continue
		}
		durable(e)
		snapshots += follow(t, f)
	}
	want := digestOf(t, e)
	mustClose(t, e)
	snapshots += follow(t, f)
	_, effects := alone(t, events)
	sameEffects(t, f.Unacknowledged(), effects)
	if f.Machine().Digest() != want || f.Durable() != uint64(len(events)) || snapshots == 0 {
		t.Errorf("sequence %d, durable %d, %d snapshots: want the engine's state", f.Machine().Sequence(), f.Durable(), snapshots)
	}
	if _, err := f.Snapshot(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	c.FollowElsewhere = false
	e = open(t, c)
	if r := e.Recovery(); r.Snapshot.Sequence != uint64(len(events)) || r.Replayed != 0 || r.Effects != len(effects) {
		t.Errorf("%+v: want to begin with the follower's last snapshot", r)
	}
	mustClose(t, e)
}

// follow steps until there is nothing, and counts the snapshots it takes.
func follow(t *testing.T, f *core.Follower) (snapshots int) {
	t.Helper()
	for {
		n, err := f.Step(7)
		if err != nil {
			t.Fatal(err)
		}
		if f.Ready() {
			if _, err := f.Snapshot(); err != nil {
				t.Fatal(err)
			}
			snapshots++
		} else if n == 0 {
			return snapshots
		}
	}
}

// A snapshot that is asked for is due at once, also when nothing more comes, and
// also where the follower has just begun with one.
func TestFollowerRequest(t *testing.T) {
	c := journaled(t)
	c.FollowElsewhere, c.AutoAck = true, true
	there := c
	there.Limits = small
	e := open(t, c)
	mustSend(t, e.Producer(), market(8, 300)...)
	mustClose(t, e)
	for range 2 {
		f, err := core.OpenFollower(there)
		if err != nil {
			t.Fatal(err)
		}
		if n := follow(t, f); n != 0 || f.Due() {
			t.Errorf("%d snapshots that nobody wants, or one due: %v", n, f.Due())
		}
		f.Request()
		if !f.Due() {
			t.Error("a snapshot was asked for, and none is due")
		}
		if n := follow(t, f); n != 1 || f.Durable() != 300 || f.Due() {
			t.Errorf("%d snapshots, durable up to %d, due: %v; want the one asked for, of event 300", n, f.Durable(), f.Due())
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
