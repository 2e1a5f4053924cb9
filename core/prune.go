package core

import (
	"context"
	"errors"
	"fmt"

	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/snapshot"
)

// Pruned is what Prune has removed, or would remove, and why no more.
type Pruned struct {
	// Verified is the oldest snapshot that another one leads to: that one, of
	// event Verified.From, is where the journal has to begin.
	Verified Verification
	// Removed are the segments that nobody needs, the oldest first.
	Removed []journal.Segment
	// Keep is the first event that has to stay, and Why says what for. What lies in
	// one segment with it stays too.
	Keep uint64
	Why  string
}

// Prune removes the segments of the journal in c.Dir that nobody needs, the oldest
// first. What stays is
//
//   - everything from the oldest snapshot on that leads to the next one, as Verify
//     finds out. Prune looks for itself and remembers nothing, so the journal between
//     the two is what shows the next time that both can be trusted; and should one be
//     damaged, there is the other to begin with;
//   - everything from the oldest event on that caused an effect which the consumer had
//     not acknowledged at the second of them. Snapshots carry the effect, so recovery
//     would do without; the journal is to say where it came from.
//
// A follower, in the process or in another, begins with a snapshot of the folder and
// puts its own there, so it reads nothing that is older. An engine and its follower
// may run beside, and never prune by themselves. Whatever ends a prune half way, what
// is left are the last segments, without a gap.
//
// With dry nothing is removed. Of the Config it uses what Verify uses.
//
// If no snapshot leads to another nothing is removed, and the error is
// ErrNothingBefore: keep two or more, and take one more. Nor is anything removed if
// one is found on the way that is not what it should be: ErrDiffers, ErrDamaged of
// the journal, or what else a Verification has but for a damaged snapshot, which is
// passed over. Other errors are those of Verify, and those of the disk, which come
// with what was removed before.
func Prune(ctx context.Context, c Config, dry bool) (Pruned, error) {
	p, err := prune(ctx, c, dry)
	if err != nil {
		return p, fmt.Errorf("core: prune: %w", err)
	}
	return p, nil
}

func prune(ctx context.Context, c Config, dry bool) (p Pruned, err error) {
	v, err := newVerifier(ctx, c)
	if err != nil {
		return p, err
	}
	var r *replica
	if p.Verified, r, err = v.oldestPair(); err != nil {
		return p, fmt.Errorf("nothing is removed: %w", err)
	}
	p.Keep, p.Why = keep(&p.Verified, r)
	folder, err := v.journal()
	if err != nil {
		return p, err
	}
	if !dry {
		p.Removed, err = folder.Remove(p.Keep)
		return p, err
	}
	for s := folder.Segments(); len(s) > 1 && s[1].First <= p.Keep; s = s[1:] {
		p.Removed = append(p.Removed, s[0])
	}
	return p, nil
}

// oldestPair verifies one snapshot after the other until one is what another leads
// to.
func (v *verifier) oldestPair() (Verification, *replica, error) {
	why := []error{fmt.Errorf("%w: no snapshot in %s leads to another one: keep at least 2, and take one more", ErrNothingBefore, v.config.Dir)}
	for i := range v.snapshots {
		v.progress.Total = v.ahead[i+1]
		x, r := v.verify(i)
		switch {
		case v.ctx.Err() != nil:
			return x, nil, context.Cause(v.ctx)
		case x.Err == nil && x.From > 0:
			return x, r, nil
		case x.Err == nil, errors.Is(x.Err, errRetired):
		case errors.Is(x.Err, ErrNothingBefore), errors.Is(x.Err, snapshot.ErrCorrupt):
			why = append(why, fmt.Errorf("snapshot of event %d: %w", x.Snapshot.Sequence, x.Err))
		default:
			return x, nil, x.Err
		}
	}
	return Verification{}, nil, errors.Join(why...)
}

// keep is the first event that has to stay, and why.
func keep(x *Verification, r *replica) (uint64, string) {
	if effects := r.kept.effects; len(effects) > 0 && effects[0].Seq <= x.From {
		return effects[0].Seq, fmt.Sprintf("it caused effect (%d, %d), the oldest that nobody had acknowledged at the snapshot of event %d", effects[0].Seq, effects[0].Index, x.Snapshot.Sequence)
	}
	return x.From, fmt.Sprintf("its snapshot is the oldest one that leads to another, that of event %d", x.Snapshot.Sequence)
}
