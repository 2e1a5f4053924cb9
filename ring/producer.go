package ring

import (
	"fmt"
	"sync/atomic"
)

// Producer puts records into a ring. It belongs to one goroutine at a time.
//
// Each claim is published or abandoned, in one piece or in several, and with
// SingleProducer in the order of the sequences. A producer may hold several
// claims, but one that waits for room which only its own open claims could free
// waits for ever.
type Producer[T any] struct {
	_ [padBytes]byte
	// next is one past the last claim.
	next Sequence
	// room is up to where claims are known to have slots: the gating sequence
	// when this producer last asked, and a ring further.
	room Sequence
	// published is one past the last published sequence, if this is the single
	// producer and no consumer parks; otherwise it is beyond any claim, which
	// sends Publish another way.
	published Sequence
	// most is the largest claim that needs no further look: 0 before the first
	// claim, which asks how the ring was put together, then the ring's size.
	most int
	// The ring's, at hand.
	state   *atomic.Uint32
	cursor  *atomic.Int64
	claimed *atomic.Int64
	multi   bool
	parks   bool
	slots   memory
	ring    *Ring[T]
	_       [padBytes]byte
}

// Producer adds a producing goroutine. With SingleProducer there is one such
// producer, and asking for a second panics.
func (r *Ring[T]) Producer() *Producer[T] {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &Producer[T]{
		ring:    r,
		slots:   r.records,
		multi:   r.mode == MultiProducer,
		state:   &r.state,
		cursor:  &r.cursor.at,
		claimed: &r.claimed.at,
		parks:   r.parks,
	}
	if p.multi || r.parks {
		p.published = closedAt
	}
	if !p.multi {
		if r.single != nil {
			panic("ring: second Producer of a SingleProducer ring")
		}
		r.single = p
	}
	return p
}

// At is the record of a claimed sequence, to be filled before it is published.
// It holds what an earlier lap left in it. Requires: seq is claimed by this
// producer and not yet published; the wrong record comes back otherwise.
func (p *Producer[T]) At(seq Sequence) *T { return (*T)(p.slots.at(seq)) }

// Claim reserves n sequences and returns the first, waiting for room by the
// ring's strategy. A claim of 0, less, or more than the ring holds is
// ErrClaim; otherwise the error is ErrClosed or ErrStopped, or ErrConfig for a
// ring without a processor.
//
// With several producers a claim takes its place in the order first and waits
// for room after, so that they get room in turn.
func (p *Producer[T]) Claim(n int) (Sequence, error) {
	if uint(n-1) >= uint(p.most) || p.state.Load() != 0 {
		if err := p.admit(n); err != nil {
			return 0, err
		}
	}
	lo := p.next
	if p.multi {
		lo = Sequence(p.claimed.Add(int64(n))) - Sequence(n)
	}
	hi := lo + Sequence(n)
	if hi > p.room {
		if err := p.await(lo, hi); err != nil {
			return 0, err
		}
	}
	p.next = hi
	return lo, nil
}

// TryClaim is Claim without waiting: if there is no room now it returns ErrFull
// and nothing is reserved.
func (p *Producer[T]) TryClaim(n int) (Sequence, error) {
	if uint(n-1) >= uint(p.most) || p.state.Load() != 0 {
		if err := p.admit(n); err != nil {
			return 0, err
		}
	}
	if p.multi {
		return p.tryClaimMulti(Sequence(n))
	}
	lo := p.next
	hi := lo + Sequence(n)
	if hi > p.room && !p.fits(hi) {
		return 0, ErrFull
	}
	p.next = hi
	return lo, nil
}

// admit says why a claim cannot be made, whatever the room. It is asked before
// the first claim and whenever one does not look like the others.
func (p *Producer[T]) admit(n int) error {
	if n < 1 || n > int(p.ring.size) {
		return fmt.Errorf("%w: %d records of a ring of %d", ErrClaim, n, p.ring.size)
	}
	if p.most == 0 {
		if err := p.ring.seal(); err != nil {
			return err
		}
		p.most = int(p.ring.size)
	}
	return p.ring.refusal()
}

