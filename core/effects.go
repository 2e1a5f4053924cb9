package core

import (
	"fmt"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/ring"
)

// errAckEvent refuses an ack sent as an event.
var errAckEvent = fmt.Errorf("%w: sent as an event: call Effects.Ack, which also gives the room back", ErrAck)

// Effects is the reading end of an engine. It belongs to one goroutine at a
// time. Effects come in the order in which they were decided, each once; after
// a restart those that were not acknowledged come again under their old ids.
type Effects struct {
	engine *Engine
	// reader's released sequence is what was delivered, keeper's what was
	// acknowledged. keeper comes after reader and is what the core waits for.
	reader, keeper *ring.Processor[event.Effect]
	acks           *ring.Producer[event.Record]
	auto           bool

	known   position // all effects up to it are delivered or skipped
	acked   position // the last effect acknowledged
	pending bool     // acked is not in the input ring yet
	overrun int      // effects delivered of those that found no room in the ring
	open    uint64   // the gate, when this reader last looked
}

// position is an effect's id: effects are ordered by it.
type position struct {
	seq   uint64
	index uint32
}

func positionOf(x *event.Effect) position { return position{x.Seq, x.Index} }

func (p position) after(q position) bool {
	return p.seq > q.seq || p.seq == q.seq && p.index > q.index
}

// Effects returns the engine's reading end; it is the same one at every call.
func (e *Engine) Effects() *Effects { return &e.effects }

// Next copies what can be read into dst, waiting until there is at least one
// effect that may leave, and returns how many those are. When the engine has
// ended and all is read the error is ErrClosed, or the *Fault that ended it.
// Requires: dst is not empty.
func (x *Effects) Next(dst []event.Effect) (int, error) {
	x.sendAck()
	lo, hi, err := x.reader.Next()
	for err == nil {
		if n := x.deliver(dst, lo, hi); n > 0 {
			return n, nil
		}
		if !x.engine.gate.await(x.reader.At(lo).Seq) {
			return 0, x.engine.ended()
		}
	}
	<-x.engine.done
	for {
		n, waits, err := x.rest(dst)
		if n > 0 || err != nil {
			return n, err
		}
		if !x.engine.gate.await(waits) {
			return 0, x.engine.ended()
		}
	}
}

// Poll is Next without waiting: 0 effects and no error if there is nothing now.
func (x *Effects) Poll(dst []event.Effect) (n int, err error) {
	x.sendAck()
	lo, hi, err := x.reader.TryNext()
	if err == nil && lo < hi {
		if n = x.deliver(dst, lo, hi); n == 0 {
			err = x.barred(x.reader.At(lo).Seq)
		}
		return n, err
	}
	select {
	case <-x.engine.done:
	default:
		return 0, nil
	}
	n, waits, err := x.rest(dst)
	if n == 0 && err == nil {
		err = x.barred(waits)
	}
	return n, err
}

// barred is the engine's end if it keeps the effects of a sequence for ever.
func (x *Effects) barred(sequence uint64) error {
	if x.engine.gate.shut.Load() && x.engine.gate.open.Load() < sequence {
		return x.engine.ended()
	}
	return nil
}

// mayLeave reports whether the effects of a sequence may leave. It looks at the
// gate only when its last answer does not tell.
func (x *Effects) mayLeave(sequence uint64) bool {
	if sequence > x.open {
		x.open = x.engine.gate.open.Load()
	}
	return sequence <= x.open
}

// deliver copies effects out of the ring as far as they may leave: the range at
// hand, and what has been published since the reader last looked.
func (x *Effects) deliver(dst []event.Effect, lo, hi ring.Sequence) int {
	n := 0
	for barred := false; lo < hi && n < len(dst) && !barred; {
		for ; lo < hi && n < len(dst); lo++ {
			if barred = !x.mayLeave(x.reader.At(lo).Seq); barred {
				break
			}
			dst[n] = *x.reader.At(lo)
			n++
		}
		x.reader.Release(lo)
		lo, hi, _ = x.reader.TryNext()
	}
	if n > 0 {
		x.known = positionOf(&dst[n-1])
		if x.auto {
			pass(x.keeper, x.known)
		}
	}
	return n
}

// rest delivers what is left after the core has ended: what it published just as
// the ring was stopped, then what found no room. If there is something that must
// wait at the gate, it says for what sequence.
func (x *Effects) rest(dst []event.Effect) (n int, waits uint64, err error) {
	if lo, hi, _ := x.reader.TryNext(); lo < hi {
		if n = x.deliver(dst, lo, hi); n == 0 {
			waits = x.reader.At(lo).Seq
		}
		return n, waits, nil
	}
	left := x.engine.loop.out.overrun[x.overrun:]
	if len(left) == 0 {
		return 0, 0, x.engine.ended()
	}
	for n < min(len(dst), len(left)) && x.mayLeave(left[n].Seq) {
		dst[n] = left[n]
		n++
	}
	x.overrun += n
	return n, left[min(n, len(left)-1)].Seq, nil
}

