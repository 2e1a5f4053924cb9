package core

import (
	"errors"
	"fmt"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/snapshot"
)

// effectsSection is the snapshot section of the effects nobody acknowledged:
// each in its byte form, event.EffectSize bytes, in order. Ids below 100 are
// the machine's.
const effectsSection = 100

// takeSnapshot runs on the core's goroutine, between two events.
func (e *Engine) takeSnapshot() (snapshot.Info, error) {
	l := &e.loop
	l.fx.Flush() // what is decided is in the ring, or it would be missing
	h := snapshot.Header{Rules: machine.RulesVersion, Sequence: l.applied, Capacities: capacities(l.machine.Limits())}
	info, err := e.store.Commit(h, e.encode)
	if err == nil || errors.Is(err, snapshot.ErrRetire) {
		e.counters.taken.Store(&info)
		e.counters.snapshots.Add(1)
	} else {
		e.counters.failures.Add(1)
	}
	e.counters.failed.Store(&err)
	return info, err
}

// capacities are the limits in the order of a snapshot's header.
func capacities(l machine.Limits) []uint64 {
	var c []uint64
	for _, n := range [...]int{l.Accounts, l.Positions, l.Symbols, l.Funds, l.Orders, l.Sources} {
		c = append(c, uint64(n))
	}
	return c
}

func (e *Engine) encode(enc *snapshot.Encoder) ([snapshot.DigestSize]byte, error) {
	l := &e.loop
	digest, err := l.machine.Encode(enc)
	if err != nil {
		return digest, err
	}
	enc.Section(effectsSection)
	if e.config.AutoAck {
		return digest, enc.Err()
	}
	buf := make([]byte, 0, event.EffectSize)
	l.out.since(e.effects.keeper.Released(), func(x *event.Effect) {
		buf, _ = x.AppendBinary(buf[:0]) // it has no error to return
		enc.Raw(buf)
	})
	return digest, enc.Err()
}

// restore returns the machine to go on with, and the effects to deliver again.
func (e *Engine) restore() (*machine.Machine, []event.Effect, error) {
	if e.store == nil {
		m, err := machine.New(e.config.Limits)
		return m, nil, err
	}
	var m *machine.Machine
	var unacknowledged []event.Effect
	info, skipped, err := e.store.Newest(func(d *snapshot.Decoder) (err error) {
		m, unacknowledged, err = decode(e.config.Limits, d)
		return err
	})
	for _, why := range skipped {
		if !errors.Is(why, snapshot.ErrCorrupt) {
			return nil, nil, fmt.Errorf("an intact snapshot cannot be used: %w", why)
		}
	}
	if errors.Is(err, snapshot.ErrNone) {
		m, err = machine.New(e.config.Limits)
		return m, nil, err
	}
	if err != nil {
		return nil, nil, err
	}
	e.recovery = Recovery{Snapshot: info, Skipped: skipped, Effects: len(unacknowledged)}
	return m, unacknowledged, nil
}

// decode restores what encode wrote, all of it. The machine compares digests.
func decode(limits machine.Limits, d *snapshot.Decoder) (*machine.Machine, []event.Effect, error) {
	h := d.Header()
	if h.Rules != machine.RulesVersion {
		return nil, nil, fmt.Errorf("written by version %d of the rules, this build has %d", h.Rules, machine.RulesVersion)
	}
	m, err := machine.Decode(limits, d)
	if err != nil {
		return nil, nil, err
	}
	if m.Sequence() != h.Sequence {
		return nil, nil, fmt.Errorf("%w: state of sequence %d in a snapshot of %d", snapshot.ErrMismatch, m.Sequence(), h.Sequence)
	}
	unacknowledged, err := decodeEffects(d.Section(effectsSection), h.Sequence)
	if err != nil {
		return nil, nil, err
	}
	return m, unacknowledged, d.Done()
}

// decodeEffects reads the effects nobody acknowledged, all of them caused by
// events up to last.
func decodeEffects(s *snapshot.Section, last uint64) ([]event.Effect, error) {
	n := s.Left() / event.EffectSize // within the file's size
	effects := make([]event.Effect, 0, n)
	buf := make([]byte, event.EffectSize)
	var before position
	for range n {
		s.Raw(buf)
		if err := s.Err(); err != nil {
			return nil, err
		}
		x, err := event.DecodeEffect(buf)
		if err != nil {
			return nil, fmt.Errorf("%w: effect %d of %d: %w", snapshot.ErrMismatch, len(effects)+1, n, err)
		}
		if at := positionOf(&x); x.Seq == 0 || x.Seq > last || len(effects) > 0 && !at.after(before) {
			return nil, fmt.Errorf("%w: effect %d of %d: id (%d, %d) after (%d, %d), in a snapshot of sequence %d",
				snapshot.ErrMismatch, len(effects)+1, n, at.seq, at.index, before.seq, before.index, last)
		}
		before = positionOf(&x)
		effects = append(effects, x)
	}
	return effects, s.Done()
}
