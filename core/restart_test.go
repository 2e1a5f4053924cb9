package core_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
)

// history is what one goroutine did with engines over the same folder: the dumb
// twin of what they must remember.
type history struct {
	t      *testing.T
	r      *rand.Rand
	config core.Config
	engine *core.Engine
	feed   *core.Producer

	events  []event.Event // to be sent in the end
	sent    int
	applied []event.Event // sent, and the acks among them
	acked   int           // effects, counted from the beginning
	read    int
	// twin has applied the first twinned of applied.
	twin    *machine.Machine
	fx      *event.Effects
	twinned int
	// The state of the newest snapshot.
	snapAcked, snapApplied, snapSent int
}

// effects are all effects so far by a machine alone.
func (h *history) effects() []event.Effect {
	for ; h.twinned < len(h.applied); h.twinned++ {
		h.twin.Apply(h.applied[h.twinned], h.fx)
	}
	return h.fx.All()
}

// forget starts the twin anew.
func (h *history) forget() {
	h.twin, h.fx, h.twinned = newMachine(h.t), event.NewEffects(1, nil), 0
}

func (h *history) open() {
	h.engine = open(h.t, h.config)
	h.feed = h.engine.Producer()
	all := h.effects()
	// Those after the ack come again, under their old ids; those before never.
	if got, want := h.engine.Recovery().Effects, len(all)-h.acked; got != want {
		h.t.Fatalf("%d effects to be delivered again, want %d", got, want)
	}
	h.read = h.acked
	h.sameDigest()
}

func (h *history) sameDigest() {
	h.effects()
	if got := digestOf(h.t, h.engine); got != h.twin.Digest() {
		h.t.Fatalf("digest after %d events differs from a machine alone", len(h.applied))
	}
}

func (h *history) send(n int) {
	for _, e := range h.events[h.sent:min(h.sent+n, len(h.events))] {
		mustSend(h.t, h.feed, e)
		h.applied = append(h.applied, e)
		h.sent++
	}
}

func (h *history) readSome(n int) {
	h.settle()
	buf := make([]event.Effect, n)
	got, err := h.engine.Effects().Poll(buf)
	if err != nil {
		h.t.Fatal(err)
	}
	all := h.effects()
	sameEffects(h.t, buf[:got], all[h.read:h.read+got])
	if got < n && h.read+got != len(all) {
		h.t.Fatalf("poll stopped at effect %d of %d", h.read+got, len(all))
	}
	h.read += got
}

// ack acknowledges up to the n-th effect from the beginning, read or not.
func (h *history) ack(n int) {
	h.settle()
	all := h.effects()
	if n = min(n, len(all)); n <= h.acked {
		return
	}
	last := all[n-1]
	if err := h.engine.Effects().Ack(last.Seq, last.Index); err != nil {
		h.t.Fatal(err)
	}
	h.applied = append(h.applied, event.Event{event.Ack(last.Seq, last.Index)})
	h.acked, h.read = n, max(h.read, n)
}

// settle waits until everything sent is applied and its effects are out.
func (h *history) settle() {
	if err := h.engine.View(context.Background(), func(*machine.Machine) {}); err != nil {
		h.t.Fatal(err)
	}
	if h.config.Journal != core.JournalOff {
		durable(h.engine)
	}
}

// durable waits until everything applied is.
func durable(e *core.Engine) {
	for s := e.Stats(); s.Durable < s.Applied && e.Err() == nil; s = e.Stats() {
		runtime.Gosched()
	}
}

func (h *history) snapshot() {
	info, err := h.engine.Snapshot(context.Background())
	if err != nil || info.Sequence != uint64(len(h.applied)) {
		h.t.Fatalf("snapshot %+v, %v; want sequence %d", info, err, len(h.applied))
	}
	h.noteSnapshot()
}

func (h *history) noteSnapshot() {
	h.snapAcked, h.snapApplied, h.snapSent = h.acked, len(h.applied), h.sent
}

// crash goes on with the folder as it is, without a clean stop.
func (h *history) crash() {
	h.settle()
	copied := filepath.Join(h.t.TempDir(), "after")
	if err := os.CopyFS(copied, os.DirFS(h.config.Dir)); err != nil {
		h.t.Fatal(err)
	}
	mustClose(h.t, h.engine)
	h.config.Dir = copied
	if h.config.Journal != core.JournalOff { // which has what the snapshot has not
		h.open()
		return
	}
	h.acked, h.applied, h.sent = h.snapAcked, h.applied[:h.snapApplied], h.snapSent
	h.forget()
	h.open()
}

// However feeding, reading, acknowledging, snapshots, clean stops and crashes
// follow one another, every effect comes at least once and always under its id,
// and none comes again that was acknowledged before the snapshot; with a journal,
// before the end.
func TestRestart(t *testing.T) {
	for _, mode := range []core.JournalMode{core.JournalOff, core.JournalSync, core.JournalAsync} {
		t.Run(mode.String(), func(t *testing.T) { restart(t, mode) })
	}
}

