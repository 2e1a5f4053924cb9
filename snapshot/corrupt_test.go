package snapshot

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// accepts reports whether a file is taken for good; it must never panic, and a
// refusal must say that the bytes are to blame.
func accepts(t testing.TB, file []byte) bool {
	t.Helper()
	_, err := decode(file)
	if err != nil && !errors.Is(err, ErrCorrupt) {
		t.Fatalf("refused, but not as corrupt: %v", err)
	}
	return err == nil
}

// Every bit of a file is covered by a checksum.
func TestEveryBitFlipped(t *testing.T) {
	for _, codec := range []Codec{None, S2} {
		file := small(t, codec)
		for bit := range 8 * len(file) {
			file[bit/8] ^= 1 << (bit % 8)
			if accepts(t, file) {
				t.Fatalf("codec %v: bit %d of byte %d of %d flipped and not noticed", codec, bit%8, bit/8, len(file))
			}
			file[bit/8] ^= 1 << (bit % 8)
		}
		if !accepts(t, file) {
			t.Fatal("the file is refused with no bit flipped")
		}
	}
}

// The same for a sample of a file of many chunks.
func TestBitsFlippedInLongSections(t *testing.T) {
	file := encode(t, Header{}, S2, part{1, make([]byte, 3*ChunkSize)}, part{2, noise(ChunkSize + 99)})
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		bit := rng.IntN(8 * len(file))
		file[bit/8] ^= 1 << (bit % 8)
		if accepts(t, file) {
			t.Fatalf("bit %d of byte %d of %d flipped and not noticed", bit%8, bit/8, len(file))
		}
		file[bit/8] ^= 1 << (bit % 8)
	}
}

// noise is n bytes no codec shortens.
func noise(n int) []byte {
	rng := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	rng.Read(b)
	return b
}

func TestTruncatedAndExtended(t *testing.T) {
	file := small(t, S2)
	for n := range len(file) {
		if accepts(t, file[:n]) {
			t.Fatalf("%d of %d bytes taken for all", n, len(file))
		}
		if accepts(t, file[n+1:]) {
			t.Fatalf("taken without its first %d bytes", n+1)
		}
		if accepts(t, append(bytes.Clone(file), file[:n+1]...)) {
			t.Fatalf("taken with %d bytes appended", n+1)
		}
	}
}

func TestGarbage(t *testing.T) {
	for n := range 2000 {
		if accepts(t, noise(n)) || accepts(t, make([]byte, n)) {
			t.Fatalf("%d bytes of garbage taken", n)
		}
	}
}

