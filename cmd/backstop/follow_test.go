package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/core/machine"
)

// fewAccounts keeps the machines of a test small.
var fewAccounts = []string{"--max-accounts", "64", "--max-positions", "128", "--max-orders", "64"}

func startFollow(t *testing.T, data string, flags ...string) *served {
	t.Helper()
	return start(t, data, `"message":"following"`, append(append([]string{"follow", data}, fewAccounts...), flags...)...)
}

// A follower in another process takes the snapshots, from before the engine is there
// until after it has gone, and the engine begins with them.
func TestFollow(t *testing.T) {
	noLeaks(t)
	dir := shortDir(t)
	data := filepath.Join(dir, "data")
	flags := append([]string{"--data", data, "--follow-elsewhere"}, fewAccounts...)
	f := startFollow(t, data, "--snapshot-every", "5")
	f.logged(`"sequence":0,.*"message":"caught up"`)
	s := startServer(t, dir, flags...)
	s.connect("events").send(append(market, crash)...)
	s.connect("effects").read(effects)
	f.logged(`"sequence":[5-8],.*"message":"snapshot"`)
	if code, _, log := command(t, "", "follow", data, "--once"); code != exit.Unavailable {
		t.Errorf("a second follower: exit code %d, %s", code, log)
	}
	if code := s.end(syscall.SIGTERM); code != exit.OK {
		t.Errorf("serve: exit code %d", code)
	}
	if strings.Contains(s.log.String(), `snapshot"`) {
		t.Error("the engine took a snapshot itself")
	}
	if code := f.end(syscall.SIGTERM); code != exit.OK {
		t.Errorf("follow: exit code %d after SIGTERM", code)
	}
	f.logged(`"applied":8,"durable":8,"snapshot":8,.*"message":"stopped"`)
	if found := succeed(t, "", "verify", data); strings.Contains(found, "differs") || !strings.Contains(found, "00000000000000000008.snapshot  verified") {
		t.Errorf("verify finds %s", found)
	}
	s = startServer(t, dir, flags...)
	s.logged(`0008.snapshot","sequence":8,"replayed":0,"effects":8,.*"message":"restored"`)
	s.connect("effects").read(effects)

	// One that has nothing new to tell leaves things as they are.
	f = startFollow(t, data)
	f.logged(`0008.snapshot","sequence":8,.*"message":"following"`)
	f.logged("caught up")
	if code := f.end(os.Interrupt); code != exit.Interrupted {
		t.Errorf("follow: exit code %d after SIGINT", code)
	}
	if strings.Contains(f.log.String(), "last snapshot") {
		t.Error("it took the same snapshot again")
	}
}

// With --once it goes to the end of what is written, wherever that is.
func TestFollowOnce(t *testing.T) {
	noLeaks(t)
	data := filepath.Join(t.TempDir(), "data")
	once := append([]string{"follow", data, "--once"}, fewAccounts...)
	succeed(t, "", once...) // nothing is there yet
	serve := append([]string{"serve", "--clock", "events", "--data", data, "--follow-elsewhere"}, fewAccounts...)
	succeed(t, strings.Join(market, "\n"), serve...)
	snapshots := func(want int) {
		t.Helper()
		if all, err := filepath.Glob(filepath.Join(data, "*.snapshot")); err != nil || len(all) != want {
			t.Errorf("%v, %v: want %d snapshots", all, err, want)
		}
	}
	snapshots(0)
	succeed(t, "", once...)
	snapshots(1)
	succeed(t, "", once...)
	snapshots(1)
	succeed(t, crash, serve...)
	succeed(t, "", once...)
	snapshots(2)
	succeed(t, "", "verify", data)
	names, err := filepath.Glob(filepath.Join(data, "*.journal"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	b[130] ^= 1
	for _, path := range []string{"00000000000000000007.snapshot", "00000000000000000008.snapshot"} {
		if err := os.Remove(filepath.Join(data, path)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(names[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, log := command(t, "", once...); code != exit.Corrupt || !strings.Contains(log, "acknowledged data is damaged") {
		t.Errorf("a damaged journal: exit code %d, %s", code, log)
	}
	snapshots(0)
}

// What an engine that died has left may be written and not durable, as far as anybody
// knows: there is no snapshot of it before the next engine has said so.
func TestFollowWhatIsNotDurable(t *testing.T) {
	noLeaks(t)
	data := filepath.Join(t.TempDir(), "data")
	unsealed(t, data)
	once := append([]string{"follow", data, "--once"}, fewAccounts...)
	if code, _, log := command(t, "", once...); code != exit.Unavailable || !strings.Contains(log, "not durable yet: event 1") {
		t.Errorf("exit code %d, %s", code, log)
	}
	f := startFollow(t, data)
	f.logged("caught up")
	if code := f.end(syscall.SIGTERM); code != exit.OK || !strings.Contains(f.log.String(), "no last snapshot was taken") {
		t.Errorf("exit code %d", code)
	}
	succeed(t, "", append([]string{"serve", "--clock", "events", "--data", data, "--follow-elsewhere"}, fewAccounts...)...)
	succeed(t, "", once...)
	if _, err := os.Stat(filepath.Join(data, fmt.Sprintf("%020d.snapshot", 1))); err != nil {
		t.Error(err)
	}
}

// unsealed writes a journal of one event, which ends as an engine leaves it that is
// killed.
func unsealed(t *testing.T, data string) {
	t.Helper()
	folder, err := journal.Open(data, journal.Options{SegmentSize: 128 << 10, Rules: machine.RulesVersion, Salt: 7})
	if err != nil {
		t.Fatal(err)
	}
	r, err := folder.Read(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err != io.EOF {
		t.Fatal(err)
	}
	w, err := folder.Write(r)
	if err != nil {
		t.Fatal(err)
	}
	m, err := machine.New(machine.Limits{Accounts: 1, Positions: 1, Symbols: 1, Funds: 1, Orders: 1, Sources: 1})
	if err != nil {
		t.Fatal(err)
	}
	e, err := newApplier(m, io.Discard, true).decoder.Decode([]byte(market[0]), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	copy(w.Append(len(b)), b)
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	killed := t.TempDir()
	if err := os.CopyFS(killed, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := folder.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(killed, data); err != nil {
		t.Fatal(err)
	}
}
