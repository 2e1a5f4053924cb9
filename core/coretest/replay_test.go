package coretest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/snapshot"
)

// history is a stream as it was played: its lines, and what each caused.
type history struct {
	lines   []string
	effects []string
	digest  [32]byte
}

// record plays the stream of a seed; after is called after each line.
func record(t *testing.T, seed uint64, after func(i int, d *Driver)) history {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 4))
	s, d := NewStream(r.IntN), driver(t)
	var h history
	play := func(line string) {
		got, err := d.Apply(line)
		if err != nil {
			t.Fatal(err)
		}
		s.Answer(d.fx.All())
		h.lines, h.effects = append(h.lines, line), append(h.effects, strings.Join(got, "\n"))
		after(len(h.lines), d)
	}
	for _, line := range s.Setup() {
		play(line)
	}
	for range length {
		play(s.Next())
	}
	h.digest = d.Machine.Digest()
	return h
}

// replay plays lines from the from-th on and compares effects and digest.
func (h *history) replay(d *Driver, from int) error {
	for i, line := range h.lines[from:] {
		got, err := d.Apply(line)
		if err != nil {
			return err
		}
		if err := compare(strings.Join(got, "\n"), h.effects[from+i]); err != nil {
			return fmt.Errorf("event %d: %s\n%w", from+i+1, line, err)
		}
	}
	if d.Machine.Digest() != h.digest {
		return fmt.Errorf("the same effects, another digest")
	}
	return nil
}

// TestSameTwice: the same stream gives the same effects and the same state.
func TestSameTwice(t *testing.T) {
	for seed := range uint64(20) {
		h := record(t, seed, func(int, *Driver) {})
		if err := h.replay(driver(t), 0); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// TestRestoredGoesOn: a machine restored from a snapshot of any moment gives the
// effects that the uninterrupted one gave, and ends in the same state; with the
// same bytes when encoded again, and with other limits.
func TestRestoredGoesOn(t *testing.T) {
	seeds := uint64(45)
	if testing.Short() || raceEnabled {
		seeds = 4
	}
	splits := 0
	roomy := SmallLimits
	roomy.Accounts, roomy.Positions, roomy.Symbols = 2*roomy.Accounts, 3*roomy.Positions, 2*roomy.Symbols
	for seed := range seeds {
		at := map[int][]byte{}
		pick := rand.New(rand.NewPCG(seed, 5))
		h := record(t, seed, func(i int, d *Driver) {
			if pick.IntN(8) == 0 {
				at[i] = encode(t, d.Machine)
			}
		})
		for from, bytes := range at {
			limits := SmallLimits
			if from%2 == 1 {
				limits = roomy
			}
			m := decode(t, limits, bytes)
			if !slices.Equal(encode(t, m), bytes) {
				t.Fatalf("seed %d, split at %d: restored and encoded again, other bytes", seed, from)
			}
			if err := h.replay(Resume(m), from); err != nil {
				t.Fatalf("seed %d, split at %d: %v", seed, from, err)
			}
			splits++
		}
	}
	t.Logf("%d split points", splits)
	if want := 20 * int(seeds); splits < want {
		t.Errorf("%d split points, want at least %d", splits, want)
	}
}

func encode(t *testing.T, m *machine.Machine) []byte {
	t.Helper()
	var b bytes.Buffer
	enc, err := snapshot.NewEncoder(&b, snapshot.Header{Rules: machine.RulesVersion, Sequence: m.Sequence()}, snapshot.None)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := m.Encode(enc)
	if err != nil {
		t.Fatal(err)
	}
	if err := enc.Finish(digest); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decode(t *testing.T, l machine.Limits, b []byte) *machine.Machine {
	t.Helper()
	dec, err := snapshot.NewDecoder(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	m, err := machine.Decode(l, dec)
	if err != nil {
		t.Fatal(err)
	}
	if err := dec.Done(); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSlotsDoNotShow: accounts that lie in other slots and positions in another
// order, after another history to the same state, have the same digest and go on
// with the same effects.
func TestSlotsDoNotShow(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 6))
		s := NewStream(r.IntN)
		one, two := driver(t), driver(t)
		apply := func(d *Driver, line string) string {
			got, err := d.Apply(line)
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(got, "\n")
		}
		setup := append([]string{`{"e":"mode","mode":"loading"}`}, s.Setup()...)
		for _, line := range setup {
			apply(one, line)
			apply(two, line)
		}
		var open []string
		for i := 1; i <= 9; i++ {
			open = append(open, fmt.Sprintf(`{"e":"account_state","account":%d,"wallet":"100","positions":[{"symbol":"X","qty":"%d","entry":"100"},{"symbol":"Y","qty":"-%d","entry":"50"}]}`, i, 1+i%4, i))
		}
		passing := []string{`{"e":"account","account":60}`, `{"e":"account","account":61}`}
		closing := []string{`{"e":"account_close","account":60}`, `{"e":"account_close","account":61}`}
		for _, line := range slices.Concat(passing, open, closing) {
			apply(one, line)
		}
		slices.Reverse(open)
		for _, line := range slices.Concat(passing[1:], closing[1:], open[:4], passing[:1], open[4:], closing[:1]) {
			apply(two, line)
		}
		if one.Machine.Digest() != two.Machine.Digest() {
			t.Fatalf("seed %d: equal states, other digests", seed)
		}
		lines := []string{`{"e":"mode","mode":"live"}`}
		for range length {
			lines = append(lines, s.Next())
		}
		for _, line := range lines {
			if err := compare(apply(one, line), apply(two, line)); err != nil {
				t.Fatalf("seed %d: %s\n%v", seed, line, err)
			}
		}
		if one.Machine.Digest() != two.Machine.Digest() {
			t.Fatalf("seed %d: equal histories from equal states, other digests", seed)
		}
	}
}

// TestRefusedChangesNothing: beside a machine whose events are refused for every
// reason there is runs one that gets, in their place, an event that can touch
// nothing. They stay the same bit for bit, sequence included.
func TestRefusedChangesNothing(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() || raceEnabled {
		seeds = 10
	}
	codes := map[event.Reject]int{}
	for seed := range seeds {
		beside := driver(t)
		last := 0
		h := record(t, seed, func(int, *Driver) {})
		d := driver(t)
		for _, line := range h.lines {
			if _, err := d.Effects(line); err != nil {
				t.Fatal(err)
			}
			x := d.fx.All()
			refused := len(x) > 0 && x[0].Kind == event.EffectRejected
			instead := line
			if refused {
				codes[event.Reject(x[0].Reason)]++
				instead = `{"e":"resume","symbol":"Nowhere"}`
			}
			if _, err := beside.Effects(instead); err != nil {
				t.Fatal(err)
			}
			if last++; refused && d.Machine.Digest() != beside.Machine.Digest() {
				t.Fatalf("seed %d, event %d: refused as %v, and the state has changed: %s", seed, last, event.Reject(x[0].Reason), line)
			}
		}
		if d.Machine.Digest() != beside.Machine.Digest() || strings.Join(d.State(), "\n") != strings.Join(beside.State(), "\n") {
			t.Fatalf("seed %d: refused events have changed the state", seed)
		}
	}
	for r := event.UnknownFund; int(r) < event.RejectCodes && seeds > 10; r++ {
		if codes[r] == 0 && r != event.Capacity && r != event.Malformed {
			t.Errorf("nothing was refused as %v", r)
		}
	}
}
