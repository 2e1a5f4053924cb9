package snapshot

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/s2"
)

// An Encoder writes one snapshot. The caller opens sections in ascending order
// of id, appends fields, and ends with Finish.
//
// Errors stick: after the first one nothing more is written, and Err and Finish
// return it. Appending a field allocates nothing.
type Encoder struct {
	w         io.Writer
	codec     Codec
	headerSum uint32
	off       int64  // bytes written so far
	table     []byte // the header of every chunk written so far
	section   uint32 // the newest section
	open      bool   // fields may be appended to it
	index     uint32 // its next chunk
	err       error

	// buf has room for a chunk's header, then its raw bytes, then the part of a
	// field that belongs to the next chunk: header and bytes leave in one write. It
	// grows to that size: the snapshot of a small state needs no more than a little.
	buf    []byte
	raw    []byte // buf after the chunk header
	n      int    // raw bytes in use, less than limit between appends
	limit  int    // raw bytes that have room, 8 more of them than this; at most ChunkSize
	packed []byte // the same for a packed chunk; nil without a codec
}

// smallestRaw is what a fresh encoder has room for.
const smallestRaw = 4 << 10

// NewEncoder writes the header h to w and returns an encoder for the rest. It
// refuses too many capacities and an unknown codec.
func NewEncoder(w io.Writer, h Header, codec Codec) (*Encoder, error) {
	if n := len(h.Capacities); n > MaxCapacities {
		return nil, fmt.Errorf("snapshot: header with %d capacities, at most %d fit", n, MaxCapacities)
	}
	if codec > S2 {
		return nil, fmt.Errorf("snapshot: unknown codec %v", codec)
	}
	e := &Encoder{w: w, codec: codec}
	e.room(smallestRaw)
	if codec == S2 {
		e.packed = make([]byte, entrySize+s2.MaxEncodedLen(ChunkSize))
	}
	b := h.append(make([]byte, 0, h.size()))
	e.headerSum = le.Uint32(b[len(b)-4:])
	e.write(b)
	return e, e.err
}

// Section ends the section before and begins the one called id, which must be
// greater than any before.
func (e *Encoder) Section(id uint32) {
	e.endSection()
	if len(e.table) > 0 && id <= e.section {
		e.fail(fmt.Errorf("snapshot: section %d after section %d: ids must increase", id, e.section))
	}
	e.section, e.open, e.index = id, true, 0
}

// U8 appends one byte.
func (e *Encoder) U8(v uint8) {
	e.raw[e.n] = v
	e.advance(1)
}

// U16 appends two bytes, little endian.
func (e *Encoder) U16(v uint16) {
	le.PutUint16(e.raw[e.n:], v)
	e.advance(2)
}

// U32 appends four bytes, little endian.
func (e *Encoder) U32(v uint32) {
	le.PutUint32(e.raw[e.n:], v)
	e.advance(4)
}

// U64 appends eight bytes, little endian.
func (e *Encoder) U64(v uint64) {
	le.PutUint64(e.raw[e.n:], v)
	e.advance(8)
}

// I64 appends eight bytes, little endian, two's complement.
func (e *Encoder) I64(v int64) { e.U64(uint64(v)) }

// Bytes appends the length of p as four bytes, then p.
func (e *Encoder) Bytes(p []byte) {
	if uint64(len(p)) > math.MaxUint32 {
		e.fail(fmt.Errorf("snapshot: section %d: field of %d bytes, its length must fit 32 bits", e.section, len(p)))
		return
	}
	e.U32(uint32(len(p)))
	e.Raw(p)
}

// Raw appends p as it is; the reader must know its length.
func (e *Encoder) Raw(p []byte) {
	for len(p) > 0 {
		n := copy(e.raw[e.n:e.limit], p)
		p = p[n:]
		e.advance(n)
	}
}

// Err returns the first error so far; after Finish, that there is no more to do.
func (e *Encoder) Err() error { return e.err }

// Finish ends the last section and writes table and footer with the state's
// digest, which the caller computed. It flushes nothing below the writer: a
// file still has to be synced. It is the encoder's last call.
func (e *Encoder) Finish(digest [DigestSize]byte) error {
	e.endSection()
	chunks := len(e.table) / entrySize
	f := footer{
		table:     e.off,
		chunks:    uint32(chunks),
		headerSum: e.headerSum,
		digest:    digest,
		tableSum:  crc(e.table),
	}
	e.write(f.append(e.table))
	if e.err != nil {
		return e.err
	}
	e.err = errFinished
	return nil
}

var errFinished = errors.New("snapshot: encoder used after Finish")

// advance counts n bytes just put into raw, makes room where they have filled it,
// and writes the chunk they may have filled. n is at most 8 when it runs past limit.
func (e *Encoder) advance(n int) {
	e.n += n
	if e.n >= e.limit {
		e.writeFull()
	}
}

// room makes place for so many raw bytes of a chunk.
func (e *Encoder) room(limit int) {
	e.limit = min(limit, ChunkSize)
	buf := make([]byte, entrySize+e.limit+8)
	copy(buf, e.buf)
	e.buf, e.raw = buf, buf[entrySize:]
}

func (e *Encoder) writeFull() {
	if e.limit < ChunkSize {
		e.room(8 * e.limit)
		return
	}
	e.writeChunk(e.raw[:ChunkSize])
	e.n = copy(e.raw, e.raw[ChunkSize:e.n])
}

// endSection writes what is left of the open section, and an empty section's
// only chunk.
func (e *Encoder) endSection() {
	if e.n > 0 || e.open && e.index == 0 {
		e.writeChunk(e.raw[:e.n])
		e.n = 0
	}
	e.open = false
}

func (e *Encoder) writeChunk(raw []byte) {
	if !e.open {
		e.fail(errors.New("snapshot: field outside a section"))
	}
	if e.err != nil {
		return
	}
	stored, codec := e.codec.pack(raw, e.packed[min(entrySize, len(e.packed)):])
	c := Chunk{
		Section:   e.section,
		Index:     e.index,
		Offset:    e.off,
		Raw:       uint32(len(raw)),
		Stored:    uint32(len(stored)),
		Codec:     codec,
		StoredSum: crc(stored),
		RawSum:    xxhash.Sum64(raw),
	}
	block := e.buf
	if codec != None {
		block = e.packed
	}
	c.put(block)
	e.table = append(e.table, block[:entrySize]...)
	e.index++
	e.write(block[:entrySize+len(stored)])
}

func (e *Encoder) write(b []byte) {
	if e.err != nil {
		return
	}
	n, err := e.w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		e.fail(fmt.Errorf("snapshot: write of %d bytes at offset %d: %w", len(b), e.off, err))
	}
	e.off += int64(n)
}

func (e *Encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}
