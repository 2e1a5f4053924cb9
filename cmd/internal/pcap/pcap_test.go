package pcap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var (
	publisher = netip.MustParseAddrPort("10.1.2.3:4000")
	group     = netip.MustParseAddrPort("239.255.26.40:26400")
)

// capture is a file with one datagram a text, a second apart.
func capture(t testing.TB, texts ...string) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := NewWriter(&file)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		if err := w.Write(Datagram{Nanos: int64(i+1)*1e9 + 123_456_000, From: publisher, To: group, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	return file.Bytes()
}

// read reads a file to its end.
func read(file []byte) (datagrams []Datagram, skipped Skipped, err error) {
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, skipped, err
	}
	for {
		d, err := r.Next()
		if err == io.EOF {
			return datagrams, r.Skipped(), nil
		}
		if err != nil {
			return datagrams, r.Skipped(), err
		}
		d.Data = slices.Clone(d.Data)
		datagrams = append(datagrams, d)
	}
}

func TestReadsWhatIsWritten(t *testing.T) {
	texts := []string{"even", "odd", "", strings.Repeat("x", maxData)}
	got, skipped, err := read(capture(t, texts...))
	if err != nil || skipped != (Skipped{}) || len(got) != len(texts) {
		t.Fatalf("%d datagrams, %+v, %v", len(got), skipped, err)
	}
	for i, d := range got {
		if string(d.Data) != texts[i] || d.From != publisher || d.To != group || d.Nanos != int64(i+1)*1e9+123_456_000 {
			t.Errorf("datagram %d: %v to %v at %d: %.20q", i, d.From, d.To, d.Nanos, d.Data)
		}
	}
}

// edit changes bytes of a file with one datagram, in its first record.
type edit func(b []byte) []byte

func put(at int, bytes ...byte) edit {
	return func(b []byte) []byte { copy(b[at:], bytes); return b }
}

// swap turns the numbers of file and first record to big endian.
func swap(b []byte) []byte {
	for _, at := range []int{0, 16, 20, 24, 28, 32, 36} {
		slices.Reverse(b[at : at+4])
	}
	slices.Reverse(b[4:6])
	slices.Reverse(b[6:8])
	return b
}

// insert puts bytes into the frame, whose lengths follow.
func insert(at int, more ...byte) edit {
	return func(b []byte) []byte {
		b = slices.Insert(b, at, more...)
		n := binary.LittleEndian.Uint32(b[32:]) + uint32(len(more))
		binary.LittleEndian.PutUint32(b[32:], n)
		binary.LittleEndian.PutUint32(b[36:], n)
		return b
	}
}

const (
	frameAt = fileHeader + recordHeader
	typeAt  = frameAt + 12
	ipAt    = frameAt + ethernetHeader
	udpAt   = ipAt + ipv4Header
)

