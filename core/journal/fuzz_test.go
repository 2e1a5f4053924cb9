package journal

import (
	"errors"
	"io"
	"testing"
)

// FuzzReader reads any bytes as a segment: the answer is frames that are sound,
// and then an end or an error of this package, in bounded time and memory.
func FuzzReader(f *testing.F) {
	disk := newMemFS()
	s := open(f, small(disk), 0)
	f.Add(disk.clone().files[path(1)].data)
	s.commit(3)
	f.Add(disk.clone().files[path(1)].data)
	s.must(s.Seal())
	f.Add(disk.clone().files[path(1)].data)
	s.commit(300)
	s.close()
	for _, name := range disk.segments() {
		data := disk.clone().files[name].data
		f.Add(data)
		f.Add(append(data[:len(data)/2:len(data)/2], data...))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		disk := newMemFS()
		disk.files[path(1)] = &memFile{disk, data}
		known := func(err error) bool {
			return errors.Is(err, ErrDamaged) || errors.Is(err, ErrVersion) || errors.Is(err, ErrOptions)
		}
		folder, err := Open("dir", Options{FS: disk, ReadOnly: true})
		if err != nil {
			if !known(err) {
				t.Fatal(err)
			}
			return
		}
		r, err := folder.Read(0)
		if err != nil {
			t.Fatal(err)
		}
		next, bytes := folder.Segments()[0].First, int64(headerSize)
		for {
			x, err := r.Next()
			if err == io.EOF || known(err) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if bytes += x.size(); bytes > int64(len(data)) || x.First != next || x.Durable >= x.First {
				t.Fatalf("frame from %d, durable %d, ends at byte %d of %d: want one from %d", x.First, x.Durable, bytes, len(data), next)
			}
			next = x.Last() + 1
		}
	})
}
