package ring

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// twin is the ring as a list: everything ever claimed, with what became of it.
type twin struct {
	size   int
	fate   []fate
	closed bool
	reader []twinReader
}

type fate struct {
	state byte // 'c'laimed, 'p'ublished, 'v'oid
	value int64
}

type twinReader struct {
	after []int // readers it depends on; none: the producers
	final bool
	at    int // first sequence not released
	saw   []int64
}

// limit is one past the last sequence a reader may look at.
func (m *twin) limit(r int) int {
	if len(m.reader[r].after) > 0 {
		low := len(m.fate)
		for _, up := range m.reader[r].after {
			low = min(low, m.reader[up].at)
		}
		return low
	}
	for i, f := range m.fate {
		if f.state == 'c' {
			return i
		}
	}
	return len(m.fate)
}

// skip moves a reader past the abandoned sequences in front of it.
func (m *twin) skip(r int) {
	for m.reader[r].at < m.limit(r) && m.fate[m.reader[r].at].state == 'v' {
		m.reader[r].at++
	}
}

func (m *twin) room() int {
	gate := len(m.fate)
	for _, r := range m.reader {
		if r.final {
			gate = min(gate, r.at)
		}
	}
	return gate + m.size - len(m.fate)
}

// shapes are who depends on whom; the first of each row is reader 0.
var shapes = [][]twinReader{
	{{final: true}},
	{{final: true}, {final: true}},
	{{}, {after: []int{0}, final: true}},
	{{}, {}, {after: []int{0, 1}, final: true}},
	{{}, {after: []int{0}, final: true}, {after: []int{0}, final: true}},
}

// TestAgainstTwin walks a ring and its twin through the same random calls, on
// one goroutine, and wants the same answers.
func TestAgainstTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWalk(t)
		t.Repeat(map[string]func(*rapid.T){
			"claim":   w.claim,
			"settle":  w.settle,
			"settle2": w.settle, // as often as claims, or the ring is always full
			"read":    w.read,
			"read2":   w.read,
			"close":   w.close,
			"":        w.compare,
		})
		w.finish(t)
	})
}

// walk is one ring, its twin and the claims still open.
type walk struct {
	twin  *twin
	ring  *Ring[int64]
	prods []*Producer[int64]
	procs []*Processor[int64]
	open  []openClaim
	value int64
}

type openClaim struct {
	prod  int
	lo, n int
}

func newWalk(t *rapid.T) *walk {
	c := Config{
		Size:      1 << rapid.IntRange(0, 4).Draw(t, "log2 size"),
		Producers: rapid.SampledFrom([]Mode{SingleProducer, MultiProducer}).Draw(t, "mode"),
		Wait:      rapid.SampledFrom([]WaitStrategy{Park, Yield, Spin}).Draw(t, "wait"),
	}
	r, err := New[int64](c)
	if err != nil {
		t.Fatal(err)
	}
	w := &walk{ring: r, twin: &twin{size: c.Size}}
	for _, reader := range rapid.SampledFrom(shapes).Draw(t, "shape") {
		w.twin.reader = append(w.twin.reader, reader)
		var after []*Processor[int64]
		for _, up := range reader.after {
			after = append(after, w.procs[up])
		}
		p, err := r.NewProcessor(nil, after...)
		if err != nil {
			t.Fatal(err)
		}
		w.procs = append(w.procs, p)
	}
	finals := 0
	for _, reader := range w.twin.reader {
		if reader.final {
			finals++
		}
	}
	if len(r.gates) != finals {
		t.Fatalf("%d processors gate the producers, want the %d final ones", len(r.gates), finals)
	}
	producers := 1
	if c.Producers == MultiProducer {
		producers = 3
	}
	for range producers {
		w.prods = append(w.prods, r.Producer())
	}
	return w
}

func (w *walk) claim(t *rapid.T) {
	m := w.twin
	n := rapid.IntRange(0, m.size+1).Draw(t, "n")
	prod := rapid.IntRange(0, len(w.prods)-1).Draw(t, "producer")
	var want error
	switch {
	case n == 0 || n > m.size:
		want = ErrClaim
	case m.closed:
		want = ErrClosed
	case n > m.room():
		want = ErrFull
	}
	claim := w.prods[prod].TryClaim
	if want != ErrFull && rapid.Bool().Draw(t, "wait") {
		claim = w.prods[prod].Claim
	}
	lo, err := claim(n)
	if !errors.Is(err, want) {
		t.Fatalf("claim of %d: %v, want %v", n, err, want)
	}
	if err != nil {
		return
	}
	if int(lo) != len(m.fate) {
		t.Fatalf("claim of %d at %d, want %d", n, lo, len(m.fate))
	}
	for i := range n {
		w.value++
		*w.prods[prod].At(lo + Sequence(i)) = w.value
		m.fate = append(m.fate, fate{'c', w.value})
	}
	w.open = append(w.open, openClaim{prod, int(lo), n})
}

