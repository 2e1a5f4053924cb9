package journal

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// In a torn tail the second frame may be whole behind a first one that is not: a disk
// writes in any order. What is written next ends where it begins, if it is as long as
// the first was, and would hand over to it: either the chain meets, and an event is
// there that nobody wrote in this life, or it does not, and the journal is refused.
func TestNothingComesBackFromATornTail(t *testing.T) {
	for name, next := range map[string][]byte{
		"the same event again": payload(4),
		"another as long":      bytes.Repeat([]byte{'x'}, len(payload(4))),
	} {
		disk := newMemFS()
		s := open(t, small(disk), 0)
		s.commit(3)
		s.must(s.Seal()) // so that opening has nothing to add
		first := s.offset
		for range 2 {
			s.group(1)
			s.must(s.Write())
		}
		disk = disk.clone()
		disk.files[path(1)].data[first+frameSize] ^= 1

		s = open(t, small(disk), 3)
		copy(s.Append(len(next)), next)
		s.must(s.Commit())

		r, err := readOnlyFolder(t, small(disk)).Read(0)
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, io.EOF) || r.End().Sequence != 4 || r.End().Torn {
			t.Errorf("%s is written over a torn tail: %v, the end is %+v, want a clean one after 4", name, err, r.End())
		}
	}
}
