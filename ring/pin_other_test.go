//go:build !linux

package ring

import "runtime"

// pin locks the goroutine to a thread; which CPU that runs on is up to the system.
func pin(int) (unpin func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}