// Blocks that are good in themselves but stand in the wrong place.
func TestMisplacedBlocks(t *testing.T) {
	parts := []part{{1, noise(100)}, {2, bytes.Repeat([]byte{5}, 100)}}
	file := encode(t, Header{Sequence: 1}, None, parts...)
	other := encode(t, Header{Sequence: 2}, None, parts[0], part{2, bytes.Repeat([]byte{6}, 100)})
	first, second := headerFixed, headerFixed+entrySize+100
	const block = entrySize + 100
	for name, damage := range map[string]func(b []byte){
		"chunks swapped":       func(b []byte) { copy(b[first:], file[second:][:block]); copy(b[second:], file[first:][:block]) },
		"chunk duplicated":     func(b []byte) { copy(b[second:], b[first:][:block]) },
		"chunk of another":     func(b []byte) { copy(b[second:], other[second:][:block]) },
		"header of another":    func(b []byte) { copy(b, other[:headerFixed]) },
		"footer of another":    func(b []byte) { copy(b[len(b)-footerSize:], other[len(b)-footerSize:]) },
		"table of another":     func(b []byte) { n := second + block; copy(b[n:], other[n:len(b)-footerSize]) },
		"first sector zeroed":  func(b []byte) { clear(b[:headerFixed]) },
		"tail never written":   func(b []byte) { clear(b[second:]) },
		"stored bytes swapped": func(b []byte) { copy(b[first+entrySize:][:100], file[second+entrySize:]) },
	} {
		b := bytes.Clone(file)
		damage(b)
		if accepts(t, b) {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// reseal gives a file with changed fields the checksums a malicious or broken
// writer would: what is left to refuse it are the rules of the layout. It walks
// by the fields as they are, as far as they stay inside the file.
func reseal(b []byte) {
	if len(b) < headerFixed+footerSize {
		return
	}
	foot := b[len(b)-footerSize:]
	head := int(min(le.Uint32(b[12:]), uint32(len(b))))
	if head >= headerFixed {
		le.PutUint32(b[head-4:], crc(b[:head-4]))
		le.PutUint32(foot[12:], crc(b[:head-4]))
	}
	table := le.Uint64(foot)
	length := entrySize * uint64(le.Uint32(foot[8:]))
	if table <= uint64(len(b)) && length <= uint64(len(b))-table {
		entries := b[table : table+length]
		for ; len(entries) > 0; entries = entries[entrySize:] {
			resealChunk(b, entries[:entrySize])
		}
		le.PutUint32(foot[48:], crc(b[table:table+length]))
	}
	le.PutUint32(foot[52:], crc(foot[:52]))
}

// resealChunk makes a table entry and its chunk header agree.
func resealChunk(b, entry []byte) {
	c := parseChunk(entry)
	if off := uint64(c.Offset); off < uint64(len(b)) && uint64(len(b))-off >= entrySize+uint64(c.Stored) {
		c.StoredSum = crc(b[off+entrySize:][:c.Stored])
		c.put(entry)
		c.put(b[off:])
	}
	c.put(entry)
}

// One field at a time says what no encoder says, with every checksum right.
func TestLayoutRules(t *testing.T) {
	long := make([]byte, 2*ChunkSize+10)
	file := encode(t, Header{Capacities: []uint64{1}}, None, part{3, long}, part{5, []byte{1}}, part{6, nil})
	const header = headerFixed + 8
	table := len(file) - footerSize - 5*entrySize
	foot := len(file) - footerSize
	entry := func(i, field int) int { return table + i*entrySize + field }
	const big = 1<<32 - 1
	for name, change := range map[string]struct {
		at int
		to uint32
	}{
		"header shorter than any":        {12, headerFixed - 1},
		"header longer than the file":    {12, big},
		"header with half a capacity":    {12, headerFixed + 4},
		"header with a capacity fewer":   {12, headerFixed},
		"table before its place":         {foot, uint32(table - entrySize)},
		"table far off":                  {foot + 4, big},
		"a chunk fewer":                  {foot + 8, 4},
		"chunks beyond the file":         {foot + 8, big},
		"section ids descend":            {entry(3, 0), 2},
		"section comes twice":            {entry(4, 0), 5},
		"section does not start at 0":    {entry(3, 4), 1},
		"index skips":                    {entry(1, 4), 2},
		"offset off by one":              {entry(1, 8), header + entrySize + ChunkSize + 1},
		"offset negative":                {entry(1, 12), big},
		"raw length beyond a chunk":      {entry(0, 16), ChunkSize + 1},
		"raw length without bound":       {entry(0, 16), big},
		"raw and stored differ":          {entry(3, 16), 2},
		"stored length without bound":    {entry(0, 20), big},
		"unknown codec":                  {entry(3, 24), 2},
		"packed, but not shorter":        {entry(3, 24), 1},
		"last chunk's stored length off": {entry(4, 20), 1},
	} {
		b := bytes.Clone(file)
		le.PutUint32(b[change.at:], change.to)
		reseal(b)
		var layout *LayoutError
		if _, err := decode(b); !errors.As(err, &layout) || !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want a LayoutError", name, err)
		}
	}
	b := bytes.Clone(file)
	if reseal(b); !bytes.Equal(b, file) {
		t.Error("reseal changed a good file: the cases above prove nothing")
	}
}

// A chunk in the middle of a section that is short, and one that is empty after
// others: lengths agree everywhere, only the cut is not the encoder's.
func TestUnevenChunks(t *testing.T) {
	for name, raw := range map[string][2]uint32{"short before another": {2, 1}, "empty after another": {ChunkSize, 0}} {
		file := encode(t, Header{}, None, part{1, make([]byte, raw[0])}, part{2, make([]byte, raw[1])})
		at := len(file) - footerSize - entrySize
		le.PutUint32(file[at:], 1)   // the second section's chunk now claims to be
		le.PutUint32(file[at+4:], 1) // the first section's second chunk
		reseal(file)
		if _, err := decode(file); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
}

// A header may not be longer than this version's longest, even where the file
// and the limit of all versions allow it.
func TestTooManyCapacities(t *testing.T) {
	h := Header{Capacities: make([]uint64, MaxCapacities+1)}
	head := h.append(nil)
	f := footer{table: int64(len(head)), headerSum: le.Uint32(head[len(head)-4:]), tableSum: crc(nil)}
	var layout *LayoutError
	if _, err := decode(f.append(head)); !errors.As(err, &layout) || layout.Part != PartHeader {
		t.Errorf("%d capacities: %v, want a LayoutError of the header", MaxCapacities+1, err)
	}
}

// What other checks would let pass: each of these is refused by one alone.
func TestEachCheckAlone(t *testing.T) {
	file := encode(t, Header{}, S2, part{1, make([]byte, 1000)})
	foot := len(file) - footerSize
	entry := foot - entrySize
	// rewrite changes the only chunk, in the table, its header, or both, with
	// the checksums over them right.
	rewrite := func(b []byte, change func(*Chunk), at ...int) {
		c := parseChunk(b[entry:])
		change(&c)
		for _, off := range at {
			c.put(b[off:])
		}
		le.PutUint32(b[foot+48:], crc(b[entry:foot]))
		le.PutUint32(b[foot+52:], crc(b[foot:foot+52]))
	}
	for want, damage := range map[string]func(b []byte) []byte{
		"header at offset 0: magic": func(b []byte) []byte {
			b[0]++
			reseal(b)
			return b
		},
		"section 1 at offset 44: checksum of stored bytes": func(b []byte) []byte {
			rewrite(b, func(c *Chunk) { c.StoredSum++ }, entry, headerFixed)
			return b
		},
		"section 1 at offset 44: checksum of raw bytes": func(b []byte) []byte {
			rewrite(b, func(c *Chunk) { c.RawSum++ }, entry, headerFixed)
			return b
		},
		"section 1 at offset 44: chunk header differs from its table entry": func(b []byte) []byte {
			rewrite(b, func(c *Chunk) { c.Section++ }, headerFixed)
			return b
		},
		"offset of the table": func(b []byte) []byte {
			b = slices.Insert(b, entry, 1, 2, 3) // bytes that belong to nothing
			le.PutUint64(b[foot+3:], uint64(entry+3))
			reseal(b)
			return b
		},
	} {
		_, err := decode(damage(bytes.Clone(file)))
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// An s2 block carries a length of its own, which no one vouches for.
func TestPackedLengthIsChecked(t *testing.T) {
	file := encode(t, Header{}, S2, part{1, make([]byte, 1000)})
	block := headerFixed + entrySize
	copy(file[block:], []byte{0x80, 0x80, 0x80, 0x80, 0x01}) // 2^28 as a varint
	reseal(file)
	var layout *LayoutError
	if _, err := decode(file); !errors.As(err, &layout) || layout.Got != 1<<28 || layout.Want != 1000 {
		t.Errorf("a block of 2^28 bytes: %v", err)
	}
	file = encode(t, Header{}, S2, part{1, make([]byte, 1000)})
	file[block+2] ^= 0xff // after the length
	reseal(file)
	if _, err := decode(file); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a block that does not unpack: %v", err)
	}
}

// Lengths in a file are believed only after the file has been seen to hold them.
func TestLengthsDoNotAllocate(t *testing.T) {
	file := encode(t, Header{}, S2, part{1, []byte{255, 255, 255, 255}}, part{2, make([]byte, 1000)})
	foot := len(file) - footerSize
	for _, at := range []int{12, foot, foot + 8, foot - entrySize + 16, foot - entrySize + 20} {
		b := bytes.Clone(file)
		le.PutUint32(b[at:], 1<<32-1)
		reseal(b)
		if got := allocated(func() { decode(b) }); got > 64<<10 {
			t.Errorf("2^32-1 at offset %d of %d bytes made the decoder allocate %d bytes", at, len(b), got)
		}
	}
	d, err := decode(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := allocated(func() { d.Section(1).Bytes() }); got > 64<<10 {
		t.Errorf("a field of 2^32-1 bytes made the section allocate %d bytes", got)
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// An intact file of a later format is not called corrupt.
func TestVersion(t *testing.T) {
	file := small(t, None)
	le.PutUint32(file[8:], FormatVersion+1)
	reseal(file)
	_, err := decode(file)
	if !errors.Is(err, ErrVersion) || errors.Is(err, ErrCorrupt) {
		t.Errorf("format version %d: %v, want ErrVersion", FormatVersion+1, err)
	}
}

// A reader's own failure is not called corrupt either.
func TestReaderFails(t *testing.T) {
	file := small(t, None)
	for n := range len(file) {
		_, err := NewDecoder(failingReader{bytes.NewReader(file), int64(n)}, int64(len(file)))
		if !errors.Is(err, errDisk) || errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d unreadable: %v", n, err)
		}
	}
}

// failingReader cannot read the byte at bad.
type failingReader struct {
	*bytes.Reader
	bad int64
}

func (r failingReader) ReadAt(p []byte, off int64) (int, error) {
	if off <= r.bad && r.bad < off+int64(len(p)) {
		return 0, errDisk
	}
	return r.Reader.ReadAt(p, off)
}

// An error says what, where, and what it should be.
func TestErrorsSayWhere(t *testing.T) {
	for want, err := range map[string]error{
		"snapshot: section 3 at offset 4096: checksum 0000000a, want 0000000b": &ChecksumError{Part: PartChunk, Section: 3, Offset: 4096, What: "checksum", Got: 10, Want: 11},
		"snapshot: table at offset 4096: checksum 0000000a, want 0000000b":     &ChecksumError{Part: PartTable, Offset: 4096, What: "checksum", Got: 10, Want: 11},
		"snapshot: header at offset 12: header length is 10, want 44":          &LayoutError{Part: PartHeader, Offset: 12, What: "header length", Got: 10, Want: 44},
		"snapshot: format version 2, this build reads 1":                       &VersionError{Got: 2},
		"snapshot: section 3 at byte 8, with 1 left: 2 bytes wanted":           &MismatchError{Section: 3, At: 8, Left: 1, What: "2 bytes wanted"},
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}
