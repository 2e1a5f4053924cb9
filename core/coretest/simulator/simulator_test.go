package simulator

import (
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstop-fund/backstop/core/coretest/simdisk"
	"github.com/backstop-fund/backstop/core/internal/invariant"
)

// recounted says that every event is recounted from scratch, in each of the machines:
// a tenth of a tenth is enough then.
const recounted = raceEnabled || invariant.Enabled

var shrink = flag.Duration("shrink", 20*time.Second, "how long to look for a shorter plan that fails")

// explain is a failed plan, what fails, and how to see it again.
func explain(p *Plan, err error) error {
	short := p.Shrink(*shrink)
	_, why := short.Run()
	return fmt.Errorf("%w\n\nof %d actions these %d are enough, and then it is:\n%v\n\n%v", err, len(p.Actions), len(short.Actions), why, short)
}

// TestSimulator runs the engine under seeded plans of 10,000 events each. All chance
// is the seed's, so the command that a failure prints shows it again. Plain go test
// runs 60 of them; what CI runs besides, and a campaign:
//
//	go test ./core/coretest/simulator -run 'TestSimulator$' -seeds 1000 -v
//	go test ./core/coretest/simulator -run 'TestSimulator$' -long -timeout 24h -v
func TestSimulator(t *testing.T) {
	events, runs := 10_000, size(20, 60, 100_000)
	if recounted {
		events, runs = 2_000, 10
	}
	var mu sync.Mutex
	var total Report
	begun := time.Now()
	campaign(t, runs, func(seed uint64) (int, error) {
		p := NewPlan(seed, events)
		report, err := p.Run()
		if err != nil {
			err = explain(p, err)
		}
		mu.Lock()
		defer mu.Unlock()
		total.Add(report)
		return 1, err
	})
	t.Logf("%+v in %v", total, time.Since(begun).Round(time.Second))
	if t.Failed() || recounted || total.Events < 20*events {
		return
	}
	for what, n := range map[string]int{
		"delivered": total.Effects, "restarted": total.Restarts, "cut off": total.Cuts, "made to fail": total.Faults,
		"published": total.Snapshots, "published elsewhere": total.Elsewhere, "resumed from a snapshot": total.Restored, "resumed from one taken elsewhere": total.Adopted,
		"killed beside the engine": total.Orphaned, "pruned": total.Pruned, "verified": total.Verified, "torn": total.Torn,
	} {
		if n == 0 {
			t.Errorf("nothing was %s in all of it: the plans are too calm to tell", what)
		}
	}
}

// The same plan leaves the same trace: operations on the disk, effects, restarts.
func TestSameTrace(t *testing.T) {
	events := 2_000
	if recounted {
		events = 300
	}
	for seed := uint64(1); seed <= 12; seed++ {
		p := NewPlan(seed, events)
		first, err := p.Run()
		if err != nil {
			t.Fatal(explain(p, err))
		}
		if second, _ := NewPlan(seed, events).Run(); first != second {
			t.Errorf("seed %d: %+v, and then %+v", seed, first, second)
		}
	}
}

// small is a short run of an engine without disasters of its own.
func small(seed uint64) *Plan {
	p := NewPlan(seed, 60)
	p.Actions = nil
	for i, n := range []int{7, 1, 20, 3, 9, 20} {
		p.Actions = append(p.Actions, Action{Do: Send, N: n}, Action{Do: Apply, N: 4}, Action{Do: Record}, Action{Do: Read, N: 30})
		switch i {
		case 1:
			p.Actions = append(p.Actions, Action{Do: Ack, N: 2}, Action{Do: Seal})
		case 3:
			p.Actions = append(p.Actions, Action{Do: Follow, N: 9}, Action{Do: Snapshot}, Action{Do: Ack}, Action{Do: Sync})
		case 4:
			p.Actions = append(p.Actions, Action{Do: Prepare}, Action{Do: Follow, N: 9}, Action{Do: Stop, Seed: 3})
		}
	}
	// What was given a name and could not be synced must not count for synced.
	p.Actions = append(p.Actions, Action{Do: Cut, Seed: seed})
	return p
}

// stride leaves out most operations where every event is recounted.
func stride() int {
	if recounted {
		return 61
	}
	return 1
}

// before is a plan in which something happens first.
func before(a Action, p *Plan) *Plan {
	return p.with(append([]Action{a}, p.Actions...))
}

// After a loss of power before any operation of the whole engine, and of the recovery
// that follows, everything holds that a run of the simulator is held to. A seed has
// some 400 operations; what CI runs besides:
//
//	go test ./core/coretest/simulator -run 'TestCrashAtEveryOperation$' -seeds 50 -v
func TestCrashAtEveryOperation(t *testing.T) {
	campaign(t, size(200, 2_000, 1_000_000), func(seed uint64) (int, error) {
		whole := small(seed)
		report, err := whole.Run()
		if err != nil {
			return 0, explain(whole, err)
		}
		for cut := 0; cut < report.Ops; cut += stride() {
			p := before(Action{CutAt, cut, seed<<20 + uint64(cut)}, whole)
			if _, err := p.Run(); err != nil {
				return cut, fmt.Errorf("cut at operation %d of %d: %w", cut, report.Ops, explain(p, err))
			}
		}
		return (report.Ops + stride() - 1) / stride(), nil
	})
}

// Whatever operation of the whole engine fails, once: nothing is lost.
func TestEveryOperationFailsOnce(t *testing.T) {
	campaign(t, size(100, 3_000, 100_000), func(seed uint64) (int, error) {
		whole := small(seed)
		report, err := whole.Run()
		if err != nil {
			return 0, explain(whole, err)
		}
		for at := 0; at < report.Ops; at += stride() {
			for fault := range uint64(3) {
				p := before(Action{Fail, at, fault}, whole)
				if _, err := p.Run(); err != nil {
					return at, fmt.Errorf("operation %d of %d fails: %w", at, report.Ops, explain(p, err))
				}
			}
		}
		return 3 * ((report.Ops + stride() - 1) / stride()), nil
	})
}

// Seeds tell: a disk that lies must be found out within a few.
func TestSimulatorCatchesLies(t *testing.T) {
	for name, lies := range map[string]simdisk.Lies{"sync": {Sync: true}, "syncdir": {SyncDir: true}} {
		caught := atomic.Bool{}
		for seed := uint64(1); seed <= 60 && !caught.Load(); seed++ {
			p := NewPlan(seed, 500)
			p.Lies = lies
			_, err := p.Run()
			caught.Store(err != nil)
		}
		if !caught.Load() {
			t.Errorf("%s does nothing, and no run has shown it", name)
		}
	}
}
