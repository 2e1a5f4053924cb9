package snapshot

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func TestEncoderRefuses(t *testing.T) {
	if _, err := NewEncoder(io.Discard, Header{Capacities: make([]uint64, MaxCapacities+1)}, None); err == nil {
		t.Error("one capacity too many was taken")
	}
	if _, err := NewEncoder(io.Discard, Header{}, S2+1); err == nil {
		t.Error("an unknown codec was taken")
	}
	for name, misuse := range map[string]func(*Encoder){
		"field before a section":        func(e *Encoder) { e.U8(1) },
		"long field before a section":   func(e *Encoder) { e.Raw(make([]byte, 3*ChunkSize)) },
		"the same section twice":        func(e *Encoder) { e.Section(1); e.Section(1) },
		"a smaller section id":          func(e *Encoder) { e.Section(2); e.U8(0); e.Section(1) },
		"finished already":              func(e *Encoder) { e.Finish(sevens) },
		"finished, then another chunk":  func(e *Encoder) { e.Finish(sevens); e.Section(1); e.U8(1) },
		"an error, then a good section": func(e *Encoder) { e.U8(1); e.Section(1); e.U8(1) },
	} {
		e, err := NewEncoder(io.Discard, Header{}, None)
		if err != nil {
			t.Fatal(err)
		}
		misuse(e)
		if err := e.Finish(sevens); err == nil || e.Err() == nil {
			t.Errorf("%s: Finish took it", name)
		}
	}
}

// A writer that fails, or takes less than it was given, ends the encoding.
func TestEncoderWriteFails(t *testing.T) {
	size := len(small(t, None))
	for room := range size {
		w := &smallWriter{room: room, err: errDisk}
		if err := encodeInto(w); !errors.Is(err, errDisk) {
			t.Fatalf("room for %d of %d bytes: %v", room, size, err)
		}
		w = &smallWriter{room: room}
		if err := encodeInto(w); !errors.Is(err, io.ErrShortWrite) {
			t.Fatalf("short write after %d of %d bytes: %v", room, size, err)
		}
	}
}

func encodeInto(w io.Writer) error {
	e, err := NewEncoder(w, Header{Capacities: []uint64{6, 7}}, None)
	if err != nil {
		return err
	}
	e.Section(1)
	e.Raw([]byte("plain bytes"))
	e.Section(2)
	e.Section(9)
	e.Raw(bytes.Repeat([]byte("packed "), 12))
	return e.Finish(sevens)
}

var errDisk = errors.New("disk says no")

// smallWriter takes room bytes, then fails with err, or without one is short.
type smallWriter struct {
	room int
	err  error
}

func (w *smallWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.room)
	w.room -= n
	if n < len(p) {
		return n, w.err
	}
	return n, nil
}

func TestSectionRefuses(t *testing.T) {
	twoChunks := make([]byte, ChunkSize+3)
	file := encode(t, Header{}, None, part{1, []byte{1, 2, 3}}, part{2, twoChunks}, part{3, []byte{255, 255, 255, 255, 0}})
	for name, read := range map[string]func(*Decoder) error{
		"no such section":     func(d *Decoder) error { s := d.Section(4); s.U8(); return s.Done() },
		"bytes left":          func(d *Decoder) error { s := d.Section(1); s.U16(); return s.Done() },
		"nothing read":        func(d *Decoder) error { return d.Section(1).Done() },
		"field too wide":      func(d *Decoder) error { s := d.Section(1); s.U32(); return s.Done() },
		"one field too many":  func(d *Decoder) error { s := d.Section(1); s.U16(); s.U8(); s.U8(); return s.Err() },
		"past the last chunk": func(d *Decoder) error { s := d.Section(2); s.Raw(make([]byte, ChunkSize)); s.U32(); return s.Err() },
		"length past the end": func(d *Decoder) error { s := d.Section(3); s.Bytes(); return s.Err() },
		"raw past the end":    func(d *Decoder) error { s := d.Section(1); s.Raw(make([]byte, 4)); return s.Err() },
		"a section not read":  func(d *Decoder) error { return d.Done() },
	} {
		d, err := decode(file)
		if err != nil {
			t.Fatal(err)
		}
		err = read(d)
		if !errors.Is(err, ErrMismatch) || errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrMismatch", name, err)
		}
		t.Log(err)
	}
}

// After an error every field is zero, also where bytes are left.
func TestSectionErrorSticks(t *testing.T) {
	d, err := decode(encode(t, Header{}, None, part{1, []byte{1, 2, 3}}))
	if err != nil {
		t.Fatal(err)
	}
	s := d.Section(1)
	s.U32()
	raw := []byte{9}
	s.Raw(raw)
	if s.U8() != 0 || s.U16() != 0 || s.I64() != 0 || len(s.Bytes()) != 0 || raw[0] != 0 || s.Left() != 0 {
		t.Error("a field was read after an error")
	}
	var mismatch *MismatchError
	if !errors.As(s.Done(), &mismatch) || mismatch.Section != 1 || mismatch.At != 0 || mismatch.Left != 3 {
		t.Errorf("first error is lost: %v", s.Err())
	}
}

// A disk may turn bad between verification and reading.
func TestSectionDamagedAfterVerification(t *testing.T) {
	file := encode(t, Header{}, None, part{1, make([]byte, 2*ChunkSize)})
	d, err := decode(file)
	if err != nil {
		t.Fatal(err)
	}
	s := d.Section(1)
	s.U8()
	file[headerFixed+entrySize+ChunkSize+entrySize+77] = 1 // in the second chunk
	s.Raw(make([]byte, ChunkSize))
	var sum *ChecksumError
	if !errors.As(s.Done(), &sum) || sum.Section != 1 || sum.Offset != headerFixed+entrySize+ChunkSize {
		t.Errorf("read of a damaged chunk: %v", s.Err())
	}
}

// Fields of fixed size cost nothing but time.
func TestFieldsDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const fields = 10_000 // 230 kB, within a chunk: a chunk's table entry may grow the table
	e, err := NewEncoder(io.Discard, Header{}, None)
	if err != nil {
		t.Fatal(err)
	}
	e.Section(1)
	text := []byte("12345678")
	if n := testing.AllocsPerRun(fields, func() { e.U8(1); e.U16(2); e.U32(3); e.U64(4); e.I64(-5) }); n != 0 {
		t.Errorf("fields: %v allocations", n)
	}
	e.Section(2)
	if n := testing.AllocsPerRun(fields, func() { e.Bytes(text); e.Raw(text) }); n != 0 {
		t.Errorf("bytes: %v allocations", n)
	}

	d, err := decode(encode(t, Header{}, None, part{1, make([]byte, 23*(fields+1))}))
	if err != nil {
		t.Fatal(err)
	}
	s := d.Section(1)
	if n := testing.AllocsPerRun(fields, func() { s.U8(); s.U16(); s.U32(); s.U64(); s.I64() }); n != 0 {
		t.Errorf("reading: %v allocations", n)
	}
	if err := s.Done(); err != nil {
		t.Error(err)
	}
}
