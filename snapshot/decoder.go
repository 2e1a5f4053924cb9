package snapshot

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
)

// A Decoder reads one snapshot that has been verified from end to end. It is
// used by one goroutine at a time.
type Decoder struct {
	r      io.ReaderAt
	layout Layout
	spans  []span
	closer io.Closer // the file, when a store opened it
}

// A span is a section's chunks.
type span struct {
	chunks []Chunk
	done   bool // read to its end, and checked to be so
}

func (s *span) id() uint32 { return s.chunks[0].Section }

// raw is the length of the section in raw bytes.
func (s *span) raw() uint64 {
	last := &s.chunks[len(s.chunks)-1]
	return uint64(last.Index)*ChunkSize + uint64(last.Raw)
}

// NewDecoder verifies the size bytes of r, every chunk included, and returns a
// decoder for them. It allocates the table, which is within size, and two
// chunks, whatever the lengths in the file say. Errors are [ErrCorrupt], [ErrVersion], or those of r.
func NewDecoder(r io.ReaderAt, size int64) (*Decoder, error) {
	layout, err := Inspect(r, size)
	if err != nil {
		return nil, err
	}
	d := &Decoder{r: r, layout: layout}
	var raw uint32
	for i := range layout.Chunks {
		c := &layout.Chunks[i]
		if c.Index == 0 {
			d.spans = append(d.spans, span{})
		}
		d.spans[len(d.spans)-1].chunks = layout.Chunks[i-int(c.Index) : i+1]
		raw = max(raw, c.Raw)
	}
	block, room := make([]byte, entrySize+raw), make([]byte, raw)
	for i := range layout.Chunks {
		if _, err := d.load(&layout.Chunks[i], block, room); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// load reads a chunk into block and returns its raw bytes, verified. They lie in
// block or in room, which hold a chunk with and without its header.
func (d *Decoder) load(c *Chunk, block, room []byte) ([]byte, error) {
	block = block[:entrySize+int(c.Stored)] // stored is not longer than raw: check
	if err := readFull(d.r, block, c.Offset); err != nil {
		return nil, err
	}
	head := block[:entrySize]
	if got, want := crc(head[:40]), le.Uint32(head[40:]); got != want {
		return nil, c.mismatch("checksum of the chunk header", uint64(got), uint64(want))
	}
	var want [entrySize]byte
	if c.put(want[:]); !bytes.Equal(head, want[:]) {
		return nil, c.mismatch("chunk header differs from its table entry: checksum", uint64(le.Uint32(head[40:])), uint64(le.Uint32(want[40:])))
	}
	return c.unpack(block[entrySize:], room)
}

// Layout returns what the file says about itself. Its slices are the decoder's;
// the caller does not change them.
func (d *Decoder) Layout() Layout { return d.layout }

// Header returns what the snapshot is a snapshot of.
func (d *Decoder) Header() Header { return d.layout.Header }

// Digest returns the canonical digest of the state, as given by the writer.
// Whoever restores the state compares it with the digest of what was restored.
func (d *Decoder) Digest() [DigestSize]byte { return d.layout.Digest }

// Section returns a reader at the start of the section called id. A section
// that is not there gives a reader whose every call reports [ErrMismatch].
func (d *Decoder) Section(id uint32) *Section {
	i, ok := slices.BinarySearchFunc(d.spans, id, func(s span, id uint32) int {
		return cmp.Compare(s.id(), id)
	})
	if !ok {
		return &Section{id: id, err: &MismatchError{Section: id, What: "no such section"}}
	}
	s := &d.spans[i]
	return &Section{
		d:      d,
		span:   s,
		id:     id,
		chunks: s.chunks,
		rest:   s.raw(),
		// No chunk of a section is longer than its first.
		block: make([]byte, entrySize+s.chunks[0].Raw),
		room:  make([]byte, s.chunks[0].Raw),
	}
}

// Done returns an [ErrMismatch] unless every section of the file was read and
// its own Done found nothing left: no part of the state was silently dropped.
func (d *Decoder) Done() error {
	for i := range d.spans {
		if s := &d.spans[i]; !s.done {
			return &MismatchError{Section: s.id(), Left: s.raw(), What: "section was not read to its end"}
		}
	}
	return nil
}

// Close closes the file of a decoder that came from a [Store]; otherwise the
// reader is the caller's, and Close does nothing.
func (d *Decoder) Close() error {
	if d.closer == nil {
		return nil
	}
	if err := d.closer.Close(); err != nil {
		return fmt.Errorf("snapshot: close: %w", err)
	}
	return nil
}
