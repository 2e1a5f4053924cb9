package udptick

import (
	"net"

	"golang.org/x/sys/unix"
)

// receiveBuffer returns the size of conn's receive buffer as one would ask for
// it. Linux doubles what it is asked for, to have room for its own bookkeeping,
// and reports the double; socket(7). It grants at most net.core.rmem_max.
func receiveBuffer(conn *net.UDPConn) (bytes int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var doubled int
	var sockErr error
	err = raw.Control(func(fd uintptr) {
		doubled, sockErr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	})
	if err != nil {
		return 0, err
	}
	return doubled / 2, sockErr
}
