package main

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/backstop-fund/backstop/core/udptick"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// A gap that nobody fills is warned of, and so is a datagram that is not signed;
// the log ends with what each line did.
func TestServeWarnsOfTicks(t *testing.T) {
	noLeaks(t)
	dir := shortDir(t)
	keys := filepath.Join(dir, "keys")
	if err := os.WriteFile(keys, []byte("# the publisher\n7 000102030405060708090a0b0c0d0e0f\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, dir, "--udp", "127.0.0.1:0", "--udp-b", "127.0.0.1:0", "--framing", "sbe24", "--udp-channel", "7",
		"--udp-keys", keys, "--udp-gap", "1ms", "--udp-silence", "1h")
	conn, err := net.Dial("udp", s.logged(`"address":"([^"]+)"`)[1])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	readAgain, err := readKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := udptick.NewSigner(readAgain[0], time.Now().UnixNano())
	if err != nil {
		t.Fatal(err)
	}
	stream := udptick.Stream{Framing: udptick.SBE24, Channel: 7}
	send := func(sequence uint64, instrument uint32, signed bool) {
		t.Helper()
		now := time.Now().UnixNano()
		b := stream.AppendPacket(nil, sequence, now, udptick.Tick{Instrument: instrument, Mark: fixedpoint.One, TimeNanos: now})
		if signed {
			b = signer.Append(b)
		}
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	send(1, 1, true)
	send(3, 2, true)
	send(4, 3, false)
	s.logged(`"level":"warn","counter":"forged","more":1,`)
	s.logged(`"level":"warn","counter":"doubts","more":1,`)
	s.end(syscall.SIGTERM)
	s.logged(`"line":"a","counters":\{"datagrams":3,"messages":2,"won":2,.*"gap":1,.*"open":1,"dropped":0\}`)
}
