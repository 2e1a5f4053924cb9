package core

import (
	"fmt"
	"runtime"

	"github.com/backstop-fund/backstop/ring"
)

// Thread says how the core's goroutine runs. The zero value asks for nothing: it
// is a goroutine like any other. What is asked for and cannot be had is an error
// of Open, never left out in silence; [Engine.Thread] says what it got.
//
// It pays where the core has a CPU that nobody else uses. Without one it does
// harm: a core that spins under SCHED_FIFO on a CPU that producers, the consumer
// or the system need takes it from them for good. "Threads" in the package doc
// tells how to set one up.
type Thread struct {
	// Spin never gives up the CPU: while there is nothing to apply, or no room for
	// effects, the core looks again and again, and does not wait as Config.Wait
	// has everybody wait. It takes one of GOMAXPROCS for itself.
	Spin bool
	// Lock gives the core an OS thread that runs nothing else and ends with it.
	// Sleep and wake-up of a locked goroutine are switches of threads, 25 to 40 us
	// each; that is what ring.Yield would do all the time, so it wants Spin.
	Lock bool
	// Pin keeps the thread on CPU, counted from 0 as the system counts. It implies
	// Lock. Linux only.
	Pin bool
	CPU int
	// FIFO is the thread's priority under SCHED_FIFO, 1 to 99: only a higher one
	// takes its CPU. 0 leaves the policy as it is. It implies Lock. Linux only, for
	// those with CAP_SYS_NICE or a limit RLIMIT_RTPRIO that is as high.
	FIFO int
}

// Granted is what the core's thread has, as the system answers when asked.
type Granted struct {
	Thread
	// ID is the thread's, for taskset, chrt, perf and the like; 0 where the core
	// has no thread of its own, or the system tells no number.
	ID int
}

// Thread returns how the core runs: what was asked for, and on Linux, for a core
// with a thread of its own, what the system said of its CPUs and its policy. A
// process that was held to one CPU by others has a Pin it did not ask for.
func (e *Engine) Thread() Granted { return e.granted }

// maxFIFO is the highest priority of SCHED_FIFO, maxCPU the most a set of CPUs
// can name.
const (
	maxFIFO = 99
	maxCPU  = 1<<10 - 1
)

// complete adds what is implied and refuses what cannot be, on a machine with so
// many CPUs for this process.
func (t Thread) complete(wait ring.WaitStrategy, cpus int) (Thread, error) {
	switch {
	case t.FIFO < 0 || t.FIFO > maxFIFO:
		return t, fmt.Errorf("%w: Thread.FIFO %d: want a priority from 1 to %d, or 0 for none", ErrConfig, t.FIFO, maxFIFO)
	case !t.Pin && t.CPU != 0:
		return t, fmt.Errorf("%w: Thread.CPU %d without Thread.Pin, which keeps the thread there", ErrConfig, t.CPU)
	case t.CPU < 0 || t.CPU > maxCPU:
		return t, fmt.Errorf("%w: Thread.CPU %d: want 0 to %d", ErrConfig, t.CPU, maxCPU)
	case (t.Pin || t.FIFO != 0) && !canPin:
		return t, fmt.Errorf("%w: Thread.Pin and Thread.FIFO are for Linux, this is %s: leave them out", ErrConfig, runtime.GOOS)
	case t.FIFO != 0 && (t.Spin || wait == ring.Spin) && cpus < 2:
		return t, fmt.Errorf("%w: Thread.FIFO %d of a core that spins on the only CPU: nothing else would run", ErrConfig, t.FIFO)
	}
	t.Lock = t.Lock || t.Pin || t.FIFO != 0
	if t.Lock && !t.Spin && wait == ring.Yield {
		return t, fmt.Errorf("%w: Thread.Lock with Wait %v: each yield would be a switch of threads: set Thread.Spin, or let it park", ErrConfig, wait)
	}
	return t, nil
}

// carry calls f, on a thread of its own if t wants one. Nobody unlocks it, so the
// thread ends with the goroutine, and what it was given with the thread.
func (t Thread) carry(f func()) {
	if !t.Lock {
		f()
		return
	}
	runtime.LockOSThread()
	if !onFirstThread() {
		f()
		return
	}
	// The first thread of a process never ends: the runtime would keep it asleep,
	// pinned as it is, and to tools it stands for the process. While it is held
	// here, the next goroutine gets another.
	elsewhere := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(elsewhere)
		f()
	}()
	<-elsewhere
	runtime.UnlockOSThread()
}

// enter gives the thread that carry chose what t asks of the system.
func (t Thread) enter() (Granted, error) {
	if !t.Lock {
		return Granted{Thread: t}, nil
	}
	return t.arrange()
}
