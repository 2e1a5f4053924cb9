package pcap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// Reader reads the datagrams of a capture in the order of the file.
type Reader struct {
	r       io.Reader
	order   binary.ByteOrder
	unit    int64 // nanoseconds of a fraction
	offset  int64 // of the record that is read
	skipped Skipped
	header  [fileHeader]byte
	frame   []byte
}

// NewReader reads the header of a capture.
func NewReader(r io.Reader) (*Reader, error) {
	p := &Reader{r: r, frame: make([]byte, 0, 1<<11)}
	if n, err := io.ReadFull(r, p.header[:]); err != nil {
		return nil, p.cut(err, int64(n), "ends inside the header of 24 bytes")
	}
	p.order = binary.LittleEndian
	if _, ok := fraction(p.order.Uint32(p.header[:])); !ok {
		p.order = binary.BigEndian
	}
	magic := p.order.Uint32(p.header[:])
	unit, ok := fraction(magic)
	switch {
	case magic == magicNext:
		return nil, &FormatError{0, "this is pcapng: want classic pcap, as made by: editcap -F nsecpcap"}
	case !ok:
		return nil, &FormatError{0, fmt.Sprintf("no capture begins with %x: want classic pcap", p.header[:4])}
	}
	p.unit = unit
	if major, minor := p.order.Uint16(p.header[4:]), p.order.Uint16(p.header[6:]); major != versionMajor || minor != versionMinor {
		return nil, &FormatError{4, fmt.Sprintf("version %d.%d: want 2.4", major, minor)}
	}
	if link := p.order.Uint32(p.header[20:]); link != ethernetLink {
		return nil, &FormatError{20, fmt.Sprintf("link type %d: want 1, Ethernet", link)}
	}
	p.offset = fileHeader
	return p, nil
}

// fraction returns the nanoseconds of the unit that a magic number stands for.
func fraction(magic uint32) (nanos int64, ok bool) {
	switch magic {
	case magicMicros:
		return 1000, true
	case magicNanos:
		return 1, true
	}
	return 0, false
}

// Skipped returns the counts so far.
func (p *Reader) Skipped() Skipped { return p.skipped }

// Next returns the next datagram, whose Data is good until the call after. After
// the last one the error is io.EOF.
func (p *Reader) Next() (Datagram, error) {
	for {
		nanos, whole, err := p.next()
		if err != nil {
			return Datagram{}, err
		}
		at := p.offset
		p.offset += recordHeader + int64(len(p.frame))
		if !whole {
			p.skipped.Cut++
			continue
		}
		d, ok, reason := p.parse()
		if reason != "" {
			return Datagram{}, &FormatError{at, reason}
		}
		if ok {
			d.Nanos = nanos
			return d, nil
		}
	}
}

// next reads a record into frame.
func (p *Reader) next() (nanos int64, whole bool, err error) {
	h := p.header[:recordHeader]
	if n, err := io.ReadFull(p.r, h); err == io.EOF {
		return 0, false, err
	} else if err != nil {
		return 0, false, p.cut(err, int64(n), "ends inside the header of a record")
	}
	seconds, part := int64(p.order.Uint32(h)), int64(p.order.Uint32(h[4:]))
	kept, length := p.order.Uint32(h[8:]), p.order.Uint32(h[12:])
	switch {
	case part*p.unit >= 1e9:
		return 0, false, &FormatError{p.offset, fmt.Sprintf("a fraction of %d is a second or more", part)}
	case kept > maxFrame:
		return 0, false, &FormatError{p.offset, fmt.Sprintf("a frame of %d bytes: want at most %d", kept, maxFrame)}
	case kept > length:
		return 0, false, &FormatError{p.offset, fmt.Sprintf("%d bytes kept of a frame of %d", kept, length)}
	}
	if int(kept) > cap(p.frame) {
		p.frame = make([]byte, kept)
	}
	p.frame = p.frame[:kept]
	if n, err := io.ReadFull(p.r, p.frame); err != nil {
		return 0, false, p.cut(err, recordHeader+int64(n), "ends inside a frame")
	}
	return seconds*1e9 + part*p.unit, kept == length, nil
}

// cut is the error of a file that ends n bytes after offset, or cannot be read.
func (p *Reader) cut(err error, n int64, reason string) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return &FormatError{p.offset + n, reason}
	}
	return err
}

// parse finds the datagram in frame. It returns false for a frame of something
// else, and a reason for one whose lengths contradict each other.
func (p *Reader) parse() (d Datagram, ok bool, reason string) {
	if len(p.frame) < ethernetHeader {
		return d, false, "a frame is shorter than an Ethernet header"
	}
	b := p.frame[ethernetHeader-2:]
	for tags := 0; ; tags++ {
		kind := binary.BigEndian.Uint16(b)
		if kind == typeIPv4 {
			break
		}
		if kind != typeVLAN && kind != typeOuterVLAN || tags == maxTags {
			p.skipped.Other++
			return d, false, ""
		}
		if len(b) < vlanTag+2 {
			return d, false, "a frame ends inside its VLAN tag"
		}
		b = b[vlanTag:]
	}
	return p.parseIPv4(b[2:])
}

func (p *Reader) parseIPv4(b []byte) (d Datagram, ok bool, reason string) {
	if len(b) < ipv4Header || b[0]>>4 != 4 {
		return d, false, "no IPv4 header where the frame says there is one"
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < ipv4Header || total < header || total > len(b) {
		return d, false, fmt.Sprintf("an IPv4 packet of %d bytes with a header of %d in a frame that has room for %d", total, header, len(b))
	}
	if b[9] != protocolUDP {
		p.skipped.Other++
		return d, false, ""
	}
	if moreOrLater := binary.BigEndian.Uint16(b[6:]) & 0x3fff; moreOrLater != 0 {
		p.skipped.Fragments++
		return d, false, ""
	}
	from, to := netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	b = b[header:total] // Ethernet pads short frames
	if len(b) < udpHeader || int(binary.BigEndian.Uint16(b[4:])) != len(b) {
		return d, false, fmt.Sprintf("a UDP datagram whose length is not that of its packet, %d bytes", len(b))
	}
	d.From = netip.AddrPortFrom(from, binary.BigEndian.Uint16(b))
	d.To = netip.AddrPortFrom(to, binary.BigEndian.Uint16(b[2:]))
	d.Data = b[udpHeader:]
	return d, true, ""
}
