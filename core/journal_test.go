package core_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/snapshot"
)

// smallSegment is the smallest that holds any event: tests make many.
const smallSegment = 128 << 10

// journaled is a Config with a journal in a new folder.
func journaled(t testing.TB) core.Config {
	return core.Config{Dir: filepath.Join(t.TempDir(), "data"), SegmentSize: smallSegment}
}

// slowFS is the machine's, whose syncs wait or fail as a test says.
type slowFS struct {
	journal.FS
	held  sync.RWMutex // locked for writing by a test that holds the syncs up
	fails atomic.Pointer[error]
	what  string // the operation that fails
}

func newSlowFS() *slowFS { return &slowFS{FS: journal.OS()} }

func (s *slowFS) Edit(name string) (journal.File, error) {
	f, err := s.FS.Edit(name)
	return slowFile{f, s}, err
}

func (s *slowFS) fail(what string, err error) { s.what = what; s.fails.Store(&err) }

func (s *slowFS) fault(what string) error {
	if err := s.fails.Load(); err != nil && s.what == what {
		return *err
	}
	return nil
}

type slowFile struct {
	journal.File
	fs *slowFS
}

func (f slowFile) Sync() error {
	f.fs.held.RLock()
	defer f.fs.held.RUnlock()
	if err := f.fs.fault("sync"); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f slowFile) WriteAt(b []byte, at int64) (int, error) {
	if err := f.fs.fault("write"); err != nil {
		return 0, err
	}
	return f.File.WriteAt(b, at)
}

// applied waits until so many events are.
func applied(e *core.Engine, n uint64) {
	for e.Stats().Applied < n {
		runtime.Gosched()
	}
}

// An effect waits until its event is durable; the core does not.
func TestEffectsWaitForTheDisk(t *testing.T) {
	c := journaled(t)
	disk := newSlowFS()
	c.FS = disk
	e := open(t, c)
	p, x := e.Producer(), e.Effects()
	disk.held.Lock()
	for n := range 100 {
		mustSend(t, p, refusal(n))
	}
	applied(e, 100)
	buf := make([]event.Effect, 200)
	if n, err := x.Poll(buf); n != 0 || err != nil {
		t.Errorf("%d effects of events that are not durable, %v", n, err)
	}
	if s := e.Stats(); s.Durable != 0 || s.Unread != 100 {
		t.Errorf("durable %d, %d unread, want 0 and 100", s.Durable, s.Unread)
	}
	disk.held.Unlock()
	for next := 0; next < 100; {
		n, err := x.Next(buf)
		if err != nil {
			t.Fatal(err)
		}
		inOrder(t, next, buf[:n])
		if next += n; e.Stats().Durable < uint64(next) {
			t.Errorf("%d effects, %d events are durable", next, e.Stats().Durable)
		}
	}
	mustClose(t, e)
}

// A write or sync that fails ends the engine: it says so everywhere, no effect
// has left that is not on the disk, and the next engine has all that did.
func TestJournalFails(t *testing.T) {
	for _, row := range []struct {
		what string
		err  error
	}{{"sync", syscall.EIO}, {"write", syscall.ENOSPC}} {
		t.Run(row.what, func(t *testing.T) {
			c := journaled(t)
			disk := newSlowFS()
			c.FS = disk
			e := open(t, c)
			var left []event.Effect
			var reading, sending sync.WaitGroup
			reading.Go(func() {
				var err error
				left, err = drain(e.Effects(), 16, nil)
				if !errors.Is(err, journal.ErrFailed) || !errors.Is(err, row.err) {
					t.Errorf("after the last effect: %v, want %v", err, row.err)
				}
			})
			p := e.Producer()
			sending.Go(func() {
				for n := 0; ; n++ {
					if err := p.Send(refusal(n)); err != nil {
						if !errors.Is(err, journal.ErrFailed) {
							t.Errorf("Send: %v, want %v", err, journal.ErrFailed)
						}
						return
					}
				}
			})
			for e.Stats().Durable < 500 {
				runtime.Gosched()
			}
			disk.fail(row.what, row.err)
			reading.Wait()
			sending.Wait()
			f, ok := errors.AsType[*core.Fault](e.Err())
			if !ok || f.Sequence != e.Stats().Durable || !strings.Contains(f.Error(), "durable") {
				t.Errorf("%v, want a fault after event %d", e.Err(), e.Stats().Durable)
			}
			if err := e.View(context.Background(), func(*machine.Machine) {}); !errors.Is(err, journal.ErrFailed) {
				t.Errorf("View: %v, want %v", err, journal.ErrFailed)
			}
			if err := e.Close(); !errors.Is(err, row.err) {
				t.Errorf("Close: %v, want %v", err, row.err)
			}
			if n := len(left); n == 0 || left[n-1].Seq > f.Sequence {
				t.Errorf("%d effects left, the last of event %d; durable are %d", n, left[n-1].Seq, f.Sequence)
			}
			if names, _ := filepath.Glob(filepath.Join(c.Dir, "*.snapshot")); len(names) != 0 {
				t.Errorf("a snapshot at the end of a broken engine: %v", names)
			}
			c.FS, c.EffectsSize = nil, 1
			e = open(t, c)
			if r := e.Recovery(); r.Sequence < f.Sequence || r.Effects < len(left) {
				t.Errorf("recovered %+v, want at least the %d events that were durable", r, f.Sequence)
			}
			again := make([]event.Effect, len(left))
			for n := 0; n < len(again); {
				k, err := e.Effects().Next(again[n:])
				if err != nil {
					t.Fatal(err)
				}
				n += k
			}
			sameEffects(t, again, left)
			mustClose(t, e)
		})
	}
}