// settle publishes or abandons the first part of an open claim.
func (w *walk) settle(t *rapid.T) {
	if len(w.open) == 0 {
		t.Skip("no claim is open")
	}
	i := 0
	if len(w.prods) > 1 {
		i = rapid.IntRange(0, len(w.open)-1).Draw(t, "claim")
	}
	c := &w.open[i]
	n := rapid.IntRange(1, c.n).Draw(t, "part")
	state := rapid.SampledFrom([]byte("ppv")).Draw(t, "fate")
	if state == 'v' {
		w.prods[c.prod].Abandon(Sequence(c.lo), n)
	} else {
		w.prods[c.prod].Publish(Sequence(c.lo), n)
	}
	for s := c.lo; s < c.lo+n; s++ {
		w.twin.fate[s].state = state
	}
	if c.lo, c.n = c.lo+n, c.n-n; c.n == 0 {
		w.open = append(w.open[:i], w.open[i+1:]...)
	}
}

func (w *walk) read(t *rapid.T) {
	r := rapid.IntRange(0, len(w.procs)-1).Draw(t, "reader")
	lo, hi := w.next(t, r)
	if lo < hi {
		w.release(r, lo, rapid.IntRange(lo, hi).Draw(t, "release"))
	}
}

// next asks a processor what it may read, and its twin whether that is right.
func (w *walk) next(t *rapid.T, r int) (int, int) {
	m := w.twin
	m.skip(r)
	at, limit := m.reader[r].at, m.limit(r)
	lo64, hi64, err := w.procs[r].TryNext()
	lo, hi := int(lo64), int(hi64)
	var want error
	if m.closed && at == len(m.fate) {
		want = ErrClosed
	}
	if err != want || lo != at || (lo < hi) != (at < limit) || hi > limit {
		t.Fatalf("reader %d: [%d, %d) %v, want from %d to at most %d, %v", r, lo, hi, err, at, limit, want)
	}
	for s := lo; s < hi; s++ {
		if f := m.fate[s]; f.state != 'p' || *w.procs[r].At(Sequence(s)) != f.value {
			t.Fatalf("reader %d at %d: record %d, want %c %d", r, s, *w.procs[r].At(Sequence(s)), f.state, f.value)
		}
	}
	return lo, hi
}

func (w *walk) release(r, lo, hi int) {
	for s := lo; s < hi; s++ {
		w.twin.reader[r].saw = append(w.twin.reader[r].saw, *w.procs[r].At(Sequence(s)))
	}
	w.procs[r].Release(Sequence(hi))
	w.twin.reader[r].at = hi
}

func (w *walk) close(t *rapid.T) {
	// Not at every chance, or most walks are short.
	if rapid.IntRange(0, 9).Draw(t, "close") == 0 {
		w.ring.Close()
		w.twin.closed = true
	}
}

// compare holds the ring's own account of itself against the twin's.
func (w *walk) compare(t *rapid.T) {
	m := w.twin
	cursor := len(m.fate) // claimed
	if w.ring.mode == SingleProducer {
		cursor = m.limit(0) // published: reader 0 depends on none
	}
	s := w.ring.Stats()
	if int(s.Cursor) != cursor || s.Closed != m.closed || s.Stopped {
		t.Fatalf("stats %+v, want cursor %d, closed %v", s, cursor, m.closed)
	}
	if s.Free != int(s.Gating)+m.size-cursor {
		t.Fatalf("stats %+v: free and used do not make %d", s, m.size)
	}
	for r, p := range w.procs {
		if int(p.Released()) != m.reader[r].at {
			t.Fatalf("reader %d released up to %d, want %d", r, p.Released(), m.reader[r].at)
		}
	}
}

// finish settles, closes and drains, and wants each reader to have seen exactly
// what was published, in order.
func (w *walk) finish(t *rapid.T) {
	for len(w.open) > 0 {
		w.settle(t)
	}
	w.ring.Close()
	w.twin.closed = true
	for r := range w.procs {
		for lo, hi := w.next(t, r); lo < hi; lo, hi = w.next(t, r) {
			w.release(r, lo, hi)
		}
	}
	var want []int64
	for _, f := range w.twin.fate {
		if f.state == 'p' {
			want = append(want, f.value)
		}
	}
	for r, reader := range w.twin.reader {
		if !slices.Equal(reader.saw, want) {
			t.Fatalf("reader %d saw %v, want %v", r, reader.saw, want)
		}
		if _, _, err := w.procs[r].Next(); err != ErrClosed {
			t.Fatalf("reader %d at the end: %v, want ErrClosed", r, err)
		}
	}
}
