package ring

import (
	"errors"
	"fmt"
	"math/bits"
	"reflect"
	"sync"
	"sync/atomic"
)

// MaxSize bounds Config.Size, so that a mistyped size is an error and not an
// allocation of terabytes.
const MaxSize = 1 << 30

// Errors that say how far a ring can still be used. They are returned as they
// are, so == works on the hot path.
var (
	// ErrClosed means that the ring was closed: a claim came too late, or a
	// processor has handled everything there will be.
	ErrClosed = errors.New("ring: closed")
	// ErrStopped means that a processor stopped or failed before the end.
	// Ring.Err tells which record did it, if one did.
	ErrStopped = errors.New("ring: stopped")
	// ErrFull means that TryClaim found no room: the gating sequence is a whole
	// ring behind.
	ErrFull = errors.New("ring: full")
	// ErrConfig marks every error about how a ring was put together.
	ErrConfig = errors.New("ring: bad configuration")
	// ErrClaim marks a claim of a number of records no ring of this size holds.
	ErrClaim = errors.New("ring: bad claim")
)

// Mode says how many goroutines produce.
type Mode uint8

//go:generate go tool stringer -type=Mode,WaitStrategy -output=enum_string.go

const (
	// SingleProducer is a ring with exactly one Producer. It publishes in the
	// order of its claims, with one store a batch.
	SingleProducer Mode = iota
	// MultiProducer is a ring with any number of Producers. A claim costs one
	// atomic addition, a published record one store of the sequence word that
	// lies before it in its slot. A record of 56 bytes makes a slot of 64, one
	// cache line.
	MultiProducer
)

// Config says what ring to build.
type Config struct {
	// Size is the number of slots, a power of two from 1 to MaxSize.
	Size int
	// Producers is SingleProducer unless set.
	Producers Mode
	// Wait is how producers wait for room and processors for records. It is
	// Park unless set: never wrong, only slow.
	Wait WaitStrategy
}

// Bits of Ring.state. Both only ever go from 0 to 1.
const (
	stateClosed uint32 = 1 << iota
	stateHalted
)

// closedAt is added to the claim counter when a ring of several producers
// closes. The addition is itself the last claim: what came before it is below
// closedAt and will be handled, what comes after it is not and is refused.
const closedAt Sequence = 1 << 62

// Ring is a fixed number of preallocated records and the sequences that say who
// may touch which of them. New makes one; it must not be copied.
type Ring[T any] struct {
	// Set by New.
	records memory
	size    Sequence
	mode    Mode
	wait    WaitStrategy
	parks   bool

	// state and voidEnd change hardly ever and are read by everyone, once a
	// claim and once a batch: their line stays shared.
	state atomic.Uint32
	// voidEnd is one past the highest abandoned sequence.
	voidEnd atomic.Int64
	// end is where the ring ends, valid once state has stateClosed.
	end atomic.Int64
	// voids holds at a sequence's slot the sequence itself if it was abandoned.
	voids []Sequence

	// cursor is one past the last published sequence. Written by the single
	// producer, read by processors; unused with several.
	cursor cell
	// claimed is one past the last claimed sequence. Written by all producers;
	// unused with one.
	claimed cell

	// readers is where processors park, writers where producers do.
	readers, writers lot

	// failure is the first fault of a handler.
	failure atomic.Pointer[HandlerError]

	// mu guards what is below, until sealed is set and gates is final.
	mu     sync.Mutex
	sealed bool // by the first claim
	single *Producer[T]
	gates  []*cell // of the processors no other depends on
}

// New builds a ring, its memory allocated and touched.
//
// T is the record: of fixed size, not empty, and without pointers, so that the
// garbage collector never walks the slots and a record's bytes are all there is
// to it. Errors are ErrConfig.
func New[T any](c Config) (*Ring[T], error) {
	if c.Size < 1 || c.Size > MaxSize || bits.OnesCount(uint(c.Size)) != 1 {
		return nil, fmt.Errorf("%w: size %d: want a power of two from 1 to %d", ErrConfig, c.Size, MaxSize)
	}
	if c.Producers > MultiProducer {
		return nil, fmt.Errorf("%w: producers %v: want SingleProducer or MultiProducer", ErrConfig, c.Producers)
	}
	if c.Wait > Spin {
		return nil, fmt.Errorf("%w: wait strategy %v: want Park, Yield or Spin", ErrConfig, c.Wait)
	}
	record := reflect.TypeFor[T]()
	if record.Size() == 0 {
		return nil, fmt.Errorf("%w: record %v is empty: want a type with a size", ErrConfig, record)
	}
	if at := pointerIn(record); at != "" {
		return nil, fmt.Errorf("%w: record %v holds a pointer at %s: want a type without any", ErrConfig, record, at)
	}
	r := &Ring[T]{
		size:  Sequence(c.Size),
		mode:  c.Producers,
		wait:  c.Wait,
		parks: c.Wait == Park,
		voids: make([]Sequence, c.Size),
	}
	if r.mode == MultiProducer {
		r.records = newTagged[T](c.Size)
	} else {
		r.records = newPlain[T](c.Size)
	}
	for i := range r.voids {
		r.voids[i] = -1
	}
	r.readers.init()
	r.writers.init()
	return r, nil
}

// Close ends production: no further claim succeeds, and the processors return
// once they have handled everything claimed before. A Claim that was waiting
// for room is such a claim and still succeeds. Closing again does nothing.
//
// With MultiProducer any goroutine may close. With SingleProducer it is for the
// producing goroutine, or one that has synchronised with it, as with a Go
// channel: a record claimed while another goroutine closes may be published after
// the processors have left. The race detector reports such a close.
func (r *Ring[T]) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Load()&stateClosed != 0 {
		return
	}
	end := Sequence(0)
	switch {
	case r.mode == MultiProducer:
		end = Sequence(r.claimed.at.Add(int64(closedAt))) - closedAt
	case r.single != nil:
		end = r.single.next
	}
	r.end.Store(int64(end))
	r.state.Or(stateClosed)
	r.wakeAll()
}

// Err returns the first fault of a handler, a *HandlerError, or nil.
func (r *Ring[T]) Err() error {
	if e := r.failure.Load(); e != nil {
		return e
	}
	return nil
}

// halt makes every wait in the ring come to an end.
func (r *Ring[T]) halt() {
	r.state.Or(stateHalted)
	r.wakeAll()
}

func (r *Ring[T]) wakeAll() {
	r.readers.wake()
	r.writers.wake()
}

// refusal is why no claim may be made now, or nil.
func (r *Ring[T]) refusal() error {
	switch state := r.state.Load(); {
	case state&stateHalted != 0:
		return ErrStopped
	case state&stateClosed != 0:
		return ErrClosed
	}
	return nil
}

// seal ends the time in which processors may be attached.
func (r *Ring[T]) seal() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.gates) == 0 {
		return fmt.Errorf("%w: claim without a processor: nobody would ever read the record", ErrConfig)
	}
	r.sealed = true
	return nil
}

// gating is the lowest sequence a final processor has yet to release.
func (r *Ring[T]) gating() Sequence {
	low := Sequence(r.gates[0].at.Load())
	for _, gate := range r.gates[1:] {
		low = min(low, Sequence(gate.at.Load()))
	}
	return low
}
