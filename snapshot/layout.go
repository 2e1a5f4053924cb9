package snapshot

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// Layout is everything a file says about itself, apart from the contents of
// its sections: what an inspection prints.
type Layout struct {
	Header Header
	// Chunks is the table, in the order of the file.
	Chunks []Chunk
	// Table is the offset of the table in the file.
	Table int64
	// Digest is the canonical digest of the state, as given by the writer.
	Digest [DigestSize]byte
	// Size is the length of the file in bytes.
	Size int64
}

// Inspect reads header, footer and table of the size bytes of r and checks them
// against each other, but does not look into the chunks; NewDecoder does. With
// an error it returns what could be read before it, for a report on a damaged
// file. Errors are [ErrCorrupt], [ErrVersion], or those of r.
func Inspect(r io.ReaderAt, size int64) (Layout, error) {
	l := Layout{Size: size}
	if size < headerFixed+footerSize {
		return l, &LayoutError{Part: PartHeader, What: "file size", Got: uint64(max(size, 0)), Want: headerFixed + footerSize}
	}
	sum, err := l.readHeader(r)
	if err != nil {
		return l, err
	}
	f, err := l.readFooter(r, sum)
	if err != nil {
		return l, err
	}
	return l, l.readTable(r, f)
}

func (l *Layout) readHeader(r io.ReaderAt) (sum uint32, err error) {
	prefix := make([]byte, headerPrefix)
	if err := readFull(r, prefix, 0); err != nil {
		return 0, err
	}
	n, err := parsePrefix(prefix, l.Size)
	if err != nil {
		return 0, err
	}
	b := make([]byte, n)
	if err := readFull(r, b, 0); err != nil {
		return 0, err
	}
	l.Header, sum, err = parseHeader(b)
	return sum, err
}

func (l *Layout) readFooter(r io.ReaderAt, headerSum uint32) (footer, error) {
	b := make([]byte, footerSize)
	if err := readFull(r, b, l.Size-footerSize); err != nil {
		return footer{}, err
	}
	f, err := parseFooter(b, l.Size)
	if err != nil {
		return footer{}, err
	}
	if f.headerSum != headerSum {
		return footer{}, &ChecksumError{Part: PartFooter, Offset: l.Size - footerSize, What: "checksum of the header", Got: uint64(f.headerSum), Want: uint64(headerSum)}
	}
	l.Table, l.Digest = f.table, f.digest
	return f, nil
}

// readTable checks that the chunks tile the file from the header to the table
// and form sections.
func (l *Layout) readTable(r io.ReaderAt, f footer) error {
	b := make([]byte, entrySize*int(f.chunks)) // within the file's size: parseFooter
	if err := readFull(r, b, f.table); err != nil {
		return err
	}
	if got := crc(b); got != f.tableSum {
		return &ChecksumError{Part: PartTable, Offset: f.table, What: "checksum", Got: uint64(got), Want: uint64(f.tableSum)}
	}
	l.Chunks = make([]Chunk, 0, f.chunks)
	next := int64(l.Header.size())
	var prev *Chunk
	for e := range slices.Chunk(b, entrySize) {
		c := parseChunk(e)
		if c.Offset != next {
			return c.refuse("offset of the chunk", uint64(c.Offset), uint64(next))
		}
		if err := c.check(); err != nil {
			return err
		}
		if err := c.follows(prev); err != nil {
			return err
		}
		l.Chunks = append(l.Chunks, c)
		prev, next = &l.Chunks[len(l.Chunks)-1], c.end()
	}
	if next != f.table {
		return &LayoutError{Part: PartTable, Offset: f.table, What: "offset of the table", Got: uint64(f.table), Want: uint64(next)}
	}
	return nil
}

// readFull fills b from r at off. A file shorter than its size promised is an
// error of the reader, not a corrupt file.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("snapshot: read of %d bytes at offset %d: %w", len(b), off, err)
}
