package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/terminal"
	"github.com/backstop-fund/backstop/cmd/internal/venue"
	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/event/ndjson"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/core/udptick"
	"github.com/backstop-fund/backstop/fixedpoint"
)

const (
	// sendBatch is how many events are sent before they are waited for: no event of
	// the demo has more than 16 records on average, so the input ring never fills.
	sendBatch = 1 << 10
	inputSize = sendBatch << 4
	// effectsSize bounds the effects that wait for the replay. When half of it is
	// taken the replay acknowledges, in the middle of an event too.
	effectsSize = 1 << 16
	// demoSnapshotEvery and demoSegment make short runs have some of each.
	demoSnapshotEvery = 20_000
	demoSegment       = 4 << 20
	// silence is how long a datagram may be under way before it counts as lost.
	silence = 2 * time.Second
	// attempts is how often the same datagram is sent before the replay gives up.
	attempts = 3
)

// replay drives an engine through a scenario. One goroutine sends, reads the
// effects and answers the orders, in lock step: nothing is sent before all that
// was sent is applied. So a run has one order of events, and loopback never has
// more than one datagram to keep. The adapter has a goroutine of its own.
type replay struct {
	*demoScenario
	config   core.Config
	engine   *core.Engine
	producer *core.Producer
	effects  *core.Effects
	batch    []event.Effect

	expected  uint64 // sequence of the last event sent, acknowledgements too
	pending   int    // events sent since everything was applied
	last      event.Effect
	unacked   int // effects read and not acknowledged
	books     []*venue.Book
	marks     []fixedpoint.Price
	orders    []demoOrder // not answered
	tally     *demoTally
	adapter   *udptick.Adapter
	receiving sync.WaitGroup
	failed    error // of the adapter, once receiving is done
	conn      net.Conn
	clock     atomic.Int64 // the adapter's, set by the replay
	delivered atomic.Uint64
	session   udptick.Session
	datagram  []byte
	sent      uint64 // ticks sent, the first time
	resent    uint64

	unread  []event.Effect // of the past, when it is over
	past    *demoPast      // until the replay has come to where an earlier run was
	skipped uint64         // ticks that were sent then
	names   ndjson.Names
	written *effectsFile // nil without one
}

// demoOrder is what the engine asks of the venue.
type demoOrder struct {
	id       event.OrderID
	contract int
	qty      fixedpoint.Qty // signed
	limit    fixedpoint.Price
	offload  bool
}

func newDemoReplay(s *demoScenario, dir, effects string, mode core.JournalMode, recovering func(core.Progress)) (*replay, error) {
	r := &replay{
		demoScenario: s,
		config: core.Config{
			// A trader has at most a position in each contract, and each contract a row
			// of the fund's.
			Limits: machine.Limits{
				Accounts: s.accounts, Positions: s.accounts * len(s.contracts),
				Symbols: len(s.contracts), Funds: 1, Orders: 1 << 17, Sources: 1,
			},
			InputSize: inputSize, EffectsSize: effectsSize, Dir: dir, Journal: mode,
			SnapshotEvery: demoSnapshotEvery, SegmentSize: demoSegment, Progress: recovering,
		},
		batch: make([]event.Effect, 256),
		marks: make([]fixedpoint.Price, len(s.contracts)),
		tally: newTally(s),
	}
	for i := range s.contracts {
		book, err := s.book(&s.contracts[i])
		if err != nil {
			return nil, err
		}
		r.books = append(r.books, book)
	}
	var err error
	if r.engine, err = core.Open(r.config); err != nil {
		return nil, err
	}
	r.producer, r.effects = r.engine.Producer(), r.engine.Effects()
	if r.past, err = openDemoPast(r.config, r.engine); err == nil && effects != "" {
		r.written, err = openEffectsFile(effects, &r.names)
	}
	if err == nil {
		err = r.listen()
	}
	if err != nil {
		return nil, errors.Join(err, r.engine.Close())
	}
	return r, nil
}

