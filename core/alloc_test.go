package core_test

import (
	"runtime"
	"testing"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Nothing on the way of an event allocates: sent, applied, its effect read and
// acknowledged, the ack applied. The count is of the whole process, so it covers
// the core's goroutine too.
func TestZeroAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for what, c := range map[string]core.Config{"ack": {}, "auto ack": {AutoAck: true}} {
		e := open(t, c)
		p, x := e.Producer(), e.Effects()
		mustSend(t, p, venue(4)...)
		buf := make([]event.Effect, 8)
		mark := 0
		path := func() {
			mark++
			tick := event.Event{event.Tick(btc, fixedpoint.Price(900+mark%100)*unit)}
			unknown := event.Event{event.Halt(99)}
			if p.Send(tick) != nil || p.TrySend(unknown) != nil {
				t.Error("not sent")
			}
			for seen := false; !seen; runtime.Gosched() {
				n, err := x.Poll(buf)
				if err != nil {
					t.Error(err)
				}
				if n > 0 {
					seen = buf[n-1].Kind == event.EffectRejected
					if c.AutoAck {
						continue
					}
					if err := x.Ack(buf[n-1].Seq, buf[n-1].Index); err != nil {
						t.Error(err)
					}
				}
			}
			_ = e.Stats()
		}
		for range 100 {
			path()
		}
		if n := testing.AllocsPerRun(2_000, path); n != 0 {
			t.Errorf("%s: %v allocations an event, want 0", what, n)
		}
		mustClose(t, e)
	}
}
