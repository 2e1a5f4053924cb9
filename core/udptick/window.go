package udptick

// reach is how far back the window remembers which sequences arrived. At 32
// ticks a datagram that is 32 datagrams, far more than switches reorder.
const reach = 1 << 10

// window tracks the sequences of a session: which is next, and which of the last
// [reach] have arrived. A sequence between is either missing or a duplicate, and
// an older one can no longer be told.
type window struct {
	first uint64 // where the feed began; what was before is not missed
	next  uint64
	seen  [reach / 64]uint64 // bit sequence % reach, of first and next-reach up to next
}

// arrival is what a sequence is to the window.
type arrival uint8

const (
	inOrder   arrival = iota
	late              // it was missing: the gap it leaves is filled
	duplicate         // it was here before
	expired           // it is out of the window's reach
)

// start begins a session at a sequence.
func (w *window) start(at uint64) { w.first, w.next = at, at }

// skip moves next up to seq, if it is behind, and returns how many sequences
// are missing because of that.
func (w *window) skip(seq uint64) (missing uint64) {
	if seq <= w.next {
		return 0
	}
	missing = seq - w.next
	if missing >= reach {
		w.seen = [reach / 64]uint64{}
	} else {
		for s := w.next; s != seq; s++ {
			w.seen[s%reach/64] &^= 1 << (s % 64)
		}
	}
	w.next = seq
	return missing
}

// take notes the arrival of seq. Requires: seq <= next, see skip.
func (w *window) take(seq uint64) arrival {
	word, bit := &w.seen[seq%reach/64], uint64(1)<<(seq%64)
	switch {
	case seq == w.next:
		w.next++
		*word |= bit
		return inOrder
	case seq < w.first || w.next-seq > reach:
		return expired
	case *word&bit != 0:
		return duplicate
	}
	*word |= bit
	return late
}
