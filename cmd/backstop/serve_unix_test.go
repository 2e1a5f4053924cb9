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

// SIGUSR1 has a follower take a snapshot of what it has applied, though nothing comes.
func TestFollowSnapshotSignal(t *testing.T) {
	noLeaks(t)
	dir := shortDir(t)
	data := filepath.Join(dir, "data")
	s := startServer(t, dir, append([]string{"--data", data, "--follow-elsewhere"}, fewAccounts...)...)
	s.connect("events").send(market...)
	s.connect("effects").read(3)
	f := startFollow(t, data)
	f.logged("caught up")
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	taken := f.logged(`"file":"([^"]+)","sequence":[1-7],.*"message":"snapshot"`)
	if found, err := examine(taken[1]); err != nil || found.fault != nil {
		t.Errorf("%s: %v", taken[1], err)
	}
	s.logged("FollowElsewhere: the process that follows takes the snapshots") // it had the signal too
}
