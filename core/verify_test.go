package core_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/snapshot"
)

// apart is how many events lie between the snapshots of a test.
const apart = 1200

// snapshots makes an engine's folder with so many of them, some of whose effects a
// consumer has acknowledged, and returns their paths.
func snapshots(t testing.TB, c core.Config, n int) []string {
	t.Helper()
	return snapshotsAcked(t, c, n, func(i int) bool { return i%apart < 2*apart/3 })
}

// snapshotsAcked is the same for a consumer that acknowledges what it reads after the
// events that acks says.
func snapshotsAcked(t testing.TB, c core.Config, n int, acks func(i int) bool) []string {
	t.Helper()
	c.EffectsSize, c.Keep = 1<<14, 100
	e := open(t, c)
	events := market(11, apart*n)
	p, x := e.Producer(), e.Effects()
	buf := make([]event.Effect, 64)
	for i, ev := range events {
		mustSend(t, p, ev)
		if (i+1)%(apart/3) == 0 {
			digestOf(t, e)
			durable(e)
			for !c.AutoAck {
				got, err := x.Poll(buf)
				if err != nil {
					t.Fatal(err)
				}
				if got == 0 {
					break
				}
				if last := buf[got-1]; acks(i) {
					if err := x.Ack(last.Seq, last.Index); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if (i+1)%apart == 0 {
			if _, err := e.Snapshot(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	mustClose(t, e)
	all, err := filepath.Glob(filepath.Join(c.Dir, "*.snapshot"))
	if err != nil || len(all) < n {
		t.Fatalf("%v, %v: want %d snapshots", all, err, n)
	}
	return all
}

// verify is Verify, all of it.
func verify(t testing.TB, c core.Config) []core.Verification {
	t.Helper()
	found, err := core.Verify(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// wantErrs compares what was found with the error of each snapshot, nil for one that
// is what it should be.
func wantErrs(t *testing.T, what string, found []core.Verification, want ...error) {
	t.Helper()
	if len(found) != len(want) {
		t.Errorf("%s: %d snapshots, want %d: %+v", what, len(found), len(want), found)
		return
	}
	for i, x := range found {
		if want[i] == nil && x.Err != nil || !errors.Is(x.Err, want[i]) {
			t.Errorf("%s: snapshot %d, %s: %v, want %v", what, i+1, x.Snapshot.Path, x.Err, want[i])
		}
	}
}

// Every snapshot of a healthy engine is what the one before it leads to.
func TestVerify(t *testing.T) {
	c := journaled(t)
	paths := snapshots(t, c, 5)
	var last core.Progress
	c.Progress = func(p core.Progress) {
		if p.Done < last.Done || p.Done > p.Total || p.Sequence < last.Sequence {
			t.Errorf("progress %+v after %+v", p, last)
		}
		last = p
	}
	found := verify(t, c)
	wantErrs(t, "healthy", found, make([]error, len(paths))...)
	at := uint64(0)
	for i, x := range found {
		if x.Snapshot.Path != paths[i] || x.From != at || x.Events != x.Snapshot.Sequence-at || x.Elapsed <= 0 {
			t.Errorf("%+v, want %s from event %d", x, paths[i], at)
		}
		at = x.Snapshot.Sequence
	}
	if last.Done == 0 || last.Done != last.Total || last.Sequence != at {
		t.Errorf("progress ended with %+v, want all of it, and event %d", last, at)
	}
}

// What is missing is passed over where there is another way, and said where not.
func TestVerifyWithoutTheOneBefore(t *testing.T) {
	c := journaled(t)
	paths := snapshots(t, c, 4)
	remove := func(path string) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	damage(t, paths[1])
	found := verify(t, c)
	wantErrs(t, "a damaged one", found, append([]error{nil, snapshot.ErrCorrupt}, make([]error, len(paths)-2)...)...)
	if x := found[2]; x.From != found[0].Snapshot.Sequence {
		t.Errorf("%+v, want to come from the one before the damaged one, of event %d", x, found[0].Snapshot.Sequence)
	}
	remove(paths[1])
	remove(paths[0])
	found = verify(t, c)
	wantErrs(t, "the oldest gone", found, make([]error, len(paths)-2)...)
	if found[0].From != 0 {
		t.Errorf("%+v, want to come from the beginning", found[0])
	}
	segments := journalOf(t, c)
	if len(segments) < 3 {
		t.Fatalf("workload drifted: %d segments", len(segments))
	}
	// What was before the first snapshot is gone, so that is not verifiable, and the
	// next one is.
	remove(segments[0].Path)
	wantErrs(t, "the journal's beginning gone", verify(t, c), append([]error{core.ErrNothingBefore}, make([]error, len(paths)-3)...)...)
	for _, s := range segments[1 : len(segments)-1] {
		remove(s.Path)
	}
	want := make([]error, len(paths)-2)
	for i, x := range found {
		if x.From < segments[len(segments)-1].First {
			want[i] = core.ErrNothingBefore
		}
	}
	wantErrs(t, "all but the last segment gone", verify(t, c), want...)
	remove(segments[len(segments)-1].Path)
	for i := range want {
		want[i] = journal.ErrDamaged
	}
	wantErrs(t, "no journal, of which they were taken", verify(t, c), want...)
}

// journalOf lists the segments of a folder.
func journalOf(t testing.TB, c core.Config) []journal.Segment {
	t.Helper()
	f, err := journal.Open(c.Dir, journal.Options{ReadOnly: true, FS: c.FS})
	if err != nil {
		t.Fatal(err)
	}
	return f.Segments()
}

// A damaged journal is what is wrong with the snapshots whose way leads through the
// damage, and with no other.
func TestVerifyDamagedJournal(t *testing.T) {
	c := journaled(t)
	snapshots(t, c, 5)
	segments := journalOf(t, c)
	healthy := verify(t, c)
	flip(t, segments[1].Path, 300) // in its first frame
	var want []error
	damaged := 0
	for _, x := range healthy {
		var err error
		if x.Snapshot.Sequence >= segments[1].First && x.From < segments[2].First {
			err = journal.ErrDamaged
			damaged++
		}
		want = append(want, err)
	}
	if damaged == 0 || damaged == len(healthy) {
		t.Fatalf("workload drifted: %d of %d snapshots behind the damage", damaged, len(healthy))
	}
	wantErrs(t, "a bit of the second segment", verify(t, c), want...)
}

// snapshotOf opens a file.
func snapshotOf(t testing.TB, path string) *snapshot.Decoder {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := snapshot.NewDecoder(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const fundsSection, ownEffects = 2, 100 // as in the files

// rewrite writes a snapshot again with sections that alter has had in its hands, in
// a way that every checksum and the digest fit, so that a start would believe it.
func rewrite(t testing.TB, path string, codec snapshot.Codec, alter func(section uint32, raw []byte) []byte) {
	t.Helper()
	d := snapshotOf(t, path)
	var file bytes.Buffer
	e, err := snapshot.NewEncoder(&file, d.Header(), codec)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.New()
	last := uint32(0)
	for _, c := range d.Layout().Chunks {
		if c.Section == last {
			continue
		}
		last = c.Section
		s := d.Section(last)
		raw := make([]byte, s.Left())
		s.Raw(raw)
		raw = alter(last, raw)
		e.Section(last)
		e.Raw(raw)
		if machine.SectionName(last) != "" {
			_ = binary.Write(digest, binary.LittleEndian, last)
			digest.Write(raw)
		}
	}
	if err := e.Finish([32]byte(digest.Sum(nil))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func asItIs(_ uint32, raw []byte) []byte { return raw }

// A snapshot that is sound in itself and not what the journal leads to is found out:
// which, from where, and at which byte of which section. The next one, which does
// not come from such a state, is found not to.
func TestVerifyFindsAnotherState(t *testing.T) {
	for _, codec := range []snapshot.Codec{snapshot.None, snapshot.S2} {
		c := journaled(t)
		paths := snapshots(t, c, 4)
		for _, path := range paths {
			rewrite(t, path, codec, asItIs)
		}
		wantErrs(t, codec.String(), verify(t, c), make([]error, len(paths))...)
		const cash = 4 + 8 + event.NameSize // of the first fund
		richer := func(section uint32, raw []byte) []byte {
			if section == fundsSection {
				raw[cash+2]++
			}
			return raw
		}
		rewrite(t, paths[1], codec, richer)
		alone := c
		alone.Dir, alone.Limits = t.TempDir(), small
		copyFile(t, paths[1], alone.Dir)
		for _, s := range journalOf(t, c) {
			copyFile(t, s.Path, alone.Dir)
		}
		if f, err := core.OpenFollower(alone); err != nil {
			t.Fatalf("the forgery is no good: %v", err)
		} else if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		found := verify(t, c)
		want := make([]error, len(paths))
		want[1], want[2] = core.ErrDiffers, core.ErrDiffers
		wantErrs(t, codec.String(), found, want...)
		at, ok := errors.AsType[*snapshot.DifferenceError](found[1].Err)
		if !ok || at.Section != fundsSection {
			t.Fatalf("%v: %v, want a difference in section %d", codec, found[1].Err, fundsSection)
		}
		text := found[1].Err.Error()
		for _, part := range []string{paths[1], "the snapshot of event 1", "section 2 at offset", "(funds)"} {
			if !strings.Contains(text, part) {
				t.Errorf("%q says nothing of %q", text, part)
			}
		}
		chunk := snapshotOf(t, paths[1]).Layout().Chunks[1]
		if offset := chunk.Offset + 44 + cash + 2; codec == snapshot.None && at.Offset != offset {
			t.Errorf("differs at offset %d, want %d", at.Offset, offset)
		}
	}
}

func copyFile(t *testing.T, path, dir string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Effects are what a snapshot carries for a consumer: one less is noticed, and said
// to be what AutoAck leaves if there is none.
func TestVerifyEffects(t *testing.T) {
	c := journaled(t)
	paths := snapshots(t, c, 3)
	last := paths[len(paths)-1]
	if n := snapshotOf(t, last).Section(ownEffects).Left() / event.EffectSize; n < 2 {
		t.Fatalf("workload drifted: %d effects in the last snapshot", n)
	}
	want := append(make([]error, len(paths)-1), core.ErrDiffers)
	rewrite(t, last, snapshot.None, func(section uint32, raw []byte) []byte {
		if section == ownEffects {
			return raw[:len(raw)-event.EffectSize]
		}
		return raw
	})
	wantErrs(t, "an effect less", verify(t, c), want...)
	c.AutoAck = true
	wantErrs(t, "an effect less, and AutoAck", verify(t, c), want...)

	none := journaled(t)
	none.AutoAck = true
	paths = snapshots(t, none, 3)
	wantErrs(t, "AutoAck", verify(t, none), make([]error, len(paths))...)
	none.AutoAck = false
	found := verify(t, none)
	if x := found[len(found)-1]; !errors.Is(x.Err, core.ErrDiffers) || !strings.Contains(x.Err.Error(), "AutoAck") {
		t.Errorf("no effects, and no AutoAck: %v, want that to be said", x.Err)
	}
	// Those of an engine that has acks are verified by whoever thinks it has none.
	with := journaled(t)
	paths = snapshots(t, with, 3)
	with.AutoAck = true
	wantErrs(t, "AutoAck, mistakenly", verify(t, with), make([]error, len(paths))...)
}

// What came before the journal began is not verifiable, what came after is.
func TestVerifyJournalBeginsLater(t *testing.T) {
	c := journaled(t)
	c.Journal, c.AutoAck = core.JournalOff, true
	events := market(4, 300)
	e := open(t, c)
	mustSend(t, e.Producer(), events[:100]...)
	mustClose(t, e)
	on := c
	on.Journal = core.JournalSync
	wantErrs(t, "no journal", verify(t, on), core.ErrNothingBefore)
	for _, part := range [][]event.Event{events[100:200], events[200:]} {
		e = open(t, on)
		mustSend(t, e.Producer(), part...)
		mustClose(t, e)
	}
	wantErrs(t, "a journal from 101 on", verify(t, on), core.ErrNothingBefore, nil, nil)
	if _, err := core.Verify(context.Background(), c); !errors.Is(err, core.ErrConfig) {
		t.Errorf("JournalOff: %v, want %v", err, core.ErrConfig)
	}
}

// Beside a running engine that takes and retires snapshots there is nothing wrong.
func TestVerifyBesideTheEngine(t *testing.T) {
	c := journaled(t)
	c.AutoAck, c.SnapshotEvery, c.Keep = true, 40, 2
	e := open(t, c)
	p := e.Producer()
	events := market(9, 3000)
	verified := 0
	for i, ev := range events {
		mustSend(t, p, ev)
		if i%100 != 0 {
			continue
		}
		digestOf(t, e) // the follower is there
		for _, x := range verify(t, c) {
			if verified++; x.Err != nil {
				t.Errorf("after event %d: %v", i, x.Err)
			}
		}
	}
	if verified < 30 {
		t.Errorf("%d snapshots verified: too few to tell", verified)
	}
	mustClose(t, e)
}

// vanishing removes a file at the moment it is opened for the n-th time.
type vanishing struct {
	journal.FS
	path string
	n    int
}

func (v *vanishing) Open(name string) (snapshot.File, error) {
	if name == v.path {
		if v.n--; v.n == 0 {
			if err := v.Remove(name); err != nil {
				return nil, err
			}
		}
	}
	return v.FS.Open(name)
}

// A snapshot or segment that goes while it is wanted changes what can be said, and
// nothing that is said is wrong.
func TestVerifyWhileFilesGo(t *testing.T) {
	for _, row := range []struct {
		what string
		n    int
		want []error
		from int // of the third, the snapshot before it that is left
	}{
		{"before it is verified", 1, []error{nil, nil, nil}, 0},
		{"before the next one begins with it", 2, []error{nil, nil, nil, nil}, 0},
	} {
		c := journaled(t)
		paths := snapshots(t, c, 3)
		extra := len(paths) - 3 // taken at the end, if anything came after the last
		c.FS = &vanishing{journal.OS(), paths[1], row.n}
		found := verify(t, c)
		wantErrs(t, row.what, found, append(row.want[:len(row.want)-1:len(row.want)-1], make([]error, extra)...)...)
		third := found[len(found)-1-extra]
		if third.Snapshot.Path != paths[2] || third.From != found[0].Snapshot.Sequence {
			t.Errorf("%s: %+v, want %s from event %d", row.what, third, paths[2], found[0].Snapshot.Sequence)
		}
	}
	c := journaled(t)
	paths := snapshots(t, c, 3)
	segments := journalOf(t, c)
	want := make([]error, len(paths))
	for i, path := range append([]string{""}, paths[:len(paths)-1]...) {
		if i == 0 || snapshotOf(t, path).Header().Sequence < segments[1].First {
			want[i] = core.ErrNothingBefore
		}
	}
	c.FS = &vanishing{journal.OS(), segments[0].Path, 2} // the first time is the list's
	wantErrs(t, "the first segment", verify(t, c), want...)
}

func TestVerifyEnds(t *testing.T) {
	c := journaled(t)
	if _, err := core.Verify(context.Background(), c); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v, want %v", err, os.ErrNotExist)
	}
	if err := os.Mkdir(c.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if found := verify(t, c); len(found) != 0 {
		t.Errorf("an empty folder: %+v", found)
	}
	paths := snapshots(t, c, 3)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	c.FS = &cancelling{FS: journal.OS(), path: paths[1], cancel: func() { cancel(enough) }}
	if found, err := core.Verify(ctx, c); err != enough || len(found) != 1 {
		t.Errorf("%+v, %v: want one verified, then %v", found, err, enough)
	}
	if _, err := core.Verify(context.Background(), core.Config{}); !errors.Is(err, core.ErrConfig) {
		t.Errorf("no Dir: %v, want %v", err, core.ErrConfig)
	}
	c.FS, c.Shard = nil, 7
	if _, err := core.Verify(context.Background(), c); !errors.Is(err, journal.ErrOptions) {
		t.Errorf("another shard: %v, want %v", err, journal.ErrOptions)
	}
}

// cancelling calls cancel when a file is opened.
type cancelling struct {
	journal.FS
	path   string
	cancel func()
}

func (c *cancelling) Open(name string) (snapshot.File, error) {
	if name == c.path {
		c.cancel()
	}
	return c.FS.Open(name)
}
