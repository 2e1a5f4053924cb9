package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// sealed writes a journal of one segment of 64 KiB, full of groups of different
// sizes, and seals it.
func sealed(t testing.TB) (disk *memFS, o Options, last uint64) {
	disk = newMemFS()
	o = Options{FS: disk, SegmentSize: 64 << 10, GroupSize: 8 << 10, Salt: 0xfeedface}
	s := open(t, o, 0)
	for n := 1; s.offset < 55<<10; n = n%90 + 7 {
		s.commit(n)
	}
	for s.offset < s.segment.Size-400 {
		s.commit(1)
	}
	last = s.Durable()
	s.close()
	if len(disk.segments()) != 1 {
		t.Fatal("more than one segment")
	}
	return disk, o, last
}

// outcome is what becomes of a damaged journal: it is refused, or all of it is
// read, or only some of it is, without a word.
type outcome int

const (
	refused outcome = iota
	whole
	shortened
	outcomes
)

// reopen recovers a journal that may be damaged, of which nothing beyond last
// was ever written.
func reopen(o Options, last uint64) (outcome, uint64, error) {
	f, err := Open("dir", o)
	if err == nil {
		var w *Writer
		var got uint64
		if w, got, err = recoverAll(f); err == nil {
			how := whole
			if got < last {
				how = shortened
			}
			return how, got, errors.Join(w.Close(), f.Close())
		}
	}
	if errors.Is(err, errSilent) || !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrOptions) {
		return refused, 0, err
	}
	if f != nil {
		return refused, 0, f.Close()
	}
	return refused, 0, nil
}

// TestEveryBit flips each bit of a sealed journal, and opens it. Nothing
// acknowledged may be lost, and nothing may come back that was not written.
func TestEveryBit(t *testing.T) {
	disk, o, last := sealed(t)
	size := len(disk.files[path(1)].data)
	step := int64(1)
	if raceEnabled || testing.Short() {
		step = 31
	}
	var next atomic.Int64
	var counts [outcomes]atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			disk := disk.clone()
			data := disk.files[path(1)].data
			good := bytes.Clone(data)
			o := o
			o.FS, o.ReadOnly = disk, true
			for {
				bit := next.Add(step) - step
				if bit >= int64(size)*8 || t.Failed() {
					return
				}
				data[bit/8] ^= 1 << (bit % 8)
				got, err := readFirst(o, good)
				how := refused
				if err == nil {
					how = whole
				}
				if err == nil && got != last || err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrOptions) {
					t.Errorf("bit %d at offset %d: %d of %d events, %v", bit%8, bit/8, got, last, err)
				}
				counts[how].Add(1)
				data[bit/8] = good[bit/8]
				disk.ops = disk.ops[:0]
			}
		})
	}
	workers.Wait()
	t.Logf("%d refused, %d read whole, of a journal of %d events", counts[refused].Load(), counts[whole].Load(), last)
	if counts[refused].Load() < counts[whole].Load() {
		t.Error("most flips should have been noticed: most of the segment is in use")
	}
}

// readFirst reads the first segment, expecting each frame as it is in good, and
// returns the last sequence.
func readFirst(o Options, good []byte) (uint64, error) {
	f, err := Open("dir", o)
	if err != nil {
		return 0, err
	}
	r, err := f.Read(0)
	for err == nil {
		var x *Frame
		if x, err = r.Next(); err == nil && !bytes.Equal(x.Payload, good[x.Offset+frameSize:][:len(x.Payload)]) {
			err = errSilent
		}
	}
	if err == io.EOF {
		return r.End().Sequence, nil
	}
	return 0, err
}