// listen connects the way of the ticks: socket, loopback, adapter.
func (r *replay) listen() (err error) {
	if r.session, err = udptick.MakeSession("DEMO"); err != nil {
		return err
	}
	r.adapter, err = udptick.Listen(udptick.Config{
		Session: "DEMO", Symbols: len(r.contracts) + 1,
	}, udptick.Sockets{
		A: udptick.Inlet{Listen: "127.0.0.1:0"}, Now: r.clock.Load,
	}, demoSink{r.engine.Producer(), &r.delivered})
	if err != nil {
		return exit.With(exit.Unavailable, err)
	}
	if r.conn, err = net.Dial("udp", r.adapter.Addr().String()); err != nil {
		return exit.With(exit.Unavailable, errors.Join(err, r.adapter.Close()))
	}
	r.receiving.Go(func() { r.failed = r.adapter.Run() })
	return nil
}

// demoSink counts the ticks that the engine took from the adapter.
type demoSink struct {
	producer  *core.Producer
	delivered *atomic.Uint64
}

// Offer hands a tick on.
func (s demoSink) Offer(r event.Record) bool {
	if !s.producer.Offer(r) {
		return false
	}
	s.delivered.Add(1)
	return true
}

// close ends all goroutines.
func (r *replay) close() error {
	err := errors.Join(r.conn.Close(), r.adapter.Close())
	r.receiving.Wait()
	if r.past != nil {
		err = errors.Join(err, r.past.log.Close())
	}
	return errors.Join(err, r.failed, r.engine.Close(), r.written.close())
}

// run plays everything and returns what came of it.
func (r *replay) run(ctx context.Context, progress *terminal.Progress) (*demoOutcome, error) {
	progress.Begin(fmt.Sprintf("opening %s accounts with %s trades", grouped(int64(r.accounts)), grouped(int64(len(r.people.Trades)))))
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	progress.Begin(fmt.Sprintf("replaying %s marks", grouped(int64(len(r.ticks)))))
	for i, t := range r.ticks {
		if err := r.tick(ctx, t); err != nil {
			return nil, fmt.Errorf("mark %d of %d: %w", i+1, len(r.ticks), err)
		}
		progress.Step(i+1, len(r.ticks), func() string { return r.tally.line(t.nanos) })
	}
	return r.finish(ctx)
}

// open brings the fund, the contracts and the traders in.
func (r *replay) open(ctx context.Context) error {
	name, ok := event.MakeName("USDT")
	if !ok {
		panic("demo: the fund's name is none")
	}
	cash := fixedpoint.Amount(r.scaled(demoCash) * fixedpoint.One)
	r.tally.deposited(cash)
	faults := []error{r.names.BindFund(name, demoFund)}
	events := []event.Event{
		{event.SetMode(event.Loading)},
		event.AppendFund(nil, event.FundSettings{ID: demoFund, Name: name}),
		{event.FundTransfer(demoFund, cash, event.FundDeposit)},
	}
	for i := range r.contracts {
		c := &r.contracts[i]
		symbol, _ := event.MakeName(c.name)
		faults = append(faults, r.names.BindSymbol(symbol, c.id))
		opening := r.opening(i)
		// The opening mark comes by the event of its own, a nanosecond before the
		// first datagram brings it again.
		events = append(events, r.settings(c), event.Event{event.Tick(c.id, opening.price).At(r.ticks[0].nanos - 1)})
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	for _, e := range events {
		if err := r.send(ctx, e); err != nil {
			return err
		}
	}
	return r.openAccounts(ctx)
}

func (r *replay) openAccounts(ctx context.Context) error {
	for _, d := range r.people.Deposits {
		if err := r.send(ctx, event.Event{event.Transfer(d.Account, d.Amount, event.TransferDeposit)}); err != nil {
			return err
		}
		r.tally.deposited(d.Amount)
	}
	var records []event.Record
	for _, t := range r.people.Trades {
		e := event.AppendTrade(records[:0], t)
		if err := r.send(ctx, e); err != nil {
			return err
		}
		records = e
		r.tally.charged(t.BuyerFee)
		r.tally.charged(t.SellerFee)
	}
	if err := r.send(ctx, event.Event{event.SetMode(event.Live)}); err != nil {
		return err
	}
	if err := r.answerAll(ctx); err != nil {
		return err
	}
	return r.sample(ctx, r.ticks[0].nanos-1)
}

// tick sends a mark as a datagram and brings everything it causes to an end.
func (r *replay) tick(ctx context.Context, t demoTick) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	c := &r.contracts[t.contract]
	book := r.books[t.contract]
	book.SetMark(t.price, t.nanos)
	r.marks[t.contract] = t.price
	bids, asks := book.Depth(fixedpoint.One / 100)
	if err := r.send(ctx, event.Event{event.Depth(c.id, bids, asks)}); err != nil {
		return err
	}
	r.clock.Store(t.nanos)
	r.sent++
	if r.past != nil {
		r.skipped++
		r.delivered.Store(r.sent)
		if err := r.again(ctx, func(e event.Event) bool {
			return e[0].Kind() == event.KindTick && e[0].Symbol() == c.id && e[0].Mark() == t.price && e[0].Time() == t.nanos
		}); err != nil {
			return err
		}
		return r.decided(ctx, t.nanos)
	}
	r.datagram = udptick.AppendPacket(r.datagram[:0], r.session, r.sent-r.skipped,
		udptick.Tick{Instrument: uint32(c.id), Mark: t.price, TimeNanos: t.nanos})
	if err := r.post(ctx); err != nil {
		return err
	}
	return r.decided(ctx, t.nanos)
}

