package udptick

import (
	"testing"

	"pgregory.net/rapid"
)

// ledger is the arbiter as one would do it without a hurry: who brought which
// sequence, and for each line which it skipped, in maps.
type ledger struct {
	first, next, given uint64
	brought            map[uint64]uint8
	missing            map[uint64]bool
	lines              [Answers]struct {
		active      bool
		first, next uint64
		gap         map[uint64]bool // skipped and not decided
	}
	decided uint64 // below: what became of it is known

	stats  Stats
	counts [Lines]LineStats
}

func newLedger(at uint64) *ledger {
	w := &ledger{first: at, next: at, decided: at, brought: map[uint64]uint8{}, missing: map[uint64]bool{}}
	for i := range w.lines {
		w.lines[i].gap = map[uint64]bool{}
	}
	return w
}

func (w *ledger) low() uint64 {
	if w.next-w.first > Reach {
		return w.next - Reach
	}
	return w.first
}

// settle decides what is out of reach, or all.
func (w *ledger) settle(below uint64) {
	for ; w.decided < below; w.decided++ {
		seq := w.decided
		if w.missing[seq] {
			delete(w.missing, seq)
			w.stats[Lost]++
			w.given = seq + 1
		}
		for i := range w.lines {
			l := &w.lines[i]
			if !l.active || seq < l.first || w.brought[seq]&Line(i).bit() != 0 {
				continue
			}
			if !l.gap[seq] {
				w.counts[i][LineGap]++
				l.next = max(l.next, seq+1)
			}
			delete(l.gap, seq)
			if w.brought[seq] == 0 {
				w.counts[i][LineLost]++
			} else {
				w.counts[i][LineRecovered]++
			}
		}
	}
}

func (w *ledger) skip(line Line, seq uint64) {
	if seq > w.next {
		w.stats[Gaps]++
	}
	for ; w.next < seq; w.next++ {
		w.missing[w.next] = true
		w.stats[Skipped]++
		w.settle(w.low())
	}
	w.settle(w.low())
	if line == Answers {
		return
	}
	l := &w.lines[line]
	if !l.active {
		l.active, l.first = true, max(seq, w.low())
		l.next = l.first
	}
	for ; l.next < seq; l.next++ {
		l.gap[l.next] = true
		w.counts[line][LineGap]++
	}
}

func (w *ledger) take(line Line, seq uint64) arrival {
	c, what := &w.counts[line], late
	switch {
	case seq == w.next:
		w.next++
		w.settle(w.low())
		c[LineWon]++
		what = inOrder
	case seq < w.low():
		c[LineExpired]++
		return expired
	case w.missing[seq]:
		delete(w.missing, seq)
		w.stats[Filled]++
		c[LineWon]++
		what = filling
	case w.brought[seq]&line.bit() != 0:
		c[LineDuplicate]++
		return duplicate
	default:
		c[LineLate]++
	}
	w.brought[seq] |= line.bit()
	if line == Answers {
		return what
	}
	l := &w.lines[line]
	if l.gap[seq] {
		delete(l.gap, seq)
		c[LineReordered]++
	}
	if seq == l.next {
		l.next++
	}
	return what
}

// The arbiter says of every sequence what the ledger says, and its counters are
// those, however far the lines leap and lag.
func TestArbiterAgainstLedger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Near the largest sequence, too: nothing may wrap.
		first := rapid.SampledFrom([]uint64{0, 1, 1 << 40, 1<<64 - 60_000}).Draw(t, "first")
		stats, counts := new(Stats), new([Lines]LineStats)
		a := arbiter{stats: stats, counts: counts}
		a.start(first)
		w := newLedger(first)
		for range rapid.IntRange(1, 60).Draw(t, "packets") {
			line := rapid.SampledFrom([]Line{LineA, LineA, LineB, Answers}).Draw(t, "line")
			near := rapid.SampledFrom([]int{0, 1, 2, 40, Reach - 1, Reach, Reach + 1, 2*Reach + 5}).Draw(t, "near")
			seq := w.next - min(uint64(rapid.IntRange(0, near).Draw(t, "at")), w.next)
			if rapid.Bool().Draw(t, "forward") {
				seq = w.next + uint64(rapid.IntRange(0, near).Draw(t, "at"))
			}
			if seq > 1<<64-100 {
				continue
			}
			a.skip(line, seq)
			w.skip(line, seq)
			for range rapid.IntRange(0, 40).Draw(t, "messages") {
				if got, want := a.take(line, seq), w.take(line, seq); got != want {
					t.Fatalf("line %v, sequence %d with next %d: %d, want %d", line, seq, w.next, got, want)
				}
				seq++
			}
			checkLedger(t, &a, w)
			for seq := a.low(); seq < a.next; seq++ {
				if a.has(seq) == w.missing[seq] {
					t.Fatalf("sequence %d with next %d: has %v, missing %v", seq, a.next, a.has(seq), w.missing[seq])
				}
			}
		}
		a.finish()
		w.settle(w.next)
		checkLedger(t, &a, w)
		if stats[Missing] != 0 || counts[LineA][LineOpen] != 0 || counts[LineB][LineOpen] != 0 {
			t.Fatalf("at the end of a numbering something is open: %v %v", stats, counts)
		}
	})
}

func checkLedger(t *rapid.T, a *arbiter, w *ledger) {
	t.Helper()
	w.stats[Missing] = uint64(len(w.missing))
	for i := range w.lines {
		w.counts[i][LineOpen] = uint64(len(w.lines[i].gap))
	}
	if a.next != w.next || a.given != w.given {
		t.Fatalf("next %d, given up below %d; want %d, %d", a.next, a.given, w.next, w.given)
	}
	if *a.stats != w.stats {
		t.Fatalf("got  %v\nwant %v", *a.stats, w.stats)
	}
	if *a.counts != w.counts {
		t.Fatalf("got  %v\nwant %v", *a.counts, w.counts)
	}
}

// However far a line leaps, it takes bounded work: this would not end otherwise.
func TestArbiterLeapsFar(t *testing.T) {
	a := arbiter{stats: new(Stats), counts: new([Lines]LineStats)}
	a.start(0)
	a.skip(LineA, 0)
	a.take(LineA, 0)
	const far = 1<<64 - 2
	if missing := a.skip(LineB, far); missing != far-1 {
		t.Fatalf("%d missing, want %d", missing, uint64(far-1))
	}
	if a.stats[Missing] != Reach || a.stats[Lost] != far-1-Reach || a.given != far-Reach {
		t.Fatalf("%d missing, %d lost, given up below %d", a.stats[Missing], a.stats[Lost], a.given)
	}
}
