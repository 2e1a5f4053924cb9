package core_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/ring"
)

// What makes no sense, or less than it seems, is refused by name.
func TestThreadRefuses(t *testing.T) {
	for what, c := range map[string]core.Config{
		"Thread.FIFO -1: want":        {Thread: core.Thread{FIFO: -1}},
		"Thread.FIFO 100: want":       {Thread: core.Thread{FIFO: 100}},
		"Thread.CPU 1 without":        {Thread: core.Thread{CPU: 1, Lock: true}},
		"Thread.CPU -1: want":         {Thread: core.Thread{Pin: true, CPU: -1}},
		"Thread.CPU 1024: want":       {Thread: core.Thread{Pin: true, CPU: 1024}},
		"Thread.Lock with Wait Yield": {Thread: core.Thread{Lock: true}, Wait: ring.Yield},
	} {
		refused(t, c, what)
	}
}

// refused fails the test unless c is an ErrConfig that says what.
func refused(t *testing.T, c core.Config, what string) {
	t.Helper()
	c.Limits = small
	e, err := core.Open(c)
	if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), what) {
		t.Errorf("%+v, wait=%v: error %v, want ErrConfig with %q", c.Thread, c.Wait, err, what)
	}
	if err == nil {
		mustClose(t, e)
	}
}

// However the core runs, the same events give the same effects and the same
// state; while it waits for room for effects, too.
func TestThreadChangesNothing(t *testing.T) {
	events := market(3, 2_000)
	m, want := alone(t, events)
	for _, c := range []core.Config{
		{Thread: core.Thread{Spin: true}},
		{Thread: core.Thread{Lock: true}},
		{Thread: core.Thread{Lock: true, Spin: true}},
		{Thread: core.Thread{Lock: true, Spin: true}, Wait: ring.Yield},
	} {
		t.Run(fmt.Sprintf("%+v/wait=%v", c.Thread, c.Wait), func(t *testing.T) {
			if c.Thread.Spin && min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) < 2 {
				t.Skip("spinning wants two CPUs")
			}
			c.InputSize, c.EffectsSize, c.AutoAck = event.MaxRecords, 8, true
			e := open(t, c)
			if got := e.Thread(); got.Spin != c.Thread.Spin || got.Lock != c.Thread.Lock {
				t.Errorf("Thread: %+v, want %+v", got, c.Thread)
			}
			var got []event.Effect
			var reading sync.WaitGroup
			reading.Go(func() { got, _ = drain(e.Effects(), 3, nil) })
			mustSend(t, e.Producer(), events...)
			if digest := digestOf(t, e); digest != m.Digest() {
				t.Errorf("digest %x, alone %x", digest, m.Digest())
			}
			mustClose(t, e)
			reading.Wait()
			sameEffects(t, got, want)
		})
	}
}

// A core that spins and has no room for effects ends all the same: what it could
// not hand over is read after the end.
func TestSpinningCoreCloses(t *testing.T) {
	e := open(t, core.Config{EffectsSize: 4, Thread: core.Thread{Spin: true}})
	p := e.Producer()
	for i := range 16 {
		mustSend(t, p, refusal(i))
	}
	mustClose(t, e)
	got, err := drain(e.Effects(), 5, nil)
	if len(got) != 16 || err != core.ErrClosed {
		t.Errorf("%d effects and %v, want 16 and the end", len(got), err)
	}
}
