package snapshot

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/coretest/simdisk"
)

var long = flag.Bool("long", false, "run the long campaigns")

// stateOf is the state at a sequence: a few sectors, different at each.
func stateOf(sequence uint64) []byte {
	rng := rand.NewChaCha8([32]byte{byte(sequence), byte(sequence >> 8)})
	b := make([]byte, 1000+100*(sequence%10))
	rng.Read(b)
	return b
}

func commitState(s *Store, sequence uint64) error {
	h := Header{Rules: 1, Sequence: sequence, Chain: 7 * sequence, Capacities: []uint64{8}}
	_, err := s.Commit(h, func(e *Encoder) ([DigestSize]byte, error) {
		b := stateOf(sequence)
		e.Section(1)
		e.Bytes(b)
		return [DigestSize]byte(b), nil
	})
	return err
}

// checkState is a try for Newest: the state must be the one of its sequence.
func checkState(d *Decoder) error {
	s := d.Section(1)
	b, h := s.Bytes(), d.Header()
	if err := errors.Join(s.Done(), d.Done()); err != nil {
		return err
	}
	if !bytes.Equal(b, stateOf(h.Sequence)) || h.Chain != 7*h.Sequence || d.Digest() != [DigestSize]byte(b) {
		return fmt.Errorf("state is not that of sequence %d", h.Sequence)
	}
	return nil
}

const simDir = "snapshots"

func openSim(disk simFS, keep int) (*Store, error) {
	return OpenStore(simDir, keep, Options{FS: disk})
}

// diskWith is a disk on which the snapshots 1 to n were committed, keeping keep.
func diskWith(t *testing.T, n uint64, keep int) simFS {
	t.Helper()
	disk := newSimFS()
	if n == 0 {
		return disk
	}
	s, err := openSim(disk, keep)
	if err != nil {
		t.Fatal(err)
	}
	for seq := range n {
		if err := commitState(s, seq+1); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return disk
}

// openAndCommit is what is cut: it opens the store and commits the sequence
// after the newest. It returns the sequence it was told is safe.
func openAndCommit(disk simFS, acked uint64, keep int) uint64 {
	s, err := openSim(disk, keep)
	if err != nil {
		return acked
	}
	if commitState(s, acked+1) == nil {
		acked++
	}
	_ = s.Close() // the power may be off
	return acked
}

// crash cuts the power before operation op and restarts; then again, inside the
// opening after it. It returns what was promised and is not so.
func crash(disk simFS, seed uint64, op int, acked uint64, keep int) error {
	rng := rand.New(rand.NewPCG(seed, uint64(op)))
	disk.Fault = simdisk.CutAt(op)
	acked = openAndCommit(disk, acked, keep)
	disk = simFS{disk.Restart(rng)}
	if err := promised(disk.clone(), acked, keep); err != nil {
		return err
	}
	disk.Fault = simdisk.CutAt(rng.IntN(12))
	acked = max(acked, openAndCommit(disk, acked, keep))
	return promised(simFS{disk.Restart(rng)}, acked, keep)
}

// promised checks a disk after a restart: the newest snapshot is the last one
// acknowledged or the one being written, the older ones to keep are as good,
// nothing half written is left, and the next commit works.
func promised(disk simFS, acked uint64, keep int) error {
	s, err := openSim(disk, keep)
	if err != nil {
		return err
	}
	info, skipped, err := s.Newest(checkState)
	if acked == 0 && errors.Is(err, ErrNone) {
		err = nil
	}
	if err != nil || len(skipped) > 0 || info.Sequence < acked || info.Sequence > acked+1 {
		return fmt.Errorf("newest is %d, want %d or the next: %v, skipped %v", info.Sequence, acked, err, skipped)
	}
	infos, err := s.List()
	if err != nil || len(infos) < int(min(acked, uint64(keep))) {
		return fmt.Errorf("%d snapshots left of %d: %v", len(infos), keep, err)
	}
	for _, info := range infos {
		if err := s.attempt(info, checkState); err != nil {
			return err
		}
	}
	if err := commitState(s, acked+2); err != nil {
		return err
	}
	if strings.Contains(disk.String(), tempSuffix) {
		return fmt.Errorf("a temporary file is left:\n%s", disk)
	}
	return s.Close()
}

// crashCampaign cuts the power at every operation under many seeds.
func crashCampaign(base simFS, seeds uint64, acked uint64, keep int) (points int, err error) {
	dry := base.clone()
	var ops []simdisk.Op
	dry.Fault = simdisk.Record(&ops)
	openAndCommit(dry, acked, keep)
	for seed := range seeds {
		for op := range len(ops) + 1 {
			if err := crash(base.clone(), seed, op, acked, keep); err != nil {
				return points, fmt.Errorf("seed %d, cut at operation %d of %v: %w", seed, op, ops, err)
			}
			points++
		}
	}
	return points, nil
}

// After a loss of power at any moment, what was acknowledged is there and good.
func TestCrashAtEveryOperation(t *testing.T) {
	seeds := uint64(40)
	if *long {
		seeds = 1000
	}
	for _, have := range []uint64{0, 1, 3, 4} {
		for _, keep := range []int{1, 3} {
			points, err := crashCampaign(diskWith(t, have, keep), seeds, have, keep)
			if err != nil {
				t.Fatalf("%d snapshots, keep %d: %v", have, keep, err)
			}
			t.Logf("%d snapshots, keep %d: %d crash points", have, keep, points)
		}
	}
}

// The canary: a disk that does not sync when told to must be caught by the
// campaign, or the campaign proves nothing.
func TestCrashCampaignCatchesMissingSyncs(t *testing.T) {
	for name, lie := range map[string]func(simFS){
		"sync":    func(disk simFS) { disk.Lies.Sync = true },
		"syncdir": func(disk simFS) { disk.Lies.SyncDir = true },
	} {
		disk := diskWith(t, 3, 3)
		lie(disk)
		if points, err := crashCampaign(disk, 200, 3, 3); err == nil {
			t.Errorf("%s does nothing, and %d crash points did not show it", name, points)
		}
	}
}
