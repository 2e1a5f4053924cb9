package snapshot

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// Limits of the format. A length beyond them is refused before anything is
// allocated for it.
const (
	// FormatVersion is the version of the format this package writes and reads.
	FormatVersion = 1
	// ChunkSize is the number of raw bytes in every chunk of a section but its last.
	ChunkSize = 256 << 10
	// MaxCapacities is the largest number of capacities in a Header.
	MaxCapacities = 256
	// DigestSize is the length of a state digest in bytes.
	DigestSize = 32
)

const (
	headerFixed  = 44      // header without capacities
	headerPrefix = 16      // magic, version, length: the same place in every version
	headerMax    = 4 << 10 // no version of the format may have a longer header
	entrySize    = 44      // a chunk header, and its copy in the table
	footerSize   = 64

	magic    = 0x50414e5350545342 // "BSTPSNAP"
	endMagic = 0x454e4f4450545342 // "BSTPDONE"
)

// The longest header of this version must be within what any version may have.
const _ = uint(headerMax - (headerFixed + 8*MaxCapacities))

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

func crc(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// Header says what a snapshot is a snapshot of.
type Header struct {
	// Rules is the version of the rules that computed the state.
	Rules uint32
	// Shard is the risk unit the state belongs to.
	Shard uint32
	// Sequence is the last event the state contains.
	Sequence uint64
	// Chain is the journal's chain value at Sequence.
	Chain uint64
	// Capacities are the sizes the state was preallocated with, in an order the
	// caller fixes, at most [MaxCapacities] of them.
	Capacities []uint64
}

func (h *Header) size() int { return headerFixed + 8*len(h.Capacities) }

func (h *Header) append(b []byte) []byte {
	start := len(b)
	b = le.AppendUint64(b, magic)
	b = le.AppendUint32(b, FormatVersion)
	b = le.AppendUint32(b, uint32(h.size()))
	b = le.AppendUint32(b, h.Rules)
	b = le.AppendUint32(b, h.Shard)
	b = le.AppendUint64(b, h.Sequence)
	b = le.AppendUint64(b, h.Chain)
	for _, c := range h.Capacities {
		b = le.AppendUint64(b, c)
	}
	return le.AppendUint32(b, crc(b[start:]))
}

// parsePrefix reads the part of the header that every version shares and
// returns the header's length, in bounds for a file of size bytes, which holds
// at least the shortest header and a footer.
func parsePrefix(b []byte, size int64) (int, error) {
	if got := le.Uint64(b); got != magic {
		return 0, &ChecksumError{Part: PartHeader, What: "magic", Got: got, Want: magic}
	}
	length := int64(le.Uint32(b[12:]))
	if want := min(max(length, headerFixed), headerMax, size-footerSize); length != want {
		return 0, &LayoutError{Part: PartHeader, Offset: 12, What: "header length", Got: uint64(length), Want: uint64(want)}
	}
	return int(length), nil
}

// parseHeader reads a whole header and returns it with its checksum.
func parseHeader(b []byte) (Header, uint32, error) {
	end := len(b) - 4
	sum := le.Uint32(b[end:])
	if got := crc(b[:end]); got != sum {
		return Header{}, 0, &ChecksumError{Part: PartHeader, What: "checksum", Got: uint64(got), Want: uint64(sum)}
	}
	if got := le.Uint32(b[8:]); got != FormatVersion {
		return Header{}, 0, &VersionError{Got: got}
	}
	n := (len(b) - headerFixed) / 8
	if n > MaxCapacities || len(b) != headerFixed+8*n {
		return Header{}, 0, &LayoutError{Part: PartHeader, Offset: 12, What: "header length", Got: uint64(len(b)), Want: headerFixed + 8*uint64(min(n, MaxCapacities))}
	}
	h := Header{
		Rules:      le.Uint32(b[16:]),
		Shard:      le.Uint32(b[20:]),
		Sequence:   le.Uint64(b[24:]),
		Chain:      le.Uint64(b[32:]),
		Capacities: make([]uint64, n),
	}
	for i := range h.Capacities {
		h.Capacities[i] = le.Uint64(b[40+8*i:])
	}
	return h, sum, nil
}

// Chunk is one entry of a file's table: where a piece of a section is stored,
// and the checksums it must meet.
type Chunk struct {
	Section   uint32 // the caller's id of the section
	Index     uint32 // position of the chunk in its section, from 0
	Offset    int64  // of the chunk header in the file; the stored bytes follow it
	Raw       uint32 // length of the bytes as the caller wrote them
	Stored    uint32 // length of the bytes in the file
	Codec     Codec  // how stored bytes become raw bytes
	StoredSum uint32 // CRC32C of the stored bytes
	RawSum    uint64 // xxh64 of the raw bytes
}

func (c *Chunk) put(b []byte) {
	_ = b[entrySize-1]
	le.PutUint32(b, c.Section)
	le.PutUint32(b[4:], c.Index)
	le.PutUint64(b[8:], uint64(c.Offset))
	le.PutUint32(b[16:], c.Raw)
	le.PutUint32(b[20:], c.Stored)
	le.PutUint32(b[24:], uint32(c.Codec))
	le.PutUint32(b[28:], c.StoredSum)
	le.PutUint64(b[32:], c.RawSum)
	le.PutUint32(b[40:], crc(b[:40]))
}

// parseChunk reads a table entry. Its checksum is the table's affair; the
// fields are judged by follows.
func parseChunk(b []byte) Chunk {
	return Chunk{
		Section:   le.Uint32(b),
		Index:     le.Uint32(b[4:]),
		Offset:    int64(le.Uint64(b[8:])),
		Raw:       le.Uint32(b[16:]),
		Stored:    le.Uint32(b[20:]),
		Codec:     Codec(le.Uint32(b[24:])),
		StoredSum: le.Uint32(b[28:]),
		RawSum:    le.Uint64(b[32:]),
	}
}

// end is the offset of the first byte after the chunk.
func (c *Chunk) end() int64 { return c.Offset + entrySize + int64(c.Stored) }

// check refuses a chunk whose own fields contradict each other.
func (c *Chunk) check() error {
	switch {
	case c.Raw > ChunkSize:
		return c.refuse("raw length", uint64(c.Raw), ChunkSize)
	case c.Codec == None && c.Stored != c.Raw:
		return c.refuse("stored length without a codec", uint64(c.Stored), uint64(c.Raw))
	case c.Codec == S2 && c.Stored >= c.Raw:
		return c.refuse("stored length with a codec", uint64(c.Stored), uint64(c.Raw))
	case c.Codec > S2:
		return c.refuse("codec", uint64(c.Codec), uint64(S2))
	}
	return nil
}

// follows refuses a chunk that may not stand after prev, nil for the first.
func (c *Chunk) follows(prev *Chunk) error {
	if prev != nil && prev.Section == c.Section {
		switch {
		case c.Index != prev.Index+1:
			return c.refuse("chunk index", uint64(c.Index), uint64(prev.Index)+1)
		case prev.Raw != ChunkSize:
			return prev.refuse("raw length before another chunk of the section", uint64(prev.Raw), ChunkSize)
		case c.Raw == 0:
			return c.refuse("raw length after another chunk of the section", 0, 1)
		}
		return nil
	}
	if prev != nil && c.Section < prev.Section {
		return c.refuse("section id after a greater one", uint64(c.Section), uint64(prev.Section)+1)
	}
	if c.Index != 0 {
		return c.refuse("index of a section's first chunk", uint64(c.Index), 0)
	}
	return nil
}

func (c *Chunk) refuse(what string, got, want uint64) error {
	return &LayoutError{Part: PartChunk, Section: c.Section, Offset: c.Offset, What: what, Got: got, Want: want}
}

// footer is the fixed end of a file.
type footer struct {
	table     int64  // offset of the table
	chunks    uint32 // entries in it
	headerSum uint32 // the header's checksum
	digest    [DigestSize]byte
	tableSum  uint32
}

func (f *footer) append(b []byte) []byte {
	start := len(b)
	b = le.AppendUint64(b, uint64(f.table))
	b = le.AppendUint32(b, f.chunks)
	b = le.AppendUint32(b, f.headerSum)
	b = append(b, f.digest[:]...)
	b = le.AppendUint32(b, f.tableSum)
	b = le.AppendUint32(b, crc(b[start:]))
	return le.AppendUint64(b, endMagic)
}

// parseFooter reads the last bytes of a file of size bytes and checks that
// table and footer end it exactly, which bounds the table by the file's size.
func parseFooter(b []byte, size int64) (footer, error) {
	at := size - footerSize
	if got := le.Uint64(b[56:]); got != endMagic {
		return footer{}, &ChecksumError{Part: PartFooter, Offset: at + 56, What: "end magic", Got: got, Want: endMagic}
	}
	if got, want := crc(b[:52]), le.Uint32(b[52:]); got != want {
		return footer{}, &ChecksumError{Part: PartFooter, Offset: at, What: "checksum", Got: uint64(got), Want: uint64(want)}
	}
	f := footer{
		chunks:    le.Uint32(b[8:]),
		headerSum: le.Uint32(b[12:]),
		digest:    [DigestSize]byte(b[16:48]),
		tableSum:  le.Uint32(b[48:]),
	}
	table, length := le.Uint64(b), entrySize*uint64(f.chunks)
	if table > math.MaxInt64 || table+length != uint64(at) {
		return footer{}, &LayoutError{Part: PartFooter, Offset: at, What: "end of the table", Got: table + length, Want: uint64(at)}
	}
	f.table = int64(table)
	return f, nil
}
