package pcap

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/netip"
)

// Writer writes datagrams as a capture of nanoseconds, little endian, in frames as
// a host would send them.
type Writer struct {
	w   io.Writer
	buf []byte
}

// NewWriter writes the header of a capture.
func NewWriter(w io.Writer) (*Writer, error) {
	e := binary.LittleEndian
	b := e.AppendUint32(nil, magicNanos)
	b = e.AppendUint16(e.AppendUint16(b, versionMajor), versionMinor)
	b = e.AppendUint64(b, 0)
	b = e.AppendUint32(e.AppendUint32(b, maxFrame), ethernetLink)
	if _, err := w.Write(b); err != nil {
		return nil, fmt.Errorf("pcap: %w", err)
	}
	return &Writer{w: w}, nil
}

// maxData is what a datagram over IPv4 holds.
const maxData = math.MaxUint16 - ipv4Header - udpHeader

// Write appends a datagram by one call of the underlying writer. It refuses what
// the format cannot say: addresses of IPv6, more than 65,507 bytes, times before
// 1970 or after 2106.
func (p *Writer) Write(d Datagram) error {
	from, to := d.From.Addr().Unmap(), d.To.Addr().Unmap()
	switch {
	case !from.Is4() || !to.Is4():
		return fmt.Errorf("pcap: from %v to %v: want addresses of IPv4", d.From, d.To)
	case len(d.Data) > maxData:
		return fmt.Errorf("pcap: a datagram of %d bytes: want at most %d", len(d.Data), maxData)
	case d.Nanos < 0 || d.Nanos/1e9 > math.MaxUint32:
		return fmt.Errorf("pcap: time %d ns: want one from 1970 to 2106", d.Nanos)
	}
	e := binary.LittleEndian
	frame := uint32(ethernetHeader + ipv4Header + udpHeader + len(d.Data))
	b := e.AppendUint32(p.buf[:0], uint32(d.Nanos/1e9))
	b = e.AppendUint32(b, uint32(d.Nanos%1e9))
	b = e.AppendUint32(e.AppendUint32(b, frame), frame)
	b = append(appendMAC(b, to), 2, 0, 0, 0, 0, 1) // the sender's: one that nobody owns
	b = binary.BigEndian.AppendUint16(b, typeIPv4)
	b = appendPacket(b, netip.AddrPortFrom(from, d.From.Port()), netip.AddrPortFrom(to, d.To.Port()), d.Data)
	p.buf = b
	if _, err := p.w.Write(b); err != nil {
		return fmt.Errorf("pcap: %w", err)
	}
	return nil
}

// appendMAC appends the address a frame to ip goes to: a group has one by its
// number, RFC 1112; a host gets one that nobody owns.
func appendMAC(b []byte, ip netip.Addr) []byte {
	if !ip.IsMulticast() {
		return append(b, 2, 0, 0, 0, 0, 2)
	}
	a := ip.As4()
	return append(b, 0x01, 0x00, 0x5e, a[1]&0x7f, a[2], a[3])
}

func appendPacket(b []byte, from, to netip.AddrPort, data []byte) []byte {
	e, start := binary.BigEndian, len(b)
	udp := uint16(udpHeader + len(data))
	b = append(b, 0x45, 0)
	b = e.AppendUint16(b, ipv4Header+udp)
	b = append(b, 0, 0, 0x40, 0) // not to be fragmented
	b = append(b, 16, protocolUDP, 0, 0)
	b = append(append(b, from.Addr().AsSlice()...), to.Addr().AsSlice()...)
	e.PutUint16(b[start+10:], ^sum(0, b[start:]))

	start = len(b)
	b = e.AppendUint16(e.AppendUint16(b, from.Port()), to.Port())
	b = append(e.AppendUint16(b, udp), 0, 0)
	b = append(b, data...)
	pseudo := sum(sum(protocolUDP+udp, from.Addr().AsSlice()), to.Addr().AsSlice())
	check := ^sum(pseudo, b[start:])
	if check == 0 {
		check = math.MaxUint16 // 0 would say that there is none
	}
	e.PutUint16(b[start+6:], check)
	return b
}

// sum continues an Internet checksum over b, RFC 1071: big-endian words, of which
// the last one may lack a byte.
func sum(so uint16, b []byte) uint16 {
	total := uint64(so)
	for ; len(b) >= 2; b = b[2:] {
		total += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		total += uint64(b[0]) << 8
	}
	for total > math.MaxUint16 {
		total = total>>16 + total&math.MaxUint16
	}
	return uint16(total)
}
