package simulator

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/backstop-fund/backstop/core/coretest/simdisk"
	"github.com/backstop-fund/backstop/core/journal"
)

var (
	long      = flag.Bool("long", false, "run the long campaigns")
	firstSeed = flag.Uint64("first-seed", 1, "seed of the first run")
	seedCount = flag.Uint64("seeds", 0, "how many seeds; 0 for as many as the test wants")
)

// entryOf is the event of a sequence, of 8 to some 600 bytes: its length, and bytes
// that no other sequence has.
func entryOf(sequence uint64) []byte {
	rng := rand.New(rand.NewPCG(sequence, 23))
	n := 16 + 8*rng.IntN(8)
	if rng.IntN(3) == 0 {
		n += 8 * rng.IntN(64)
	}
	b := make([]byte, n)
	binary.LittleEndian.PutUint64(b, uint64(n))
	binary.LittleEndian.PutUint64(b[8:], sequence)
	for i := 16; i < n; i++ {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// scribe writes a journal by itself, without an engine.
type scribe struct {
	rng    *rand.Rand
	disk   *simdisk.Disk
	folder *journal.Folder
	writer *journal.Writer
	// What it has been told: durable of any life, and written of this one.
	durable, written, appended uint64
	failed                     bool // writing, not opening
}

func (s *scribe) open() error {
	f, err := journal.Open(dir, journal.Options{FS: Disk{s.disk}, SegmentSize: 4096, Salt: 9})
	if err != nil {
		return err
	}
	var w *journal.Writer
	r, err := f.Read(0)
	if err == nil {
		err = s.readThrough(r)
	}
	if err == nil {
		w, err = f.Write(r)
	}
	if err != nil {
		_ = f.Close() // the power may be off
		return err
	}
	s.folder, s.writer, s.appended = f, w, w.Written()
	return nil
}

// readThrough compares every event with what was written under its sequence.
func (s *scribe) readThrough(r *journal.Reader) error {
	next := uint64(1)
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			if got := r.End().Sequence; got != next-1 {
				return fmt.Errorf("the end is after %d, read were events to %d", got, next-1)
			}
			return nil
		}
		if err != nil {
			return err
		}
		for b := f.Payload; len(b) > 0; next++ {
			want := entryOf(next)
			if !bytes.HasPrefix(b, want) {
				return fmt.Errorf("event %d is not what was written: %w", next, errMismatch)
			}
			b = b[len(want):]
		}
	}
}

var errMismatch = errors.New("other bytes")

// write does n things at random, until one fails. Now and then the journal is closed
// and opened again, or its process dies and another opens it.
func (s *scribe) write(n int) (err error) {
	for ; n > 0 && err == nil; n-- {
		what := s.rng.IntN(12)
		switch what {
		case 0, 1, 2, 3, 4:
			e := entryOf(s.appended + 1)
			if room := s.writer.Append(len(e)); room != nil {
				copy(room, e)
				s.appended++
			} else {
				err = s.writer.Commit()
			}
		case 5, 6:
			err = s.writer.Commit()
		case 7:
			err = s.writer.Write()
		case 8:
			err = s.writer.Sync()
		case 9:
			err = s.writer.Seal()
		case 10:
			err = s.writer.Prepare()
		default:
			switch s.rng.IntN(8) {
			case 0:
				err = s.reopen()
			case 1:
				err = s.die()
			}
		}
		s.note()
		s.failed = err != nil && what < 10
	}
	return err
}

// die is the end of the process. The system has what it was given.
func (s *scribe) die() error {
	written := s.writer.Written()
	s.disk.Unlock()
	if err := s.open(); err != nil {
		return err
	}
	if s.appended < written {
		return fmt.Errorf("the process died after writing %d, and %d are there: %w", written, s.appended, errMismatch)
	}
	return nil
}

func (s *scribe) note() {
	s.durable, s.written = max(s.durable, s.writer.Durable()), max(s.written, s.writer.Written())
}

