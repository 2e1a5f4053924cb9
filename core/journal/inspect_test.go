package journal

import (
	"errors"
	"testing"
)

// A segment tells what is in it without the others, and where it stops making sense.
func TestInspect(t *testing.T) {
	disk := newMemFS()
	s := open(t, small(disk), 0)
	for range 100 {
		s.commit(2)
	}
	s.close()
	segments := s.folder.Segments()
	disk.mu.Lock()
	names := disk.segments()
	disk.mu.Unlock()
	if len(names) < 3 {
		t.Fatalf("%d segments: too few to tell", len(names))
	}
	next := uint64(1)
	for i, name := range names {
		frames := 0
		h, end, err := Inspect(disk, name, func(f *Frame) {
			if f.First != next || f.File != name {
				t.Errorf("%s: frame of %d in %s, want %d", name, f.First, f.File, next)
			}
			next += uint64(f.Count)
			frames++
		})
		if err != nil || h.Number != uint64(i+1) || end.Sequence != next-1 || end.Torn || frames == 0 {
			t.Errorf("%s: segment %d, %d frames to %d, torn %v, %v", name, h.Number, frames, end.Sequence, end.Torn, err)
		}
	}
	if next != 201 {
		t.Errorf("%d events in all, want 200; the folder knows %d segments", next-1, len(segments))
	}

	disk.files[names[1]].data[headerSize+frameSize] ^= 1
	if _, end, err := Inspect(disk, names[1], func(f *Frame) { t.Errorf("frame at %d behind a bad one", f.Offset) }); !errors.Is(err, ErrDamaged) || end.Offset != headerSize {
		t.Errorf("a bit in the first frame: ends at %d, %v", end.Offset, err)
	}
	disk.files[names[2]].data[20] ^= 1
	if _, _, err := Inspect(disk, names[2], func(*Frame) {}); !errors.Is(err, ErrDamaged) {
		t.Errorf("a bit in the header: %v", err)
	}
}
