//go:build !linux

package bench

import "runtime"

// CanPin says that this system does not let a thread be kept on a CPU.
const CanPin = false

// CPU returns 0: CPUs have no numbers here.
func CPU(n int) int { return 0 }

// Pin locks the goroutine to a thread and returns what undoes that. Which CPU it
// runs on is up to the system.
func Pin(cpu int) (unpin func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}

// PinThread does nothing: it is only called where CanPin is true.
func PinThread(thread, cpu int) {}
