package datagram

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlSize is room for a counter of drops and a timestamp, each with its
// header and aligned.
const controlSize = 2*unix.SizeofCmsghdr + 8 + int(unsafe.Sizeof(unix.Timespec{}))

// readControl reads what the system told with a datagram. The counter of drops
// comes only once something was dropped: without it, it is what it was.
func readControl(b []byte, overflow uint32) (dropped uint32, arrivalNanos int64) {
	dropped = overflow
	for len(b) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			break // the system does not write such a thing
		}
		switch {
		case h.Level != unix.SOL_SOCKET:
		case h.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			dropped = binary.NativeEndian.Uint32(data)
		case h.Type == unix.SCM_TIMESTAMPNS && len(data) >= int(unsafe.Sizeof(unix.Timespec{})):
			t := *(*unix.Timespec)(unsafe.Pointer(unsafe.SliceData(data)))
			arrivalNanos = t.Nano()
		}
		b = rest
	}
	return dropped, arrivalNanos
}
