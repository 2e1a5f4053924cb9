package main

import (
	"math/bits"
	"time"

	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/core/udptick"
)

// remembered is how many of a line's last sequences are told apart when they come
// late.
const remembered = 1 << 16

// tapLine is what happened on one line.
type tapLine struct {
	datagrams, bytes, dropped                uint64
	heartbeats, ends, malformed              uint64
	messages, others                         uint64
	sessions, gaps, missing, late, duplicate uint64

	stream udptick.Stream // in force, once sessions is not 0
	next   uint64
	seen   []uint64 // a bit for each of the last remembered sequences before next; made with the first stream

	first, last int64 // arrivals
	between     spread
	halted      map[uint32]bool // contracts, as the line's last ticks of them say
}

func (l *tapLine) arrived(at int64, bytes int) {
	if l.datagrams == 0 {
		l.first = at
	} else {
		l.between.add(at - l.last)
	}
	l.last = at
	l.datagrams++
	l.bytes += uint64(bytes)
}

// follows takes in whose packet it is, and reports whether another's came before.
func (l *tapLine) follows(p *udptick.Packet) (changed bool) {
	of := udptick.Stream{Framing: p.Framing, Session: p.Session, Channel: p.Channel}
	if l.sessions > 0 && of == l.stream {
		return false
	}
	l.sessions++
	l.stream, l.next = of, p.Sequence
	l.seen = make([]uint64, remembered/64)
	for i := range l.seen {
		l.seen[i] = ^uint64(0) // what was before is not missed
	}
	return true
}

// skip moves next up to a sequence that is about to come.
func (l *tapLine) skip(to uint64) {
	if to <= l.next {
		return
	}
	l.gaps++
	l.missing += to - l.next
	for from := max(l.next, to-min(to, remembered)); from < to; from++ {
		l.seen[from%remembered/64] &^= 1 << (from % 64)
	}
	l.next = to
}

// message takes in a message's sequence, which is not above next.
func (l *tapLine) message(seq uint64) {
	l.messages++
	word, bit := &l.seen[seq%remembered/64], uint64(1)<<(seq%64)
	switch {
	case seq == l.next:
		l.next++
	case l.next-seq > remembered || *word&bit != 0:
		l.duplicate++
	default:
		l.late++
		l.missing--
	}
	if l.next-seq <= remembered {
		*word |= bit
	}
}

func (l *tapLine) report(line udptick.Line) report.Record {
	seconds := time.Duration(l.last - l.first).Seconds()
	rate := "0"
	if seconds > 0 {
		rate = decimals(float64(l.datagrams-1) / seconds)
	}
	return report.Record{
		{Name: "line", Value: line.String()},
		{Name: "datagrams", Value: l.datagrams},
		{Name: "bytes", Value: l.bytes},
		{Name: "messages", Value: l.messages},
		{Name: "sessions", Value: l.sessions},
		{Name: "heartbeats", Value: l.heartbeats},
		{Name: "session_ends", Value: l.ends},
		{Name: "malformed", Value: l.malformed},
		{Name: "other_messages", Value: l.others},
		{Name: "gaps", Value: l.gaps},
		{Name: "missing", Value: l.missing},
		{Name: "late", Value: l.late},
		{Name: "duplicates", Value: l.duplicate},
		{Name: "kernel_dropped", Value: l.dropped},
		{Name: "datagrams_per_second", Value: rate},
		{Name: "between_p50_us", Value: micros(l.between.quantile(0.5))},
		{Name: "between_p90_us", Value: micros(l.between.quantile(0.9))},
		{Name: "between_p99_us", Value: micros(l.between.quantile(0.99))},
		{Name: "between_max_us", Value: micros(l.between.most)},
	}
}

func micros(nanos int64) string { return decimals(float64(nanos) / 1e3) }

const (
	// fineness is how many buckets an octave has: a bucket is within 1/32 of what it
	// stands for.
	fineness     = 1 << finenessBits
	finenessBits = 5
)

// spread counts times of any size in constant memory.
type spread struct {
	buckets [(64 - finenessBits + 1) * fineness]uint64
	n       uint64
	most    int64
}

// add counts a time; one below 0, by a clock that was set back, as 0.
func (s *spread) add(nanos int64) {
	nanos = max(nanos, 0)
	s.most = max(s.most, nanos)
	s.n++
	s.buckets[bucket(uint64(nanos))]++
}

// bucket returns where a time is counted: exactly below 2*fineness, by its leading
// bits above.
func bucket(v uint64) int {
	shift := max(bits.Len64(v)-finenessBits-1, 0)
	return shift<<finenessBits + int(v>>shift)
}

// quantile returns the least time that a part of all is not above, rounded up to
// the end of its bucket, but to no more than the longest there was; 0 if there is
// none.
func (s *spread) quantile(part float64) int64 {
	rank := uint64(part * float64(s.n))
	var below uint64
	for i, n := range s.buckets {
		if below += n; below > rank {
			shift := max(i>>finenessBits-1, 0)
			top := uint64(i-shift<<finenessBits+1)<<shift - 1
			return int64(min(top, uint64(s.most)))
		}
	}
	return s.most
}