func (s *scribe) reopen() error {
	err := s.writer.Close()
	s.note()
	if err := errors.Join(err, s.folder.Close()); err != nil {
		return err
	}
	s.disk.Unlock()
	if got := s.appended; s.durable != got {
		return fmt.Errorf("closed, and %d of %d are durable: %w", s.durable, got, errMismatch)
	}
	return s.open()
}

// holds checks a disk after a crash: every event up to least is there, none beyond
// most, writing goes on, and the power may go once more.
func holds(disk *simdisk.Disk, rng *rand.Rand, least, most uint64) error {
	s, err := opens(disk, rng, least, most)
	if err != nil {
		return err
	}
	if err := s.write(20); err != nil {
		return fmt.Errorf("does not go on: %w", err)
	}
	if _, err := opens(s.disk.Restart(rng), rng, s.durable, s.appended); err != nil {
		return fmt.Errorf("the power goes once more: %w", err)
	}
	return s.reopen()
}

func opens(disk *simdisk.Disk, rng *rand.Rand, least, most uint64) (*scribe, error) {
	s := &scribe{rng: rng, disk: disk}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("does not open: %w\n%v", err, disk)
	}
	if got := s.appended; got < least || got > most {
		return nil, fmt.Errorf("%d events are there, want %d to %d", got, least, most)
	}
	return s, nil
}

// crashJournal cuts the power before operation cut of a history, then in the middle
// of the opening after it, and looks each time whether what was promised is there.
func crashJournal(seed uint64, cut int, lies simdisk.Lies) error {
	s := &scribe{rng: rand.New(rand.NewPCG(seed, 24)), disk: &simdisk.Disk{Lies: lies}}
	s.disk.Fault = simdisk.CutAt(cut)
	if err := lived(s); !errors.Is(err, simdisk.ErrPower) && err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(seed, uint64(cut)))
	after := s.disk.Restart(r)
	if err := holds(after.Clone(), r, s.durable, s.appended); err != nil {
		return err
	}
	again := &scribe{rng: r, disk: after, durable: s.durable}
	after.Fault = simdisk.CutAt(r.IntN(20))
	if err := again.open(); err != nil && !errors.Is(err, simdisk.ErrPower) {
		return fmt.Errorf("in the opening: %w", err)
	}
	return holds(after.Restart(r), r, s.durable, s.appended)
}

// lived is a history up to where the disk ends it. Before the end of an opening
// nothing is promised that was not before.
func lived(s *scribe) error {
	if err := s.open(); err != nil {
		return err
	}
	return s.write(90)
}

func operationsOf(seed uint64) (ops []simdisk.Op, err error) {
	s := &scribe{rng: rand.New(rand.NewPCG(seed, 24)), disk: new(simdisk.Disk)}
	s.disk.Fault = simdisk.Record(&ops)
	return ops, lived(s)
}

// campaign runs f for seeds on all CPUs, until so many points are done or one fails.
func campaign(t *testing.T, points uint64, f func(seed uint64) (done int, err error)) {
	t.Helper()
	var next, done atomic.Uint64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for !t.Failed() && (done.Load() < points && *seedCount == 0 || next.Load() < *seedCount) {
				seed := *firstSeed + next.Add(1) - 1
				n, err := f(seed)
				if err != nil {
					t.Errorf("seed %d: %v\n\ngo test ./core/coretest/simulator -run '%s$' -first-seed %d -seeds 1", seed, err, t.Name(), seed)
				}
				done.Add(uint64(n))
			}
		})
	}
	workers.Wait()
	t.Logf("%d points, seeds %d to %d", done.Load(), *firstSeed, *firstSeed+next.Load()-1)
}

// size is how many points a campaign has.
func size(short, ci, onDemand uint64) uint64 {
	switch {
	case *long:
		return onDemand
	case recounted:
		return max(1, short/10)
	case testing.Short():
		return short
	}
	return ci
}

