//go:build !amd64 || race

package ring

import "sync/atomic"

// storeRelease stores v so that whoever loads it atomically also sees all that
// was written before. Here it is stronger than its name, as Go has no weaker
// store that the race detector and every architecture understand.
func storeRelease(at *atomic.Int64, v int64) { at.Store(v) }

// pause is a hint to the CPU in a spin loop, which needs none here.
func pause() {}
