package snapshot

import (
	"bytes"
	"fmt"
	"io"
	"slices"
)

// DifferenceError says where a state, encoded again, is not what a file holds. The
// file is intact: somebody wrote it so.
type DifferenceError struct {
	Part    Part
	Section uint32 // of a chunk, else 0
	Offset  int64  // of the first byte in the file that differs, or of its chunk if that is packed
}

func (e *DifferenceError) Error() string {
	return fmt.Sprintf("snapshot: %s: other bytes than the state encodes to", place(e.Part, e.Section, e.Offset))
}

// Compare has encode write a state under the header h, as [Store.Commit] would, and
// compares with the file, to its last byte. Packed chunks are compared by the
// length and checksum of their raw bytes, then with header and digest: another
// compressor may have stored them otherwise.
//
// The first difference is a *[DifferenceError], and encode is not to be asked for
// more; other errors are those of encode and of the disk.
func (d *Decoder) Compare(h Header, encode func(*Encoder) (digest [DigestSize]byte, err error)) error {
	packed := func(c Chunk) bool { return c.Codec != None }
	if slices.ContainsFunc(d.layout.Chunks, packed) {
		return d.compareRaw(h, encode)
	}
	c := &comparison{d: d}
	err := c.encode(h, encode)
	if c.found != nil {
		return c.found
	}
	if err == nil && c.at != d.layout.Size {
		return d.differs(c.at)
	}
	return err
}

// comparison is a writer that wants what a file holds.
type comparison struct {
	d     *Decoder
	at    int64
	have  []byte
	found *DifferenceError
}

func (c *comparison) encode(h Header, encode func(*Encoder) ([DigestSize]byte, error)) error {
	e, err := NewEncoder(c, h, None)
	if err != nil {
		return err
	}
	digest, err := encode(e)
	if err != nil {
		return err
	}
	return e.Finish(digest)
}

// Write compares what comes next.
func (c *comparison) Write(want []byte) (int, error) {
	n := int(min(int64(len(want)), c.d.layout.Size-c.at))
	c.have = append(c.have[:0], want[:n]...)
	if err := readFull(c.d.r, c.have, c.at); err != nil {
		return 0, err
	}
	if !bytes.Equal(c.have, want) {
		c.found = c.locate(want)
		return 0, c.found
	}
	c.at += int64(n)
	return n, nil
}

// locate finds the first difference between what is there and what came. A chunk's
// checksums lie before the bytes they are of, and those are what one looks for.
func (c *comparison) locate(want []byte) *DifferenceError {
	const identity = 16 // section, index and offset in a chunk's header
	first := common(c.have, want)
	e := c.d.differs(c.at + int64(first))
	if e.Part == PartChunk && first >= identity && first < entrySize {
		end := c.d.layout.Chunks[c.d.chunkAt(e.Offset)].end()
		raw := c.at + entrySize + int64(common(c.have[min(entrySize, len(c.have)):], want[entrySize:]))
		e.Offset = min(raw, end)
	}
	return e
}

// common is how many bytes two runs have in common at their beginning.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// differs names the part of the file at an offset.
func (d *Decoder) differs(at int64) *DifferenceError {
	l := &d.layout
	switch {
	case at < int64(l.Header.size()):
		return &DifferenceError{Part: PartHeader, Offset: at}
	case at >= l.Size-footerSize:
		return &DifferenceError{Part: PartFooter, Offset: at}
	case at >= l.Table:
		return &DifferenceError{Part: PartTable, Offset: at}
	}
	return &DifferenceError{Part: PartChunk, Section: l.Chunks[d.chunkAt(at)].Section, Offset: at}
}

// chunkAt is which chunk has an offset before the table.
func (d *Decoder) chunkAt(at int64) int {
	i, _ := slices.BinarySearchFunc(d.layout.Chunks, at, func(c Chunk, at int64) int {
		if c.end() <= at {
			return -1
		}
		return 1
	})
	return i
}

// compareRaw compares what does not depend on how chunks are stored.
func (d *Decoder) compareRaw(h Header, encode func(*Encoder) ([DigestSize]byte, error)) error {
	l := &d.layout
	if i := common(h.append(nil), l.Header.append(nil)); i < max(h.size(), l.Header.size()) {
		return &DifferenceError{Part: PartHeader, Offset: int64(i)}
	}
	e, err := NewEncoder(io.Discard, h, None)
	if err != nil {
		return err
	}
	digest, err := encode(e)
	if err == nil {
		err = e.Finish(digest)
	}
	if err != nil {
		return err
	}
	i := 0
	for b := range slices.Chunk(e.table, entrySize) {
		if i == len(l.Chunks) {
			return d.differs(l.Table) // it goes on where the file ends
		}
		got, want := &l.Chunks[i], parseChunk(b)
		if got.Section != want.Section || got.Index != want.Index || got.Raw != want.Raw || got.RawSum != want.RawSum {
			return d.differs(got.Offset)
		}
		i++
	}
	if i < len(l.Chunks) {
		return d.differs(l.Chunks[i].Offset)
	}
	if digest != l.Digest {
		return d.differs(l.Size - footerSize + 16)
	}
	return nil
}
