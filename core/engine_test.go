package core_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/ring"
)

// The rings change nothing: the same events give the same effects and the same
// state as a machine driven alone, whatever the sizes and however one waits.
func TestSameAsMachineAlone(t *testing.T) {
	events := market(1, 6_000)
	m, want := alone(t, events)
	if len(want) < len(events)/4 {
		t.Fatalf("workload drifted: only %d effects of %d events", len(want), len(events))
	}
	for _, wait := range []ring.WaitStrategy{ring.Park, ring.Yield} {
		for _, size := range []int{1, 8, 1 << 14} {
			t.Run(fmt.Sprintf("wait=%v/effects=%d", wait, size), func(t *testing.T) {
				e := open(t, core.Config{InputSize: event.MaxRecords, EffectsSize: size, Wait: wait, AutoAck: true})
				var got []event.Effect
				var reading sync.WaitGroup
				reading.Go(func() { got, _ = drain(e.Effects(), 7, nil) })
				mustSend(t, e.Producer(), events...)
				if digest := digestOf(t, e); digest != m.Digest() {
					t.Errorf("digest %x, alone %x", digest, m.Digest())
				}
				mustClose(t, e)
				reading.Wait()
				sameEffects(t, got, want)
				s := e.Stats()
				if s.Applied != m.Sequence() || s.Effects != uint64(len(want)) || s.Refused == 0 || s.Unacknowledged > size {
					t.Errorf("stats %+v, want %d applied, %d effects, some refused", s, m.Sequence(), len(want))
				}
			})
		}
	}
}

