package simulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/snapshot"
)

// leaves looks at what a run has left: the journal, event by event, and every
// snapshot, which must be what the one before it and the journal lead to, and from
// which an engine must be able to go on.
func (w *world) leaves() error {
	first, err := w.readsBack()
	if err != nil {
		return err
	}
	if err := w.verifies(first == 1); err != nil {
		return err
	}
	infos, err := snapshots(Disk{w.disk})
	if err != nil {
		return err
	}
	for i, info := range infos {
		if info.Sequence < w.stays {
			continue // retired, and back with a loss of power: its journal may be gone
		}
		if err := w.resumesFrom(info, infos[:i]); err != nil {
			return fmt.Errorf("from the snapshot of event %d: %w", info.Sequence, err)
		}
	}
	return nil
}

// verifies has each snapshot verified that can be: by the whole journal, or from one
// before it for which a prune has left the journal.
func (w *world) verifies(whole bool) error {
	found, err := core.Verify(context.Background(), w.config())
	if err != nil {
		return err
	}
	before := uint64(0)
	for _, x := range found {
		must := whole || before > 0 && before >= w.stays
		switch {
		case x.Err == nil:
			w.report.Verified++
		case must || !errors.Is(x.Err, core.ErrNothingBefore):
			return fmt.Errorf("the snapshot of event %d, after one of event %d: %w", x.Snapshot.Sequence, before, x.Err)
		}
		before = x.Snapshot.Sequence
	}
	return nil
}

// snapshots are those in the folder, the newest first.
func snapshots(disk Disk) ([]snapshot.Info, error) {
	store, err := snapshot.OpenStore(dir, 1, snapshot.Options{FS: disk, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	return store.List()
}

// resumesFrom opens an engine on a copy of the disk without the newer snapshots.
func (w *world) resumesFrom(info snapshot.Info, newer []snapshot.Info) error {
	disk := Disk{w.disk.Clone()}
	for _, n := range newer {
		if err := disk.Remove(n.Path); err != nil {
			return err
		}
	}
	c := w.config()
	c.FS = disk
	m, err := core.OpenManual(c)
	if err != nil {
		return err
	}
	switch r := m.Engine().Recovery(); {
	case r.Snapshot.Sequence != info.Sequence || len(r.Skipped) > 0:
		return fmt.Errorf("the engine has resumed from that of %d, skipped were %v", r.Snapshot.Sequence, r.Skipped)
	case r.Sequence != w.twin.sequence() || m.Machine().Digest() != w.twin.machine.Digest():
		return fmt.Errorf("the engine resumes after event %d of %d, or in another state", r.Sequence, w.twin.sequence())
	}
	return m.Kill()
}

// readsBack compares the journal with what went into the engine, and returns the
// first sequence that it has.
func (w *world) readsBack() (first uint64, err error) {
	f, err := journal.Open(dir, journal.Options{FS: Disk{w.disk}, ReadOnly: true})
	if err != nil {
		return 0, err
	}
	r, err := f.Read(0)
	if err != nil {
		return 0, err
	}
	first = f.Segments()[0].First
	seq := int(first) - 1
	for {
		frame, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		for b := frame.Payload; len(b) > 0; seq++ {
			e, n, err := event.Decode(nil, b)
			if err != nil {
				return 0, err
			}
			if seq >= len(w.log) || !slices.Equal(e, w.twin.event(w.log[seq])) {
				return 0, fmt.Errorf("event %d in the journal, %v, is not the one that was sent", seq+1, e[0].Kind())
			}
			b = b[n:]
		}
	}
	if seq != len(w.log) {
		return 0, fmt.Errorf("%d events in the journal, %d were sent", seq, len(w.log))
	}
	return first, r.Close()
}
