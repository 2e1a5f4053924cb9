// Package pcap decides what was on the wire: it reads the UDP datagrams of a
// capture file, and writes such files.
//
// The format is classic pcap, of either byte order, in micro- or nanoseconds,
// with Ethernet frames of at most two VLAN tags, IPv4 and UDP.
//
//	offset size
//	 0      4   a1b2c3d4: microseconds; a1b23c4d: nanoseconds; in the file's byte order
//	 4      4   version 2, 4
//	 8      8   time zone and accuracy, ignored
//	16      4   the most bytes kept of a frame
//	20      4   link type: 1, Ethernet
//	24          records: seconds, fraction, bytes kept, bytes there were (4 x u32), then those kept
//
// A frame of something else, a fragment, and one of which not all was kept are no
// fault of the file: they are counted in [Skipped]. Lengths that contradict each
// other are one, and end the reading with a [*FormatError]. Checksums are not
// looked at: who captures on the sending host sees those that the network card
// has yet to fill in.
package pcap

import (
	"fmt"
	"net/netip"
)

// Datagram is one that was captured.
type Datagram struct {
	Nanos    int64 // since 1970
	From, To netip.AddrPort
	Data     []byte
}

// Skipped counts the frames that gave no datagram.
type Skipped struct {
	Other     uint64 // not IPv4, or not UDP
	Fragments uint64 // of datagrams larger than a frame
	Cut       uint64 // kept in part only: capture with a larger snapshot length (tcpdump -s 0)
}

// FormatError says what is wrong with a file, and where.
type FormatError struct {
	Offset int64 // of the record, or of the header's byte, in the file after gzip
	Reason string
}

// Error tells the place and the reason.
func (e *FormatError) Error() string {
	return fmt.Sprintf("pcap: byte %d: %s", e.Offset, e.Reason)
}

// The format; see the package doc.
const (
	magicMicros = 0xa1b2c3d4
	magicNanos  = 0xa1b23c4d
	magicNext   = 0x0a0d0d0a // pcapng, the same in either byte order

	versionMajor, versionMinor = 2, 4

	fileHeader   = 24
	recordHeader = 16
	ethernetLink = 1
	// maxFrame is what tcpdump keeps of a frame at most.
	maxFrame = 1 << 18

	ethernetHeader = 14
	vlanTag        = 4
	maxTags        = 2
	ipv4Header     = 20 // without options
	udpHeader      = 8

	typeIPv4      = 0x0800
	typeVLAN      = 0x8100
	typeOuterVLAN = 0x88a8
	protocolUDP   = 17
)
