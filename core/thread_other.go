//go:build !linux

package core

// canPin says that this system has no calls for Thread.Pin and Thread.FIFO.
const canPin = false

// onFirstThread does not matter: no thread is given anything that would stay.
func onFirstThread() bool { return false }

// arrange has nothing to ask of this system: complete refuses all but Lock.
func (t Thread) arrange() (Granted, error) { return Granted{Thread: t}, nil }
