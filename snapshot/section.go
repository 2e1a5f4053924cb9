package snapshot

import "fmt"

// A Section reads the fields of one section in the order they were written.
//
// Errors stick: after the first one every field reads as zero, and Err and Done
// return it. Check Done, or Err inside a loop whose bound was itself read.
// Reading a field of fixed size allocates nothing. Several sections of one
// decoder may be read in turns.
type Section struct {
	d      *Decoder
	span   *span
	id     uint32
	chunks []Chunk // not loaded yet
	rest   uint64  // raw bytes in them
	cur    []byte  // loaded and unread, part of block or room
	block  []byte  // holds any of the chunks with its header
	room   []byte  // holds the raw bytes of any of the chunks
	spill  [8]byte // a field that straddles two chunks
	err    error
}

// U8 reads one byte.
func (s *Section) U8() uint8 { return s.take(1)[0] }

// U16 reads two bytes, little endian.
func (s *Section) U16() uint16 { return le.Uint16(s.take(2)) }

// U32 reads four bytes, little endian.
func (s *Section) U32() uint32 { return le.Uint32(s.take(4)) }

// U64 reads eight bytes, little endian.
func (s *Section) U64() uint64 { return le.Uint64(s.take(8)) }

// I64 reads eight bytes, little endian, two's complement.
func (s *Section) I64() int64 { return int64(s.U64()) }

// Bytes reads a length of four bytes and returns that many in a new slice. A
// length beyond the section's end is refused before anything is allocated.
func (s *Section) Bytes() []byte {
	n := s.U32()
	if !s.require(uint64(n)) {
		return nil
	}
	p := make([]byte, n)
	s.Raw(p)
	return p
}

// Raw fills p with the next len(p) bytes, or with zeros after an error.
func (s *Section) Raw(p []byte) {
	if !s.require(uint64(len(p))) {
		clear(p)
		return
	}
	for filled := 0; filled < len(p); {
		if len(s.cur) == 0 && !s.load() {
			clear(p)
			return
		}
		n := copy(p[filled:], s.cur)
		s.cur = s.cur[n:]
		filled += n
	}
}

// Left returns how many raw bytes of the section are unread; 0 after an error.
func (s *Section) Left() uint64 { return uint64(len(s.cur)) + s.rest }

// Err returns the first error so far.
func (s *Section) Err() error { return s.err }

// Done returns the first error so far, or an [ErrMismatch] if bytes of the
// section are left unread.
func (s *Section) Done() error {
	if s.err == nil && s.Left() > 0 {
		s.mismatch("unread at the end")
	}
	if s.err == nil {
		s.span.done = true
	}
	return s.err
}

// take returns the next n bytes, n at most 8, until the next call.
func (s *Section) take(n int) []byte {
	if len(s.cur) < n {
		s.Raw(s.spill[:n])
		return s.spill[:n]
	}
	b := s.cur[:n]
	s.cur = s.cur[n:]
	return b
}

// require reports whether n more bytes can be read.
func (s *Section) require(n uint64) bool {
	if s.err == nil && n > s.Left() {
		s.mismatch(fmt.Sprintf("%d bytes wanted", n))
	}
	return s.err == nil
}

// load makes the next chunk current. Requires one: rest is not 0. The bytes
// were verified when the decoder was built; the disk may say otherwise today.
func (s *Section) load() bool {
	c := &s.chunks[0]
	raw, err := s.d.load(c, s.block, s.room)
	if err != nil {
		s.fail(err)
		return false
	}
	s.cur = raw
	s.rest -= uint64(c.Raw)
	s.chunks = s.chunks[1:]
	return true
}

func (s *Section) mismatch(what string) {
	s.fail(&MismatchError{Section: s.id, At: s.span.raw() - s.Left(), Left: s.Left(), What: what})
}

func (s *Section) fail(err error) {
	s.err = err
	s.cur, s.chunks, s.rest = nil, nil, 0
}
