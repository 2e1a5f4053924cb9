package journal

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"
	"testing"
)

// TestEveryFault lets each operation of a journal's life fail once, in every way.
// The writer then says so for ever and is never ahead of the disk; and whoever
// opens the folder next finds what was durable.
func TestEveryFault(t *testing.T) {
	count := 0
	for _, fault := range []error{syscall.EIO, syscall.ENOSPC, errShort} {
		for at := 0; ; at++ {
			disk := newMemFS()
			failed := ""
			disk.fault = func(op int, kind string) error {
				if op != at {
					return nil
				}
				failed = kind
				if fault == errShort && kind != "write" {
					return nil
				}
				return fault
			}
			durable, err := live(disk)
			if failed == "" {
				if err != nil {
					t.Fatalf("without a fault: %v", err)
				}
				break
			}
			count++
			what := fmt.Sprintf("operation %d, %s: %v", at, failed, fault)
			if err != nil && !errors.Is(err, fault) {
				t.Fatalf("%s: %v does not say why", what, err)
			}
			disk.fault, disk.locked = nil, false
			f, err := Open("dir", small(disk))
			if err != nil {
				t.Fatalf("%s: open: %v", what, err)
			}
			w, last, err := recoverAll(f)
			if err != nil || last < durable {
				t.Fatalf("%s: %d events recovered, %d were durable: %v", what, last, durable, err)
			}
			s := &story{t, disk, f, w}
			s.commit(3)
			s.close()
		}
	}
	t.Logf("%d faults", count)
}

// live opens a journal, writes over several segments, and is followed, in spite
// of a fault. It returns what it was told is durable.
func live(disk *memFS) (durable uint64, err error) {
	f, err := Open("dir", small(disk))
	if err != nil {
		return 0, err
	}
	w, _, err := recoverAll(f)
	if err != nil {
		return 0, err
	}
	var early error
	for n := range 40 {
		for range 5 {
			p := payload(w.Appended() + 1)
			copy(w.Append(len(p)), p)
		}
		if w.Unprepared() {
			early = errors.Join(early, w.Prepare())
		}
		if n%7 == 6 {
			err = w.Seal()
		} else {
			err = w.Commit()
		}
		if err != nil {
			if !errors.Is(err, ErrFailed) {
				return w.Durable(), fmt.Errorf("not %w: %w", ErrFailed, err)
			}
			durable := w.Durable()
			if again := w.Commit(); again != err || w.Err() != err {
				return durable, fmt.Errorf("tried again after %w: %w", err, again)
			}
			if w.Seal() != err || w.Durable() != durable {
				return durable, fmt.Errorf("went on after %w", err)
			}
			return durable, err
		}
	}
	return w.Durable(), errors.Join(early, w.Close(), f.Close())
}

// TestUnfinishedChange stops at each step from one segment to the next, and
// finds the way on.
func TestUnfinishedChange(t *testing.T) {
	disk := newMemFS()
	s := open(t, small(disk), 0)
	for s.offset < s.segment.Size-600 {
		s.commit(3)
	}
	if !s.Unprepared() {
		t.Error("prepared, and nobody did")
	}
	s.must(s.Prepare())
	if s.Unprepared() {
		t.Error("unprepared after Prepare")
	}
	last := s.Durable()
	s.group(20)
	states := map[string]*memFS{}
	disk.fault = func(op int, kind string) error {
		// What the disk looks like before this operation of the change.
		c := newMemFS()
		for name, f := range disk.files {
			c.files[name] = &memFile{c, bytes.Clone(f.data)}
		}
		states[fmt.Sprintf("before operation %d, %s", op, kind)] = c
		return nil
	}
	s.must(s.Commit())
	for name, disk := range states {
		f, err := Open("dir", small(disk))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		w, got, err := recoverAll(f)
		if err != nil || got != last && got != last+20 {
			t.Fatalf("%s: recovered up to %d, want %d or %d: %v", name, got, last, last+20, err)
		}
		s := &story{t, disk, f, w}
		s.commit(30)
		s.close()
		open(t, small(disk), got+30).close()
	}
	if len(states) < 8 {
		t.Errorf("%d states, want one before each operation", len(states))
	}
}