// Ack says that the consumer has every effect up to and with (seq, index), and
// never needs them again. Those it has not read yet are skipped: so it goes on
// after a restart at what it has itself written down. Acknowledging again, or
// less, does nothing.
//
// It never waits. The error is ErrAck for an effect of an event that was not
// applied, which means that the consumer and the engine have different histories;
// after the engine's end it is ErrClosed or the *Fault, and the effects will come
// again.
func (x *Effects) Ack(seq uint64, index uint32) error {
	select {
	case <-x.engine.closing:
		return x.engine.ended()
	default:
	}
	if err := x.engine.Err(); err != nil {
		return err
	}
	to := position{seq, index}
	if !to.after(x.acked) {
		return nil
	}
	if to.after(x.known) {
		// The core counts an event when its effects are published.
		if applied := x.engine.counters.applied.Load(); seq > applied {
			return fmt.Errorf("%w: of effect (%d, %d): the last event applied is %d", ErrAck, seq, index, applied)
		}
		x.known = to
		pass(x.reader, to) // unread
	}
	pass(x.keeper, to) // read: gives the slots back to the core
	x.acked, x.pending = to, !x.auto
	x.sendAck()
	return nil
}

// pass releases what p can see up to and with to.
func pass(p *ring.Processor[event.Effect], to position) {
	for {
		lo, hi, _ := p.TryNext()
		s := lo
		for s < hi && !positionOf(p.At(s)).after(to) {
			s++
		}
		if s == lo {
			return
		}
		p.Release(s)
	}
}

// sendAck tells the machine, if there is something to tell and room for it. It
// must not wait: the core may be waiting for this goroutine.
func (x *Effects) sendAck() {
	if !x.pending {
		return
	}
	lo, err := x.acks.TryClaim(1)
	if err == ring.ErrFull {
		return
	}
	// Of a closed ring nobody needs to know: the snapshot carries what is left.
	x.pending = false
	if err == nil {
		*x.acks.At(lo) = event.Ack(x.acked.seq, x.acked.index)
		x.acks.Publish(lo, 1)
	}
}

// outbox is the core's side of the effects ring.
type outbox struct {
	ring  *ring.Producer[event.Effect]
	size  int
	spins bool // and never sleeps: Thread.Spin
	// next is one past the last effect published.
	next ring.Sequence
	// overrun are the effects that came after the ring was stopped. Read by the
	// consumer once the core has ended.
	overrun []event.Effect
	// spills says that nobody makes room while the core waits: what finds none goes
	// to overrun, and from there into the ring.
	spills bool

	// chain runs over all effects, if a follower is there to compare.
	compared bool
	chain    effectChain
	buf      chained
}

// Effects publishes a batch and waits while the ring is full. Once the engine is
// closing it waits no more.
func (o *outbox) Effects(batch []event.Effect) {
	if o.compared {
		o.chain.add(batch, &o.buf)
	}
	o.publish(batch)
}

// publish hands a batch to the ring.
func (o *outbox) publish(batch []event.Effect) {
	if !o.unspill() {
		o.overrun = append(o.overrun, batch...)
		return
	}
	for len(batch) > 0 {
		n := min(len(batch), o.size)
		lo, err := o.ring.TryClaim(n)
		if err == ring.ErrFull && !o.spills {
			// One at a time: a consumer may lag by all but one slot for ever.
			n = 1
			lo, err = o.claim()
		}
		if err != nil {
			o.overrun = append(o.overrun, batch...)
			return
		}
		for i := range n {
			*o.ring.At(lo + ring.Sequence(i)) = batch[i]
		}
		o.ring.Publish(lo, n)
		o.next = lo + ring.Sequence(n)
		batch = batch[n:]
	}
}

// unspill moves what found no room into the ring, and reports whether all of it
// has.
func (o *outbox) unspill() bool {
	for o.spills && len(o.overrun) > 0 {
		lo, err := o.ring.TryClaim(1)
		if err != nil {
			return false
		}
		*o.ring.At(lo) = o.overrun[0]
		o.ring.Publish(lo, 1)
		o.next = lo + 1
		o.overrun = o.overrun[1:]
	}
	return true
}

// claim waits for a slot.
func (o *outbox) claim() (lo ring.Sequence, err error) {
	if !o.spins {
		return o.ring.Claim(1)
	}
	for err = ring.ErrFull; err == ring.ErrFull; {
		lo, err = o.ring.TryClaim(1)
	}
	return lo, err
}

// since yields all effects from a ring sequence on, which must not have been
// acknowledged when the core last claimed. Only the core writes these slots, so
// it may look at what it published in them.
func (o *outbox) since(from ring.Sequence, yield func(*event.Effect)) {
	for s := from; s < o.next; s++ {
		yield(o.ring.At(s))
	}
	for i := range o.overrun {
		yield(&o.overrun[i])
	}
}