// Events of several records keep together however producers interleave, and each
// producer's events keep their order.
func TestProducersInterleave(t *testing.T) {
	const producers, each = 3, 2_000
	e := open(t, core.Config{InputSize: event.MaxRecords, AutoAck: true})
	var running sync.WaitGroup
	running.Go(func() {
		if _, err := drain(e.Effects(), 64, nil); err != core.ErrClosed {
			t.Error("drain:", err)
		}
	})
	var feeding sync.WaitGroup
	for i := range producers {
		p := e.Producer()
		source := event.Source{Name: name(fmt.Sprint("producer-", i))} // one more record
		feeding.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 2))
			for n := range each {
				e := event.Event{event.Time(1)} // two records with its source, or three
				if r.IntN(2) == 0 {
					e = event.AppendFund(nil, event.FundSettings{ID: usdt, Name: name("USDT")})
				}
				if err := p.Send(e.WithSource(source, uint64(n+1))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	feeding.Wait()
	for i := range producers {
		got, err := e.LastApplied(context.Background(), event.Source{Name: name(fmt.Sprint("producer-", i))})
		if err != nil || got != each {
			t.Errorf("producer %d: last applied %d, %v; want %d", i, got, err, each)
		}
	}
	mustClose(t, e)
	running.Wait()
	if s := e.Stats(); s.Applied != producers*each || s.Refused != 0 {
		t.Errorf("%d applied, %d refused; want %d, 0: an event was torn or overtaken", s.Applied, s.Refused, producers*each)
	}
}

func TestSendRefuses(t *testing.T) {
	e := open(t, core.Config{})
	defer mustClose(t, e)
	p := e.Producer()
	fund := event.AppendFund(nil, event.FundSettings{ID: usdt, Name: name("USDT")})
	for _, row := range []struct {
		what string
		e    event.Event
		want error
		text string
	}{
		{"nothing", event.Event{}, event.ErrEvent, "0 records"},
		{"a record of no kind, which is a nudge", event.Event{{}}, event.ErrEvent, "kind 0"},
		{"half an event", fund[:1], event.ErrEvent, "1 records"},
		{"an event and a half", append(fund[:2:2], event.Time(1)), event.ErrEvent, "3 records"},
		{"an ack", event.Event{event.Ack(1, 0)}, core.ErrAck, "Effects.Ack"},
	} {
		for how, send := range map[string]func(event.Event) error{"Send": p.Send, "TrySend": p.TrySend} {
			if err := send(row.e); !errors.Is(err, row.want) || !strings.Contains(err.Error(), row.text) {
				t.Errorf("%s of %s: %v, want %v with %q", how, row.what, err, row.want, row.text)
			}
		}
	}
	if p.Offer(fund[0]) {
		t.Error("Offer took half an event")
	}
	if !p.Offer(event.Time(1)) {
		t.Error("Offer refused an event")
	}
	if err := e.View(context.Background(), func(m *machine.Machine) {
		if m.Sequence() != 1 {
			t.Errorf("sequence %d, want 1: something refused was applied", m.Sequence())
		}
	}); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, row := range []struct {
		what string
		c    core.Config
		want error
		text string
	}{
		{"an input ring some event does not fit", core.Config{InputSize: 512}, core.ErrConfig, "InputSize 512"},
		{"an input ring of no power of two", core.Config{InputSize: 1500, Dir: dir}, core.ErrConfig, "InputSize"},
		{"an effects ring of no power of two", core.Config{EffectsSize: 3, Dir: dir}, core.ErrConfig, "EffectsSize"},
		{"an effects ring of less than nothing", core.Config{EffectsSize: -1}, core.ErrConfig, "EffectsSize"},
		{"snapshots without a folder", core.Config{SnapshotEvery: 10}, core.ErrConfig, "Dir"},
		{"keeping without a folder", core.Config{Keep: 2}, core.ErrConfig, "Dir"},
		{"keeping less than nothing", core.Config{Dir: dir, Keep: -1}, core.ErrConfig, "Keep -1"},
		{"half the limits", core.Config{Limits: machine.Limits{Accounts: 5}}, machine.ErrLimits, "positions"},
		{"a wait strategy that is none", core.Config{Wait: 9}, core.ErrConfig, "9"},
	} {
		if row.c.Limits == (machine.Limits{}) {
			row.c.Limits = small
		}
		if _, err := core.Open(row.c); !errors.Is(err, row.want) || !strings.Contains(err.Error(), row.text) {
			t.Errorf("%s: %v, want %v with %q", row.what, err, row.want, row.text)
		}
	}
	// Nothing above has left the folder locked.
	e := open(t, core.Config{Dir: dir})
	mustClose(t, e)
}

// A view comes after everything sent before it, also through an idle engine, a
// busy one, and one whose input ring is full again and again.
func TestViewSeesWhatWasSent(t *testing.T) {
	e := open(t, core.Config{InputSize: event.MaxRecords, AutoAck: true})
	stop := make(chan struct{})
	var noise sync.WaitGroup
	for range 2 {
		p := e.Producer()
		noise.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = p.Send(event.Event{event.Time(1)})
				}
			}
		})
	}
	p := e.Producer()
	for n := range uint64(200) {
		mustSend(t, p, event.Event{event.Time(1)}.WithSource(event.Source{Number: 7}, n+1))
		got, err := e.LastApplied(context.Background(), event.Source{Number: 7})
		if err != nil || got != n+1 {
			t.Fatalf("last applied %d, %v; sent %d", got, err, n+1)
		}
		if n == 100 {
			close(stop)
			noise.Wait()
		}
	}
	mustClose(t, e)
	if err := e.View(context.Background(), func(*machine.Machine) { t.Error("ran after Close") }); err != core.ErrClosed {
		t.Errorf("View after Close: %v, want %v", err, core.ErrClosed)
	}
}

// A view that is given up before it began never runs, and the next one does.
func TestViewGivenUp(t *testing.T) {
	e := open(t, core.Config{EffectsSize: 1})
	mustSend(t, e.Producer(), event.Event{event.Halt(btc)}, event.Event{event.Halt(btc)}) // two effects, nobody reads
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := e.View(ctx, func(*machine.Machine) { t.Error("ran though it was given up") }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("View of a stuck core: %v, want %v", err, context.DeadlineExceeded)
	}
	buf := make([]event.Effect, 1)
	for range 2 {
		if n, err := e.Effects().Next(buf); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if err := e.Effects().Ack(buf[0].Seq, buf[0].Index); err != nil {
			t.Fatal(err)
		}
	}
	ran := false
	if err := e.View(context.Background(), func(*machine.Machine) { ran = true }); err != nil || !ran {
		t.Error("View afterwards:", ran, err)
	}
	mustClose(t, e)
}

func TestSnapshotNeedsDir(t *testing.T) {
	e := open(t, core.Config{})
	defer mustClose(t, e)
	if _, err := e.Snapshot(context.Background()); !errors.Is(err, core.ErrConfig) {
		t.Errorf("Snapshot without a Dir: %v, want %v", err, core.ErrConfig)
	}
}
