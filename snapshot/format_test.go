package snapshot

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// A part is a section as the dumb twin sees it: an id and its raw bytes.
type part struct {
	id  uint32
	raw []byte
}

// encode writes a file of whole sections, with a digest of sevens.
func encode(t testing.TB, h Header, codec Codec, parts ...part) []byte {
	t.Helper()
	var file bytes.Buffer
	e, err := NewEncoder(&file, h, codec)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		e.Section(p.id)
		e.Raw(p.raw)
	}
	if err := e.Finish(sevens); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

var sevens = [DigestSize]byte(bytes.Repeat([]byte{7}, DigestSize))

func decode(file []byte) (*Decoder, error) {
	return NewDecoder(bytes.NewReader(file), int64(len(file)))
}

// small is a file of each kind of chunk: plain, packed, empty.
func small(t testing.TB, codec Codec) []byte {
	return encode(t, Header{Rules: 2, Shard: 3, Sequence: 4, Chain: 5, Capacities: []uint64{6, 7}}, codec,
		part{1, []byte("plain bytes")},
		part{2, nil},
		part{9, bytes.Repeat([]byte("packed "), 12)})
}

// The format is what the golden file says on every machine: a change of a
// single byte here is a new format version.
func TestGolden(t *testing.T) {
	name := filepath.Join("testdata", "small.snapshot.hex")
	got := hex.Dump(small(t, None))
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("file is\n%s, want\n%s", got, want)
	}
}

// A field as the twin sees it: what was appended, and the same bytes written by
// hand.
type field struct {
	kind int // 0-5: U8 U16 U32 U64 Bytes Raw
	v    uint64
	p    []byte
}

func (f field) encode(e *Encoder) {
	switch f.kind {
	case 0:
		e.U8(uint8(f.v))
	case 1:
		e.U16(uint16(f.v))
	case 2:
		e.U32(uint32(f.v))
	case 3:
		e.I64(int64(f.v))
	case 4:
		e.Bytes(f.p)
	default:
		e.Raw(f.p)
	}
}

func (f field) appendTwin(b []byte) []byte {
	width := []int{1, 2, 4, 8, 4, 0}[f.kind]
	v := f.v
	if f.kind == 4 {
		v = uint64(len(f.p))
	}
	for range width {
		b = append(b, byte(v))
		v >>= 8
	}
	if f.kind >= 4 {
		b = append(b, f.p...)
	}
	return b
}

func (f field) matches(s *Section) bool {
	switch f.kind {
	case 0:
		return s.U8() == uint8(f.v)
	case 1:
		return s.U16() == uint16(f.v)
	case 2:
		return s.U32() == uint32(f.v)
	case 3:
		return s.I64() == int64(f.v)
	case 4:
		return bytes.Equal(s.Bytes(), f.p)
	default:
		p := make([]byte, len(f.p))
		s.Raw(p)
		return bytes.Equal(p, f.p)
	}
}

// drawSections draws sections of fields; now and then a long field pushes the
// ones after it over the edge of a chunk.
func drawSections(t *rapid.T) [][]field {
	pattern := make([]byte, 2*ChunkSize)
	for i := range pattern {
		pattern[i] = byte(i * i >> 3)
	}
	length := rapid.OneOf(
		rapid.IntRange(0, 40),
		rapid.IntRange(ChunkSize-20, ChunkSize+20),
	)
	one := rapid.Custom(func(t *rapid.T) field {
		f := field{kind: rapid.IntRange(0, 5).Draw(t, "kind"), v: rapid.Uint64().Draw(t, "v")}
		if f.kind >= 4 {
			f.p = pattern[:length.Draw(t, "length")]
		}
		return f
	})
	return rapid.SliceOfN(rapid.SliceOfN(one, 0, 12), 0, 4).Draw(t, "sections")
}

