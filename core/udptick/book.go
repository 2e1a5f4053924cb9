package udptick

import (
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/internal/idmap"
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
	fresh   bool // newest has not reached the sink
	told    bool // the sink believes that the contract is halted
	waiting bool // listed in book.waiting
}

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
// newer one.
func (b *book) mark(id event.SymbolID, t *Tick, now int64) {
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
	room := b.flush(now)
	if s.fresh {
		b.stats[Conflated]++
	}
	s.newest, s.fresh = *t, true
	if s.waiting || room && b.tell(s, now) {
		return
	}
	s.waiting = true
	b.waiting = append(b.waiting, slot)
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
	if halted && !s.told {
		if !b.sink.Offer(event.Halt(s.id).At(now)) {
			return false
		}
		s.told = true
		b.stats[Halts]++
	}
	if s.fresh {
		if !b.sink.Offer(s.newest.record(s.id, now)) {
			return false
		}
		s.fresh = false
		b.stats[Delivered]++
	}
	if !halted && s.told {
		if !b.sink.Offer(event.Resume(s.id).At(now)) {
			return false
		}
		s.told = false
		b.stats[Resumes]++
	}
	return true
}