// TestEveryTail cuts, clears and overwrites a journal of 64 KiB from each byte
// on. What lies before is kept, and writing goes on behind it.
func TestEveryTail(t *testing.T) {
	disk, o, last := sealed(t)
	good := bytes.Clone(disk.files[path(1)].data)
	ends, seqs := frameEnds(t, o)
	step := 1
	if raceEnabled || testing.Short() {
		step = 61
	}
	rng := rand.New(rand.NewPCG(1, 2))
	garbage := make([]byte, len(good))
	for i := range garbage {
		garbage[i] = byte(rng.Uint32())
	}
	o.ReadOnly = true // nothing is written that is to be undone
	tails := map[string][]byte{"cut": good, "zeroed": bytes.Clone(good), "garbage": bytes.Clone(good)}
	for at := len(good) - 1; at >= 0; at-- {
		tails["zeroed"][at], tails["garbage"][at] = 0, garbage[at]
		if at%step != 0 {
			continue
		}
		for name, data := range tails {
			if name == "cut" {
				data = data[:at]
			}
			disk.files[path(1)].data = data
			got, err := readFirst(o, good)
			if bytes.Equal(data, good) {
				continue // zeros that were zeros
			}
			if name == "cut" || at < headerSize {
				// A segment has its whole size, and its header, before its name.
				if !errors.Is(err, ErrDamaged) {
					t.Fatalf("%s from %d: %v, want %v", name, at, err, ErrDamaged)
				}
				continue
			}
			n := 0 // frames that are as they were
			for n < len(ends) && (ends[n] <= int64(at) || bytes.Equal(data[at:ends[n]], good[at:ends[n]])) {
				n++
			}
			if err != nil || n < len(ends) && got != seqs[n] || n == len(ends) && got != last {
				t.Fatalf("%s from %d: %v, sequence %d is the last, with %d of %d frames whole", name, at, err, got, n, len(ends))
			}
		}
	}
	// Going on after some of them.
	o.ReadOnly = false
	disk.files[path(1)] = &memFile{fs: disk}
	for at := headerSize; at < len(good); at += 997 {
		disk.files[path(1)].data = append(bytes.Clone(good[:at]), garbage[at:]...)
		how, got, err := reopen(o, last)
		if how == refused || err != nil {
			t.Fatalf("garbage from %d: outcome %d, %v", at, how, err)
		}
		s := open(t, o, got)
		s.commit(5)
		s.close()
		open(t, o, got+5).close()
		for name := range disk.files {
			if name != path(1) {
				delete(disk.files, name)
			}
		}
	}
}

