//go:build !unix

package main

import (
	"net"
	"os"
)

// listenPrivately leaves it to the folder who can reach the socket: there is no
// mode to set.
func listenPrivately(address *net.UnixAddr) (*net.UnixListener, error) {
	return net.ListenUnix("unix", address)
}

// notifySnapshot does nothing: there is no SIGUSR1.
func notifySnapshot(chan<- os.Signal) {}
