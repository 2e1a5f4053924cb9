package bench_test

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// The core has a CPU of its own, whoever feeds and reads it the first one.
const canPin, coreCPU = true, 1

// pin locks the goroutine to a thread and that thread to the first CPU, and
// returns what undoes both.
func pin() (unpin func()) {
	runtime.LockOSThread()
	var before, first unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		panic(err)
	}
	first.Set(0)
	if err := unix.SchedSetaffinity(0, &first); err != nil {
		panic(err)
	}
	return func() {
		if err := unix.SchedSetaffinity(0, &before); err != nil {
			panic(err)
		}
		runtime.UnlockOSThread()
	}
}
