package udptick

import (
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/internal/idmap"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Sink takes the events of a feed.
type Sink interface {
	// Offer takes rec, or returns false at once if there is no room now. The
	// feed offers again what was not taken, or something newer in its place.
	Offer(rec event.Record) bool
}

// symbol is what the feed knows of one contract, and what the sink does.
type symbol struct {
	newest  Tick // the zero tick before the first
	id      event.SymbolID
	heard   uint64 // one past the sequence of newest
	unheard bool   // since then, something may have been missed that no sequence tells
	suspect bool   // something may have been missed
	fresh   bool   // newest has not reached the sink
	halted  bool   // the sink believes that the contract is halted
	doubted bool   // the sink believes that the mark is suspect
	waiting bool   // listed in book.waiting
}

// doubtful reports whether the newest mark must not be acted on.
func (s *symbol) doubtful() bool { return s.suspect || s.newest.Flags&Suspect != 0 }

// book holds the newest mark of each symbol, and those the sink had no room for.
type book struct {
	sink    Sink
	slots   *idmap.Map
	symbols []symbol // by slot, in the order they were first seen
	waiting []int32  // slots with something to tell the sink, longest wait first
	stats   *Stats
}

func newBook(symbols int, sink Sink, stats *Stats) book {
	return book{
		sink:    sink,
		slots:   idmap.New(symbols),
		symbols: make([]symbol, 0, symbols),
		waiting: make([]int32, 0, symbols),
		stats:   stats,
	}
}

// slot returns where id is kept, or idmap.None if there is no room for it.
func (b *book) slot(id event.SymbolID) int32 {
	slot := b.slots.Find(uint64(id))
	if slot == idmap.None && len(b.symbols) < cap(b.symbols) {
		slot = int32(len(b.symbols))
		b.slots.Put(uint64(id), slot)
		b.symbols = append(b.symbols, symbol{id: id})
	}
	return slot
}

// mark takes a tick as the newest of its symbol and tells the sink, now or when
// it has room. A tick that is not newer is dropped: never an old mark after a
// newer one. heard is one past the tick's sequence; doubt is one past the highest
// sequence that is known to be missing.
func (b *book) mark(id event.SymbolID, t *Tick, heard, doubt uint64, now int64) {
	slot := b.slot(id)
	if slot == idmap.None {
		b.stats[UnknownSymbol]++
		return
	}
	s := &b.symbols[slot]
	if t.TimeNanos <= s.newest.TimeNanos {
		b.stats[Stale]++
		return
	}
	b.stats[Ticks]++
	if s.fresh && !b.flush(now) && s.fresh {
		b.stats[Conflated]++
	}
	// A doubt that still waits is settled by this tick, one way or the other, and
	// must not take its nanosecond.
	s.newest, s.fresh = *t, true
	s.heard, s.unheard = heard, false
	b.suspect(s, heard < doubt)
	if !b.flush(now) || !b.tell(s, now) {
		b.queue(s, slot)
	}
}

func (b *book) suspect(s *symbol, is bool) {
	if s.suspect != is {
		s.suspect = is
		if is {
			b.stats[Suspects]++
		} else {
			b.stats[Suspects]--
		}
	}
}

func (b *book) queue(s *symbol, slot int32) {
	if !s.waiting {
		s.waiting = true
		b.waiting = append(b.waiting, slot)
	}
}

// doubt makes all symbols suspect that were not heard of since a sequence.
func (b *book) doubt(since uint64) {
	for i := range b.symbols {
		if s := &b.symbols[i]; !s.suspect && s.heard < since {
			b.suspect(s, true)
			b.queue(s, int32(i))
		}
	}
}

// forget makes all symbols suspect until their next tick: what was heard says
// nothing about what was missed.
func (b *book) forget() {
	for i := range b.symbols {
		s := &b.symbols[i]
		s.unheard, s.heard = true, 0
		b.suspect(s, true)
		b.queue(s, int32(i))
	}
}

// spoil makes a symbol suspect until its next tick, unless it was heard of since:
// something newer was said about it that cannot be used.
func (b *book) spoil(id event.SymbolID, heard uint64) {
	slot := b.slots.Find(uint64(id))
	if slot == idmap.None {
		return
	}
	if s := &b.symbols[slot]; s.heard <= heard {
		s.unheard = true
		b.suspect(s, true)
		b.queue(s, slot)
	}
}

// know has the mark of a symbol that the sink knows of already.
func (b *book) know(id event.SymbolID, mark fixedpoint.Price, nanos int64) {
	slot := b.slot(id)
	if slot == idmap.None || nanos <= b.symbols[slot].newest.TimeNanos {
		return
	}
	s := &b.symbols[slot]
	s.newest = Tick{Mark: mark, TimeNanos: nanos}
	s.unheard = true
	b.suspect(s, true)
	b.queue(s, slot)
}

// settle clears the symbols that missed nothing after all: those that were heard
// of since the last sequence that is missing.
func (b *book) settle(doubt uint64) {
	for i := range b.symbols {
		if s := &b.symbols[i]; s.suspect && !s.unheard && s.heard >= doubt {
			b.suspect(s, false)
			b.queue(s, int32(i))
		}
	}
}

// flush offers again what is waiting, and reports whether nothing is any more.
func (b *book) flush(now int64) bool {
	if len(b.waiting) == 0 {
		return true
	}
	told := 0
	for _, slot := range b.waiting {
		s := &b.symbols[slot]
		if !b.tell(s, now) {
			break
		}
		s.waiting = false
		told++
	}
	if told > 0 {
		b.waiting = b.waiting[:copy(b.waiting, b.waiting[told:])]
	}
	return len(b.waiting) == 0
}

// tell brings the sink up to date with s, and reports whether it had room for
// all there is to tell. A halt goes before its tick and a resume after it: what
// waited for the resume is judged by the new mark.
func (b *book) tell(s *symbol, now int64) bool {
	halted := s.newest.Flags&Halted != 0
	if halted && !s.halted {
		if !b.sink.Offer(event.Halt(s.id).At(now)) {
			return false
		}
		s.halted = true
		b.stats[Halts]++
	}
	if !b.tellMark(s, now) {
		return false
	}
	if !halted && s.halted {
		if !b.sink.Offer(event.Resume(s.id).At(now)) {
			return false
		}
		s.halted = false
		b.stats[Resumes]++
	}
	return true
}

// tellMark offers the newest mark if the sink does not have it, or believes
// something else of it.
func (b *book) tellMark(s *symbol, now int64) bool {
	doubtful := s.doubtful()
	switch {
	case s.fresh:
		if !b.sink.Offer(s.newest.record(s.id, doubtful, now)) {
			return false
		}
		s.fresh = false
		b.stats[Delivered]++
	case doubtful != s.doubted:
		// The machine takes a mark only if its time is after the last one's: this
		// one's is the next nanosecond, and so as old as the mark really is.
		again := s.newest
		again.TimeNanos++
		if !b.sink.Offer(again.record(s.id, doubtful, now)) {
			return false
		}
		s.newest.TimeNanos = again.TimeNanos
		if doubtful {
			b.stats[Doubts]++
		} else {
			b.stats[Cleared]++
		}
	}
	s.doubted = doubtful
	return true
}
