//go:build unix

package main

import (
	"path/filepath"
	"syscall"
	"testing"
)

// SIGUSR1 takes a snapshot and disturbs nothing.
func TestServeSnapshotSignal(t *testing.T) {
	noLeaks(t)
	dir := shortDir(t)
	s := startServer(t, dir, "--data", filepath.Join(dir, "snapshots"))
	s.connect("events").send(market...)
	consumer := s.connect("effects")
	consumer.read(3)
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	taken := s.logged(`"file":"([^"]+)","sequence":(\d+),"time":"[^"]+","message":"snapshot on request"`)
	if found, err := examine(taken[1]); err != nil || found.fault != nil {
		t.Errorf("%s: %v", taken[1], err)
	}
	s.connect("events").send(crash)
	consumer.until(crashLast)
}
