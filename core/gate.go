package core

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/backstop-fund/backstop/ring"
)

// gate is where effects wait until their events are safe. The recorder opens it
// further after each group; who reads the effects waits at it. The core has
// nothing to do with it.
type gate struct {
	_ [128]byte
	// open is the highest sequence whose effects may leave. Written by the
	// recorder, once a group.
	open   atomic.Uint64
	shut   atomic.Bool // it opens no further
	parked atomic.Int32
	_      [128]byte

	wait  ring.WaitStrategy
	mu    sync.Mutex
	moved sync.Cond
}

func (g *gate) init(wait ring.WaitStrategy, open uint64) {
	g.wait = wait
	g.moved.L = &g.mu
	g.open.Store(open)
}

// always is where a gate is open when nothing is written down.
const always = math.MaxUint64

// raise opens the gate up to a sequence.
func (g *gate) raise(sequence uint64) {
	g.open.Store(sequence)
	g.wake()
}

// close says that it will never open further.
func (g *gate) close() {
	g.shut.Store(true)
	g.wake()
}

// wake ends the sleep of a reader. It counts itself before it looks for the last
// time, and this looks for it after the store, so one of the two sees the other.
func (g *gate) wake() {
	if g.parked.Load() == 0 {
		return
	}
	g.mu.Lock() // who has looked in vain under it is asleep now
	g.moved.Broadcast()
	g.mu.Unlock()
}

// looks is how often a reader that parks looks first: some microseconds, after
// which the group it waits for is likely just being synced.
const looks = 128

// await returns once the gate is open for a sequence, or reports false if it
// never will be.
func (g *gate) await(sequence uint64) bool {
	for n := 0; ; n++ {
		switch {
		case g.open.Load() >= sequence:
			return true
		case g.shut.Load():
			return g.open.Load() >= sequence
		case g.wait == ring.Park && n > looks:
			g.sleep(sequence)
		case g.wait != ring.Spin:
			runtime.Gosched()
		}
	}
}

func (g *gate) sleep(sequence uint64) {
	g.parked.Add(1)
	defer g.parked.Add(-1)
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.open.Load() < sequence && !g.shut.Load() {
		g.moved.Wait()
	}
}