// A folder that cannot be written is an error of Open that says so.
func TestFolderThatCannotBeWritten(t *testing.T) {
	c := journaled(t)
	disk := newSlowFS()
	disk.fail("write", syscall.EROFS)
	c.FS, c.Limits = disk, small
	if _, err := core.Open(c); !errors.Is(err, syscall.EROFS) {
		t.Errorf("Open: %v, want %v", err, syscall.EROFS)
	}
	c.FS = nil
	e := open(t, c)
	if _, err := core.Open(c); !errors.Is(err, snapshot.ErrLocked) {
		t.Errorf("a second engine: %v, want %v", err, snapshot.ErrLocked)
	}
	mustClose(t, e)
}

// What journal there is must be whole, and must not be overlooked.
func TestJournalIsHeeded(t *testing.T) {
	c := journaled(t)
	c.AutoAck = true
	e := open(t, c)
	events := market(3, 800)
	mustSend(t, e.Producer(), events...)
	want := digestOf(t, e)
	mustClose(t, e)
	c.Limits = small
	off := c
	off.Journal = core.JournalOff
	if _, err := core.Open(off); !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), ".journal") {
		t.Errorf("without the journal that is there: %v, want %v", err, core.ErrConfig)
	}
	// Without its snapshot the journal alone will do.
	if err := os.Remove(e.Stats().LastSnapshot.Path); err != nil {
		t.Fatal(err)
	}
	e = open(t, c)
	if r := e.Recovery(); r.Replayed != uint64(len(events)) || digestOf(t, e) != want {
		t.Errorf("%+v: want all %d events replayed, and the same digest", r, len(events))
	}
	mustClose(t, e)
	// Nor does a damaged snapshot matter.
	damage(t, e.Stats().LastSnapshot.Path)
	e = open(t, c)
	if r := e.Recovery(); len(r.Skipped) != 1 || r.Replayed != uint64(len(events)) || digestOf(t, e) != want {
		t.Errorf("%+v: want one skipped, and all events replayed", r)
	}
	mustClose(t, e)
	// A segment that is missing or damaged does.
	names, err := filepath.Glob(filepath.Join(c.Dir, "*.journal"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	flip(t, names[0], 200)
	if err := os.Remove(e.Stats().LastSnapshot.Path); err != nil {
		t.Fatal(err)
	}
	d := &journal.DamageError{}
	if _, err := core.Open(c); !errors.As(err, &d) || d.File != names[0] || d.Sequence == 0 {
		t.Errorf("Open of a damaged journal: %v, want %v", err, journal.ErrDamaged)
	}
	flip(t, names[0], 200)
	open(t, c).Close()
	if err := os.Remove(names[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := core.Open(c); !errors.Is(err, journal.ErrDamaged) {
		t.Errorf("Open without the journal the snapshot was taken of: %v, want %v", err, journal.ErrDamaged)
	}
}

// flip flips one bit.
func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

// A journal begins behind the snapshots of an engine that had none.
func TestJournalBeginsLater(t *testing.T) {
	c := journaled(t)
	c.Journal, c.AutoAck = core.JournalOff, true
	events := market(4, 300)
	e := open(t, c)
	mustSend(t, e.Producer(), events[:100]...)
	mustClose(t, e)
	c.Journal = core.JournalSync
	for _, part := range [][]event.Event{events[100:200], events[200:]} {
		e = open(t, c)
		mustSend(t, e.Producer(), part...)
		mustClose(t, e)
	}
	e = open(t, c)
	twin, _ := alone(t, events)
	if digestOf(t, e) != twin.Digest() {
		t.Error("the digest differs from a machine's alone")
	}
	mustClose(t, e)
}

// The journal holds the events and nothing else: no nudge, no order of its own.
func TestJournalHoldsTheEvents(t *testing.T) {
	c := journaled(t)
	c.AutoAck = true
	e := open(t, c)
	events := market(5, 600)
	for i, x := range events {
		mustSend(t, e.Producer(), x)
		if i%100 == 0 {
			digestOf(t, e) // wakes the core by a record that is no event
		}
	}
	mustClose(t, e)
	f, err := journal.Open(c.Dir, journal.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Read(0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []event.Event
	for {
		x, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for b := x.Payload; len(b) > 0; {
			one, n, err := event.Decode(nil, b)
			if err != nil {
				t.Fatal(err)
			}
			got, b = append(got, one), b[n:]
		}
	}
	if len(got) != len(events) {
		t.Fatalf("%d events in the journal, %d were sent", len(got), len(events))
	}
	for i := range got {
		a, _ := got[i].AppendBinary(nil)
		b, _ := events[i].AppendBinary(nil)
		if string(a) != string(b) {
			t.Fatalf("event %d differs", i+1)
		}
	}
}

// Disk slower than input: producers meet a full ring, and no event is lost.
func TestDiskSlowerThanInput(t *testing.T) {
	c := journaled(t)
	disk := newSlowFS()
	c.FS, c.InputSize, c.AutoAck = disk, event.MaxRecords, true
	e := open(t, c)
	p := e.Producer()
	disk.held.Lock()
	sent := 0
	for p.TrySend(refusal(sent)) == nil || e.Stats().InputFree > 0 {
		sent++
	}
	disk.held.Unlock()
	mustClose(t, e)
	if s := e.Stats(); s.Applied != s.Durable || s.Applied < event.MaxRecords || s.Written != s.Applied {
		t.Errorf("%+v: want all of it applied and durable", s)
	}
}
