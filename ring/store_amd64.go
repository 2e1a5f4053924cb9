//go:build !race

package ring

import "sync/atomic"

// storeRelease stores v so that whoever loads it atomically also sees all that
// was written before. A MOV does: x86 keeps stores in order, and the compiler
// moves nothing across a call. Unlike atomic.Store it may be overtaken by later
// loads, so it must not be used where the next step is to look for sleepers.
//
//go:noescape
func storeRelease(at *atomic.Int64, v int64)

// pause tells the CPU that this is a spin loop: it saves power, leaves the
// sibling hyperthread its share and avoids a pipeline flush at the end.
func pause()
