package ring

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// pin locks the goroutine to a thread and that thread to the nth CPU it may use,
// and returns what undoes both.
func pin(n int) (unpin func()) {
	runtime.LockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		panic(err)
	}
	for cpu := range 1024 {
		if !before.IsSet(cpu) {
			continue
		}
		if n == 0 {
			one.Set(cpu)
			break
		}
		n--
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		panic(err)
	}
	return func() {
		if err := unix.SchedSetaffinity(0, &before); err != nil {
			panic(err)
		}
		runtime.UnlockOSThread()
	}
}
