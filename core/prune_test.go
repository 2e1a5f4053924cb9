package core_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/coretest/simdisk"
	"github.com/backstop-fund/backstop/core/coretest/simulator"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/snapshot"
)

func prune(t testing.TB, c core.Config, dry bool) core.Pruned {
	t.Helper()
	p, err := core.Prune(context.Background(), c, dry)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// follows opens a follower of a folder, has it go to the end and tells the state.
func follows(t testing.TB, c core.Config) (sequence uint64, digest [32]byte) {
	t.Helper()
	c.Limits = small
	f, err := core.OpenFollower(c)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n > 0; {
		if n, err = f.Step(1 << 20); err != nil {
			t.Fatal(err)
		}
	}
	sequence, digest = f.Machine().Sequence(), f.Machine().Digest()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return sequence, digest
}

// A prune leaves what every snapshot from the oldest verified pair on needs, says so
// before it does it, and finds nothing more to do the next time.
func TestPrune(t *testing.T) {
	c := journaled(t)
	c.AutoAck, c.Keep = true, 100
	paths := snapshots(t, c, 6)
	last, want := follows(t, c)
	before := journalOf(t, c)
	if err := os.Remove(paths[0]); err != nil { // retired
		t.Fatal(err)
	}
	paths = paths[1:]
	first := snapshotOf(t, paths[0]).Header().Sequence
	var gone []journal.Segment
	for i := range before[:len(before)-1] {
		if before[i+1].First <= first {
			gone = append(gone, before[i])
		}
	}
	if len(gone) == 0 {
		t.Fatal("workload drifted: there is nothing to remove")
	}
	dry := prune(t, c, true)
	if !slices.Equal(dry.Removed, gone) || dry.Keep != first || dry.Verified.Snapshot.Path != paths[1] || !strings.Contains(dry.Why, "the oldest one that leads to another") {
		t.Errorf("dry: %+v, want to remove %+v and keep event %d", dry, gone, first)
	}
	if !slices.Equal(journalOf(t, c), before) {
		t.Fatal("a dry run has removed something")
	}
	if p := prune(t, c, false); !slices.Equal(p.Removed, dry.Removed) || p.Keep != dry.Keep || p.Why != dry.Why {
		t.Errorf("%+v, though the dry run said %+v", p, dry)
	}
	if !slices.Equal(journalOf(t, c), before[len(gone):]) {
		t.Errorf("%+v is left of %+v without %+v", journalOf(t, c), before, gone)
	}
	if p := prune(t, c, false); len(p.Removed) != 0 || p.Keep != dry.Keep {
		t.Errorf("again: %+v, want nothing more", p)
	}
	wantErrs(t, "pruned", verify(t, c), append([]error{core.ErrNothingBefore}, make([]error, len(paths)-1)...)...)
	// Whichever snapshot recovery has to begin with, it gets to the end.
	for i := len(paths) - 1; ; i-- {
		if seq, digest := follows(t, c); seq != last || digest != want {
			t.Errorf("a follower from %s ends at event %d, in another state than before", paths[i], seq)
		}
		e := open(t, c)
		if r := e.Recovery(); r.Snapshot.Path != paths[i] || r.Sequence != last || digestOf(t, e) != want {
			t.Errorf("recovery %+v: want to begin with %s, and the state of before", r, paths[i])
		}
		mustClose(t, e) // takes the last one again
		if i == 0 {
			break
		}
		for _, path := range append(slices.Clone(paths[i:]), paths[len(paths)-1]) {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
}

// New snapshots let the journal follow.
func TestPruneGoesOn(t *testing.T) {
	c := journaled(t)
	c.AutoAck, c.Keep = true, 2
	events := market(21, 6000)
	removed := 0
	for i := 0; i < len(events); i += 1500 {
		e := open(t, c)
		for k, ev := range events[i : i+1500] {
			mustSend(t, e.Producer(), ev)
			if k%500 != 499 {
				continue
			}
			if _, err := e.Snapshot(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		// Beside the engine, which goes on.
		removed += len(prune(t, c, false).Removed)
		mustSend(t, e.Producer(), refusal(i))
		mustClose(t, e)
	}
	if removed < 3 {
		t.Errorf("%d segments removed, want most", removed)
	}
	for _, x := range verify(t, c)[1:] {
		if x.Err != nil {
			t.Error(x.Err)
		}
	}
}

// What nobody has acknowledged keeps the event that caused it.
func TestPruneKeepsWhatCausedEffects(t *testing.T) {
	c := journaled(t)
	paths := snapshotsAcked(t, c, 5, func(i int) bool { return i < 3*apart/2 })
	for _, path := range paths[:3] {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, event.EffectSize)
	snapshotOf(t, paths[4]).Section(ownEffects).Raw(b)
	oldest, err := event.DecodeEffect(b)
	if err != nil {
		t.Fatal(err)
	}
	segments := journalOf(t, c)
	if base := snapshotOf(t, paths[3]).Header().Sequence; oldest.Seq >= base || base < segments[2].First {
		t.Fatalf("workload drifted: the oldest effect is of event %d, the snapshot before of %d, the third segment begins at %d", oldest.Seq, base, segments[2].First)
	}
	p := prune(t, c, false)
	if p.Keep != oldest.Seq || !strings.Contains(p.Why, fmt.Sprintf("effect (%d, %d)", oldest.Seq, oldest.Index)) {
		t.Errorf("%+v, want to keep event %d, whose effect is not acknowledged", p, oldest.Seq)
	}
	left := journalOf(t, c)
	if left[0].First > oldest.Seq || len(left) > 1 && left[1].First <= oldest.Seq {
		t.Errorf("the journal begins with %+v, want the segment of event %d", left[0], oldest.Seq)
	}
	// Once it is, the event may go.
	e := open(t, c)
	buf := make([]event.Effect, 1<<14)
	n, err := e.Effects().Next(buf)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Effects().Ack(buf[n-1].Seq, buf[n-1].Index); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Snapshot(context.Background()); err != nil {
		t.Fatal(err)
	}
	mustClose(t, e)
	for _, path := range paths[3:4] {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	base := snapshotOf(t, paths[4]).Header().Sequence
	if p := prune(t, c, false); p.Keep != base || len(left) > 1 && left[1].First <= base && len(p.Removed) == 0 {
		t.Errorf("%+v, want to keep event %d", p, base)
	}
}

// Nothing is removed that was not found to be unneeded, and what to do is said.
func TestPruneRefuses(t *testing.T) {
	c := journaled(t)
	c.AutoAck = true
	refused := func(what string, kind error, texts ...string) {
		t.Helper()
		before := journalOf(t, c)
		p, err := core.Prune(context.Background(), c, false)
		if !errors.Is(err, kind) || len(p.Removed) != 0 {
			t.Errorf("%s: %+v, %v; want %v", what, p, err, kind)
			return
		}
		for _, text := range texts {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %q does not say %q", what, err, text)
			}
		}
		if !slices.Equal(journalOf(t, c), before) {
			t.Errorf("%s: %v, and yet something was removed", what, err)
		}
	}
	paths := snapshots(t, c, 4)
	keep := func(paths ...string) {
		t.Helper()
		all, err := filepath.Glob(filepath.Join(c.Dir, "*.snapshot"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range all {
			if !slices.Contains(paths, path) {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	kept, err := os.ReadFile(paths[2])
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, paths[2], snapshot.None, func(section uint32, raw []byte) []byte {
		if section == fundsSection {
			raw[4+8+event.NameSize]++
		}
		return raw
	})
	keep(paths[1:]...)
	refused("another state than the journal leads to", core.ErrDiffers, paths[2], "nothing is removed")
	if err := os.WriteFile(paths[2], kept, 0o600); err != nil {
		t.Fatal(err)
	}
	segments := journalOf(t, c)
	at := slices.IndexFunc(segments, func(s journal.Segment) bool { return s.First > snapshotOf(t, paths[1]).Header().Sequence })
	flip(t, segments[at].Path, 300)
	refused("a damaged journal", journal.ErrDamaged, segments[at].Path)
	flip(t, segments[at].Path, 300)

	keep(paths[3])
	refused("one snapshot", core.ErrNothingBefore, "nothing is removed", "keep at least 2, and take one more")
	damage(t, paths[3])
	refused("one damaged snapshot", snapshot.ErrCorrupt, "keep at least 2", paths[3])
	keep()
	refused("none", core.ErrNothingBefore, "keep at least 2")
	if _, err := core.Prune(context.Background(), core.Config{}, false); !errors.Is(err, core.ErrConfig) {
		t.Errorf("no Dir: %v, want %v", err, core.ErrConfig)
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(enough)
	other := journaled(t)
	snapshots(t, other, 2)
	if _, err := core.Prune(ctx, other, false); !errors.Is(err, enough) {
		t.Errorf("cancelled: %v, want %v", err, enough)
	}
}

// A damaged snapshot is no reason to keep more than what is before the good ones.
func TestPrunePassesOverDamage(t *testing.T) {
	c := journaled(t)
	c.AutoAck = true
	paths := snapshots(t, c, 4)
	damage(t, paths[1])
	if p := prune(t, c, true); p.Verified.Snapshot.Path != paths[2] || p.Keep != snapshotOf(t, paths[0]).Header().Sequence {
		t.Errorf("%+v, want the third to be verified from the first", p)
	}
	damage(t, paths[0])
	if p := prune(t, c, true); p.Verified.Snapshot.Path != paths[3] || p.Keep != snapshotOf(t, paths[2]).Header().Sequence {
		t.Errorf("%+v, want the fourth to be verified from the third", p)
	}
}

// stage is a pruned folder to be, on a simulated disk.
func stage(t *testing.T) (disk *simdisk.Disk, c core.Config, last uint64, digest [32]byte) {
	t.Helper()
	disk = new(simdisk.Disk)
	c = core.Config{FS: simulator.Disk{Disk: disk}, Dir: "/data", SegmentSize: smallSegment, Salt: 7, Keep: 3, EffectsSize: 1 << 14, AutoAck: true, Limits: small}
	m, err := core.OpenManual(c)
	if err != nil {
		t.Fatal(err)
	}
	p := m.Engine().Producer()
	for i, ev := range market(31, 4800) {
		if err := p.TrySend(ev); err != nil {
			t.Fatal(err)
		}
		m.Apply()
		if i%16 == 15 {
			if _, err := m.Record(); err != nil {
				t.Fatal(err)
			}
		}
		if i%800 == 799 {
			if _, err := m.Snapshot(); err != nil {
				t.Fatal(err)
			}
		}
	}
	last, digest = m.Machine().Sequence(), m.Machine().Digest()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return disk, c, last, digest
}

// Whatever operation of a prune is its last, because the power goes or because it
// fails, what is left leads to the same state, every snapshot but those with nothing
// before them is verified, and the next prune ends as if nothing had happened.
func TestPruneIsInterrupted(t *testing.T) {
	disk, c, last, digest := stage(t)
	on := func(d *simdisk.Disk) core.Config {
		c.FS = simulator.Disk{Disk: d}
		return c
	}
	var ops []simdisk.Op
	whole := disk.Clone()
	whole.Fault = simdisk.Record(&ops)
	want := prune(t, on(whole), false)
	whole.Fault = nil
	if len(want.Removed) < 2 {
		t.Fatalf("workload drifted: %d segments to remove", len(want.Removed))
	}
	after := journalOf(t, on(whole))
	check := func(what string, d *simdisk.Disk) {
		t.Helper()
		if left := journalOf(t, on(d)); len(left) < len(after) || !slices.Equal(left[len(left)-len(after):], after) {
			t.Fatalf("%s: %d segments are left, want at least the %d that stay", what, len(left), len(after))
		}
		for i, x := range verify(t, on(d)) {
			if x.Err != nil && (i > 0 || !errors.Is(x.Err, core.ErrNothingBefore)) {
				t.Fatalf("%s: %v", what, x.Err)
			}
		}
		m, err := core.OpenManual(on(d.Clone()))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if m.Machine().Sequence() != last || m.Machine().Digest() != digest {
			t.Fatalf("%s: recovered event %d, want the state of %d", what, m.Machine().Sequence(), last)
		}
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
		if p := prune(t, on(d), false); p.Keep != want.Keep || !slices.Equal(journalOf(t, on(d)), after) {
			t.Fatalf("%s: pruned again: %+v", what, p)
		}
	}
	changes, seeds := 0, uint64(6)
	if raceEnabled {
		seeds = 2
	}
	for _, op := range ops {
		if op.Kind != "remove" && op.Kind != "syncdir" {
			continue // it leaves the disk as the operation before did
		}
		changes++
		for seed := range seeds {
			cut := disk.Clone()
			cut.Fault = simdisk.CutAt(op.N)
			if _, err := core.Prune(context.Background(), on(cut), false); !errors.Is(err, simdisk.ErrPower) {
				t.Fatalf("power cut before %v: %v", op, err)
			}
			check(fmt.Sprintf("power cut before %v, seed %d", op, seed), cut.Restart(rand.New(rand.NewPCG(seed, uint64(op.N)))))
		}
	}
	if changes != 1+2*len(want.Removed) {
		t.Errorf("%d changes of the folder for %d segments, want a sync, and a removal and a sync each", changes, len(want.Removed))
	}
	for _, op := range ops {
		if raceEnabled && op.N%8 != 0 && op.N < ops[len(ops)-2*len(want.Removed)].N {
			continue // all of them would take a minute
		}
		failing := disk.Clone()
		failing.Fault = simdisk.FailAt(op.N, syscall.EIO)
		p, err := core.Prune(context.Background(), on(failing), false)
		if !errors.Is(err, syscall.EIO) {
			t.Fatalf("%v fails: %v, want %v", op, err, syscall.EIO)
		}
		if left := len(journalOf(t, on(failing))); left+len(p.Removed) < len(after)+len(want.Removed)-1 {
			t.Fatalf("%v fails: %d segments are left, and %d were said to be removed", op, left, len(p.Removed))
		}
		if op.Kind == "remove" || op.Kind == "syncdir" {
			failing.Fault = nil
			check(fmt.Sprintf("%v fails", op), failing)
		}
	}
	t.Logf("%d operations, %d of them change the folder", len(ops), changes)
}
