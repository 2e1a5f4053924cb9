package core

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// canPin says that this system has what Thread.Pin and Thread.FIFO ask for.
const canPin = true

// onFirstThread reports whether the caller is on the thread the process began
// with.
func onFirstThread() bool { return unix.Gettid() == unix.Getpid() }

// arrange gives the calling thread what t asks of the system, and asks what came
// of it. The runtime starts no thread from a locked one, so none inherits it.
func (t Thread) arrange() (Granted, error) {
	if t.Pin {
		if err := pin(t.CPU); err != nil {
			return Granted{}, err
		}
	}
	if t.FIFO != 0 {
		if err := prioritize(t.FIFO); err != nil {
			return Granted{}, err
		}
	}
	return t.granted()
}

func pin(cpu int) error {
	var one unix.CPUSet
	one.Set(cpu)
	err := unix.SchedSetaffinity(0, &one)
	if err == unix.EINVAL { // offline, in no machine, or not in the cpuset
		return fmt.Errorf("%w: Thread.CPU %d: want one that this process may use: see Cpus_allowed_list in /proc/self/status", ErrConfig, cpu)
	}
	if err != nil {
		return fmt.Errorf("Thread.Pin to CPU %d: sched_setaffinity: %w", cpu, err)
	}
	return nil
}

// resetOnFork is SCHED_FLAG_RESET_ON_FORK: a program started from this thread,
// by a function given to View, is not to be a real-time one.
const resetOnFork = 1

func prioritize(priority int) error {
	err := unix.SchedSetAttr(0, &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Flags: resetOnFork, Priority: uint32(priority),
	}, 0)
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("Thread.FIFO %d: %w: grant the process CAP_SYS_NICE, or RLIMIT_RTPRIO of %[1]d or more; "+
			"under control groups of version 1 also cpu.rt_runtime_us", priority, err)
	}
	if err != nil {
		return fmt.Errorf("Thread.FIFO %d: sched_setattr: %w", priority, err)
	}
	return nil
}

// granted asks the system what the calling thread has.
func (t Thread) granted() (Granted, error) {
	g := Granted{Thread: Thread{Spin: t.Spin, Lock: t.Lock}, ID: unix.Gettid()}
	var cpus unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		return g, fmt.Errorf("CPUs of the core's thread: sched_getaffinity: %w", err)
	}
	if cpus.Count() == 1 {
		g.Pin = true
		for !cpus.IsSet(g.CPU) {
			g.CPU++
		}
	}
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return g, fmt.Errorf("policy of the core's thread: sched_getattr: %w", err)
	}
	if attr.Policy == unix.SCHED_FIFO {
		g.FIFO = int(attr.Priority)
	}
	return g, nil
}
