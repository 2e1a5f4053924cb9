package core

import (
	"errors"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/ring"
)

// Errors that say how far an engine can still be used. They are returned as
// they are, so == works.
var (
	// ErrClosed means that the engine was closed: what was sent is not taken, or
	// there is nothing left to read.
	ErrClosed = errors.New("core: closed")
	// ErrFull means that the input ring has no room for the event now.
	ErrFull = errors.New("core: input ring is full")
	// ErrAck refuses an acknowledgement: one sent as an ordinary event, or one of
	// an effect that was never published.
	ErrAck = errors.New("core: bad acknowledgement")
)

// Producer feeds events. It belongs to one goroutine at a time; its events keep
// their order.
type Producer struct {
	engine *Engine
	ring   *ring.Producer[event.Record]
}

// Producer adds a feeding goroutine.
func (e *Engine) Producer() *Producer {
	return &Producer{engine: e, ring: e.input.Producer()}
}

// Send hands an event to the core, all of its records at once, and waits while
// the input ring is full. The goroutine that reads the effects uses TrySend: the
// core may be waiting for it.
//
// It does not wait for the event to be applied; whether the rules refuse it is
// an effect. The error is event.ErrEvent for records that do not make an event,
// ErrAck for an ack unless the engine has AutoAck, ErrClosed, or a *Fault; none
// of the event is taken then.
func (p *Producer) Send(e event.Event) error {
	if err := p.check(e); err != nil {
		return err
	}
	lo, err := p.ring.Claim(len(e))
	if err != nil {
		return p.engine.refusal(err)
	}
	p.publish(lo, e)
	return nil
}

// TrySend is Send without waiting: ErrFull if there is no room now.
func (p *Producer) TrySend(e event.Event) error {
	if err := p.check(e); err != nil {
		return err
	}
	lo, err := p.ring.TryClaim(len(e))
	if err != nil {
		return p.engine.refusal(err)
	}
	p.publish(lo, e)
	return nil
}

// Offer is TrySend for an event of one record, as feed adapters want it: false
// means that it was not taken, for whatever reason.
func (p *Producer) Offer(r event.Record) bool { return p.TrySend(event.Event{r}) == nil }

// check keeps the ring's framing sound: the core finds events by the number of
// records their heads announce.
func (p *Producer) check(e event.Event) error {
	if err := e.Validate(); err != nil {
		return err
	}
	if e[0].Kind() == event.KindAck && !p.engine.config.AutoAck {
		return errAckEvent
	}
	return nil
}

func (p *Producer) publish(lo ring.Sequence, e event.Event) {
	for i := range e {
		*p.ring.At(lo + ring.Sequence(i)) = e[i]
	}
	p.ring.Publish(lo, len(e))
}

// refusal is a ring's error in the words of this package.
func (e *Engine) refusal(err error) error {
	switch err {
	case ring.ErrFull:
		return ErrFull
	case ring.ErrClosed:
		return ErrClosed
	case ring.ErrStopped:
		return e.ended()
	}
	return err
}