// Whatever is written is read back, the same bytes come out twice, and the raw
// bytes are those of the fields one after the other.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Header{
			Rules:      rapid.Uint32().Draw(t, "rules"),
			Shard:      rapid.Uint32().Draw(t, "shard"),
			Sequence:   rapid.Uint64().Draw(t, "sequence"),
			Chain:      rapid.Uint64().Draw(t, "chain"),
			Capacities: rapid.SliceOfN(rapid.Uint64(), 0, MaxCapacities).Draw(t, "capacities"),
		}
		digest := [DigestSize]byte(rapid.SliceOfN(rapid.Byte(), DigestSize, DigestSize).Draw(t, "digest"))
		codec := Codec(rapid.IntRange(0, 1).Draw(t, "codec"))
		sections := drawSections(t)

		file := encodeFields(t, h, codec, sections, digest)
		if !bytes.Equal(file, encodeFields(t, h, codec, sections, digest)) {
			t.Fatal("the same state gave two files")
		}
		d, err := decode(file)
		if err != nil {
			t.Fatal(err)
		}
		got := d.Header()
		if got.Rules != h.Rules || got.Shard != h.Shard || got.Sequence != h.Sequence || got.Chain != h.Chain ||
			!slices.Equal(got.Capacities, h.Capacities) || d.Digest() != digest {
			t.Fatalf("header %+v digest %x, want %+v %x", got, d.Digest(), h, digest)
		}
		for i, fields := range sections {
			checkSection(t, d, sectionID(i), fields)
		}
		if err := d.Done(); err != nil {
			t.Fatal(err)
		}
	})
}

func sectionID(i int) uint32 { return uint32(i * 1_000_000_000) }

func encodeFields(t *rapid.T, h Header, codec Codec, sections [][]field, digest [DigestSize]byte) []byte {
	var file bytes.Buffer
	e, err := NewEncoder(&file, h, codec)
	if err != nil {
		t.Fatal(err)
	}
	for i, fields := range sections {
		e.Section(sectionID(i))
		for _, f := range fields {
			f.encode(e)
		}
	}
	if err := e.Finish(digest); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func checkSection(t *rapid.T, d *Decoder, id uint32, fields []field) {
	s := d.Section(id)
	var twin []byte
	for i, f := range fields {
		if !f.matches(s) {
			t.Fatalf("section %d field %d (kind %d) differs", id, i, f.kind)
		}
		twin = f.appendTwin(twin)
	}
	if err := s.Done(); err != nil {
		t.Fatal(err)
	}
	again := d.Section(id)
	raw := make([]byte, again.Left())
	again.Raw(raw)
	if err := again.Done(); err != nil || !bytes.Equal(raw, twin) {
		t.Fatalf("section %d: raw bytes are not the fields in order (%v)", id, err)
	}
}

// What an inspection prints: chunks tile the file, long sections are cut at
// ChunkSize, and packed chunks are shorter.
func TestLayout(t *testing.T) {
	zeros := make([]byte, 2*ChunkSize)
	file := encode(t, Header{Sequence: 8}, S2, part{1, zeros}, part{2, zeros[:ChunkSize+1]}, part{3, nil}, part{4, []byte("x")})
	l, err := Inspect(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		section, index, raw uint32
		codec               Codec
	}
	var rows []row
	next := int64(headerFixed)
	for _, c := range l.Chunks {
		rows = append(rows, row{c.Section, c.Index, c.Raw, c.Codec})
		if c.Offset != next {
			t.Errorf("section %d chunk %d at %d, want %d", c.Section, c.Index, c.Offset, next)
		}
		next = c.Offset + entrySize + int64(c.Stored)
	}
	want := []row{{1, 0, ChunkSize, S2}, {1, 1, ChunkSize, S2}, {2, 0, ChunkSize, S2}, {2, 1, 1, None}, {3, 0, 0, None}, {4, 0, 1, None}}
	if !slices.Equal(rows, want) {
		t.Errorf("chunks %v, want %v", rows, want)
	}
	if l.Table != next || l.Size != int64(len(file)) || l.Digest != sevens || l.Header.Sequence != 8 {
		t.Errorf("layout %+v", l)
	}
	if l.Size > 8<<10 {
		t.Errorf("%d bytes for zeros: not packed", l.Size)
	}
}

// Inspect of a damaged file still tells what it could read.
func TestInspectDamaged(t *testing.T) {
	file := small(t, None)
	file[len(file)-1] ^= 1
	l, err := Inspect(bytes.NewReader(file), int64(len(file)))
	if !errors.Is(err, ErrCorrupt) || l.Header.Sequence != 4 {
		t.Errorf("header %+v, error %v; want the header and ErrCorrupt", l.Header, err)
	}
}

func TestCodecString(t *testing.T) {
	for codec, want := range map[Codec]string{None: "none", S2: "s2", 7: "Codec(7)"} {
		if codec.String() != want {
			t.Errorf("codec %d is %q, want %q", uint32(codec), codec, want)
		}
	}
}
