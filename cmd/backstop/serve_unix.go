//go:build unix

package main

import (
	"net"
	"os"
	"os/signal"
	"syscall"
)

// listenPrivately listens on a socket of mode 0600. The mask makes it so from the
// start; nothing else creates files at that moment.
func listenPrivately(address *net.UnixAddr) (*net.UnixListener, error) {
	before := syscall.Umask(0o177)
	defer syscall.Umask(before)
	return net.ListenUnix("unix", address)
}

// notifySnapshot sends SIGUSR1 to c.
func notifySnapshot(c chan<- os.Signal) { signal.Notify(c, syscall.SIGUSR1) }