// decided brings everything that a mark causes to an end.
func (r *replay) decided(ctx context.Context, nanos int64) error {
	if err := r.answerAll(ctx); err != nil {
		return err
	}
	return r.sample(ctx, nanos)
}

// again sends an event that an earlier run has sent. With the last of these the
// engine takes over.
func (r *replay) again(ctx context.Context, same func(event.Event) bool) error {
	if err := r.past.take(same); err != nil {
		return err
	}
	r.expected++
	if !r.past.over() {
		return nil
	}
	// What is read of it already has been noted; only the consumer's file has not.
	if err := r.past.meet(ctx, r.engine, r.written.write); err != nil {
		return err
	}
	r.unread, r.past = r.past.unread, nil
	return nil
}

// post sends the datagram until it has arrived. Nothing else is under way, so to
// send it again changes no order: a copy that comes late is a duplicate by its
// sequence.
func (r *replay) post(ctx context.Context) error {
	r.expected++
	for attempt := range attempts {
		if attempt > 0 {
			r.resent++
		}
		if _, err := r.conn.Write(r.datagram); err != nil {
			return err
		}
		deadline := time.Now().Add(silence)
		for r.delivered.Load() < r.sent {
			if err := r.pause(ctx); err != nil {
				return err
			}
			if time.Now().After(deadline) {
				break
			}
		}
		if r.delivered.Load() == r.sent {
			return r.settle(ctx)
		}
	}
	return exit.Errorf(exit.Unavailable, "a datagram to %v did not arrive in %d attempts of %v: is UDP over loopback filtered?", r.adapter.Addr(), attempts, silence)
}

// send hands an event to the engine, and from time to time waits for it.
func (r *replay) send(ctx context.Context, e event.Event) error {
	if r.past != nil {
		if err := r.again(ctx, func(then event.Event) bool { return slices.Equal(e, then) }); err != nil {
			return err
		}
	} else {
		if err := r.producer.Send(e); err != nil {
			return err
		}
		r.expected++
	}
	if r.pending++; r.pending < sendBatch {
		return nil
	}
	return r.settle(ctx)
}

// decisions is up to which event effects can be read: applied, and durable if that is
// what they wait for.
func (r *replay) decisions() uint64 {
	s := r.engine.Stats()
	if r.config.Journal == core.JournalOff {
		return s.Applied
	}
	return min(s.Applied, s.Durable)
}

