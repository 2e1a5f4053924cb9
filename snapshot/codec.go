package snapshot

import (
	"fmt"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/s2"
)

// Codec says how a chunk's raw bytes are stored.
type Codec uint32

const (
	// None stores bytes as they are. The same state gives the same file on every
	// machine.
	None Codec = iota
	// S2 stores the S2 block of the bytes, where that is shorter. The same state
	// gives the same raw bytes everywhere, but the stored bytes depend on the
	// compressor's version and on whether it runs as assembly.
	S2
)

// String returns "none", "s2", or the number of an unknown codec.
func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case S2:
		return "s2"
	}
	return fmt.Sprintf("Codec(%d)", uint32(c))
}

// pack returns the stored form of raw and the codec it used. The result is raw
// itself or lies in room, which holds any packed chunk.
func (c Codec) pack(raw, room []byte) ([]byte, Codec) {
	if c == S2 {
		if packed := s2.Encode(room, raw); len(packed) < len(raw) {
			return packed, S2
		}
	}
	return raw, None
}

// unpack checks stored against both of its chunk's checksums and returns the
// raw bytes, which are stored itself or lie in room; room holds c.Raw bytes.
func (c *Chunk) unpack(stored, room []byte) ([]byte, error) {
	if got := crc(stored); got != c.StoredSum {
		return nil, c.mismatch("checksum of stored bytes", uint64(got), uint64(c.StoredSum))
	}
	raw := stored
	if c.Codec == S2 {
		// The length is inside the block too; it must agree before it is obeyed.
		n, err := s2.DecodedLen(stored)
		if err != nil || n != int(c.Raw) {
			return nil, c.refuse("raw length in the s2 block", uint64(n), uint64(c.Raw))
		}
		if raw, err = s2.Decode(room[:c.Raw], stored); err != nil {
			return nil, fmt.Errorf("%w: section %d at offset %d: %w", ErrCorrupt, c.Section, c.Offset, err)
		}
	}
	if got := xxhash.Sum64(raw); got != c.RawSum {
		return nil, c.mismatch("checksum of raw bytes", got, c.RawSum)
	}
	return raw, nil
}

func (c *Chunk) mismatch(what string, got, want uint64) error {
	return &ChecksumError{Part: PartChunk, Section: c.Section, Offset: c.Offset, What: what, Got: got, Want: want}
}
