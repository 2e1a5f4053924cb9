package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/backstop-fund/backstop/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var long = flag.Bool("long", false, "tests of damage that take minutes")

// small are options for journals of a few frames.
func small(disk *memFS) Options {
	return Options{FS: disk, SegmentSize: 4 << 10, GroupSize: 1 << 10, Rules: 7, Salt: 0x5a175a17_0badcafe}
}

// payload is the event of a sequence: any n bytes that differ from sequence to
// sequence, the length among them.
func payload(seq uint64) []byte {
	b := make([]byte, 8+seq*7%57)
	for i := range b {
		b[i] = byte(seq*31 + uint64(i)*7 + 1)
	}
	binary.LittleEndian.PutUint64(b, seq)
	return b
}

// story is a journal under test, opened for writing.
type story struct {
	t      testing.TB
	disk   *memFS
	folder *Folder
	*Writer
}

// open recovers the journal on the disk, expecting it to end with sequence last.
func open(t testing.TB, o Options, last uint64) *story {
	t.Helper()
	f, err := Open("dir", o)
	if err != nil {
		t.Fatal(err)
	}
	w, got, err := recoverAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if got != last {
		t.Fatalf("recovered up to sequence %d, want %d", got, last)
	}
	return &story{t, o.FS.(*memFS), f, w}
}

// recoverAll reads all of a journal, comparing each event, and goes on with it.
func recoverAll(f *Folder) (*Writer, uint64, error) {
	r, err := f.Read(0)
	if err != nil {
		return nil, 0, err
	}
	last, err := compare(r)
	if err != nil {
		return nil, last, errors.Join(err, r.Close())
	}
	w, err := f.Write(r)
	return w, last, err
}

// errSilent is what must never happen: other bytes came back than were written.
var errSilent = errors.New("other bytes than were written")

// compare reads to the end and compares what it reads with what payload gives.
func compare(r *Reader) (last uint64, err error) {
	for {
		f, err := r.Next()
		if err == io.EOF {
			if r.End().Sequence != last && last != 0 {
				return last, fmt.Errorf("%w: the end is at %d after sequence %d", errSilent, r.End().Sequence, last)
			}
			return r.End().Sequence, nil
		}
		if err != nil {
			return last, err
		}
		if err := check(f, last); err != nil {
			return last, err
		}
		last = max(last, f.Last())
	}
}

// check compares a frame with what payload gives; last is the sequence before, 0
// if that is not known.
func check(f *Frame, last uint64) error {
	if last != 0 && f.First != last+1 {
		return fmt.Errorf("%w: frame from %d after %d", errSilent, f.First, last)
	}
	var want []byte
	for i := range uint64(f.Count) {
		want = append(want, payload(f.First+i)...)
	}
	if !bytes.Equal(want, f.Payload) {
		return fmt.Errorf("%w: in the frame from %d", errSilent, f.First)
	}
	return nil
}

// group appends n events; it writes when the group is full.
func (s *story) group(n int) {
	s.t.Helper()
	for range n {
		p := payload(s.Appended() + 1)
		b := s.Append(len(p))
		if b == nil {
			s.must(s.Write())
			b = s.Append(len(p))
		}
		copy(b, p)
	}
}

// commit appends n events and commits them.
func (s *story) commit(n int) {
	s.t.Helper()
	s.group(n)
	s.must(s.Commit())
}

