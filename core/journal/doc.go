// Package journal decides what of a log of events is there: which were written,
// which of those can no longer be lost, and whether what is read back is what
// was written.
//
// It knows bytes and sequences, and nothing of what they mean. It starts no
// goroutine, reads no clock, rolls no dice and keeps no global state: whoever
// drives a [Writer] says when a group is written, synced and sealed, and brings
// the salt.
//
// An event is a run of bytes under the next sequence. A [Writer] gathers events
// into a group and writes it as one frame, with one write and one fdatasync; then
// [Writer.Durable] moves. A [Reader] goes through what is there and ends at the
// clean end or at a torn one, and a [Tail] follows a journal that grows, in the
// process that writes it or in another.
//
// # What a crash leaves
//
// Every frame says which sequence was durable when it was built. So a bad frame
// with nothing sound behind it that knows better is the torn tail of writes that
// nobody was told about: it is set to zero, and writing goes on. A bad frame
// before one that says more was durable than can be read is damage to
// acknowledged events, and so is a missing segment, a gap in the sequences, or a
// chain that does not meet: the journal is refused, with file, offset and
// sequence, and nothing is changed.
//
// On a single copy two things look alike: a bit that flipped in the last group
// before anything was written behind it, and a write that was torn. A group is
// in that state until the next frame; [Writer.Seal] writes one when there is
// nothing else to write, and the whole log describes itself.
//
// A write or fdatasync that failed is final. The system may have marked the
// pages clean, so a second fdatasync would succeed and mean nothing; for the
// same reason opening writes once more what no frame says was durable. And it syncs
// the folder: whoever gave the last segment its name may have died before that, and
// what is written into a file is only as durable as its name.
//
// # Format
//
// A folder holds segments named <first sequence, 20 digits>.journal, each filled
// with zeros to its whole size before it gets its name. Everything is little
// endian and aligned to 8 bytes. A segment is a header, then frames to the first
// 8 bytes of zeros.
//
// Segment header, 80 bytes:
//
//	 0  u64   magic "BSTPJRNL"
//	 8  u32   format version, 1
//	12  u32   rules version of the writer
//	16  u32   shard
//	20  u32   zero
//	24  u64   number of the segment, from 1
//	32  u64   first sequence, as in the name
//	40  u64   chain: xxh64 of the last frame header of the segment before; 0 in the first
//	48  u64   size of the segment in bytes
//	56  u64   salt
//	64  12    zero
//	76  u32   CRC32C of the 76 bytes above
//
// Magic, version and the checksum in the last four bytes keep their place in
// every version of the format, so that damage and a newer format can be told
// apart.
//
// Frame: a header of 48 bytes, the payload, and zeros up to a multiple of 8:
//
//	 0  u32   magic "FRAM" xor the low half of the salt
//	 4  u32   length of the payload, at most 16 MiB
//	 8  u64   first sequence; that of the next event in a frame without events
//	16  u32   events
//	20  u32   kind: 1 group, 2 seal, 3 epoch, 4 end
//	24  u64   chain: xxh64 of the 48 bytes of the frame header before; in the
//	          first frame of a segment, the chain of the segment header
//	32  u64   durable: the highest sequence that was synced when this was built
//	40  u32   CRC32C of payload and padding
//	44  u32   CRC32C of the 44 bytes above
//
// A group has events. The other kinds have none: a seal says that all before it
// is durable; an epoch says so too, where a writer has taken over what no seal
// described; an end is a seal that announces the next segment.
//
// # From one segment to the next
//
// The next segment is prepared under the name next.journal.tmp, in step with how the
// one before it fills. At the change its header is written and synced; then the end
// frame of the old one, synced; then it gets its name, and the folder is synced.
// Whatever a crash leaves of this, a segment that ends with an end frame has a
// successor, under the one name or the other: if it is missing, somebody has removed
// it.
package journal
