package coretest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/internal/invariant"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/snapshot"
)

var splitPoints = flag.Int("split-points", 0, "moments at which to take a snapshot, restore it and go on; 0 for 10,000, with -long 1,000,000")

var long = flag.Bool("long", false, "run the long campaigns")

// tape is a world of an adversary as it was played: its events, what each caused, and
// the digest of the state now and then.
type tape struct {
	limits  machine.Limits
	events  []event.Event
	effects [][]event.Effect
	digests map[int][32]byte // after so many events
}

// checkpoint is how many events lie between two digests.
const checkpoint = 32

// split is a snapshot after so many events.
type split struct {
	after int
	bytes []byte
}

// tapeWith plays n events and takes snapshots after some of them.
func tapeWith(seed uint64, n, splits int) (*tape, []split, error) {
	a := NewAdversary(rand.New(rand.NewPCG(seed, 11)).IntN, new(Reach))
	t := &tape{limits: a.Limits(), digests: map[int][32]byte{}}
	m, err := machine.New(t.limits)
	if err != nil {
		return nil, nil, err
	}
	at := map[int]bool{}
	pick := rand.New(rand.NewPCG(seed, 12))
	for len(at) < splits {
		at[1+pick.IntN(n)] = true
	}
	var taken []split
	fx := event.NewEffects(64, nil)
	for i := range n {
		e := slices.Clone(a.Next(m))
		fx.Reset()
		m.Apply(e, fx)
		a.Answer(fx.All())
		t.events, t.effects = append(t.events, e), append(t.effects, slices.Clone(fx.All()))
		if (i+1)%checkpoint == 0 || i+1 == n {
			t.digests[i+1] = m.Digest()
		}
		if at[i+1] {
			b, err := encoded(m)
			if err != nil {
				return nil, nil, err
			}
			taken = append(taken, split{i + 1, b})
		}
	}
	return t, taken, nil
}

// goOn restores a split and goes on from it, to the second checkpoint after it: same
// effects, same digest, and before that the same bytes when encoded again.
func (t *tape) goOn(s split) error {
	dec, err := snapshot.NewDecoder(bytes.NewReader(s.bytes), int64(len(s.bytes)))
	if err != nil {
		return err
	}
	m, err := machine.Decode(t.limits, dec)
	if err != nil {
		return err
	}
	if err := dec.Done(); err != nil {
		return err
	}
	again, err := encoded(m)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, s.bytes) {
		return errors.New("restored and encoded again, other bytes")
	}
	fx := event.NewEffects(64, nil)
	end := min(len(t.events), (s.after/checkpoint+2)*checkpoint)
	for i := s.after; i < end; i++ {
		fx.Reset()
		m.Apply(t.events[i], fx)
		if !slices.Equal(fx.All(), t.effects[i]) {
			return fmt.Errorf("event %d, %v: other effects than without a restore", i+1, t.events[i][0].Kind())
		}
	}
	if m.Digest() != t.digests[end] {
		return fmt.Errorf("event %d: the same effects, another digest", end)
	}
	return nil
}

func encoded(m *machine.Machine) ([]byte, error) {
	var b bytes.Buffer
	enc, err := snapshot.NewEncoder(&b, snapshot.Header{Rules: machine.RulesVersion, Sequence: m.Sequence()}, snapshot.None)
	if err != nil {
		return nil, err
	}
	digest, err := m.Encode(enc)
	if err == nil {
		err = enc.Finish(digest)
	}
	return b.Bytes(), err
}

// TestSnapshotAtAnyPoint: from a snapshot of any moment the machine goes on as if
// nothing had been. A campaign:
//
//	go test ./core/coretest -run SnapshotAtAnyPoint -long -timeout 1h -v
func TestSnapshotAtAnyPoint(t *testing.T) {
	const each, length = 100, 2000 // splits of a world, and its events
	points := *splitPoints
	switch {
	case points > 0:
	case *long:
		points = 1_000_000
	case raceEnabled, invariant.Enabled:
		points = 5 * each
	case testing.Short():
		points = 10 * each
	default:
		points = 10_000
	}
	worlds := uint64((points + each - 1) / each)
	var next, done atomic.Uint64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := next.Add(1); i <= worlds && !t.Failed(); i = next.Add(1) {
				seed := *firstSeed + i - 1
				tape, splits, err := tapeWith(seed, length, each)
				if err != nil {
					t.Error(err)
					return
				}
				for _, s := range splits {
					if err := tape.goOn(s); err != nil {
						t.Errorf("seed %d, snapshot after event %d: %v\n\ngo test ./core/coretest -run SnapshotAtAnyPoint -first-seed %d -split-points 1", seed, s.after, err, seed)
						return
					}
					done.Add(1)
				}
			}
		})
	}
	workers.Wait()
	t.Logf("%d snapshots, in worlds %d to %d", done.Load(), *firstSeed, *firstSeed+worlds-1)
}