// settle waits until all that was sent is applied, reads all effects of it, and
// acknowledges them.
func (r *replay) settle(ctx context.Context) error {
	for r.decisions() < r.expected {
		if err := r.pause(ctx); err != nil {
			return err
		}
	}
	// The effects of what is applied are in the ring.
	for {
		n, err := r.read(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	r.pending = 0
	return r.acknowledge(ctx)
}

// pause reads what there is, and where there is nothing lets a moment pass.
func (r *replay) pause(ctx context.Context) error {
	n, err := r.read(ctx)
	if err != nil || n > 0 {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	time.Sleep(10 * time.Microsecond)
	return nil
}

// read takes effects, notes what they tell, and keeps the orders among them.
func (r *replay) read(ctx context.Context) (int, error) {
	n, err := r.poll()
	for i := range r.batch[:n] {
		x := &r.batch[i]
		r.tally.note(x)
		if x.Kind == event.EffectLiquidate || x.Kind == event.EffectOffload {
			r.orders = append(r.orders, demoOrder{x.Order, r.tally.contract(x.Symbol), x.Qty, x.Price, x.Kind == event.EffectOffload})
		}
		r.last = *x
		if r.unacked++; r.unacked == effectsSize/2 {
			if err := r.acknowledge(ctx); err != nil {
				return n, err
			}
		}
	}
	return n, err
}

// poll takes effects: first those of the past.
func (r *replay) poll() (int, error) {
	unread := &r.unread
	if r.past != nil {
		unread = &r.past.unread
	}
	if len(*unread) > 0 || r.past != nil {
		n := copy(r.batch, *unread)
		*unread = (*unread)[n:]
		return n, nil
	}
	n, err := r.effects.Poll(r.batch)
	if err == nil {
		err = r.written.write(r.batch[:n])
	}
	return n, err
}

// acknowledge tells the engine what was read, which is an event too. It comes at
// counted effects and never between two sends, so it always has the same place
// in the order.
func (r *replay) acknowledge(ctx context.Context) error {
	if r.unacked == 0 {
		return nil
	}
	r.unacked = 0
	if r.past != nil {
		return r.again(ctx, func(then event.Event) bool {
			return slices.Equal(event.Event{event.Ack(r.last.Seq, r.last.Index)}, then)
		})
	}
	r.expected++
	return r.effects.Ack(r.last.Seq, r.last.Index)
}

// answerAll lets the venue answer all orders, and those that its answers lead to.
func (r *replay) answerAll(ctx context.Context) error {
	if err := r.settle(ctx); err != nil {
		return err
	}
	for len(r.orders) > 0 {
		orders := r.orders
		r.orders = nil
		for _, o := range orders {
			if err := r.answer(ctx, o); err != nil {
				return err
			}
		}
		if err := r.settle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// answer fills what the book has within an order's limit; the rest expires.
func (r *replay) answer(ctx context.Context, o demoOrder) error {
	filled, price := r.books[o.contract].Execute(o.qty, o.limit)
	if filled > 0 {
		if err := r.send(ctx, event.Event{event.OrderFill(o.id, filled, price)}); err != nil {
			return err
		}
		signed := filled
		if o.qty < 0 {
			signed = -filled
		}
		r.tally.filled(o, signed, price, r.marks[o.contract])
	}
	reason := event.Expired
	if filled == max(o.qty, -o.qty) {
		reason = event.Filled
	}
	return r.send(ctx, event.Event{event.OrderDone(o.id, reason)})
}

// sample looks at the fund between two events.
func (r *replay) sample(ctx context.Context, nanos int64) error {
	var fund event.FundView
	var err error
	if r.past != nil {
		r.past.machine.Fund(demoFund, &fund)
	} else {
		err = r.engine.View(ctx, func(m *machine.Machine) { m.Fund(demoFund, &fund) })
	}
	if err == nil {
		r.tally.sample(nanos, r.marks, &fund)
	}
	return err
}

// finish compares what came in with what there is, and takes the snapshot.
func (r *replay) finish(ctx context.Context) (*demoOutcome, error) {
	o := &demoOutcome{demoTally: r.tally, datagrams: r.sent + r.resent, resent: r.resent}
	stats := r.adapter.Stats()
	o.lost = stats[udptick.Skipped] - stats[udptick.Filled]
	err := r.engine.View(ctx, func(m *machine.Machine) {
		o.residual(m.Totals())
		o.events, o.live = m.Sequence(), m.Digest()
		m.Fund(demoFund, &o.fund)
	})
	if err != nil {
		return nil, err
	}
	o.snapshot, err = r.engine.Snapshot(ctx)
	return o, err
}
