package ring

import "fmt"

// Producer puts records into a ring. It belongs to one goroutine at a time.
//
// Each claim is published or abandoned, in one piece or in several, and with
// SingleProducer in the order of the sequences. A producer may hold several
// claims, but one that waits for room which only its own open claims could free
// waits for ever.
type Producer[T any] struct {
	_ [padBytes]byte
	// With SingleProducer: one past the last claim, up to where claims need not
	// ask the consumers, and one past the last published sequence. With
	// MultiProducer all three stay 0, which sends each claim the long way.
	next, room, published Sequence
	// gate is the gating sequence when this producer last asked.
	gate Sequence
	// mine is one past the last claim, with MultiProducer.
	mine   Sequence
	slots  memory
	ring   *Ring[T]
	multi  bool
	sealed bool
	_      [padBytes]byte
}

// Producer adds a producing goroutine. With SingleProducer there is one such
// producer, and asking for a second panics.
func (r *Ring[T]) Producer() *Producer[T] {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &Producer[T]{ring: r, slots: r.records, multi: r.mode == MultiProducer}
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
func (p *Producer[T]) Claim(n int) (Sequence, error) {
	lo := p.next
	if uint64(n-1) >= uint64(p.room-lo) || p.ring.state.Load() != 0 {
		return p.claim(n, true)
	}
	p.next = lo + Sequence(n)
	return lo, nil
}

// TryClaim is Claim without waiting: if there is no room now it returns ErrFull
// and nothing is reserved.
func (p *Producer[T]) TryClaim(n int) (Sequence, error) {
	lo := p.next
	if uint64(n-1) >= uint64(p.room-lo) || p.ring.state.Load() != 0 {
		return p.claim(n, false)
	}
	p.next = lo + Sequence(n)
	return lo, nil
}

// claim is the long way: a first claim, one of a ring with several producers,
// one that has used up the room last seen, or one that is refused.
func (p *Producer[T]) claim(n int, wait bool) (Sequence, error) {
	if n < 1 || n > int(p.ring.size) {
		return 0, fmt.Errorf("%w: %d records of a ring of %d", ErrClaim, n, p.ring.size)
	}
	if !p.sealed {
		if err := p.ring.seal(); err != nil {
			return 0, err
		}
		p.sealed = true
	}
	if err := p.ring.refusal(); err != nil {
		return 0, err
	}
	switch {
	case !p.multi:
		return p.claimSingle(Sequence(n), wait)
	case wait:
		return p.claimMulti(Sequence(n))
	default:
		return p.tryClaimMulti(Sequence(n))
	}
}

func (p *Producer[T]) claimSingle(n Sequence, wait bool) (Sequence, error) {
	lo, hi := p.next, p.next+n
	if !p.fits(hi) {
		if !wait {
			return 0, ErrFull
		}
		if err := p.await(hi); err != nil {
			return 0, err
		}
	}
	p.room = p.gate + p.ring.size
	p.next = hi
	return lo, nil
}

// claimMulti takes its place in the order first and waits for room after, so
// that producers get room in turn. A close does not end the wait: the place came
// before it, and consumers that drain the ring make the room. A halt does; the
// gap it leaves is never reached, as processors of a halted ring wait no more.
func (p *Producer[T]) claimMulti(n Sequence) (Sequence, error) {
	hi := Sequence(p.ring.claimed.at.Add(int64(n)))
	if hi-n >= closedAt {
		return 0, ErrClosed
	}
	if !p.fits(hi) {
		if err := p.await(hi); err != nil {
			return 0, err
		}
	}
	p.mine = hi
	return hi - n, nil
}

// tryClaimMulti takes a place only if there is room for it. The room seen stays
// valid while the place is free, because consumers only move forward. Each
// further round means that another producer got a place.
func (p *Producer[T]) tryClaimMulti(n Sequence) (Sequence, error) {
	claimed := &p.ring.claimed.at
	for {
		lo := Sequence(claimed.Load())
		if lo >= closedAt {
			return 0, ErrClosed
		}
		if !p.fits(lo + n) {
			return 0, ErrFull
		}
		if claimed.CompareAndSwap(int64(lo), int64(lo+n)) {
			p.mine = lo + n
			return lo, nil
		}
	}
}

// fits says whether all before hi have a slot. It asks the consumers only when
// what they last said is used up.
func (p *Producer[T]) fits(hi Sequence) bool {
	if hi <= p.gate+p.ring.size {
		return true
	}
	p.gate = p.ring.gating()
	return hi <= p.gate+p.ring.size
}

// await returns when all before hi have a slot, or the ring has halted.
func (p *Producer[T]) await(hi Sequence) error {
	w := newWaiter(p.ring.wait, &p.ring.writers)
	defer w.done()
	for !p.fits(hi) {
		if p.ring.state.Load()&stateHalted != 0 {
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
	if n < 1 || lo != p.published || hi > p.next || p.ring.parks {
		p.publish(lo, n)
		return
	}
	p.published = hi
	storeRelease(&p.ring.cursor.at, int64(hi))
}

// Abandon gives up the n claimed sequences from lo on: consumers skip them. They
// keep their slots until all processors have passed. It requires what Publish
// does.
func (p *Producer[T]) Abandon(lo Sequence, n int) {
	p.verify(lo, n)
	hi := lo + Sequence(n)
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
	p.publish(lo, n)
}

// publish is the long way: several producers, consumers that may be parked, or
// a caller's mistake.
func (p *Producer[T]) publish(lo Sequence, n int) {
	p.verify(lo, n)
	hi := lo + Sequence(n)
	r := p.ring
	switch {
	case !p.multi:
		p.published = hi
		r.cursor.at.Store(int64(hi))
	case r.parks:
		for s := lo; s < hi; s++ {
			p.slots.tag(s).Store(int64(s))
		}
	default:
		for s := lo; s < hi; s++ {
			storeRelease(p.slots.tag(s), int64(s))
		}
	}
	if r.parks {
		r.readers.wake()
	}
}

// verify panics unless the n sequences from lo on are this producer's to publish.
func (p *Producer[T]) verify(lo Sequence, n int) {
	hi := lo + Sequence(n)
	switch {
	case n < 1 || lo < 0:
		panic(fmt.Sprintf("ring: publish of %d records from sequence %d", n, lo))
	case hi > max(p.next, p.mine):
		panic(fmt.Sprintf("ring: publish of sequences %d to %d: claimed only below %d", lo, hi-1, max(p.next, p.mine)))
	case !p.multi && lo != p.published:
		panic(fmt.Sprintf("ring: publish from sequence %d: %d is next", lo, p.published))
	case p.multi && p.slots.tag(lo).Load() == int64(lo):
		panic(fmt.Sprintf("ring: publish of sequence %d for the second time", lo))
	}
}
