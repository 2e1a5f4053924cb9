package udptick

// Reach is how far back the sequences are remembered, and so how late a message
// may be on one line to still fill a gap of the other.
const Reach = 1 << 12

// arbiter decides of every sequence who was first to bring it. Nothing waits in
// it: a mark is worth most at once, and that no older one comes after it is seen
// to by its time. What the arbiter knows is which of the last [Reach] sequences
// are missing, and what each line did about them.
type arbiter struct {
	first uint64 // where the numbering began for us; what was before is not missed
	next  uint64
	// given is one past the highest sequence that was given up, 0 for none.
	given uint64
	// brought has a bit per line, by sequence % Reach, for low() up to next.
	brought [Reach]uint8
	// active are the bits of those of lines that have begun.
	active uint8
	lines  [Answers]progress
	// touched is set when what one line brought changes the counters of another.
	touched bool

	stats  *Stats
	counts *[Lines]LineStats
}

// progress is where a line is: it has brought or skipped what is from first up
// to next. low() <= next <= arbiter.next.
type progress struct{ first, next uint64 }

// arrival is what a sequence is to the arbiter.
type arrival uint8

const (
	inOrder   arrival = iota
	filling           // it was missing
	late              // another line was first
	duplicate         // this line had brought it
	expired           // it is out of reach
)

// start begins a numbering.
func (a *arbiter) start(at uint64) {
	a.first, a.next, a.given, a.active = at, at, 0, 0
}

// low is the first sequence that is remembered.
func (a *arbiter) low() uint64 {
	if a.next-a.first > Reach {
		return a.next - Reach
	}
	return a.first
}

// has reports whether seq is not missing any more: it arrived, or was given up.
// Requires: seq < next.
func (a *arbiter) has(seq uint64) bool {
	return seq < a.low() || a.brought[seq%Reach] != 0
}

// skip notes that line says seq is next, and returns how many sequences nobody
// has brought because of that.
func (a *arbiter) skip(line Line, seq uint64) (missing uint64) {
	if seq > a.next {
		missing = seq - a.next
		a.stats[Gaps]++
		a.stats[Skipped] += missing
		a.stats[Missing] += missing
		a.leap(seq)
	}
	if line == Answers {
		return missing
	}
	l := &a.lines[line]
	if a.active&line.bit() == 0 {
		a.active |= line.bit()
		l.first = max(seq, a.low())
		l.next = l.first
	}
	if seq > l.next {
		a.counts[line][LineGap] += seq - l.next
		a.counts[line][LineOpen] += seq - l.next
		l.next = seq
	}
	return missing
}

// leap moves next up to seq. However far that is, it takes at most Reach steps:
// then all that is remembered is missing, and so is what would be forgotten next.
func (a *arbiter) leap(seq uint64) {
	for range min(seq-a.next, Reach) {
		a.slide()
		a.next++
	}
	n := seq - a.next
	if n == 0 {
		return
	}
	a.next = seq
	a.given, a.touched = a.low(), true
	a.stats[Lost] += n
	a.stats[Missing] -= n
	for i := range a.lines {
		if a.active&Line(i).bit() != 0 {
			a.counts[i][LineGap] += n
			a.counts[i][LineLost] += n
			a.lines[i].next += n
		}
	}
}

// slide makes room for next.
func (a *arbiter) slide() {
	b := &a.brought[a.next%Reach]
	if a.next-a.first >= Reach && (*b == 0 || *b&a.active != a.active) {
		a.forget(a.next-Reach, *b)
	}
	*b = 0
}

// forget decides what became of seq, which those in brought have brought.
func (a *arbiter) forget(seq uint64, brought uint8) {
	a.touched = true
	fate := LineRecovered
	if brought == 0 {
		fate = LineLost
		a.stats[Lost]++
		a.stats[Missing]--
		a.given = seq + 1
	}
	for i := range a.lines {
		l, counts := &a.lines[i], &a.counts[i]
		if (a.active&^brought)&Line(i).bit() == 0 || seq < l.first {
			continue
		}
		if seq >= l.next { // Too far behind: it has skipped it.
			l.next = seq + 1
			counts[LineGap]++
			counts[LineOpen]++
		}
		counts[fate]++
		counts[LineOpen]--
	}
}

// finish ends a numbering: nothing of it is waited for any more.
func (a *arbiter) finish() {
	for seq := a.low(); seq != a.next; seq++ {
		a.forget(seq, a.brought[seq%Reach])
	}
}

// take notes the arrival of seq. Requires: seq <= next, see skip.
func (a *arbiter) take(line Line, seq uint64) arrival {
	b := &a.brought[seq%Reach]
	counts := &a.counts[line]
	var what arrival
	switch {
	case seq == a.next:
		a.slide()
		a.next++
		what = inOrder
		counts[LineWon]++
	case seq < a.low():
		counts[LineExpired]++
		return expired
	case *b == 0:
		what = filling
		counts[LineWon]++
		a.stats[Filled]++
		a.stats[Missing]--
	case *b&line.bit() != 0:
		counts[LineDuplicate]++
		return duplicate
	default:
		what = late
		counts[LineLate]++
	}
	*b |= line.bit()
	if line == Answers {
		return what
	}
	switch l := &a.lines[line]; {
	case seq == l.next:
		l.next++
	case seq >= l.first: // It is below next: the line had skipped it.
		counts[LineReordered]++
		counts[LineOpen]--
	}
	return what
}
