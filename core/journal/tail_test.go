package journal

import (
	"bytes"
	"errors"
	"sync"
	"testing"
)

func readOnlyFolder(t testing.TB, o Options) *Folder {
	t.Helper()
	o.ReadOnly = true
	f, err := Open("dir", o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A tail on the goroutine beside the writer's sees each event once it is written,
// in order.
func TestTailBesideTheWriter(t *testing.T) {
	disk := newMemFS()
	s := open(t, small(disk), 0)
	const events = 3000
	tail, err := NewTail(s.folder, 1, s.Written)
	if err != nil {
		t.Fatal(err)
	}
	var following sync.WaitGroup
	following.Go(func() {
		for last := uint64(0); last < events; {
			f, err := tail.Next()
			if err == ErrAgain {
				continue
			}
			if err != nil {
				t.Error(err)
				return
			}
			if err := check(f, last); err != nil {
				t.Error(err)
				return
			}
			last = max(last, f.Last())
		}
	})
	for s.Written() < events {
		s.commit(7)
		if s.Written()%5 == 0 {
			s.must(s.Seal())
		}
	}
	following.Wait()
	s.must(tail.Close())
	s.close()
}

// A frame that is written byte by byte, as another process may see it, is nothing
// before its last byte is there.
func TestTailSeesHalfAFrame(t *testing.T) {
	disk := newMemFS()
	s := open(t, small(disk), 0)
	s.commit(3)
	from := s.offset
	s.commit(5)
	to := s.offset
	data := disk.files[path(1)].data
	frame := bytes.Clone(data[from:to])
	clear(data[from:to])
	tail, err := NewTail(readOnlyFolder(t, small(disk)), 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := tail.Next(); err != nil || f.Last() != 3 {
		t.Fatalf("%+v, %v", f, err)
	}
	for i, b := range frame {
		// The last bytes may be zeros anyway.
		if _, err := tail.Next(); err != ErrAgain && !bytes.Equal(data[from:to], frame) {
			t.Fatalf("with %d of %d bytes: %v, want %v", i, len(frame), err, ErrAgain)
		} else if err == nil {
			return
		}
		data[from+int64(i)] = b
	}
	if f, err := tail.Next(); err != nil || f.First != 4 || f.Last() != 8 {
		t.Fatalf("%+v, %v", f, err)
	}
}

// What never comes although there is more behind it is damage, in and outside
// of the process.
func TestTailFindsDamage(t *testing.T) {
	for _, inside := range []bool{true, false} {
		disk := newMemFS()
		s := open(t, small(disk), 0)
		s.commit(3)
		at := s.offset
		s.commit(5)
		s.commit(5)
		disk.files[path(1)].data[at+frameSize] ^= 1
		var written func() uint64
		if inside {
			written = s.Written
		}
		tail, err := NewTail(readOnlyFolder(t, small(disk)), 0, written)
		if err != nil {
			t.Fatal(err)
		}
		if f, err := tail.Next(); err != nil || f.Last() != 3 {
			t.Fatalf("%+v, %v", f, err)
		}
		looks := 0
		for looks < 10*patience {
			looks++
			if _, err = tail.Next(); err != ErrAgain {
				break
			}
		}
		d, ok := errors.AsType[*DamageError](err)
		if !ok || d.Offset != at || d.Sequence != 4 || inside && looks != 1 {
			t.Errorf("in the process %v: %v after %d looks", inside, err, looks)
		}
	}
}

// A tail may be there before the journal is.
func TestTailWaitsForTheJournal(t *testing.T) {
	disk := newMemFS()
	tail, err := NewTail(readOnlyFolder(t, small(disk)), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tail.Next(); err != ErrAgain {
		t.Errorf("before the journal: %v, want %v", err, ErrAgain)
	}
	s := open(t, small(disk), 0)
	s.commit(300)
	s.close()
	for last := uint64(0); last < 300; {
		f, err := tail.Next()
		if err != nil {
			t.Fatal(err)
		}
		last = f.Last()
	}
	if _, err := NewTail(readOnlyFolder(t, small(disk)), 0, nil); err != nil {
		t.Error(err)
	}
	f := readOnlyFolder(t, small(disk))
	if _, err := f.Remove(200); err != nil {
		t.Fatal(err)
	}
	if _, err := NewTail(f, 1, nil); !errors.Is(err, ErrGone) {
		t.Errorf("from a removed sequence: %v, want %v", err, ErrGone)
	}
}

// A segment that was skipped is missing, not late.
func TestTailMissesASegment(t *testing.T) {
	disk := newMemFS()
	s := open(t, small(disk), 0)
	s.commit(300)
	s.close()
	tail, err := NewTail(readOnlyFolder(t, small(disk)), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	delete(disk.files, disk.segments()[1])
	for err == nil {
		_, err = tail.Next()
	}
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("%v, want %v", err, ErrDamaged)
	}
}
