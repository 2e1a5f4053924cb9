package simulator

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/backstop-fund/backstop/core"
)

// process is who is at work on the disk. The power goes for all of them; a fault is
// the one's whose operation it hits, and so is a death.
type process uint8

const (
	engine   process = iota
	follower         // where the plan has it elsewhere
	operator
	processes
)

// cut is a loss of power: the disk is what that leaves, and nobody lives.
func (w *world) cut(chance *rand.Rand) {
	w.report.Cuts++
	w.disk = w.disk.Restart(chance)
	w.locks = [processes][]string{}
	w.follower = nil
}

// dies is the end of one process: its locks are free.
func (w *world) dies(p process) {
	for _, name := range w.locks[p] {
		w.disk.Release(name)
	}
	w.locks[p] = nil
}

// calm has nothing fail from now on.
func (w *world) calm() {
	w.off, w.hit, w.cutAt, w.failAt = false, [processes]bool{}, -1, -1
}

// orphan kills the process that follows, and leaves the engine alone.
func (w *world) orphan() {
	if w.follower == nil {
		return
	}
	w.report.Orphaned++
	w.dies(follower)
	w.follower = nil
}

// elsewhere is a turn of the process that follows, which begins if there is none. It
// dies of what goes wrong in it, and the engine does not notice.
func (w *world) elsewhere(turn func(*core.Follower) error) (err error) {
	w.process = follower
	defer func() { w.process = engine }()
	if w.follower == nil {
		w.hit[follower] = false
		if w.follower, err = core.OpenFollower(w.config()); err != nil {
			w.follower = nil
			w.dies(follower)
		}
	}
	if err == nil {
		taken := w.report.Snapshots
		err = turn(w.follower)
		w.report.Elsewhere += w.report.Snapshots - taken
	}
	switch {
	case err == nil || w.off || errors.Is(err, errBroken):
		return err
	case w.hit[follower]:
		w.orphan()
		return nil
	}
	return fmt.Errorf("%w: nothing failed, and the follower says %w", errBroken, err)
}

// prune removes segments beside the engine, which does not notice. From the snapshots
// it has found good, and all later ones, an engine must be able to resume.
func (w *world) prune() error {
	w.process, w.hit[operator] = operator, false
	defer func() { w.process = engine }()
	p, err := core.Prune(context.Background(), w.config(), false)
	w.report.Pruned += len(p.Removed)
	w.stays = max(w.stays, p.Verified.From)
	if err == nil || errors.Is(err, core.ErrNothingBefore) || w.off || w.hit[operator] {
		return nil
	}
	return fmt.Errorf("%w: nothing failed, and a prune says %w", errBroken, err)
}
