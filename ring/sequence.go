package ring

import "sync/atomic"

// Sequence is a position in the ring's one order of records, counted from 0.
// Its slot is its remainder by the ring's size.
type Sequence int64

// padBytes keeps words with different writers apart: two cache lines, because
// the hardware prefetches lines in pairs.
const padBytes = 128

// cell is a shared sequence with the lines around it to itself. One side writes
// it, the other reads it when what it knew of it is used up.
type cell struct {
	_  [padBytes - 8]byte
	at atomic.Int64
	_  [padBytes - 8]byte
}
