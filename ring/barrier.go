package ring

// Barrier tells up to where sequences may be read: what has been published, or
// what all of a number of processors have released. It never waits and changes
// nothing; any goroutine may ask it, at the price of a shared cache line.
type Barrier struct {
	// cells are the sequences all of which must have passed. None means that
	// the sequence words of the slots tell.
	cells []*cell
	slots *memory
}

// scanLimit bounds how many sequence words one question looks at, so that what
// is found is still in the nearest cache when it is handled, and room is given
// back to the producers every so many records.
const scanLimit = 256

// Available is one past the last sequence that may be read, given that all
// before from may be. It is from if there is none. A sequence so covered may
// have been abandoned. With MultiProducer it looks no further than 256 ahead.
func (b *Barrier) Available(from Sequence) Sequence {
	if len(b.cells) == 0 {
		return b.scan(from)
	}
	low := Sequence(b.cells[0].at.Load())
	for _, c := range b.cells[1:] {
		low = min(low, Sequence(c.at.Load()))
	}
	return max(low, from)
}

// scan follows the sequence words. A word holds the sequence itself only from
// its publication until the slot is claimed for the next lap and published.
func (b *Barrier) scan(from Sequence) Sequence {
	for s := from; s < from+scanLimit; s++ {
		if b.slots.tag(s).Load() != int64(s) {
			return s
		}
	}
	return from + scanLimit
}

// Barrier is what may be read after all the given processors have released it,
// or, without any, after it was published.
func (r *Ring[T]) Barrier(after ...*Processor[T]) *Barrier {
	b := &Barrier{slots: &r.records}
	for _, p := range after {
		b.cells = append(b.cells, &p.released)
	}
	if len(after) == 0 && r.mode == SingleProducer {
		b.cells = []*cell{&r.cursor}
	}
	return b
}
