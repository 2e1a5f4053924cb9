package snapshot

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// compare encodes sections and compares with a file of them.
func compare(t *testing.T, file []byte, h Header, digest [DigestSize]byte, parts ...part) error {
	t.Helper()
	d, err := decode(file)
	if err != nil {
		t.Fatal(err)
	}
	return d.Compare(h, func(e *Encoder) ([DigestSize]byte, error) {
		for _, p := range parts {
			e.Section(p.id)
			e.Raw(p.raw)
		}
		return digest, e.Err()
	})
}

// Whatever is changed in a state, the file of the state before is not what it
// encodes to, and where they part is said; of what is packed, in which chunk.
func TestCompare(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 3*ChunkSize/16-1)
	header := Header{Rules: 2, Shard: 3, Sequence: 4, Chain: 5, Capacities: []uint64{6, 7}}
	parts := []part{{1, []byte("plain bytes")}, {2, nil}, {5, long}, {9, []byte("the last")}}
	change := func(i int, f func(*part)) []part {
		p := slices.Clone(parts)
		p[i].raw = slices.Clone(p[i].raw)
		f(&p[i])
		return p
	}
	other := header
	other.Chain = 5 << 16
	more := header
	more.Capacities = []uint64{6, 7, 8}
	rows := []struct {
		what    string
		header  Header
		digest  [DigestSize]byte
		parts   []part
		part    Part
		section uint32
		into    int64 // the section, of the first difference; -1 where it has no bytes
	}{
		{"nothing", header, sevens, parts, "", 0, 0},
		{"the chain", other, sevens, parts, PartHeader, 0, -1},
		{"a capacity more", more, sevens, parts, PartHeader, 0, -1},
		{"the first byte", header, sevens, change(0, func(p *part) { p.raw[0]++ }), PartChunk, 1, 0},
		{"the last byte of a section", header, sevens, change(0, func(p *part) { p.raw[10]++ }), PartChunk, 1, 10},
		{"a byte less", header, sevens, change(0, func(p *part) { p.raw = p.raw[:10] }), PartChunk, 1, 10},
		{"a byte more", header, sevens, change(0, func(p *part) { p.raw = append(p.raw, 1) }), PartChunk, 1, 11},
		{"an empty section that is not", header, sevens, change(1, func(p *part) { p.raw = []byte{1} }), PartChunk, 2, 0},
		{"a byte of a later chunk", header, sevens, change(2, func(p *part) { p.raw[2*ChunkSize+70]++ }), PartChunk, 5, 2*(ChunkSize+entrySize) + 70},
		{"a chunk less", header, sevens, change(2, func(p *part) { p.raw = p.raw[:2*ChunkSize] }), PartChunk, 5, -1},
		{"a section by another name", header, sevens, change(3, func(p *part) { p.id = 8 }), PartChunk, 9, -1},
		{"a section less", header, sevens, parts[:3], PartChunk, 9, -1},
		{"a section more", header, sevens, append(slices.Clone(parts), part{10, nil}), PartTable, 0, -1},
		{"the digest", header, [DigestSize]byte{1}, parts, PartFooter, 0, -1},
	}
	for _, codec := range []Codec{None, S2} {
		file := encode(t, header, codec, parts...)
		for _, row := range rows {
			err := compare(t, file, row.header, row.digest, row.parts...)
			if row.part == "" {
				if err != nil {
					t.Errorf("%v: the same state: %v", codec, err)
				}
				continue
			}
			e, ok := errors.AsType[*DifferenceError](err)
			if !ok || e.Part != row.part || e.Section != row.section {
				t.Errorf("%v: %s: %v, want a difference in the %s, section %d", codec, row.what, err, row.part, row.section)
				continue
			}
			if want := offsetIn(t, file, row.section) + row.into; codec == None && row.into >= 0 && e.Offset != want {
				t.Errorf("%s: differs at offset %d, want %d", row.what, e.Offset, want)
			}
		}
	}
}

// offsetIn is where the bytes of a section begin in a file.
func offsetIn(t *testing.T, file []byte, section uint32) int64 {
	t.Helper()
	d, err := decode(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range d.Layout().Chunks {
		if c.Section == section {
			return c.Offset + entrySize
		}
	}
	return 0
}

// An error of who encodes is what Compare returns, and no difference.
func TestCompareEncodeFails(t *testing.T) {
	for _, codec := range []Codec{None, S2} {
		d, err := decode(small(t, codec))
		if err != nil {
			t.Fatal(err)
		}
		boom := errors.New("boom")
		if err := d.Compare(d.Header(), func(*Encoder) (digest [DigestSize]byte, err error) { return digest, boom }); !errors.Is(err, boom) {
			t.Errorf("%v: %v, want %v", codec, err, boom)
		}
	}
}
