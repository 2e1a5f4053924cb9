// Package ring hands fixed-size records from producing goroutines to consuming
// ones through a preallocated ring buffer, in one order that all consumers see.
//
// A producer claims sequences, fills the records in place and publishes them.
// Processors read what is published, a batch at a time, and release it. A
// processor may depend on others; it then sees a record only after all of them
// have released it:
//
//	producers ──► ring ──► A ──┐
//	                  └──► B ──┴──► C        gating sequence: C's
//
// # Sequences
//
// Sequences count from 0 and never wrap: 2^63 of them last 292 years at one a
// nanosecond. Every range is half-open: a published cursor of 10 means that 0
// to 9 can be read. A sequence is published or abandoned, exactly once, by the
// producer that claimed it. An abandoned one is skipped by all consumers and
// never seen as a record. Producers never lap the slowest processor on which no
// other depends; the minimum over these is the gating sequence.
//
// # Who may call what
//
// A [Producer] and a [Processor] each belong to one goroutine at a time. The
// package starts no goroutine, keeps no global state and reads no clock: the
// caller runs [Processor.Run], or polls, on a goroutine of its own. Processors
// are attached before the first claim. Nothing is allocated after the ring, its
// producers and its processors are built, except to describe a fault.
//
// # Stopping
//
// [Ring.Close] is the orderly end: no new claims, every claim made before it is
// still published and handled, then the processors return. A claim must thus be
// published or abandoned, or the end never comes.
//
// [Processor.Stop], a handler that panics, and [Processor.Fail] halt the ring:
// waiting producers return [ErrStopped] at once, the processor concerned goes no
// further, and the others handle what they can reach and return [ErrStopped].
// No gating sequence passes a record whose handler failed, so the ring never
// skips one; it stays in its slot for a post-mortem.
//
// # Memory order
//
// A record is handed over by one store: of the cursor with a single producer,
// of the sequence word beside each record with several. On amd64 this is a
// plain MOV in assembly, which the hardware keeps behind the stores before it
// and the compiler cannot move; it saves the full fence of atomic.Store, which
// stalls until the cache line arrives. Elsewhere, under the race detector, and
// with [Park], which needs the fence, it is atomic.Store. Both sides keep the
// last answer of the other side, so that a line crosses between cores once a
// batch and not once a record.
package ring