func (s *story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// kill ends the process: what is in the files stays.
func (s *story) kill() { s.must(s.folder.Close()) }

// close is the orderly end.
func (s *story) close() {
	s.t.Helper()
	s.must(s.Close())
	s.must(s.folder.Close())
}

func path(first uint64) string { return filepath.Join("dir", fmt.Sprintf("%020d.journal", first)) }

// segments are the files of the disk's journal, in order.
func (m *memFS) segments() (names []string) {
	for name := range m.files {
		if strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestJournal(t *testing.T) {
	disk := newMemFS()
	s := open(t, small(disk), 0)
	if s.Written() != 0 || s.Durable() != 0 || s.Appended() != 0 {
		t.Errorf("a new journal has %d, %d, %d", s.Written(), s.Durable(), s.Appended())
	}
	s.group(3)
	if s.Appended() != 3 || s.Written() != 0 {
		t.Errorf("appended %d, written %d, want 3, 0", s.Appended(), s.Written())
	}
	s.must(s.Write())
	if s.Written() != 3 || s.Durable() != 0 {
		t.Errorf("written %d, durable %d, want 3, 0", s.Written(), s.Durable())
	}
	s.must(s.Sync())
	if s.Durable() != 3 {
		t.Errorf("durable %d after a sync, want 3", s.Durable())
	}
	s.close()

	s = open(t, small(disk), 3)
	s.commit(200) // over several segments
	s.kill()
	if n := len(disk.segments()); n < 3 {
		t.Errorf("%d segments, want at least 3", n)
	}
	s = open(t, small(disk), 203)
	s.close()
	if s.Commit(); !errors.Is(s.Err(), ErrFailed) {
		t.Errorf("commit of a closed writer: %v", s.Err())
	}
}

// A group is one write and one sync, a seal another, and nothing to do is nothing
// done.
func TestOneWriteAndOneSyncPerGroup(t *testing.T) {
	disk := newMemFS()
	s := open(t, small(disk), 0)
	for _, step := range []struct {
		name string
		do   func()
		want []string
	}{
		{"commit", func() { s.commit(10) }, []string{"write", "sync"}},
		{"commit of nothing", func() { s.commit(0) }, nil},
		{"seal", func() { s.must(s.Seal()) }, []string{"write", "sync"}},
		{"seal again", func() { s.must(s.Seal()) }, nil},
		{"write", func() { s.group(1); s.must(s.Write()) }, []string{"write"}},
		{"seal of what is written", func() { s.must(s.Seal()) }, []string{"sync", "write", "sync"}},
	} {
		disk.ops = nil
		step.do()
		if !slices.Equal(disk.ops, step.want) {
			t.Errorf("%s: %v, want %v", step.name, disk.ops, step.want)
		}
	}
}

// The same input makes the same bytes, and another salt others.
func TestSameBytes(t *testing.T) {
	write := func(salt uint64) *memFS {
		disk := newMemFS()
		o := small(disk)
		o.Salt = salt
		s := open(t, o, 0)
		for n := range 30 {
			s.commit(n)
		}
		s.close()
		return disk
	}
	a, b, c := write(1), write(1), write(2)
	for name, f := range a.files {
		if g := b.files[name]; g == nil || !bytes.Equal(f.data, g.data) {
			t.Errorf("%s differs", name)
		}
	}
	if bytes.Equal(a.files[path(1)].data, c.files[path(1)].data) {
		t.Error("the salt changes nothing")
	}
}

func TestAppendRefuses(t *testing.T) {
	s := open(t, small(newMemFS()), 0)
	for _, n := range []int{0, -1, 1<<10 + 1} {
		if b := s.Append(n); b != nil {
			t.Errorf("Append(%d) gives room", n)
		}
	}
	if b := s.Append(1 << 10); len(b) != 1<<10 {
		t.Errorf("Append of a whole group gives %d bytes", len(b))
	}
	if b := s.Append(1); b != nil {
		t.Error("Append to a full group gives room")
	}
	if s.Appended() != 1 {
		t.Errorf("appended %d, want 1", s.Appended())
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{SegmentSize: 4<<10 + 4},
		{SegmentSize: 1 << 10},
		{SegmentSize: 64 << 10, GroupSize: 32<<10 + 1},
		{SegmentSize: 1 << 30, GroupSize: MaxGroup + 1},
		{GroupSize: -1},
	} {
		o.FS = newMemFS()
		if _, err := Open("dir", o); !errors.Is(err, ErrOptions) {
			t.Errorf("%+v: %v, want %v", o, err, ErrOptions)
		}
	}
	disk := newMemFS()
	open(t, small(disk), 0).close()
	o := small(disk)
	o.Shard = 1
	if _, err := Open("dir", o); !errors.Is(err, ErrOptions) {
		t.Errorf("another shard: %v, want %v", err, ErrOptions)
	}
}

func TestSecondWriter(t *testing.T) {
	disk := newMemFS()
	s := open(t, small(disk), 0)
	if _, err := Open("dir", small(disk)); !errors.Is(err, snapshot.ErrLocked) {
		t.Errorf("a second owner: %v, want %v", err, snapshot.ErrLocked)
	}
	o := small(disk)
	o.ReadOnly = true
	f, err := Open("dir", o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Read(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := compare(r); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(r); err == nil {
		t.Error("a read-only folder gives a writer")
	}
	s.close()
}

// What a process leaves that was killed is sealed by the next one, once.
func TestRestartsLeaveNoTrace(t *testing.T) {
	disk := newMemFS()
	s := open(t, small(disk), 0)
	s.commit(1)
	s.kill()
	open(t, small(disk), 1).kill()
	want := bytes.Clone(disk.files[path(1)].data)
	for range 1000 {
		open(t, small(disk), 1).close()
	}
	if !bytes.Equal(want, disk.files[path(1)].data) {
		t.Error("restarts without events change the journal")
	}
}

func TestFirst(t *testing.T) {
	disk := newMemFS()
	o := small(disk)
	o.First = 1001
	s := open(t, o, 1000)
	s.commit(5)
	s.close()
	open(t, o, 1005).close()
	if got := disk.segments(); len(got) != 1 || got[0] != path(1001) {
		t.Errorf("segments %v, want %s", got, path(1001))
	}
}

// A reader begins with the frame that has the sequence asked for in it, or as
// near before it as a segment begins.
func TestReadFrom(t *testing.T) {
	disk := newMemFS()
	s := open(t, small(disk), 0)
	for range 60 {
		s.commit(3)
	}
	s.close()
	f, err := Open("dir", small(disk))
	if err != nil {
		t.Fatal(err)
	}
	for from := range uint64(181) {
		r, err := f.Read(from)
		if err != nil {
			t.Fatal(err)
		}
		n, err := r.Next()
		if err != nil || n.First > max(from, 1) {
			t.Fatalf("from %d: frame from %d, %v", from, n.First, err)
		}
		if _, err := compare(r); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if removed, err := f.Remove(100); err != nil || len(removed) == 0 {
		t.Fatalf("removed %v, %v", removed, err)
	}
	first := f.Segments()[0].First
	if first > 100 {
		t.Errorf("sequence 100 was removed: the first is %d", first)
	}
	if _, err := f.Read(first - 1); !errors.Is(err, ErrGone) {
		t.Errorf("read of a removed sequence: %v, want %v", err, ErrGone)
	}
	if removed, err := f.Remove(100); err != nil || removed != nil {
		t.Errorf("removed twice: %v, %v", removed, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, small(disk), 180)
	s.commit(3)
	s.close()
}

func TestZeroAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	f, err := Open(t.TempDir(), Options{SegmentSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	w, _, err := recoverAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		for range 64 {
			clear(w.Append(64))
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a group, want 0", n)
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}
