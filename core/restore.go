package core

import (
	"errors"
	"fmt"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/snapshot"
)

// The sections beside the machine's, whose ids are below 100: the effects nobody
// acknowledged, each in its byte form, event.EffectSize bytes, in order; and the
// effect chain after the last one.
const (
	effectsSection = 100
	chainSection   = 101
)

// takeSnapshot runs on the core's goroutine, between two events.
func (e *Engine) takeSnapshot() (snapshot.Info, error) {
	l := &e.loop
	l.fx.Flush() // what is decided is in the ring, or it would be missing
	info, err := e.store.Commit(header(&e.config, l.machine, 0), func(enc *snapshot.Encoder) ([snapshot.DigestSize]byte, error) {
		return encode(enc, l.machine, l.out.chain, func(yield func(*event.Effect)) {
			if !e.config.AutoAck {
				l.out.since(e.effects.keeper.Released(), yield)
			}
		})
	})
	e.counters.snapshot(info, err)
	return info, err
}

// snapshot counts one that was taken, or could not be.
func (c *counters) snapshot(info snapshot.Info, err error) {
	if err == nil || errors.Is(err, snapshot.ErrRetire) {
		c.taken.Store(&info)
		c.snapshots.Add(1)
	} else {
		c.failures.Add(1)
	}
	c.failed.Store(&err)
}

// header is a snapshot's, of a machine and the journal's chain at its sequence.
func header(c *Config, m *machine.Machine, chain uint64) snapshot.Header {
	return snapshot.Header{
		Rules: machine.RulesVersion, Shard: c.Shard, Sequence: m.Sequence(), Chain: chain,
		Capacities: capacities(m.Limits()),
	}
}

// capacities are the limits in the order of a snapshot's header.
func capacities(l machine.Limits) []uint64 {
	var c []uint64
	for _, n := range [...]int{l.Accounts, l.Positions, l.Symbols, l.Funds, l.Orders, l.Sources} {
		c = append(c, uint64(n))
	}
	return c
}

// encode writes a machine, and the effects that unacknowledged yields.
func encode(enc *snapshot.Encoder, m *machine.Machine, chain effectChain, unacknowledged func(yield func(*event.Effect))) ([snapshot.DigestSize]byte, error) {
	digest, err := m.Encode(enc)
	if err != nil {
		return digest, err
	}
	enc.Section(effectsSection)
	buf := make([]byte, 0, event.EffectSize)
	unacknowledged(func(x *event.Effect) {
		buf, _ = x.AppendBinary(buf[:0]) // it has no error to return
		enc.Raw(buf)
	})
	enc.Section(chainSection)
	enc.U64(uint64(chain))
	return digest, enc.Err()
}

// decode restores what encode wrote, all of it, into a fresh machine, which compares
// digests.
func decode(m *machine.Machine, d *snapshot.Decoder) ([]event.Effect, effectChain, error) {
	h := d.Header()
	if h.Rules != machine.RulesVersion {
		return nil, 0, fmt.Errorf("written by version %d of the rules, this build has %d", h.Rules, machine.RulesVersion)
	}
	if err := m.Restore(d); err != nil {
		return nil, 0, err
	}
	if m.Sequence() != h.Sequence {
		return nil, 0, fmt.Errorf("%w: state of sequence %d in a snapshot of %d", snapshot.ErrMismatch, m.Sequence(), h.Sequence)
	}
	unacknowledged, err := decodeEffects(d.Section(effectsSection), h.Sequence)
	if err != nil {
		return nil, 0, err
	}
	s := d.Section(chainSection)
	chain := effectChain(s.U64())
	if err := s.Done(); err != nil {
		return nil, 0, err
	}
	return unacknowledged, chain, d.Done()
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
