package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/cmd/internal/terminal"
	"github.com/backstop-fund/backstop/core/udptick"
)

// feedSource is where marks come from, and what there is to say about it when
// all are sent.
type feedSource struct {
	marks  iter.Seq[mark]
	total  int          // how many there are, 0 for who knows
	failed func() error // why marks ended too early; nil if they cannot
	notes  func() report.Record
}

const (
	// slot is how long what is due together is collected. It goes by the schedule, not
	// by the clock: a run that is late sends the same datagrams as one that is not.
	slot = 50 * time.Microsecond
	// beat is how often an idle line tells which sequence is next, as MoldUDP64 has it.
	beat = time.Second
)

// sender paces marks and puts them on the lines.
type sender struct {
	stream   udptick.Stream
	signer   *udptick.Signer // nil for none
	json     bool            // markPriceUpdate objects instead of packets
	recorded bool            // send the times of the marks, not those of sending
	count    uint64          // ticks to send, 0 for all
	rate     float64
	speed    float64 // one of the two is 0
	open     bool
	linger   time.Duration

	lines    []*feedLine
	requests *requests // nil if nobody may ask
	// signing is held for what the requests' goroutine uses, too: signer and server.
	signing sync.Mutex

	progress *terminal.Progress
	total    int

	sequence uint64         // of the first tick in the group
	group    []udptick.Tick // of one slot, and not sent
	symbol   *feedSymbol    // of the last one in it
	slot     time.Duration  // its number
	last     time.Time      // when the lines were last given something

	ticks  uint64
	behind time.Duration // the most a tick was late
	took   time.Duration
}

// close closes what there is.
func (s *sender) close() {
	for _, l := range s.lines {
		l.conn.Close() // what was sent is sent
	}
	if s.requests != nil {
		s.requests.close()
	}
}

// run sends marks, each when it is due and not before, until there are no more
// or ctx ends.
func (s *sender) run(ctx context.Context, marks iter.Seq[mark]) error {
	start := time.Now()
	s.last = start
	defer func() { s.took = time.Since(start) }()
	var first, taken = int64(0), uint64(0)
	var before time.Duration
	for m := range marks {
		if taken == 0 {
			first = m.due
		}
		offset := s.offset(taken, m.due-first)
		if n := offset / slot; n != s.slot || len(s.group) == cap(s.group) {
			if err := s.publish(offset - before); err != nil {
				return err
			}
			s.slot = n
		}
		before = offset
		due := start.Add(offset)
		if late := time.Since(due); late > 0 {
			s.behind = max(s.behind, late)
		}
		if err := s.wait(ctx, due); err != nil {
			return err
		}
		if err := s.add(ctx, &m); err != nil {
			return err
		}
		if taken++; taken == s.count {
			break
		}
		s.progress.Step(int(taken), s.total, func() string { return fmt.Sprintf("%d ticks", taken) })
	}
	return s.finish(ctx)
}

// offset is when, after the first, a mark is due: the n-th, recorded so long after
// the first.
func (s *sender) offset(n uint64, recorded int64) time.Duration {
	if s.rate != 0 {
		return time.Duration(float64(n) / s.rate * float64(time.Second))
	}
	return time.Duration(float64(recorded) / s.speed)
}

// add puts a mark into the group.
func (s *sender) add(ctx context.Context, m *mark) error {
	t := udptick.Tick{Instrument: m.symbol.id, Flags: m.flags, Mark: m.price, Index: m.index, TimeNanos: m.nanos}
	if !s.recorded {
		at, err := s.stamp(ctx, m.symbol)
		if err != nil {
			return err
		}
		t.TimeNanos = at
	}
	s.group, s.symbol = append(s.group, t), m.symbol
	return nil
}

// stamp returns the time for a symbol's next tick: now, but after its last one, or
// the receiver would call it stale. binance has whole milliseconds; what comes
// sooner waits for the next, since a mark from the future is refused too.
func (s *sender) stamp(ctx context.Context, symbol *feedSymbol) (int64, error) {
	unit := time.Nanosecond
	if s.json {
		unit = time.Millisecond
	}
	now := time.Now()
	at := max(now.Truncate(unit).UnixNano(), symbol.last+int64(unit))
	if early := time.Duration(at - now.UnixNano()); early > time.Microsecond {
		if err := s.wait(ctx, now.Add(early)); err != nil {
			return 0, err
		}
	}
	symbol.last = at
	return at, nil
}

