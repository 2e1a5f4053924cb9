package ring

// Stats is a look at a ring from outside. Its values are read one after another
// while the ring moves: each is true of some moment during the call.
type Stats struct {
	// Capacity is the number of slots.
	Capacity int
	// Cursor is one past the last published sequence with SingleProducer. With
	// MultiProducer it is one past the last claimed one that has a slot, which
	// its producer is about to publish.
	Cursor Sequence
	// Gating is one past the last sequence all processors have released.
	Gating Sequence
	// Free is the number of slots between Cursor and a full ring.
	Free int
	// Closed and Stopped say whether claims still succeed, and if not, why.
	Closed, Stopped bool
}

// Stats may be called from any goroutine. It reads what the hot path writes, so
// it costs that path a cache miss or two: call it by the second, not in a loop.
func (r *Ring[T]) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Stats{Capacity: int(r.size)}
	if len(r.gates) > 0 {
		s.Gating = r.gating()
	}
	// Gating was read first and never exceeds the cursor.
	s.Cursor = Sequence(r.cursor.at.Load())
	if r.mode == MultiProducer {
		s.Cursor = Sequence(r.claimed.at.Load())
	}
	state := r.state.Load()
	s.Closed, s.Stopped = state&stateClosed != 0, state&stateHalted != 0
	if s.Closed {
		s.Cursor = min(s.Cursor, Sequence(r.end.Load()))
	}
	s.Cursor = min(s.Cursor, s.Gating+r.size)
	s.Free = int(s.Gating + r.size - s.Cursor)
	return s
}
