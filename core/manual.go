package core

import (
	"errors"

	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/snapshot"
)

// Manual is an engine without goroutines: whoever has it takes each step, all on
// one goroutine, in any order. It is for simulators, and for a process with a
// loop of its own.
//
// Events go in by Producer.TrySend and effects come out by Effects.Poll, of
// Engine. What waits for a goroutine is not for it: Send, Next, View, LastApplied,
// Snapshot and Close of the Engine.
type Manual struct {
	engine   *Engine
	follower *Follower // nil without one
}

// OpenManual is Open for an engine that is driven by hand. Config.Wait and Thread
// mean nothing to it.
func OpenManual(c Config) (*Manual, error) {
	e, err := assemble(c)
	if err != nil {
		return nil, err
	}
	e.loop.out.spills = true
	m := &Manual{engine: e}
	if e.config.follows() {
		m.follower = e.newFollower()
		if err := m.follower.begin(); err != nil {
			return nil, errors.Join(err, e.abandon())
		}
	}
	return m, nil
}

// Engine is what it drives.
func (m *Manual) Engine() *Engine { return m.engine }

// Machine is the core's, to look at between two steps.
func (m *Manual) Machine() *machine.Machine { return m.engine.loop.machine }

// Follower is the one in the process, nil without one. Its steps are Follow's.
func (m *Manual) Follower() *Follower { return m.follower }

// Apply applies what is published, and reports whether there was anything.
// Effects that find no room in their ring wait behind it, and nothing more is
// applied before they have found it.
func (m *Manual) Apply() bool {
	e := m.engine
	if !e.loop.out.unspill() {
		return false
	}
	lo, hi, err := e.loop.input.TryNext()
	if err != nil || lo == hi {
		return false
	}
	e.applyBatch(lo, hi)
	return true
}

// Record appends what is published to the journal and writes it, as one group;
// with JournalSync it is then durable, and the gate open. An error ends the
// engine as it ends one with goroutines.
func (m *Manual) Record() (bool, error) {
	e := m.engine
	lo, hi, err := e.recorder.input.TryNext()
	if err != nil || lo == hi {
		return false, e.Err()
	}
	return true, m.recorded(e.recordBatch(lo, hi))
}

// Sync makes durable what JournalAsync has written.
func (m *Manual) Sync() error { return m.recorded(m.engine.recorder.writer.Sync()) }

// Seal is for when nothing is published for a while. It does nothing while Record
// has half an event at hand.
func (m *Manual) Seal() error {
	if len(m.engine.recorder.room) > 0 {
		return nil
	}
	return m.recorded(m.engine.recorder.writer.Seal())
}

// Prepare makes the journal's next segment.
func (m *Manual) Prepare() error { return m.engine.recorder.writer.Prepare() }

// recorded does with an error of the journal what the recorder does.
func (m *Manual) recorded(err error) error {
	if err != nil && m.engine.Err() == nil {
		m.engine.unrecorded(err)
	}
	return err
}

// Follow applies up to n events to the follower's machine, and reports how many.
func (m *Manual) Follow(n int) (int, error) { return m.follower.Step(n) }

// Snapshot has the follower go to where the core is, compare the effects, and
// take a snapshot. ErrNotDurable says that Record or Sync have to come first.
func (m *Manual) Snapshot() (snapshot.Info, error) {
	e := m.engine
	if err := m.follower.pass(e.loop.applied); err != nil {
		return snapshot.Info{}, err
	}
	if m.follower.replica.machine.Sequence() < e.loop.applied {
		return snapshot.Info{}, ErrNotDurable // the core is ahead of the journal
	}
	info, err := m.follower.snapshotAgainst(checkpoint{e.loop.applied, e.loop.out.chain})
	e.counters.snapshot(info, err)
	return info, err
}

// Close is an orderly end: all that is published is applied and recorded, the
// journal sealed, a snapshot taken.
func (m *Manual) Close() error {
	e := m.engine
	close(e.closing)
	e.input.Close()
	e.effects.keeper.Stop()
	m.engine.loop.out.spills = false // what finds no room is read after the ring
	for m.Apply() {
	}
	close(e.done)
	return errors.Join(m.finish(), m.Kill())
}

func (m *Manual) finish() error {
	e := m.engine
	if e.folder == nil {
		if e.store == nil {
			return nil
		}
		_, err := e.takeSnapshot()
		return err
	}
	for more := true; more; {
		var err error
		if more, err = m.Record(); err != nil {
			return err
		}
	}
	if err := m.recorded(e.recorder.writer.Close()); err != nil {
		return err
	}
	e.gate.raise(e.recorder.writer.Durable())
	if m.follower == nil {
		return nil
	}
	_, err := m.Snapshot()
	return err
}

// Kill gives the folder back and leaves everything else as it is, as the end of a
// process does.
func (m *Manual) Kill() error {
	if m.follower != nil && m.follower.tail != nil {
		_ = m.follower.tail.Close() // it was read only
	}
	return m.engine.closeDir()
}
