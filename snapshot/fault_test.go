//go:build !plan9

// Plan 9 has no error numbers; the faults injected here are called by theirs.

package snapshot

import (
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/backstop-fund/backstop/core/coretest/simdisk"
)

var diskErrors = []error{syscall.EIO, syscall.ENOSPC, simdisk.ErrShort}

// faults runs f once for every operation it does on the disk and every error,
// with that operation failing.
func faults(t *testing.T, base simFS, f func(t *testing.T, disk simFS, kind string, fault error)) {
	dry := base.clone()
	var ops []simdisk.Op
	dry.Fault = simdisk.Record(&ops)
	f(t, dry, "", nil)
	if len(ops) < 3 {
		t.Fatalf("only %v: nothing to fail", ops)
	}
	for _, op := range ops {
		for _, err := range diskErrors {
			if err == simdisk.ErrShort && op.Kind != "write" && op.Kind != "read" {
				continue
			}
			disk := base.clone()
			disk.Fault = simdisk.FailAt(op.N, err)
			f(t, disk, op.Kind, err)
			disk.Fault = nil
			if t.Failed() {
				t.Fatalf("with operation %v of %v failing with %v", op, ops, err)
			}
		}
	}
}

// isFault reports whether err tells of the fault that was injected.
func isFault(err, fault error) bool {
	switch fault {
	case nil:
		return err == nil
	case simdisk.ErrShort:
		return errors.Is(err, io.ErrShortWrite) || errors.Is(err, io.ErrUnexpectedEOF)
	}
	return errors.Is(err, fault)
}

