package core_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
)

// A machine that panics stops the engine at that event: producers, the consumer,
// commands and Close say which, what was decided before is still delivered, and
// the state, no longer trusted, is not written down.
func TestMachinePanics(t *testing.T) {
	c := core.Config{Dir: t.TempDir(), Journal: core.JournalOff, EffectsSize: 4, InputSize: event.MaxRecords, AutoAck: true}
	e := open(t, c)
	var stuck sync.WaitGroup
	for range 2 {
		p := e.Producer()
		stuck.Go(func() {
			for {
				if err := p.Send(refusal(1)); err != nil {
					if f, ok := errors.AsType[*core.Fault](err); !ok {
						t.Errorf("Send: %v, want a fault", err)
					} else if f != e.Err() {
						t.Errorf("Send: %v, Err: %v", f, e.Err())
					}
					return
				}
			}
		})
	}
	var broken sync.WaitGroup
	broken.Go(func() {
		// Legal only here: the machine that is left has no tables.
		if err := e.View(context.Background(), func(m *machine.Machine) { *m = machine.Machine{} }); err != nil {
			t.Error(err)
		}
	})
	effects, err := drain(e.Effects(), 3, nil)
	broken.Wait()
	stuck.Wait()
	f, ok := errors.AsType[*core.Fault](err)
	if !ok {
		t.Fatalf("after the last effect: %v, want a fault", err)
	}
	if f.Sequence != uint64(len(effects)+1) || f.Kind != event.KindHalt || !strings.Contains(string(f.Stack), "Apply") {
		t.Errorf("%v, want one of the event after %d; stack:\n%s", f, len(effects), f.Stack)
	}
	if _, ok := errors.AsType[runtime.Error](err); !ok {
		t.Errorf("%v does not unwrap to what was panicked with", err)
	}
	if err := e.View(context.Background(), func(*machine.Machine) { t.Error("ran on a broken machine") }); err != f {
		t.Errorf("View: %v, want the fault", err)
	}
	if err := e.Close(); !errors.Is(err, f) {
		t.Errorf("Close: %v, want the fault", err)
	}
	if names, _ := filepath.Glob(filepath.Join(c.Dir, "*.snapshot")); len(names) != 0 {
		t.Errorf("%v was written of a broken machine", names)
	}
}

// A function given to View is on the core's goroutine: its end is the engine's.
func TestViewPanics(t *testing.T) {
	for what, f := range map[string]func(*machine.Machine){
		"boom":                       func(*machine.Machine) { panic("boom") },
		"ended the core's goroutine": func(*machine.Machine) { runtime.Goexit() },
	} {
		e := open(t, core.Config{})
		mustSend(t, e.Producer(), refusal(1))
		err := e.View(context.Background(), f)
		fault, ok := errors.AsType[*core.Fault](err)
		if !ok || fault.Sequence != 1 || fault.Kind != event.KindNone ||
			!strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "after event 1") {
			t.Errorf("View: %v, want a fault after event 1 with %q", err, what)
		}
		if effects, err := drain(e.Effects(), 4, nil); len(effects) != 1 || err != fault {
			t.Errorf("%d effects, %v; want 1, then the fault", len(effects), err)
		}
		if err := e.Effects().Ack(1, 0); err != nil && err != fault {
			t.Error("Ack:", err)
		}
		if err := e.Close(); !errors.Is(err, fault) {
			t.Errorf("Close: %v, want the fault", err)
		}
	}
}