// tryClaimMulti takes a place only if there is room for it. The room seen stays
// valid while the place is free, because consumers only move forward. Each
// further round means that another producer got a place.
func (p *Producer[T]) tryClaimMulti(n Sequence) (Sequence, error) {
	for {
		lo := Sequence(p.claimed.Load())
		hi := lo + n
		if lo >= closedAt {
			return 0, ErrClosed
		}
		if hi > p.room && !p.fits(hi) {
			return 0, ErrFull
		}
		if p.claimed.CompareAndSwap(int64(lo), int64(hi)) {
			p.next = hi
			return lo, nil
		}
	}
}

// fits asks the consumers whether all before hi have a slot.
func (p *Producer[T]) fits(hi Sequence) bool {
	p.room = p.ring.gating() + p.ring.size
	return hi <= p.room
}

// await returns when all before hi have a slot, or an error if they never will.
// A close does not end the wait of a place that came before it: consumers that
// drain the ring make the room. A halt does; the gap it leaves with several
// producers is never reached, as processors of a halted ring wait no more.
func (p *Producer[T]) await(lo, hi Sequence) error {
	if lo >= closedAt {
		return ErrClosed
	}
	w := newWaiter(p.ring.wait, &p.ring.writers)
	defer w.done()
	for !p.fits(hi) {
		if p.state.Load()&stateHalted != 0 {
			return ErrStopped
		}
		w.idle()
	}
	return nil
}

// Publish hands the n records from lo on to the consumers. They must be claimed
// by this producer and not yet published or abandoned; with SingleProducer they
// must be the next ones. It panics otherwise, before any harm is done, as far as
// it can tell: with MultiProducer a gap left behind shows only when the
// consumers stop at it.
func (p *Producer[T]) Publish(lo Sequence, n int) {
	hi := lo + Sequence(n)
	switch {
	case uint(n-1) >= uint(p.most) || lo > p.next-Sequence(n):
		panic(p.misuse(lo, n))
	case lo == p.published:
		p.published = hi
		storeRelease(p.cursor, int64(hi))
	case p.multi && !p.parks:
		for s := lo; s < hi; s++ {
			tag := p.slots.tag(s)
			if tag.Load() >= int64(s) {
				panic(p.misuse(s, 1))
			}
			storeRelease(tag, int64(s))
		}
	default:
		p.publishParked(lo, hi)
	}
}

// Abandon gives up the n claimed sequences from lo on: consumers skip them. They
// keep their slots until all processors have passed. It requires what Publish
// does.
func (p *Producer[T]) Abandon(lo Sequence, n int) {
	hi := lo + Sequence(n)
	if uint(n-1) >= uint(p.most) || lo > p.next-Sequence(n) || !p.due(lo) {
		panic(p.misuse(lo, n))
	}
	for s := lo; s < hi; s++ {
		p.ring.voids[s&p.slots.mask] = s
	}
	// Raised before the sequences are published: a consumer that may read one of
	// them also sees that it has to look.
	for {
		end := p.ring.voidEnd.Load()
		if end >= int64(hi) || p.ring.voidEnd.CompareAndSwap(end, int64(hi)) {
			break
		}
	}
	p.Publish(lo, n)
}

// publishParked is Publish where consumers may be asleep: the stores are atomic
// ones, ordered before the look for sleepers.
func (p *Producer[T]) publishParked(lo, hi Sequence) {
	if !p.due(lo) {
		panic(p.misuse(lo, int(hi-lo)))
	}
	if p.multi {
		for s := lo; s < hi; s++ {
			p.slots.tag(s).Store(int64(s))
		}
	} else {
		p.cursor.Store(int64(hi))
	}
	p.ring.readers.wake()
}

// due says whether a claimed sequence is still to be published and, with a
// single producer, is next.
func (p *Producer[T]) due(lo Sequence) bool {
	if p.multi {
		return p.slots.tag(lo).Load() < int64(lo)
	}
	return p.cursor.Load() == int64(lo)
}

// misuse is what Publish or Abandon panics with.
func (p *Producer[T]) misuse(lo Sequence, n int) string {
	switch {
	case uint(n-1) >= uint(p.most) || lo > p.next-Sequence(n):
		return fmt.Sprintf("ring: publish of %d records from sequence %d: claimed only below %d", n, lo, p.next)
	case p.multi:
		return fmt.Sprintf("ring: publish of sequence %d: it is already", lo)
	default:
		return fmt.Sprintf("ring: publish from sequence %d: %d is next", lo, p.cursor.Load())
	}
}