func restart(t *testing.T, mode core.JournalMode) {
	seeds := uint64(12)
	if testing.Short() || raceEnabled || mode != core.JournalOff {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			h := &history{
				t: t, r: rand.New(rand.NewPCG(seed, 3)), events: market(seed, 900),
				config: core.Config{
					Dir: filepath.Join(t.TempDir(), "data"), Journal: mode, EffectsSize: 1 << 12,
					SegmentSize: smallSegment, SyncEvery: time.Millisecond,
				},
			}
			h.forget()
			h.open()
			for h.sent < len(h.events) {
				switch n := h.r.IntN(12); n {
				case 0, 1, 2, 3, 4:
					h.send(h.r.IntN(60))
				case 5, 6, 7:
					h.readSome(h.r.IntN(100))
				case 8, 9:
					h.ack(h.acked + h.r.IntN(50))
				case 10:
					h.snapshot()
				default:
					if (h.snapApplied > 0 || mode != core.JournalOff) && h.r.IntN(2) == 0 {
						h.crash()
						continue
					}
					mustClose(t, h.engine)
					h.noteSnapshot()
					h.open()
				}
			}
			h.readSome(len(h.effects()) - h.read)
			h.ack(h.read)
			h.sameDigest()
			mustClose(t, h.engine)
		})
	}
}

// What nobody acknowledged may be more than the next engine's ring.
func TestRestartWithSmallerRing(t *testing.T) {
	c := core.Config{Dir: t.TempDir(), Journal: core.JournalOff, EffectsSize: 8}
	e := open(t, c)
	p := e.Producer()
	for n := range 1_000 { // 8 in the ring, the rest finds no room
		mustSend(t, p, refusal(n))
	}
	mustClose(t, e)
	c.EffectsSize = 1
	e = open(t, c)
	if got := e.Recovery(); got.Effects != 1_000 || got.Snapshot.Sequence != 1_000 || len(got.Skipped) != 0 {
		t.Fatalf("recovery %+v, want 1000 effects and sequence 1000", got)
	}
	// A consumer that wrote down how far it was goes on there.
	x := e.Effects()
	if err := x.Ack(990, 0); err != nil {
		t.Fatal(err)
	}
	buf := make([]event.Effect, 100)
	n, err := x.Next(buf)
	if err != nil || n != 10 {
		t.Fatalf("%d effects, %v; want 10", n, err)
	}
	inOrder(t, 990, buf[:n])
	mustClose(t, e)
}

func TestAckRefused(t *testing.T) {
	e := open(t, core.Config{})
	defer mustClose(t, e)
	mustSend(t, e.Producer(), refusal(0), event.Event{event.Time(1)}, refusal(1))
	if err := e.View(context.Background(), func(*machine.Machine) {}); err != nil {
		t.Fatal(err)
	}
	x := e.Effects()
	if err := x.Ack(99, 0); !errors.Is(err, core.ErrAck) {
		t.Errorf("ack of an event to come: %v, want %v", err, core.ErrAck)
	}
	buf := make([]event.Effect, 2) // the refusal has skipped nothing
	if n, err := x.Poll(buf[:1]); n != 1 || err != nil || buf[0].Seq != 1 {
		t.Errorf("%d effects, %v; want that of event 1", n, err)
	}
	for _, row := range []struct {
		seq  uint64
		want error
	}{{1, nil}, {1, nil}, {2, nil}, {0, nil}, {99, core.ErrAck}, {3, nil}, {3, nil}, {99, core.ErrAck}} {
		if err := x.Ack(row.seq, 0); !errors.Is(err, row.want) {
			t.Errorf("ack of (%d, 0): %v, want %v", row.seq, err, row.want)
		}
	}
	if n, err := x.Poll(buf); n != 0 || err != nil {
		t.Errorf("%d effects, %v; all are acknowledged, read or not", n, err)
	}
	// Those accepted reached the machine, once each.
	var acked uint64
	var applied uint64
	if err := e.View(context.Background(), func(m *machine.Machine) {
		acked, _, _ = m.Acked()
		applied = m.Sequence()
	}); err != nil || acked != 3 || applied != 6 {
		t.Errorf("machine has ack %d after %d events, %v; want 3 after 6", acked, applied, err)
	}
}

// With AutoAck nothing is delivered again, also not what nobody has read.
func TestAutoAckKeepsNothing(t *testing.T) {
	c := core.Config{Dir: t.TempDir(), Journal: core.JournalOff, AutoAck: true}
	e := open(t, c)
	mustSend(t, e.Producer(), refusal(0), refusal(1), event.Event{event.Ack(1, 0)})
	mustClose(t, e)
	got, _ := drain(e.Effects(), 4, nil)
	inOrder(t, 0, got)
	e = open(t, c)
	if r := e.Recovery(); len(got) != 2 || r.Effects != 0 || r.Snapshot.Sequence != 3 {
		t.Errorf("%d effects at first; then %+v", len(got), r)
	}
	mustClose(t, e)

	// A consumer that has acks now may acknowledge what an earlier engine gave it.
	c.AutoAck = false
	e = open(t, c)
	if err := e.Effects().Ack(2, 0); err != nil {
		t.Error(err)
	}
	if err := e.Effects().Ack(99, 0); !errors.Is(err, core.ErrAck) {
		t.Errorf("ack of an event to come: %v, want %v", err, core.ErrAck)
	}
	mustClose(t, e)
}

// A periodic snapshot comes in the middle of a batch, when effects decided before
// it are not in the ring yet: it has them all the same.
func TestSnapshotInBatch(t *testing.T) {
	c := core.Config{Dir: t.TempDir(), Journal: core.JournalOff, SnapshotEvery: 5}
	e := open(t, c)
	p := e.Producer()
	resume := hold(t, e)
	for n := range 9 {
		mustSend(t, p, refusal(n))
	}
	resume()
	mustClose(t, e)
	if err := os.Remove(e.Stats().LastSnapshot.Path); err != nil {
		t.Fatal(err)
	}
	e = open(t, c)
	if r := e.Recovery(); r.Snapshot.Sequence != 5 || r.Effects != 5 {
		t.Errorf("%+v, want sequence 5 and its 5 effects", r)
	}
	mustClose(t, e)
}
