package snapshot

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

func openTemp(t *testing.T, keep int) (*Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "snapshots")
	s, err := OpenStore(dir, keep, Options{Codec: S2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, dir
}

func mustCommit(t *testing.T, s *Store, sequences ...uint64) {
	t.Helper()
	for _, seq := range sequences {
		if err := commitState(s, seq); err != nil {
			t.Fatal(err)
		}
	}
}

// sequences lists what is published, the newest first.
func sequences(t *testing.T, s *Store) []uint64 {
	t.Helper()
	infos, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	var seqs []uint64
	for _, info := range infos {
		seqs = append(seqs, info.Sequence)
	}
	return seqs
}

func wantSequences(t *testing.T, s *Store, want ...uint64) {
	t.Helper()
	if got := sequences(t, s); !slices.Equal(got, want) {
		t.Errorf("snapshots %v, want %v", got, want)
	}
}

func TestKeep(t *testing.T) {
	s, _ := openTemp(t, 3)
	mustCommit(t, s, 0, 9, 10, 11, math.MaxUint64)
	wantSequences(t, s, math.MaxUint64, 11, 10)
	mustCommit(t, s, math.MaxUint64) // again: replaced
	wantSequences(t, s, math.MaxUint64, 11, 10)
	if info, skipped, err := s.Newest(checkState); info.Sequence != math.MaxUint64 || len(skipped) > 0 || err != nil {
		t.Errorf("newest %v, %v, %v", info, skipped, err)
	}
}

// What Commit returns is what List finds and what is on the disk.
func TestCommitInfo(t *testing.T) {
	s, dir := openTemp(t, 3)
	info, err := s.Commit(Header{Sequence: 7}, func(e *Encoder) ([DigestSize]byte, error) { return sevens, nil })
	if err != nil {
		t.Fatal(err)
	}
	want := Info{Sequence: 7, Size: headerFixed + footerSize, Path: filepath.Join(dir, "00000000000000000007.snapshot")}
	infos, err := s.List()
	if err != nil || info != want || len(infos) != 1 || infos[0] != want {
		t.Errorf("commit %v, list %v (%v), want %v", info, infos, err, want)
	}
	d, err := s.Open(info)
	if err != nil {
		t.Fatal(err)
	}
	if d.Digest() != sevens {
		t.Errorf("digest %x", d.Digest())
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "plan9" {
		t.Skip("no owner, group and others on this system")
	}
	s, dir := openTemp(t, 3)
	mustCommit(t, s, 1)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// damage flips a bit in the middle of a file.
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

func TestNewestFallsBack(t *testing.T) {
	s, _ := openTemp(t, 3)
	if _, _, err := s.Newest(checkState); !errors.Is(err, ErrNone) || errors.Is(err, ErrCorrupt) {
		t.Errorf("empty folder: %v, want ErrNone", err)
	}
	mustCommit(t, s, 1, 2, 3)
	damage(t, s.name(3, suffix))
	info, skipped, err := s.Newest(checkState)
	var sum *ChecksumError
	if err != nil || info.Sequence != 2 || len(skipped) != 1 || !errors.As(skipped[0], &sum) {
		t.Errorf("newest %v, skipped %v, %v; want 2, and 3 for its checksum", info, skipped, err)
	}

	// A refusal of try counts like a checksum.
	refusal := errors.New("chain does not meet the journal")
	info, skipped, err = s.Newest(func(d *Decoder) error {
		if d.Header().Sequence == 2 {
			return refusal
		}
		return checkState(d)
	})
	if err != nil || info.Sequence != 1 || len(skipped) != 2 || !errors.Is(skipped[1], refusal) {
		t.Errorf("newest %v, skipped %v, %v; want 1, and 2 refused", info, skipped, err)
	}

	info, skipped, err = s.Newest(func(*Decoder) error { return refusal })
	if !errors.Is(err, ErrCorrupt) || !errors.Is(err, refusal) || len(skipped) != 3 || info != (Info{}) {
		t.Errorf("none good: %v, skipped %v, %v", info, skipped, err)
	}
}

// A file under another's name is not believed.
func TestRenamedFile(t *testing.T) {
	s, _ := openTemp(t, 3)
	mustCommit(t, s, 1)
	if err := os.Rename(s.name(1, suffix), s.name(2, suffix)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Newest(checkState); !errors.Is(err, ErrCorrupt) {
		t.Errorf("1 under the name of 2: %v", err)
	}
}

func TestCommitOlder(t *testing.T) {
	s, _ := openTemp(t, 2)
	mustCommit(t, s, 1, 5, 9)
	if err := commitState(s, 7); err == nil {
		t.Error("7 committed below an intact 9")
	}
	wantSequences(t, s, 9, 5)

	// With 9 damaged the state was restored from 5, and may stop at 7.
	damage(t, s.name(9, suffix))
	mustCommit(t, s, 7)
	wantSequences(t, s, 9, 7, 5)
	if info, skipped, err := s.Newest(checkState); info.Sequence != 7 || len(skipped) != 1 || err != nil {
		t.Errorf("newest %v, skipped %v, %v", info, skipped, err)
	}
	mustCommit(t, s, 9, 10) // once past, it is as any other
	wantSequences(t, s, 10, 9)
}

// encode may refuse what it wrote, and then nothing has happened.
func TestEncodeRefuses(t *testing.T) {
	s, dir := openTemp(t, 3)
	refusal := errors.New("effect chain differs")
	_, err := s.Commit(Header{Sequence: 1}, func(e *Encoder) ([DigestSize]byte, error) {
		e.Section(1)
		e.Raw(make([]byte, 3*ChunkSize))
		return sevens, refusal
	})
	if !errors.Is(err, refusal) {
		t.Errorf("commit says %v", err)
	}
	_, err = s.Commit(Header{Sequence: 1}, func(e *Encoder) ([DigestSize]byte, error) {
		e.U8(1) // outside a section, and not looked at
		return sevens, nil
	})
	if err == nil {
		t.Error("a misused encoder was committed")
	}
	if _, err := s.Commit(Header{Capacities: make([]uint64, MaxCapacities+1)}, nil); err == nil {
		t.Error("a header that does not fit was committed")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != lockName {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// Leftovers go by their whole name; what is not the store's it does not touch.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	names := []string{
		"00000000000000000004.snapshot.tmp", // ours, half written
		"4.snapshot.tmp",
		"00000000000000000004.snapshot.tmp.txt",
		"0000000000000000000x.snapshot.tmp",
		"+0000000000000000004.snapshot",
		"99999999999999999999.snapshot", // beyond a uint64
		"00000000000000000004.journal",
		"notes.txt",
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "00000000000000000005.snapshot"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := OpenStore(dir, 3, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	wantSequences(t, s)
	for i, name := range names {
		_, err := os.Stat(filepath.Join(dir, name))
		if gone := errors.Is(err, fs.ErrNotExist); gone != (i == 0) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenStoreRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenStore(dir, 0, Options{}); err == nil {
		t.Error("keeps no snapshot")
	}
	if _, err := OpenStore(dir, 1, Options{Codec: S2 + 1}); err == nil {
		t.Error("took an unknown codec")
	}
	if _, err := OpenStore(filepath.Join(dir, "no", "parent"), 1, Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder without a parent: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("refused, but left %v, %v", entries, err)
	}
}

func TestLock(t *testing.T) {
	s, dir := openTemp(t, 3)
	mustCommit(t, s, 1)
	if _, err := OpenStore(dir, 3, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("second store: %v, want ErrLocked", err)
	}

	beside, err := OpenStore(dir, 3, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if info, _, err := beside.Newest(checkState); info.Sequence != 1 || err != nil {
		t.Errorf("read-only: newest %v, %v", info, err)
	}
	if err := commitState(beside, 2); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("read-only: commit says %v", err)
	}

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := commitState(s, 2); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("closed: commit says %v", err)
	}
	next, err := OpenStore(dir, 3, Options{})
	if err != nil {
		t.Fatalf("after close: %v", err)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
}

// Another process finds the folder locked, and free once its owner was killed.
func TestLockBetweenProcesses(t *testing.T) {
	const key = "SNAPSHOT_TEST_DIR"
	if dir := os.Getenv(key); dir != "" {
		if _, err := OpenStore(dir, 3, Options{}); errors.Is(err, ErrLocked) {
			os.Exit(3)
		}
		os.Exit(0) // without Close: the system must give the lock back
	}
	if runtime.GOOS != "linux" {
		t.Skip("the fallback for systems without file locks does not outlive a kill")
	}
	s, dir := openTemp(t, 3)
	child := func() int {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLockBetweenProcesses$")
		cmd.Env = append(os.Environ(), key+"="+dir)
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode()
	}
	if code := child(); code != 3 {
		t.Errorf("second process exits with %d, want 3: locked", code)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if code := child(); code != 0 {
		t.Errorf("second process exits with %d after the first gave up, want 0", code)
	}
	again, err := OpenStore(dir, 3, Options{})
	if err != nil {
		t.Fatalf("after the second process ended: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