// After a loss of power before any operation, what the journal called durable is
// there, nothing is there that was not written, and it goes on.
func TestJournalCrashAtEveryOperation(t *testing.T) {
	campaign(t, size(4_000, 20_000, 1_000_000), func(seed uint64) (int, error) {
		ops, err := operationsOf(seed)
		if err != nil {
			return 0, err
		}
		for cut := range len(ops) + 1 {
			if err := crashJournal(seed, cut, simdisk.Lies{}); err != nil {
				return cut, fmt.Errorf("cut at operation %d of %d: %w", cut, len(ops), err)
			}
		}
		return len(ops) + 1, nil
	})
}

// A disk that does not sync when it is told to must be found out by the campaign, or
// the campaign proves nothing.
func TestJournalCampaignCatchesLies(t *testing.T) {
	for name, lies := range map[string]simdisk.Lies{"sync": {Sync: true}, "syncdir": {SyncDir: true}} {
		caught := false
		for seed := uint64(1); seed < 20 && !caught; seed++ {
			ops, err := operationsOf(seed)
			if err != nil {
				t.Fatal(err)
			}
			for cut := 0; cut <= len(ops) && !caught; cut++ {
				caught = crashJournal(seed, cut, lies) != nil
			}
		}
		if !caught {
			t.Errorf("%s does nothing, and no crash has shown it", name)
		}
	}
}

// Whatever operation fails, once, and however: it is told, nothing is called durable
// afterwards, and after a restart everything is there that was, whether the power went
// or only the process.
func TestJournalEveryOperationFailsOnce(t *testing.T) {
	kinds := map[string]bool{}
	var mu sync.Mutex
	campaign(t, size(2_000, 5_000, 100_000), func(seed uint64) (done int, err error) {
		ops, err := operationsOf(seed)
		if err != nil {
			return 0, err
		}
		for _, op := range ops {
			for i, fault := range []error{syscall.EIO, syscall.ENOSPC, simdisk.ErrShort} {
				if fault == simdisk.ErrShort && op.Kind != "write" && op.Kind != "read" {
					continue
				}
				if err := failJournal(seed, op, fault, i == 0); err != nil {
					return done, fmt.Errorf("operation %v of %d fails with %v: %w", op, len(ops), fault, err)
				}
				done++
			}
			mu.Lock()
			kinds[op.Kind] = true
			mu.Unlock()
		}
		return done, nil
	})
	for _, kind := range strings.Fields("mkdir syncdir lock list open read edit close create write sync rename unlock") {
		if !kinds[kind] && !map[string]bool{"edit": true}[kind] {
			t.Errorf("no %s was made to fail", kind)
		}
	}
}

func failJournal(seed uint64, op simdisk.Op, fault error, power bool) error {
	s := &scribe{rng: rand.New(rand.NewPCG(seed, 24)), disk: new(simdisk.Disk)}
	s.disk.Fault = simdisk.FailAt(op.N, fault)
	err := lived(s)
	if errors.Is(err, errMismatch) {
		return err
	}
	if err == nil && op.Kind != "close" && op.Kind != "size" && s.disk.Ops() <= op.N {
		return errors.New("the history was another")
	}
	if err == nil && (op.Kind == "write" || op.Kind == "sync" || op.Kind == "syncdir" || op.Kind == "rename") {
		return errors.New("nobody was told")
	}
	if s.failed {
		durable := s.writer.Durable()
		if s.writer.Err() == nil || s.writer.Commit() == nil || s.writer.Seal() == nil || s.writer.Durable() != durable {
			return errors.New("and the writer goes on")
		}
	}
	r := rand.New(rand.NewPCG(seed, uint64(op.N)))
	if power {
		return holds(s.disk.Restart(r), r, s.durable, s.appended)
	}
	after := s.disk.Clone()
	after.Unlock()
	return holds(after, r, max(s.durable, s.written), s.appended)
}
