package coretest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/event/ndjson"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/snapshot"
)

// lockstep is a machine as it runs, which looks at the accounts whose trigger a mark
// reached, beside one that looks at every holder. Nothing must tell them apart.
type lockstep struct {
	limits      machine.Limits
	index, scan *machine.Machine
	got, want   *event.Effects
	events      int
	restores    int
	ahead       [2]event.AccountID
	quiet       quiet
}

// quiet counts events that the index booked the short way, by what they are like.
type quiet [shapeEnd]uint64

const (
	quietTick = iota
	quietFill
	quietTrade
	quietFees
	quietTransfer
	quietSource
	quietHedge
	shapeEnd
)

var quietNames = [shapeEnd]string{"tick", "fill", "trade", "trade with fees", "transfer", "fact of a source", "fill of a hedge leg"}

func (q *quiet) count(e event.Event) {
	h := &e[0]
	fill := h.Kind() == event.KindFill || h.Kind() == event.KindTrade
	for shape, is := range [shapeEnd]bool{
		quietTick: h.Kind() == event.KindTick, quietFill: h.Kind() == event.KindFill, quietTrade: h.Kind() == event.KindTrade && len(e) == 1,
		quietFees: h.Kind() == event.KindTrade && len(e) == 2, quietTransfer: h.Kind() == event.KindTransfer,
		quietSource: h.Has(event.FlagSource), quietHedge: fill && h.Side() != event.Both,
	} {
		if is {
			q[shape]++
		}
	}
}

func newLockstep(l machine.Limits) (*lockstep, error) {
	index, err := machine.New(l)
	if err != nil {
		return nil, err
	}
	scan, err := machine.NewScan(l)
	return &lockstep{limits: l, index: index, scan: scan, got: event.NewEffects(64, nil), want: event.NewEffects(64, nil)}, err
}

// step applies an event to both and tells how their effects differ.
func (l *lockstep) step(e event.Event) error {
	l.events++
	l.got.Reset()
	l.want.Reset()
	l.index.Ahead(e[0].Accounts(l.ahead[:0])) // which must not show either
	before := l.index.Stats().Quiet
	l.index.Apply(e, l.got)
	if l.index.Stats().Quiet > before {
		l.quiet.count(e)
	}
	l.scan.Apply(e, l.want)
	if got, want := l.got.All(), l.want.All(); !slices.Equal(got, want) {
		return &divergence{got, want}
	}
	return nil
}

// divergence is where index and scan part.
type divergence struct{ got, want []event.Effect }

func (d *divergence) Error() string {
	i := 0
	for i < len(d.got) && i < len(d.want) && d.got[i] == d.want[i] {
		i++
	}
	line := func(of []event.Effect) string {
		if i >= len(of) {
			return "nothing more"
		}
		return string(ndjson.AppendEffect(nil, new(ndjson.Names), &of[i]))
	}
	return fmt.Sprintf("effect %d of %d, %d\nindex: %s\nscan:  %s", i, len(d.got), len(d.want), line(d.got), line(d.want))
}

var errDigest = errors.New("the same effects, another digest")

// same compares the states.
func (l *lockstep) same() error {
	if l.index.Digest() != l.scan.Digest() {
		return errDigest
	}
	return nil
}

// restore puts the index machine's snapshot in its place: everything that is not
// state, all triggers among it, is made anew.
func (l *lockstep) restore() error {
	var b bytes.Buffer
	enc, err := snapshot.NewEncoder(&b, snapshot.Header{Rules: machine.RulesVersion, Sequence: l.index.Sequence()}, snapshot.None)
	if err != nil {
		return err
	}
	digest, err := l.index.Encode(enc)
	if err == nil {
		err = enc.Finish(digest)
	}
	if err != nil {
		return err
	}
	dec, err := snapshot.NewDecoder(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		return err
	}
	if l.index, err = machine.Decode(l.limits, dec); err != nil {
		return err
	}
	l.restores++
	if err := dec.Done(); err != nil {
		return err
	}
	return l.same()
}

// stream plays lines of a Stream through both, and restores the index machine in the
// middle.
func (l *lockstep) stream(s *Stream, n int, restores func() bool) (history []string, err error) {
	var names ndjson.Names
	decoder := ndjson.NewDecoder(&names)
	var records []event.Record
	play := func(line string) error {
		history = append(history, line)
		e, err := decoder.Decode([]byte(line), records[:0])
		if err != nil {
			return err
		}
		records = e
		if err := l.step(e); err != nil {
			return err
		}
		fx := l.want.All()
		if len(fx) == 0 || fx[0].Kind != event.EffectRejected {
			bind(&names, e)
		}
		s.Answer(fx)
		return nil
	}
	for _, line := range s.Setup() {
		if err := play(line); err != nil {
			return history, err
		}
	}
	for i := range n {
		if err := play(s.Next()); err != nil {
			return history, err
		}
		switch {
		case restores():
			err = l.restore()
		case i%37 == 0:
			err = l.same()
		}
		if err != nil {
			return history, err
		}
	}
	return history, l.same()
}

// TestIndexAgainstScan compares effect by effect on seeded streams. More of them:
//
//	go test ./core/coretest -run 'IndexAgainstScan$' -sequences 100000
func TestIndexAgainstScan(t *testing.T) {
	n, events, restores := streams(), 0, 0
	for i := range uint64(n) {
		seed := *firstSeed + i
		r := rand.New(rand.NewPCG(seed, 8))
		l, err := newLockstep(SmallLimits)
		if err != nil {
			t.Fatal(err)
		}
		history, err := l.stream(NewStream(r.IntN), length, func() bool { return r.IntN(60) == 0 })
		if err != nil {
			t.Fatalf("seed %d, event %d: %v\n\nhistory:\n%s", seed, l.events, err, strings.Join(history, "\n"))
		}
		events, restores = events+l.events, restores+l.restores
	}
	t.Logf("%d streams from seed %d, %d events, %d restores", n, *firstSeed, events, restores)
	if restores < n {
		t.Errorf("%d restores in %d streams: want one each at least", restores, n)
	}
}

// TestIndexAgainstScanShrinking does the same with streams that rapid draws, so that
// a difference comes with a short history.
func TestIndexAgainstScanShrinking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, err := newLockstep(SmallLimits)
		if err != nil {
			t.Fatal(err)
		}
		choose := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") }
		history, err := l.stream(NewStream(choose), length, func() bool { return choose(60) == 59 })
		if err != nil {
			t.Fatalf("%v\n\nhistory:\n%s", err, strings.Join(history, "\n"))
		}
	})
}