// frameEnds are where the frames of a journal end, and how far it reads without
// the frame that ends there.
func frameEnds(t *testing.T, o Options) (ends []int64, before []uint64) {
	f, err := Open("dir", o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Read(0)
	if err != nil {
		t.Fatal(err)
	}
	for {
		x, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, x.Offset+x.size())
		before = append(before, x.First-1)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return ends, before
}

func readOnly(o Options) (uint64, error) {
	f, err := Open("dir", o)
	if err != nil {
		return 0, err
	}
	r, err := f.Read(0)
	if err != nil {
		return 0, err
	}
	return compare(r)
}

// TestBlocks swaps, repeats and misdirects blocks of sealed journals of several
// segments: each is refused or read as it was written.
func TestBlocks(t *testing.T) {
	rounds := 200
	if *long {
		rounds = 200_000
	}
	disk := newMemFS()
	o := Options{FS: disk, SegmentSize: 16 << 10, GroupSize: 4 << 10, Salt: 0xfeedface}
	s := open(t, o, 0)
	for n := range 60 {
		s.commit(n%37 + 1)
	}
	last := s.Durable()
	s.close()
	names := disk.segments()
	// What lies in the same block as the last frame can be lost with it: there is
	// nothing behind that would tell, and it looks like a write that was torn.
	end := disk.files[names[len(names)-1]].data[s.offset-frameSize : s.offset]
	rng := rand.New(rand.NewPCG(3, 4))
	var counts [outcomes]int
	for round := range rounds {
		disk := disk.clone()
		o.FS = disk
		size := []int{8, 512, 4096}[rng.IntN(3)]
		block := func() []byte {
			f := disk.files[names[rng.IntN(len(names))]].data
			at := rng.IntN(len(f)/size) * size
			return f[at : at+size]
		}
		a, b := block(), block()
		what := []string{"swapped", "repeated", "lost"}[rng.IntN(3)]
		switch what {
		case "swapped":
			was := bytes.Clone(a)
			copy(a, b)
			copy(b, was)
		case "repeated": // or misdirected: b is written where a belongs
			copy(a, b)
		case "lost":
			clear(a)
		}
		lost := !bytes.Equal(end, disk.files[names[len(names)-1]].data[s.offset-frameSize:s.offset])
		how, got, err := reopen(o, last)
		if err != nil || how == shortened && !lost {
			t.Fatalf("round %d: block of %d %s: %d of %d events, %v", round, size, what, got, last, err)
		}
		counts[how]++
	}
	t.Logf("%d refused, %d read whole", counts[refused], counts[whole])
	if counts[refused] < rounds/4 {
		t.Error("too few were refused to have tested anything")
	}
}

// TestMissing takes away segments. Only the oldest may go.
func TestMissing(t *testing.T) {
	whole := newMemFS()
	s := open(t, small(whole), 0)
	s.commit(300)
	s.close()
	names := whole.segments()
	if len(names) < 4 {
		t.Fatalf("%d segments, want at least 4", len(names))
	}
	for i, name := range names {
		disk := whole.clone()
		delete(disk.files, name)
		delete(disk.files, "dir/"+nextName)
		_, err := readOnly(small(disk))
		if i == 0 && err != nil || i > 0 && !errors.Is(err, ErrDamaged) {
			t.Errorf("without segment %d of %d: %v", i+1, len(names), err)
		}
		if d, ok := errors.AsType[*DamageError](err); ok && (d.File == "" || d.Sequence == 0 || !strings.Contains(d.Error(), "missing")) {
			t.Errorf("without segment %d: %v, want the file, the sequence, and that it is missing", i+1, err)
		}
		disk = whole.clone()
		disk.files[name].data = disk.files[name].data[:len(disk.files[name].data)-8]
		if _, err := readOnly(small(disk)); !errors.Is(err, ErrDamaged) {
			t.Errorf("with segment %d short: %v, want %v", i+1, err, ErrDamaged)
		}
		disk = whole.clone()
		disk.files[path(1<<40)] = disk.files[name]
		delete(disk.files, name)
		if _, err := readOnly(small(disk)); !errors.Is(err, ErrDamaged) {
			t.Errorf("with segment %d under another name: %v, want %v", i+1, err, ErrDamaged)
		}
	}
	// A segment of another history, with the right name and number.
	other := newMemFS()
	o := small(other)
	o.Salt++
	s = open(t, o, 0)
	s.commit(300)
	s.close()
	disk := whole.clone()
	disk.files[names[2]] = other.files[names[2]]
	if _, err := readOnly(small(disk)); !errors.Is(err, ErrDamaged) {
		t.Errorf("with a segment of another journal: %v, want %v", err, ErrDamaged)
	}
}

// Damage is reported with what a person needs to look at it.
func TestDamageSaysWhere(t *testing.T) {
	disk := newMemFS()
	s := open(t, small(disk), 0)
	s.commit(4)
	at := s.offset
	s.commit(4)
	s.close()
	disk.files[path(1)].data[at+frameSize+3] ^= 4
	_, err := readOnly(small(disk))
	d, ok := errors.AsType[*DamageError](err)
	if !ok || d.File != path(1) || d.Offset != at || d.Sequence != 5 {
		t.Fatalf("%v, want %s, offset %d, sequence 5", err, path(1), at)
	}
	for _, want := range []string{path(1), fmt.Sprint("offset ", at), "sequence 5", "payload checksum"} {
		if !strings.Contains(d.Error(), want) {
			t.Errorf("%q does not tell %q", d, want)
		}
	}
}
