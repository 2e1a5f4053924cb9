package core_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/snapshot"
)

func TestPeriodicSnapshots(t *testing.T) {
	c := core.Config{Dir: t.TempDir(), Journal: core.JournalOff, SnapshotEvery: 100, Keep: 2, AutoAck: true}
	events := market(5, 450)
	e := open(t, c)
	mustSend(t, e.Producer(), events[:250]...)
	mustClose(t, e) // at 250
	if s := e.Stats(); s.Snapshots != 3 || s.LastSnapshot.Sequence != 250 || s.SnapshotErr != nil || s.SnapshotFailures != 0 {
		t.Errorf("%+v, want snapshots at 100, 200 and 250", s)
	}
	e = open(t, c)
	mustSend(t, e.Producer(), events[250:]...)
	want := digestOf(t, e)
	if s := e.Stats(); s.Snapshots != 2 || s.LastSnapshot.Sequence != 400 {
		t.Errorf("%+v, want snapshots at 300 and 400", s)
	}
	mustClose(t, e)
	if names, err := filepath.Glob(filepath.Join(c.Dir, "*.snapshot")); err != nil || len(names) != 2 {
		t.Errorf("%v, %v: want the 2 to keep", names, err)
	}
	e = open(t, c)
	if got := digestOf(t, e); got != want {
		t.Errorf("restored digest %x, want %x", got, want)
	}
	mustClose(t, e)
}

// The disk fails: the engine goes on, and says so.
func TestSnapshotFails(t *testing.T) {
	c := core.Config{Dir: filepath.Join(t.TempDir(), "snapshots"), Journal: core.JournalOff, SnapshotEvery: 10}
	e := open(t, c)
	if err := os.RemoveAll(c.Dir); err != nil {
		t.Fatal(err)
	}
	p := e.Producer()
	for n := range 25 {
		mustSend(t, p, refusal(n))
	}
	if _, err := e.Snapshot(context.Background()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Snapshot: %v, want %v", err, os.ErrNotExist)
	}
	if s := e.Stats(); s.Applied != 25 || s.SnapshotFailures != 3 || s.Snapshots != 0 || !errors.Is(s.SnapshotErr, os.ErrNotExist) {
		t.Errorf("%+v, want 25 applied and 3 failures", s)
	}
	if err := e.Close(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Close: %v, want %v", err, os.ErrNotExist)
	}
	if e.Close() == nil {
		t.Error("closing again forgets the error")
	}
}

// damage flips one byte in the middle of a file.
func damage(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedSnapshots(t *testing.T) {
	c := core.Config{Dir: t.TempDir(), Journal: core.JournalOff, AutoAck: true}
	e := open(t, c)
	p := e.Producer()
	var infos []snapshot.Info
	for _, e1 := range market(6, 60)[:40:40] {
		mustSend(t, p, e1)
		if len(infos) < 2 {
			info, err := e.Snapshot(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			infos = append(infos, info)
		}
	}
	mustClose(t, e)
	damage(t, e.Stats().LastSnapshot.Path)
	e = open(t, c)
	if r := e.Recovery(); r.Snapshot != infos[1] || len(r.Skipped) != 1 || !errors.Is(r.Skipped[0], snapshot.ErrCorrupt) {
		t.Errorf("recovery %+v, want %+v and one skipped", r, infos[1])
	}
	mustClose(t, e) // takes sequence 2 again

	damage(t, infos[0].Path)
	damage(t, infos[1].Path)
	if _, err := core.Open(core.Config{Limits: small, Dir: c.Dir, Journal: core.JournalOff}); !errors.Is(err, snapshot.ErrCorrupt) {
		t.Errorf("Open with nothing but damage: %v, want %v", err, snapshot.ErrCorrupt)
	}
}

// An intact snapshot that this engine cannot take up is no reason to go back to
// an older one.
func TestIntactSnapshotNotPassedOver(t *testing.T) {
	for _, row := range []struct {
		what string
		then func(t *testing.T, c *core.Config)
		text string
	}{
		{"smaller limits", func(_ *testing.T, c *core.Config) { c.Limits.Accounts = 5 }, "limit"},
		{"other rules", func(t *testing.T, c *core.Config) {
			s, err := snapshot.OpenStore(c.Dir, 3, snapshot.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if _, err := s.Commit(snapshot.Header{Rules: 1 << 30, Sequence: 1 << 40}, func(*snapshot.Encoder) (d [32]byte, err error) { return d, nil }); err != nil {
				t.Fatal(err)
			}
		}, "version 1073741824 of the rules"},
	} {
		t.Run(row.what, func(t *testing.T) {
			c := core.Config{Dir: t.TempDir(), Journal: core.JournalOff, Limits: small, SnapshotEvery: 4, AutoAck: true}
			e := open(t, c)
			mustSend(t, e.Producer(), venue(9)...)
			mustClose(t, e)
			row.then(t, &c)
			_, err := core.Open(c)
			if err == nil || !strings.Contains(err.Error(), row.text) || errors.Is(err, snapshot.ErrCorrupt) {
				t.Errorf("Open: %v, want %q, and nothing corrupt", err, row.text)
			}
		})
	}
}

func TestFolderInUse(t *testing.T) {
	c := core.Config{Dir: t.TempDir(), Limits: small}
	e := open(t, c)
	if _, err := core.Open(c); !errors.Is(err, snapshot.ErrLocked) {
		t.Errorf("second Open: %v, want %v", err, snapshot.ErrLocked)
	}
	mustClose(t, e)
}
