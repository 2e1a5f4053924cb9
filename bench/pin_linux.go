package bench

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// CanPin says that this system lets a thread be kept on a CPU.
const CanPin = true

// CPU returns the number of the nth CPU, from 0, that this thread may use, or 0 if
// those are fewer.
func CPU(n int) int {
	may := allowed()
	for cpu := range 1024 {
		if may.IsSet(cpu) {
			if n == 0 {
				return cpu
			}
			n--
		}
	}
	return 0
}

func allowed() (cpus unix.CPUSet) {
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		panic(err)
	}
	return cpus
}

// Pin locks the goroutine to a thread and that thread to a CPU, and returns what
// undoes both. On other systems than Linux, which CPU that is is up to the system.
func Pin(cpu int) (unpin func()) {
	runtime.LockOSThread()
	before, one := allowed(), unix.CPUSet{}
	one.Set(cpu)
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

// PinThread keeps a thread of this process, by the system's number, on a CPU.
func PinThread(thread, cpu int) {
	var one unix.CPUSet
	one.Set(cpu)
	if err := unix.SchedSetaffinity(thread, &one); err != nil {
		panic(err)
	}
}