func TestReader(t *testing.T) {
	for _, c := range []struct {
		name string
		edit edit
		want string // the datagram's text, what was skipped, or the error
	}{
		{"as written", put(0), "text at 1123456000"},
		{"microseconds", put(0, 0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 9, 9, 9, 9, 9, 9, 9, 9, 0, 0, 4, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0), "text at 1000001000"},
		{"big endian", swap, "text at 1123456000"},
		{"padding", insert(len(capture(t, "text")), 0, 0, 0), "text at 1123456000"},
		{"a VLAN tag", insert(typeAt, 0x81, 0, 0, 5), "text at 1123456000"},
		{"two VLAN tags", insert(typeAt, 0x88, 0xa8, 0, 5, 0x81, 0, 0, 6), "text at 1123456000"},
		{"three VLAN tags", insert(typeAt, 0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 0x81, 0, 0, 7), "{1 0 0}"},
		{"IPv4 options", func(b []byte) []byte {
			b = insert(udpAt, 1, 1, 1, 1)(b)
			b[ipAt], b[ipAt+3] = 0x46, b[ipAt+3]+4
			return b
		}, "text at 1123456000"},
		{"ARP", put(typeAt, 0x08, 0x06), "{1 0 0}"},
		{"TCP", put(ipAt+9, 6), "{1 0 0}"},
		{"first fragment", put(ipAt+6, 0x20, 0), "{0 1 0}"},
		{"last fragment", put(ipAt+6, 0, 1), "{0 1 0}"},
		{"kept in part", put(36, 0xff), "{0 0 1}"},

		{"empty", func([]byte) []byte { return nil }, "byte 0: ends inside the header"},
		{"cut in the header", func(b []byte) []byte { return b[:23] }, "byte 23: ends inside the header"},
		{"text", put(0, 's', 'y', 'm', 'b'), "byte 0: no capture begins with 73796d62"},
		{"pcapng", put(0, 0x0a, 0x0d, 0x0d, 0x0a), "editcap"},
		{"version 2.3", put(6, 3), "byte 4: version 2.3: want 2.4"},
		{"WLAN", put(20, 105), "byte 20: link type 105"},
		{"cut in the record's header", func(b []byte) []byte { return b[:39] }, "byte 39: ends inside the header of a record"},
		{"cut in the frame", func(b []byte) []byte { return b[:len(b)-1] }, "byte 85: ends inside a frame"},
		{"a fraction of a second", put(28, 0, 0xca, 0x9a, 0x3b), "byte 24: a fraction of 1000000000"},
		{"a giant", put(32, 1, 0, 4, 0), "byte 24: a frame of 262145 bytes"},
		{"more kept than there was", put(36, 45), "byte 24: 46 bytes kept of a frame of 45"},
		{"no Ethernet", func(b []byte) []byte {
			b[32], b[36] = 13, 13
			return b[:frameAt+13]
		}, "shorter than an Ethernet header"},
		{"cut VLAN tag", func(b []byte) []byte {
			b[32], b[36] = 17, 17
			copy(b[typeAt:], []byte{0x81, 0})
			return b[:frameAt+17]
		}, "ends inside its VLAN tag"},
		{"IPv6 called IPv4", put(ipAt, 0x60), "no IPv4 header"},
		{"a short IPv4 header", put(ipAt, 0x44), "with a header of 16"},
		{"a packet beyond its frame", put(ipAt+2, 1), "has room for 32"},
		{"a packet shorter than its header", put(ipAt+2, 0, 19), "a header of 20"},
		{"no UDP header", put(ipAt+2, 0, 27), "not that of its packet, 7 bytes"},
		{"a datagram beyond its packet", put(udpAt+4, 0, 13), "not that of its packet, 12 bytes"},
		{"a datagram shorter than its packet", put(udpAt+4, 0, 11), "not that of its packet, 12 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			datagrams, skipped, err := read(c.edit(capture(t, "text")))
			var got string
			switch {
			case err != nil:
				if _, ok := errors.AsType[*FormatError](err); !ok {
					t.Errorf("%T is no *FormatError", err)
				}
				got = err.Error()
			case len(datagrams) == 1:
				got = string(datagrams[0].Data) + " at " + fmt.Sprint(datagrams[0].Nanos)
			default:
				got = "{" + fmt.Sprint(int64(skipped.Other)) + " " + fmt.Sprint(int64(skipped.Fragments)) + " " + fmt.Sprint(int64(skipped.Cut)) + "}"
			}
			if !strings.Contains(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestWriterRefuses(t *testing.T) {
	six := netip.MustParseAddrPort("[::1]:1")
	for _, c := range []struct {
		datagram Datagram
		want     string
	}{
		{Datagram{From: six, To: group}, "IPv4"},
		{Datagram{From: publisher, To: six}, "IPv4"},
		{Datagram{From: publisher, To: group, Data: make([]byte, maxData+1)}, "65508 bytes"},
		{Datagram{From: publisher, To: group, Nanos: -1}, "1970"},
		{Datagram{From: publisher, To: group, Nanos: 1 << 32 * 1e9}, "2106"},
	} {
		var file bytes.Buffer
		w, err := NewWriter(&file)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(c.datagram); err == nil || !strings.Contains(err.Error(), c.want) || file.Len() != fileHeader {
			t.Errorf("%v: %v, want %s", c.datagram.From, err, c.want)
		}
	}
}

// An error of the disk is not one of the format.
func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	for _, n := range []int{0, fileHeader, fileHeader + 3, frameAt + 3} {
		file := capture(t, "text")[:n]
		r, err := NewReader(io.MultiReader(bytes.NewReader(file), failing{broken}))
		if err == nil {
			_, err = r.Next()
		}
		if err != broken {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// Captures of others, beside the checkout.
func TestRealCaptures(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared(t), "*.pcap"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		datagrams, skipped, err := read(b)
		if err != nil || len(datagrams) == 0 || skipped != (Skipped{}) {
			t.Errorf("%s: %d datagrams, %+v, %v", filepath.Base(name), len(datagrams), skipped, err)
		}
		for _, d := range datagrams {
			if !d.To.Addr().IsMulticast() || d.Nanos < 1.4e18 || d.Nanos > 1.8e18 {
				t.Errorf("%s: to %v at %d", filepath.Base(name), d.To, d.Nanos)
			}
		}
	}
}

// shared returns the folder of captures beside the checkout, or skips the test.
func shared(t *testing.T) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for parent := filepath.Dir(dir); parent != dir; dir, parent = parent, filepath.Dir(parent) {
		path := filepath.Join(parent, "shared", "data", "wire", "pcap")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Skip("no shared/data/wire/pcap beside the checkout")
	return ""
}

// Whatever a file says, it is read to a datagram, a count or an error; and what
// was read can be written and read again.
func FuzzReader(f *testing.F) {
	f.Add(capture(f, "text", "", "more text"))
	f.Add(swap(capture(f, "text")))
	f.Add(insert(typeAt, 0x88, 0xa8, 0, 5, 0x81, 0, 0, 6)(capture(f, "text")))
	f.Add(put(ipAt+6, 0x20, 0)(capture(f, "text")))
	f.Fuzz(func(t *testing.T, file []byte) {
		datagrams, skipped, _ := read(file) // those before an error count
		if n := len(datagrams) + int(skipped.Other+skipped.Fragments+skipped.Cut); n > len(file)/recordHeader {
			t.Fatalf("%d records in %d bytes", n, len(file))
		}
		if len(datagrams) == 0 {
			return
		}
		var again bytes.Buffer
		w, err := NewWriter(&again)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range datagrams {
			if err := w.Write(d); err != nil {
				t.Fatal(err)
			}
		}
		second, skipped, err := read(again.Bytes())
		if err != nil || skipped != (Skipped{}) || len(second) != len(datagrams) {
			t.Fatalf("%d of %d, %+v, %v", len(second), len(datagrams), skipped, err)
		}
		for i, d := range datagrams {
			if e := second[i]; e.Nanos != d.Nanos || e.From != d.From || e.To != d.To || !bytes.Equal(e.Data, d.Data) {
				t.Fatalf("%+v was read again as %+v", d, e)
			}
		}
	})
}
