// Package snapshot is a sectioned, versioned, checksummed file format for a
// whole state, and the store that publishes, verifies and retires such files.
//
// It decides one thing: whether these are the bytes that were written. What
// they mean is the caller's affair; the package knows bytes, sections and
// sequences. It starts no goroutine, reads no clock and keeps no global state.
//
// An [Encoder] writes the format to any io.Writer, a [Decoder] believes none of
// it before every checksum has been met, and a [Store] keeps the newest few
// files of a folder so that a crash at any moment leaves a good one behind.
//
// # Format
//
// A file named <sequence, 20 digits>.snapshot, little endian, without padding:
// every byte is covered by a checksum. It is header, chunks, table, footer.
//
// Header, 44 + 8n bytes:
//
//	 0  u64   magic "BSTPSNAP"
//	 8  u32   format version, 1
//	12  u32   header length, 44 + 8n; n is at most 256
//	16  u32   rules version of the writer
//	20  u32   shard
//	24  u64   sequence: the last event the state contains
//	32  u64   journal chain value at that sequence
//	40  u64n  capacities the state was built with
//	    u32   CRC32C of the header up to here
//
// Magic, version, length and the checksum in the last four bytes keep their
// place in every version of the format, so that a damaged header and a newer
// one can be told apart.
//
// A section is a run of bytes under a caller's id. It is cut into chunks of
// 256 KiB of its raw bytes, the last one shorter; a section without bytes is one
// chunk of length zero. Ids strictly increase through the file. Each chunk is a
// chunk header of 44 bytes and then its stored bytes:
//
//	 0  u32   section id
//	 4  u32   index of the chunk in its section, from 0
//	 8  u64   offset of this chunk header in the file
//	16  u32   raw length, at most 262144
//	20  u32   stored length
//	24  u32   codec: 0 none, 1 s2 (block format; shorter than raw, or none is used)
//	28  u32   CRC32C of the stored bytes
//	32  u64   xxh64 of the raw bytes
//	40  u32   CRC32C of the 40 bytes above
//
// The table is all chunk headers again, in order, 44 bytes each. It starts
// where the last chunk ends. The footer is the last 64 bytes of the file:
//
//	 0  u64   offset of the table
//	 8  u32   number of chunks
//	12  u32   the header's CRC32C again: header and footer are of one file
//	16  32    canonical digest of the state, as given by the writer
//	48  u32   CRC32C of the table
//	52  u32   CRC32C of the footer up to here
//	56  u64   end magic "BSTPDONE"
//
// # Same state, same bytes
//
// Every field is written explicitly, so two machines with the same state write
// the same file, on any architecture, with [None]. With [S2] the stored bytes
// may differ: the compressor's assembly and its portable code choose different
// matches. Lengths and checksums of the raw bytes, and the digest, still agree.
package snapshot
