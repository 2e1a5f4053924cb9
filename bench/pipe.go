package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/udptick"
)

// ErrDrift means that the workload is not what the measurement is about any
// more: a figure taken from it would be wrong.
var ErrDrift = errors.New("bench: workload drifted")

// Pipe drives a market through the whole path. One goroutine is the network, the
// venue and the consumer, the engine's is the other: on two CPUs neither takes the
// other's.
type Pipe struct {
	engine   *core.Engine
	market   *Market
	feed     *udptick.Feed
	in       *core.Producer
	out      *core.Effects
	from     netip.Addr
	session  udptick.Session
	datagram []byte
	effects  []event.Effect

	decided event.OrderID // the last liquidation order read
	seen    func(event.OrderID)
	asked   int   // how often Drain asked for an answer
	heard   int   // and got one
	err     error // the first thing that went wrong
}

// readBatch is how many effects are read at once.
const readBatch = 64

// OpenPipe builds a market of the given shape in a new engine, for which config
// says all but the limits. seen, unless nil, is called for every decision as it is
// read. The error is ErrShape or one of the engine's.
func OpenPipe(shape Shape, config core.Config, seen func(event.OrderID)) (*Pipe, error) {
	market, err := NewMarket(shape)
	if err != nil {
		return nil, err
	}
	session, err := udptick.MakeSession("bench")
	if err != nil {
		return nil, err
	}
	p := &Pipe{
		market: market, session: session, from: netip.MustParseAddr("127.0.0.1"),
		datagram: make([]byte, 0, 128), effects: make([]event.Effect, readBatch), seen: seen,
	}
	if p.feed, err = udptick.NewFeed(udptick.Config{Symbols: shape.Contracts + 1}, p); err != nil {
		return nil, err
	}
	config.Limits = shape.Limits()
	if p.engine, err = core.Open(config); err != nil {
		return nil, err
	}
	p.in, p.out = p.engine.Producer(), p.engine.Effects()
	market.Opening(func(e event.Event) bool {
		p.send(e)
		return p.err == nil
	})
	p.asked = 1 // the fund's deposit
	if err := p.Drain(); err != nil {
		return nil, errors.Join(err, p.engine.Close())
	}
	return p, nil
}

// Step sends the next event of the stream: a tick as the bytes of a datagram,
// anything else as it is. At a tick, and while the input ring is full, it reads
// effects. It reports whether a decision is due to that tick.
func (p *Pipe) Step() (decides bool) {
	before := p.market.due
	r, t, isTick := p.market.Next()
	if !isTick {
		p.Offer(r)
		return false
	}
	p.Poll()
	p.datagram = udptick.AppendPacket(p.datagram[:0], p.session, p.market.ticks, t)
	p.feed.Receive(udptick.LineA, p.from, p.datagram, p.market.Now())
	return p.market.due > before
}

// Offer puts an event into the engine, for the feed too. It never answers false:
// a conflated tick would be one decision less.
func (p *Pipe) Offer(r event.Record) bool {
	p.send(event.Event{r})
	return true
}

func (p *Pipe) send(e event.Event) {
	for {
		err := p.in.TrySend(e)
		if err == nil {
			return
		}
		if err != core.ErrFull {
			p.fail(err)
			return
		}
		p.Poll()
	}
}

// Poll reads the effects there are and acknowledges them.
func (p *Pipe) Poll() {
	n, err := p.out.Poll(p.effects)
	if err != nil {
		p.fail(err)
	}
	p.took(n)
}

// took checks and acknowledges what was read. Orders come in the order of their
// ids, one a tick in a contract with distress: anything else is a drift.
func (p *Pipe) took(n int) {
	if n == 0 {
		return
	}
	for i := range p.effects[:n] {
		switch x := &p.effects[i]; x.Kind {
		case event.EffectLiquidate:
			if p.decided++; x.Order != p.decided {
				p.fail(fmt.Errorf("%w: order %d where %d was due", ErrDrift, x.Order, p.decided))
			}
			if p.seen != nil {
				p.seen(x.Order)
			}
		case event.EffectLedger:
			p.heard++
		case event.EffectCancelOrders, event.EffectFund:
		default:
			p.fail(fmt.Errorf("%w: effect %v of event %d", ErrDrift, x.Kind, x.Seq))
		}
	}
	last := &p.effects[n-1]
	if err := p.out.Ack(last.Seq, last.Index); err != nil {
		p.fail(err)
	}
}

// patience is how long Drain waits for an answer that does not come: far longer
// than any that does.
const patience = 30 * time.Second

// Drain has a cent put into the fund and reads until the fund says so: then all
// that was sent before has been decided. The error is the first of all steps since
// the opening: ErrDrift, or one of the engine's.
func (p *Pipe) Drain() error {
	p.Offer(event.FundTransfer(fund, unit/100, event.FundDeposit))
	p.asked++
	begun, at := time.Now(), p.decided
	for i := 1; p.err == nil && p.heard < p.asked; i++ {
		p.Poll()
		if i%1024 == 0 {
			runtime.Gosched() // which takes a locked thread 30 us
		}
		switch {
		case p.decided > at:
			begun, at = time.Now(), p.decided
		case time.Since(begun) > patience:
			p.fail(fmt.Errorf("%w: no answer after %v", ErrDrift, patience))
		}
	}
	if due := event.OrderID(p.market.shape.Distress) + event.OrderID(p.market.due); p.decided != due {
		p.fail(fmt.Errorf("%w: %d decisions, %d were due", ErrDrift, p.decided, due))
	}
	return p.err
}

func (p *Pipe) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// Close ends the engine. The error is what Drain returns, or the engine's.
func (p *Pipe) Close() error {
	err := p.Drain()
	if s := p.engine.Stats(); s.Refused != 0 {
		err = errors.Join(err, fmt.Errorf("%w: %d events refused", ErrDrift, s.Refused))
	}
	return errors.Join(err, p.engine.Close())
}
