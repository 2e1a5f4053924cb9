//go:build !linux

package bench_test

import "runtime"

// Which CPUs the threads run on is up to the system.
const canPin, coreCPU = false, 0

func pin() (unpin func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}
