package datagram

import (
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// batch is how many datagrams one call takes: by then the call itself is a few
	// nanoseconds of each.
	batch = 32
	// stride is where the buffer of the next datagram begins. Were it a power of
	// two, the first lines of all of them would fall into the same set of the cache.
	stride = largest + 23*64
)

// message is a struct mmsghdr.
type message struct {
	header unix.Msghdr
	bytes  uint32
}

// What a poller's socket is doing.
const (
	idle    uint32 = iota
	inUse          // by the goroutine that receives
	closing        // in use, and to be closed by who uses it
	closed
)

// poller takes datagrams by recvmmsg without ever waiting. All memory it will
// use is allocated by newPoller; what the kernel writes to is reachable through
// typed pointers.
type poller struct {
	fd       int
	state    atomic.Uint32 // swapped by the receiver twice a call, and by who closes
	dirty    int           // messages the kernel wrote to in the last call
	messages [batch]message
	vectors  [batch]unix.Iovec
	names    [batch]unix.RawSockaddrInet6 // large enough for either family
	controls [batch][controlSize]byte
	out      [batch]Datagram
	memory   []byte
}

func newPoller(fd int) *poller {
	p := &poller{fd: fd, memory: make([]byte, batch*stride), dirty: batch}
	for i := range p.messages {
		p.vectors[i].Base = &p.memory[i*stride]
		p.vectors[i].SetLen(largest)
		h := &p.messages[i].header
		h.Name = (*byte)(unsafe.Pointer(&p.names[i]))
		h.Iov = &p.vectors[i]
		h.SetIovlen(1)
		h.Control = &p.controls[i][0]
	}
	return p
}

// poll takes what there is, and returns at once.
func (s *Socket) poll() ([]Datagram, error) {
	p := s.poller
	if !p.state.CompareAndSwap(idle, inUse) {
		return nil, ErrClosed
	}
	n, errno := p.receive()
	p.release()
	switch errno {
	case 0:
	case unix.EAGAIN, unix.EINTR:
		return nil, nil
	case unix.ECONNREFUSED:
		s.tally.refused.Add(1)
		return nil, nil
	default:
		return nil, &os.SyscallError{Syscall: "recvmmsg", Err: errno}
	}
	overflow, oldest := s.tally.overflow, int64(0)
	for i := range n {
		m, d := &p.messages[i], &p.out[i]
		d.From = p.from(i)
		d.Data = p.memory[i*stride:][:m.bytes]
		overflow, d.ArrivalNanos = readControl(p.controls[i][:m.header.Controllen], overflow)
		if oldest == 0 {
			oldest = d.ArrivalNanos
		}
	}
	s.tally.note(n, overflow)
	if oldest != 0 {
		s.tally.waited(oldest)
	}
	return p.out[:n], nil
}

// receive is the system call. It never blocks, so the scheduler is not told.
func (p *poller) receive() (n int, errno unix.Errno) {
	for i := range p.dirty {
		h := &p.messages[i].header
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlSize)
	}
	p.dirty = 0
	r, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(p.fd), uintptr(unsafe.Pointer(&p.messages)), batch, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	p.dirty = int(r)
	return int(r), 0
}

// from reads the source of a message.
func (p *poller) from(i int) netip.AddrPort {
	name := &p.names[i]
	port := *(*[2]byte)(unsafe.Pointer(&name.Port)) // in the network's order
	to := uint16(port[0])<<8 | uint16(port[1])
	if name.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(name)).Addr), to)
	}
	a := netip.AddrFrom16(name.Addr)
	if name.Scope_id != 0 {
		a = a.WithZone(strconv.Itoa(int(name.Scope_id)))
	}
	return netip.AddrPortFrom(a, to)
}

func (p *poller) send(b []byte) error {
	if !p.state.CompareAndSwap(idle, inUse) {
		return ErrClosed
	}
	_, err := unix.Write(p.fd, b)
	p.release()
	return err
}

// release ends a use of the socket, and the socket if that was asked meanwhile.
func (p *poller) release() {
	if !p.state.CompareAndSwap(inUse, idle) {
		p.state.Store(closed)
		unix.Close(p.fd) // it only read: nothing can be lost
	}
}

// close closes the socket, or has its user do so within microseconds.
func (p *poller) close() error {
	for {
		switch {
		case p.state.CompareAndSwap(idle, closed):
			return os.NewSyscallError("close", unix.Close(p.fd))
		case p.state.CompareAndSwap(inUse, closing):
			return nil
		case p.state.Load() >= closing:
			return ErrClosed
		}
	}
}