// Whatever fails during a commit, once: it says so, the old snapshots are as
// good as before, nothing half written stays, and the next commit works.
func TestEveryCallOfCommitFailsOnce(t *testing.T) {
	kinds := map[string]bool{}
	faults(t, diskWith(t, 3, 3), func(t *testing.T, disk simFS, kind string, fault error) {
		inject := disk.Fault
		disk.Fault = nil
		s, err := openSim(disk, 3)
		if err != nil {
			t.Fatal(err)
		}
		disk.Fault = inject
		err = commitState(s, 4)
		disk.Fault = nil
		kinds[kind] = true
		if fault == nil {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		if !isFault(err, fault) {
			t.Errorf("commit says %v, want %v", err, fault)
		}
		published := kind == "syncdir" || errors.Is(err, ErrRetire)
		checkAfterFault(t, disk, s, published)
	})
	for _, kind := range []string{"create", "write", "sync", "close", "open", "size", "read", "rename", "syncdir", "list", "remove"} {
		if !kinds[kind] {
			t.Errorf("no %s was made to fail", kind)
		}
	}
}

func checkAfterFault(t *testing.T, disk simFS, s *Store, published bool) {
	t.Helper()
	if strings.Contains(disk.String(), tempSuffix) {
		t.Errorf("a temporary file is left:\n%s", disk)
	}
	want := uint64(3)
	if published {
		want = 4
	}
	info, skipped, err := s.Newest(checkState)
	if err != nil || len(skipped) > 0 || info.Sequence != want {
		t.Errorf("newest is %d, want %d: %v, skipped %v", info.Sequence, want, err, skipped)
	}
	infos, err := s.List()
	if err != nil || len(infos) < 3 {
		t.Errorf("%d snapshots left: %v", len(infos), err)
	}
	for _, info := range infos {
		if err := s.attempt(info, checkState); err != nil {
			t.Error(err)
		}
	}
	if err := commitState(s, 4); err != nil {
		t.Errorf("the next commit: %v", err)
	}
	if infos, err := s.List(); err != nil || len(infos) != 3 || infos[0].Sequence != 4 {
		t.Errorf("after the next commit: %v, %v", infos, err)
	}
}

// A failing cleanup does not hide the failure it cleans up after, and the next
// opening makes up for it.
func TestCleanupFailsToo(t *testing.T) {
	disk := diskWith(t, 3, 3)
	s, err := openSim(disk, 3)
	if err != nil {
		t.Fatal(err)
	}
	disk.Fault = func(op simdisk.Op) error {
		return map[string]error{"sync": syscall.EIO, "close": syscall.EINTR, "remove": syscall.EROFS}[op.Kind]
	}
	err = commitState(s, 4)
	disk.Fault = nil
	for _, want := range []error{syscall.EIO, syscall.EINTR, syscall.EROFS} {
		if !errors.Is(err, want) {
			t.Errorf("%v does not tell of %v", err, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := promised(disk, 3, 3); err != nil {
		t.Error(err)
	}
}

// A folder that somebody made and could not sync is synced by who finds it: what is
// published in it survives a loss of power.
func TestFolderOfAFailedOpeningSurvives(t *testing.T) {
	faults(t, newSimFS(), func(t *testing.T, disk simFS, kind string, fault error) {
		if s, err := openSim(disk, 3); err == nil {
			_ = s.Close() // the lock is gone, whatever it says
		}
		disk.Fault = nil
		if acked := openAndCommit(disk, 0, 3); acked != 1 {
			t.Fatalf("%d snapshots after a failed opening", acked)
		}
		for seed := range uint64(8) {
			if err := promised(simFS{disk.Restart(rand.New(rand.NewPCG(seed, 3)))}, 1, 3); err != nil {
				t.Error(err)
			}
		}
	})
}

// Opening a folder that holds a leftover: any failure is told, and harms nothing.
func TestEveryCallOfOpenStoreFailsOnce(t *testing.T) {
	for _, have := range []uint64{0, 3} {
		base := diskWith(t, have, 3)
		if have > 0 {
			base.Put(simDir+"/00000000000000000004.snapshot.tmp", []byte("half"))
		}
		faults(t, base, func(t *testing.T, disk simFS, kind string, fault error) {
			s, err := openSim(disk, 3)
			if err == nil {
				err = s.Close()
			}
			if !isFault(err, fault) {
				t.Errorf("open and close say %v, want %v", err, fault)
			}
			if err := promised(disk.clone(), have, 3); err != nil {
				t.Error(err)
			}
		})
	}
}

// A snapshot that cannot be read is skipped with the reason, and the next older
// one is used; a folder that cannot be listed is an error.
func TestEveryCallOfNewestFailsOnce(t *testing.T) {
	faults(t, diskWith(t, 3, 3), func(t *testing.T, disk simFS, kind string, fault error) {
		s, err := OpenStore(simDir, 3, Options{FS: disk, ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		info, skipped, err := s.Newest(checkState)
		switch {
		case fault == nil:
			if info.Sequence != 3 || len(skipped) > 0 || err != nil {
				t.Errorf("newest is %v, %v, %v", info, skipped, err)
			}
		case kind == "list":
			if !isFault(err, fault) {
				t.Errorf("newest says %v, want %v", err, fault)
			}
		default:
			if info.Sequence != 2 || len(skipped) != 1 || !isFault(skipped[0], fault) || err != nil {
				t.Errorf("newest is %v, skipped %v, %v; want 2, and 3 skipped for %v", info, skipped, err, fault)
			}
		}
	})
}

// A disk that takes bytes and keeps others is found out before the rename.
func TestReadBackFindsWrongBytes(t *testing.T) {
	disk := diskWith(t, 3, 3)
	s, err := openSim(disk, 3)
	if err != nil {
		t.Fatal(err)
	}
	disk.Lies.Data = true
	if err := commitState(s, 4); !errors.Is(err, ErrCorrupt) {
		t.Errorf("commit to a disk that flips bits: %v, want ErrCorrupt", err)
	}
	disk.Lies.Data = false
	checkAfterFault(t, disk, s, false)
}

// staleFS reads temporary files as they were some time ago: writes that the
// disk acknowledged and lost.
type staleFS struct{ simFS }

const staleName = "stale"

func (f staleFS) Open(name string) (File, error) {
	if strings.HasSuffix(name, tempSuffix) {
		return f.simFS.Open(staleName)
	}
	return f.simFS.Open(name)
}

// A good snapshot, but not the one just written, is found out as well.
func TestReadBackFindsStaleFile(t *testing.T) {
	h := Header{Rules: 1, Shard: 2, Sequence: 3, Chain: 4, Capacities: []uint64{5}}
	digestOnly := func(digest [DigestSize]byte) func(*Encoder) ([DigestSize]byte, error) {
		return func(*Encoder) ([DigestSize]byte, error) { return digest, nil }
	}
	disk := staleFS{newSimFS()}
	disk.Put(staleName, encode(t, h, None))
	s, err := OpenStore(simDir, 3, Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]Header{
		"rules":      {Rules: 9, Shard: 2, Sequence: 3, Chain: 4, Capacities: []uint64{5}},
		"shard":      {Rules: 1, Shard: 9, Sequence: 3, Chain: 4, Capacities: []uint64{5}},
		"sequence":   {Rules: 1, Shard: 2, Sequence: 9, Chain: 4, Capacities: []uint64{5}},
		"chain":      {Rules: 1, Shard: 2, Sequence: 3, Chain: 9, Capacities: []uint64{5}},
		"capacities": {Rules: 1, Shard: 2, Sequence: 3, Chain: 4, Capacities: []uint64{9}},
	} {
		if _, err := s.Commit(h, digestOnly(sevens)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("stale %s: %v, want ErrCorrupt", name, err)
		}
	}
	if _, err := s.Commit(h, digestOnly([DigestSize]byte{})); !errors.Is(err, ErrCorrupt) {
		t.Errorf("stale digest: %v, want ErrCorrupt", err)
	}
	if _, err := s.Commit(h, digestOnly(sevens)); err != nil {
		t.Errorf("the file that was meant: %v", err)
	}
}
