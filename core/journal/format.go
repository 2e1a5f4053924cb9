package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/cespare/xxhash/v2"
)

// FormatVersion is the version of the format that this package reads and writes.
const FormatVersion = 1

// MaxGroup bounds the payload of a frame, so that a length can be checked before
// it is used.
const MaxGroup = 16 << 20

const (
	segmentMagic = "BSTPJRNL"
	frameMagic   = 'F' | 'R'<<8 | 'A'<<16 | 'M'<<24

	headerSize = 80
	frameSize  = 48
	alignment  = 8
)

// Kind says what a frame is for.
type Kind uint32

//go:generate go tool stringer -type=Kind -trimprefix=Kind -output=kind_string.go

// The kinds of frames.
const (
	KindGroup Kind = 1 + iota // events
	KindSeal                  // all before it is durable
	KindEpoch                 // the same, said by a writer that took over
	KindEnd                   // the same, and the next segment follows
)

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// padded is the room that a payload of n bytes takes.
func padded(n int) int { return (n + alignment - 1) &^ (alignment - 1) }

// Segment is what the header of a segment says.
type Segment struct {
	Number uint64 // from 1, without gaps
	First  uint64 // the sequence it begins with
	Chain  uint64 // hash of the frame before it
	Size   int64  // of the file, in bytes
	Rules  uint32
	Shard  uint32
	Salt   uint64
	Path   string // not in the header
}

func (s *Segment) appendTo(b []byte) []byte {
	start := len(b)
	b = append(b, segmentMagic...)
	b = le.AppendUint32(b, FormatVersion)
	b = le.AppendUint32(b, s.Rules)
	b = le.AppendUint32(b, s.Shard)
	b = le.AppendUint32(b, 0)
	for _, v := range [...]uint64{s.Number, s.First, s.Chain, uint64(s.Size), s.Salt, 0} {
		b = le.AppendUint64(b, v)
	}
	b = le.AppendUint32(b, 0)
	return le.AppendUint32(b, checksum(b[start:]))
}

// parseSegment reads a segment header. The error is a *DamageError without a
// place, or a *VersionError.
func parseSegment(b []byte) (Segment, error) {
	if got, want := checksum(b[:headerSize-4]), le.Uint32(b[headerSize-4:]); got != want {
		return Segment{}, &DamageError{What: fmt.Sprintf("segment header: checksum %08x, want %08x", got, want)}
	}
	if string(b[:8]) != segmentMagic {
		return Segment{}, &DamageError{What: fmt.Sprintf("segment header: magic %q, want %q", b[:8], segmentMagic)}
	}
	if v := le.Uint32(b[8:]); v != FormatVersion {
		return Segment{}, &VersionError{Got: v}
	}
	s := Segment{
		Rules: le.Uint32(b[12:]), Shard: le.Uint32(b[16:]),
		Number: le.Uint64(b[24:]), First: le.Uint64(b[32:]), Chain: le.Uint64(b[40:]),
		Size: int64(le.Uint64(b[48:])), Salt: le.Uint64(b[56:]),
	}
	return s, nil
}

// Frame is one frame of a journal, as read.
type Frame struct {
	Kind    Kind
	First   uint64 // sequence of its first event, or of the next one if it has none
	Count   int    // events
	Durable uint64 // the highest sequence that was durable when it was built
	Chain   uint64 // hash of the frame before it
	// Hash names this frame and all before it. The journal's chain value at a
	// sequence is the hash of the frame that has its event.
	Hash uint64
	// Payload is the events one behind the other, valid until the next is read.
	Payload []byte
	// File and Offset are where the frame lies.
	File   string
	Offset int64

	length   int // of the payload
	checksum uint32
}

// Last is the highest sequence of this frame and all before it.
func (f *Frame) Last() uint64 { return f.First + uint64(f.Count) - 1 }

// size is what the frame takes in the file.
func (f *Frame) size() int64 { return int64(frameSize + padded(f.length)) }

// seals reports whether the frame says that all before it is durable.
func (f *Frame) seals() bool { return f.Kind != KindGroup }

// putFrame writes the header of a frame to b, in front of its payload and
// padding, and returns its hash.
func putFrame(b []byte, f *Frame, salt uint64, payload []byte) (hash uint64) {
	h := b[:frameSize]
	le.PutUint32(h, frameMagic^uint32(salt))
	le.PutUint32(h[4:], uint32(f.length))
	le.PutUint64(h[8:], f.First)
	le.PutUint32(h[16:], uint32(f.Count))
	le.PutUint32(h[20:], uint32(f.Kind))
	le.PutUint64(h[24:], f.Chain)
	le.PutUint64(h[32:], f.Durable)
	le.PutUint32(h[40:], checksum(payload))
	le.PutUint32(h[44:], checksum(h[:44]))
	return xxhash.Sum64(h)
}

// parseFrame reads a frame header that claims to be one of a segment with this
// salt. It is sound if every bit of it is as it was written; what is wrong is
// said otherwise.
func parseFrame(h []byte, salt uint64) (f Frame, wrong string) {
	h = h[:frameSize]
	if got, want := le.Uint32(h), frameMagic^uint32(salt); got != want {
		return f, fmt.Sprintf("magic %08x, want %08x", got, want)
	}
	if got, want := checksum(h[:44]), le.Uint32(h[44:]); got != want {
		return f, fmt.Sprintf("header checksum %08x, want %08x", got, want)
	}
	f = Frame{
		Kind: Kind(le.Uint32(h[20:])), First: le.Uint64(h[8:]), Count: int(le.Uint32(h[16:])),
		Chain: le.Uint64(h[24:]), Durable: le.Uint64(h[32:]), Hash: xxhash.Sum64(h),
		length: int(le.Uint32(h[4:])), checksum: le.Uint32(h[40:]),
	}
	events := f.Kind == KindGroup
	switch {
	case f.Kind < KindGroup || f.Kind > KindEnd, events != (f.Count > 0), events != (f.length > 0), f.length > MaxGroup:
		return f, fmt.Sprintf("%v of %d events in %d bytes: no writer makes such a frame", f.Kind, f.Count, f.length)
	}
	return f, ""
}

// isZero reports whether b is all zeros.
func isZero(b []byte) bool {
	for len(b) > 0 {
		n := min(len(b), len(zeros))
		if !bytes.Equal(b[:n], zeros[:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}

// zeros is what segments are filled with, a piece at a time.
var zeros [256 << 10]byte