// wait does what is due on the lines until a time comes.
func (s *sender) wait(ctx context.Context, until time.Time) error {
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		now, next := time.Now(), until
		for _, l := range s.lines {
			at, err := l.pump(now)
			if err != nil {
				return err
			}
			if !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		if !now.Before(until) {
			return nil
		}
		if quiet := s.last.Add(beat); !s.json && quiet.Before(next) {
			if next = quiet; !now.Before(quiet) {
				if err := s.heartbeat(now); err != nil {
					return err
				}
				continue
			}
		}
		timer := time.NewTimer(next.Sub(now))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// publish puts the group on the lines. The next one is due after some time.
func (s *sender) publish(next time.Duration) error {
	if len(s.group) == 0 {
		return nil
	}
	s.last = time.Now()
	if s.requests != nil {
		s.signing.Lock()
		s.requests.server.Keep(s.sequence, s.group...)
		s.signing.Unlock()
	}
	for _, l := range s.lines {
		for first, ticks := range l.regroup(s.sequence, s.group, next) {
			if err := l.put(s.last, s.packet(first, ticks, s.last)); err != nil {
				return err
			}
		}
	}
	s.sequence += uint64(len(s.group))
	s.ticks += uint64(len(s.group))
	s.group = s.group[:0]
	return nil
}

// packet makes a datagram.
func (s *sender) packet(first uint64, ticks []udptick.Tick, now time.Time) []byte {
	if s.json {
		t := ticks[0]
		return s.signed(udptick.AppendMarkPriceUpdate(nil, udptick.MarkPriceUpdate{
			Symbol: []byte(s.symbol.name), Mark: t.Mark, Index: t.Index, TimeMillis: t.TimeNanos / int64(time.Millisecond),
		}))
	}
	return s.signed(s.stream.AppendPacket(nil, first, now.UnixNano(), ticks...))
}

func (s *sender) signed(datagram []byte) []byte {
	if s.signer == nil {
		return datagram
	}
	s.signing.Lock()
	defer s.signing.Unlock()
	return s.signer.Append(datagram)
}

// heartbeat tells the next sequence on all lines, so that a receiver can miss the
// last packet.
func (s *sender) heartbeat(now time.Time) error {
	return s.tell(now, s.stream.AppendHeartbeat(nil, s.sequence, now.UnixNano()))
}

// tell sends a datagram without messages on all lines, after all that was held back
// there.
func (s *sender) tell(now time.Time, datagram []byte) error {
	s.last = now
	for _, l := range s.lines {
		if err := l.release(now); err != nil {
			return err
		}
		if err := l.put(now, s.signed(slices.Clip(datagram))); err != nil { // each line's has a trailer of its own
			return err
		}
	}
	return nil
}

// finish sends what is left, goes on answering requests for as long as it was told
// to, and ends the session.
func (s *sender) finish(ctx context.Context) error {
	if err := s.publish(beat); err != nil {
		return err
	}
	now := time.Now()
	if !s.json && (s.linger > 0 || s.open) {
		if err := s.heartbeat(now); err != nil {
			return err
		}
	}
	if err := s.wait(ctx, now.Add(s.linger)); err != nil {
		return err
	}
	if now = time.Now(); !s.json && !s.open {
		if err := s.tell(now, s.stream.AppendEnd(nil, s.sequence, now.UnixNano())); err != nil {
			return err
		}
	}
	last := now
	for _, l := range s.lines {
		if err := l.release(now); err != nil {
			return err
		}
		if last = now.Add(l.faults.skew); len(l.queue) > 0 {
			last = l.queue[len(l.queue)-1].at
		}
	}
	return s.wait(ctx, last)
}

// report says what was sent.
func (s *sender) report() report.Record {
	var datagrams, bytes uint64
	for _, l := range s.lines {
		datagrams, bytes = datagrams+l.datagrams, bytes+l.bytes
	}
	r := report.Record{
		{Name: "to", Value: s.lines[0].conn.RemoteAddr().String()},
		{Name: "ticks", Value: s.ticks},
		{Name: "datagrams", Value: datagrams},
		{Name: "bytes", Value: bytes},
		{Name: "seconds", Value: decimals(s.took.Seconds())},
		{Name: "ticks_per_second", Value: decimals(float64(s.ticks) / s.took.Seconds())},
		{Name: "most_behind_seconds", Value: decimals(s.behind.Seconds())},
	}
	if s.stream.Framing == udptick.Mold64 {
		r = append(r, report.Field{Name: "session", Value: strings.TrimRight(s.stream.Session.String(), " ")})
	}
	if !s.json {
		r = append(r, report.Field{Name: "next_sequence", Value: s.sequence})
	}
	for i, l := range s.lines {
		r = append(r, l.report(udptick.Line(i).String())...)
	}
	if s.requests != nil {
		r = append(r, s.requests.report()...)
	}
	return r
}

// decimals is a measured number as far as it means something.
func decimals(x float64) string { return fmt.Sprintf("%.6g", x) }
