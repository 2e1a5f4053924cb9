package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/event/ndjson"
	"github.com/backstop-fund/backstop/core/machine"
)

// hub is what all who feed one engine share.
type hub struct {
	engine *core.Engine
	names  ndjson.Names
	outlet *outlet
	clock  bool       // stamp events that carry no time
	naming sync.Mutex // held from the choice of a free id until it is bound
	// proposed is the fund whose creation is under way, nil for none. Written by
	// who holds naming, read for each effect that is written.
	proposed atomic.Pointer[event.FundSettings]
}

// adopt binds the name of a fund whose creation is under way, if x shows that it
// was accepted: x may be written before the core tells the names it has. A name
// that is bound otherwise has nothing to do with x.
//
// Contracts need no such thing: nothing can be done with one before its name is
// bound, except by its number, and then the number is what effects show.
func (h *hub) adopt(x *event.Effect) {
	if p := h.proposed.Load(); p != nil && x.Kind == event.EffectFund && x.Fund == p.ID {
		_ = h.names.BindFund(p.Name, p.ID)
	}
}

// bind makes names of what the machine has.
func (h *hub) bind(ctx context.Context) error {
	var failed error
	err := h.engine.View(ctx, func(m *machine.Machine) { failed = bindAll(&h.names, m) })
	return errors.Join(err, failed)
}

// intake feeds lines of one input. It belongs to one goroutine.
type intake struct {
	*hub
	producer *core.Producer
	decoder  *ndjson.Decoder
	records  []event.Record
	// sent counts the lines done with; odd while one is being sent. The monitor
	// reads it once a second.
	sent atomic.Uint64
}

func (h *hub) intake() *intake {
	return &intake{
		hub: h, producer: h.engine.Producer(), decoder: ndjson.NewDecoder(&h.names),
		records: make([]event.Record, 0, event.MaxRecords),
	}
}

// run feeds all lines of r.
func (in *intake) run(ctx context.Context, r io.Reader) error {
	lines := newLineReader(r)
	for {
		line, err := lines.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		e, err := in.decoder.Decode(line, in.records)
		if err != nil {
			return err
		}
		if e == nil {
			continue
		}
		if err := in.send(ctx, line, e); err != nil {
			return err
		}
	}
}

// send hands on the event of a line. An acknowledgement goes to the outlet, which
// never waits; anything else waits while the engine's input is full.
func (in *intake) send(ctx context.Context, line []byte, e event.Event) error {
	if e[0].Kind() == event.KindAck && !in.outlet.auto {
		return in.outlet.ack(e[0].AckSequence(), e[0].AckIndex())
	}
	in.sent.Add(1)
	defer in.sent.Add(1)
	defer in.outlet.expect()
	if isCreation(e) {
		return in.create(ctx, line)
	}
	in.stamp(e)
	return in.producer.Send(e)
}

func (in *intake) stamp(e event.Event) {
	if in.clock && !e[0].Has(event.FlagTime) {
		e[0].SetTime(time.Now().UnixNano())
	}
}

// create sends a line that may name something new, and waits until the name can
// be used. It is decoded again because the id it was given may be taken by now.
func (in *intake) create(ctx context.Context, line []byte) error {
	in.naming.Lock()
	defer in.naming.Unlock()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	e, err := ndjson.NewDecoder(&in.names).Decode(line, in.records)
	if err != nil {
		return err
	}
	in.stamp(e)
	if e[0].Kind() == event.KindFund {
		fund := e.FundSettings()
		in.proposed.Store(&fund)
	}
	if err := in.producer.Send(e); err != nil {
		return err
	}
	if err := in.bind(ctx); err != nil {
		return err // the end: what is proposed stays, for effects yet to be written
	}
	in.proposed.Store(nil)
	return nil
}

// runInit feeds the lines of a file that were not applied before: each must name
// its source and its sequence there, so that a file can stay as it is over
// restarts. It returns how many lines were new.
func (in *intake) runInit(ctx context.Context, path string) (fed int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, exit.With(exit.BadInput, err)
	}
	defer f.Close() // read only: there is nothing to lose
	applied := make(map[event.Source]uint64)
	lines := newLineReader(newInterruptible(ctx, f))
	for number := 1; ; number++ {
		line, err := lines.next()
		if err == io.EOF {
			return fed, nil
		}
		if err != nil {
			return fed, err
		}
		e, err := in.decoder.Decode(line, in.records)
		if err != nil {
			return fed, fmt.Errorf("%s:%w", path, err)
		}
		if e == nil {
			continue
		}
		if e[0].Kind() == event.KindAck || !e[0].Has(event.FlagSource) {
			return fed, exit.Errorf(exit.BadInput, "%s:%d:1: want an event with \"src\" and \"sseq\", and no ack: it is to be applied once, however often it is read", path, number)
		}
		source := e.Source()
		last, known := applied[source]
		if !known {
			if last, err = in.engine.LastApplied(ctx, source); err != nil {
				return fed, err
			}
			applied[source] = last
		}
		if e[0].SourceSequence() <= last {
			continue
		}
		if err := in.send(ctx, line, e); err != nil {
			return fed, err
		}
		fed++
	}
}

// runClock tells the engine the time while nobody else does: stale marks, order
// timeouts and offload slices are due by it.
func (h *hub) runClock(ctx context.Context) {
	producer := h.engine.Producer()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			// What finds no room is made up for by the next one; the engine's end is
			// told elsewhere.
			_ = producer.TrySend(event.Event{event.Time(now.UnixNano())})
			h.outlet.expect()
		case <-ctx.Done():
			return
		}
	}
}