// The next segment is made part by part, in step with how this one fills, and is there
// before it is wanted.
func TestPreparedInStep(t *testing.T) {
	disk := newMemFS()
	o := small(disk)
	o.SegmentSize, o.GroupSize = 16<<18, 1<<18
	s := open(t, o, 0)
	made := func() int64 {
		if f := disk.files["dir/"+nextName]; f != nil {
			return int64(len(f.data))
		}
		return 0
	}
	steps := 0
	for s.segment.First == 1 {
		before := made()
		if s.Unprepared() {
			s.must(s.Prepare())
		}
		if n := made() - before; n > 2*int64(len(zeros)) {
			t.Fatalf("%d bytes at once at offset %d", n, s.offset)
		} else if n > 0 {
			steps++
		}
		if full := float64(s.offset) / float64(o.SegmentSize); full < 0.12 && made() > 0 || full > 0.88 && made() < o.SegmentSize {
			t.Fatalf("%d of %d bytes are prepared when this segment is %.2f full", made(), o.SegmentSize, full)
		}
		copy(s.Append(100_000), "event")
		s.must(s.Commit())
	}
	if steps < 12 {
		t.Errorf("made in %d steps", steps)
	}
	if s.Unprepared() || made() != 0 {
		t.Errorf("%d bytes of the one after are there at once", made())
	}
	s.close()
}

// What could not be finished of the next segment is removed, and made anew.
func TestPreparedAgain(t *testing.T) {
	disk := newMemFS()
	o := small(disk)
	o.SegmentSize, o.GroupSize = 4<<18, 1<<18
	s := open(t, o, 0)
	for s.offset < s.segment.Size*3/5 {
		copy(s.Append(50_000), "event")
		s.must(s.Commit())
	}
	if !s.Unprepared() {
		t.Fatal("nothing is to be prepared")
	}
	disk.fault = func(_ int, kind string) error {
		if kind == "sync" && len(disk.files["dir/"+nextName].data) > 2<<18 {
			return syscall.EIO
		}
		return nil
	}
	if err := s.Prepare(); !errors.Is(err, syscall.EIO) || disk.files["dir/"+nextName] != nil {
		t.Fatalf("%v, want %v and nothing left of it", err, syscall.EIO)
	}
	disk.fault = nil
	s.must(s.Prepare())
	if s.Unprepared() {
		t.Error("unprepared after Prepare")
	}
	for s.segment.First == 1 {
		copy(s.Append(50_000), "event")
		s.must(s.Commit())
	}
	s.close()
}

// A segment that was announced and is nowhere has been removed.
func TestAnnouncedSegmentIsMissing(t *testing.T) {
	disk := newMemFS()
	s := open(t, small(disk), 0)
	s.commit(200)
	s.close()
	names := disk.segments()
	delete(disk.files, names[len(names)-1])
	if _, err := readOnly(small(disk)); !errors.Is(err, ErrDamaged) {
		t.Errorf("%v, want %v", err, ErrDamaged)
	}
}

// A prepared file that fits no end is made anew.
func TestStalePreparedSegment(t *testing.T) {
	disk := newMemFS()
	disk.files["dir/"+nextName] = &memFile{disk, bytes.Repeat([]byte("stale"), 1000)}
	s := open(t, small(disk), 0)
	s.commit(200)
	s.kill()
	open(t, small(disk), 200).close()
}

// TestRewritesWhatIsInDoubt looks at what opening writes: all that no frame says
// was durable, and no more.
func TestRewritesWhatIsInDoubt(t *testing.T) {
	disk := newMemFS()
	s := open(t, small(disk), 0)
	s.commit(5)
	from := s.offset
	s.group(3)
	s.must(s.Write())
	to := s.offset
	s.kill()
	r := &recorder{memFS: disk}
	o := small(disk)
	o.FS = r
	f, err := Open("dir", o)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := recoverAll(f); err != nil {
		t.Fatal(err)
	}
	want := []string{fmt.Sprintf("write %d to %d", from, to), "sync", fmt.Sprintf("write %d to %d", to, to+frameSize), "sync"}
	if fmt.Sprint(r.did) != fmt.Sprint(want) {
		t.Errorf("opening did %v, want %v", r.did, want)
	}
}

// recorder remembers what is done to files in place.
type recorder struct {
	*memFS
	did []string
}

func (r *recorder) Edit(name string) (File, error) {
	f, err := r.memFS.Edit(name)
	return &recordedFile{f, r}, err
}

type recordedFile struct {
	File
	fs *recorder
}

func (f *recordedFile) WriteAt(b []byte, at int64) (int, error) {
	f.fs.did = append(f.fs.did, fmt.Sprintf("write %d to %d", at, at+int64(len(b))))
	return f.File.WriteAt(b, at)
}

func (f *recordedFile) Sync() error {
	f.fs.did = append(f.fs.did, "sync")
	return f.File.Sync()
}
