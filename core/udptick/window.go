package udptick

// windowReach is how far back a window remembers which sequences arrived.
const windowReach = 1 << 10

// window tells new sequences from those that arrived before, among the last
// [windowReach]; an older one can no longer be told, and counts as old.
type window struct {
	first uint64 // where it began; nothing before is new
	next  uint64
	seen  [windowReach / 64]uint64 // bit sequence % windowReach, of first and next-windowReach up to next
}

// start begins at a sequence.
func (w *window) start(at uint64) { w.first, w.next = at, at }

// skip moves next up to seq, if it is behind.
func (w *window) skip(seq uint64) {
	switch {
	case seq <= w.next:
		return
	case seq-w.next >= windowReach:
		w.seen = [windowReach / 64]uint64{}
	default:
		for s := w.next; s != seq; s++ {
			w.seen[s%windowReach/64] &^= 1 << (s % 64)
		}
	}
	w.next = seq
}

// take notes the arrival of seq and reports whether it is new. Requires: seq <=
// next, see skip.
func (w *window) take(seq uint64) bool {
	word, bit := &w.seen[seq%windowReach/64], uint64(1)<<(seq%64)
	switch {
	case seq == w.next:
		w.next++
	case seq < w.first || w.next-seq > windowReach || *word&bit != 0:
		return false
	}
	*word |= bit
	return true
}
