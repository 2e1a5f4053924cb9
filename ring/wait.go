package ring

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// WaitStrategy is what a goroutine does while there is nothing to read, or no
// room to write. All producers and processors of a ring use the same.
type WaitStrategy uint8

const (
	// Park looks again for a few microseconds, then sleeps until woken. It costs
	// no CPU while idle; in return a thread that slept takes tens of microseconds
	// to wake, and each publish and release has a full fence and a look for
	// sleepers. For those who cannot spare a core, and for more goroutines than
	// cores.
	Park WaitStrategy = iota
	// Yield looks a few times, then lets other goroutines run between looks. It
	// takes a whole core when nothing else wants it. Not for a goroutine locked
	// to its thread: there each yield that finds another goroutine is a switch of
	// threads, 25 to 40 us.
	Yield
	// Spin looks again and again and never gives up its core: the lowest
	// latency, one core each for every producer and processor that may wait.
	// With fewer cores than such goroutines the ring stalls for a scheduler's
	// time slice (10 ms) at a time.
	Spin
)

// How often a waiter looks, with a pause between, before it does more.
const (
	// Few: who yields may have others to let run, and a yield that finds none is
	// cheap. At 128 three goroutines on two CPUs moved records 1.4 times slower.
	looksToYield = 8
	// Many, 2 to 5 us: a sleep costs tens of microseconds, and the other side is
	// likely just about to deliver.
	looksToSleep = 128
)

// waiter is one wait of one goroutine, from the first look in vain:
//
//	for w := newWaiter(...); !ready(); w.idle() {
//	}
//	w.done()
type waiter struct {
	strategy WaitStrategy
	lot      *lot
	vain     int
	parking  bool
	ticket   uint64
}

func newWaiter(s WaitStrategy, l *lot) waiter { return waiter{strategy: s, lot: l} }

// idle passes the time between one look and the next.
func (w *waiter) idle() {
	w.vain++
	switch {
	case w.strategy == Spin,
		w.strategy == Yield && w.vain < looksToYield,
		w.strategy == Park && w.vain < looksToSleep:
		pause()
	case w.strategy == Yield:
		runtime.Gosched()
	case !w.parking:
		// The caller now looks once more. If it looks in vain and what it waits
		// for happens just after, a wake-up comes with it and ends the sleep.
		w.ticket, w.parking = w.lot.enter(), true
	default:
		w.lot.sleep(w.ticket)
		w.vain, w.parking = 0, false
	}
}

// done ends a wait whose last look was not in vain.
func (w *waiter) done() {
	if w.parking {
		w.lot.leave()
	}
}

// lot is where goroutines park. None sleeps through a wake-up:
//
//   - A sleeper counts itself in sleepers, then looks at the sequence it waits
//     for. A waker stores the sequence, then looks at sleepers. Both use atomic
//     operations, which have one order, so at least one sees the other.
//   - A waker that sees a sleeper counts up wakes under the lock. A sleeper
//     sleeps only while wakes is still what it was before its last look.
type lot struct {
	_        [padBytes]byte
	sleepers atomic.Int32
	_        [padBytes]byte
	mu       sync.Mutex
	woken    sync.Cond
	wakes    uint64 // under mu
}

func (l *lot) init() { l.woken.L = &l.mu }

// enter counts the caller among the sleepers. It must look once more at what it
// waits for, then call sleep or leave.
func (l *lot) enter() (ticket uint64) {
	l.sleepers.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wakes
}

// sleep returns after the first wake since enter.
func (l *lot) sleep(ticket uint64) {
	l.mu.Lock()
	for l.wakes == ticket {
		l.woken.Wait()
	}
	l.mu.Unlock()
	l.leave()
}

func (l *lot) leave() { l.sleepers.Add(-1) }

// wake ends the sleep of all who entered before it. What they wait for must
// have been stored with an atomic store.
func (l *lot) wake() {
	if l.sleepers.Load() == 0 {
		return
	}
	l.mu.Lock()
	l.wakes++
	l.mu.Unlock()
	l.woken.Broadcast()
}
