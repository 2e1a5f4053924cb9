package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"syscall"
	"time"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/core/udptick"
)

// feedSource is where marks come from, and what there is to say about it when
// all are sent.
type feedSource struct {
	marks iter.Seq[mark]
	notes report.Record
}

// sender paces marks and puts them on the wire.
type sender struct {
	conn     net.Conn
	session  udptick.Session
	sequence uint64 // of the first tick in the batch
	json     bool   // markPriceUpdate objects instead of packets
	recorded bool   // send the times of the marks, not those of sending
	count    uint64 // ticks to send, 0 for all
	rate     float64
	speed    float64 // one of the two is 0

	batch  []udptick.Tick // due, and not sent
	symbol *feedSymbol    // of the last one in the batch
	buf    []byte

	ticks, datagrams, bytes uint64
	behind                  time.Duration // the most a tick was late
	took                    time.Duration
}

// run sends marks, each when it is due and not before, until there are no more
// or ctx ends.
func (s *sender) run(ctx context.Context, marks iter.Seq[mark]) error {
	start := time.Now()
	defer func() { s.took = time.Since(start) }()
	var first int64
	var taken uint64
	for m := range marks {
		if taken == 0 {
			first = m.nanos
		}
		due := start.Add(s.offset(taken, m.nanos-first))
		if late := time.Since(due); late > 0 {
			s.behind = max(s.behind, late)
		} else if err := s.sendAndWait(ctx, due); err != nil {
			return err
		}
		if err := s.add(ctx, m); err != nil {
			return err
		}
		if taken++; taken == s.count {
			break
		}
	}
	if err := s.send(); err != nil {
		return err
	}
	return s.heartbeat()
}

// offset is when, after the first, a mark is due: the n-th, recorded so long after
// the first.
func (s *sender) offset(n uint64, recorded int64) time.Duration {
	if s.rate != 0 {
		return time.Duration(float64(n) / s.rate * float64(time.Second))
	}
	return time.Duration(float64(recorded) / s.speed)
}

// add puts a mark into the batch, and sends the batch when it is full.
func (s *sender) add(ctx context.Context, m mark) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	t := udptick.Tick{Instrument: m.symbol.id, Mark: m.price, Index: m.index, TimeNanos: m.nanos}
	if !s.recorded {
		at, err := s.stamp(ctx, m.symbol)
		if err != nil {
			return err
		}
		t.TimeNanos = at
	}
	s.batch, s.symbol = append(s.batch, t), m.symbol
	if len(s.batch) == cap(s.batch) {
		return s.send()
	}
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
		if err := s.sendAndWait(ctx, now.Add(early)); err != nil {
			return 0, err
		}
	}
	symbol.last = at
	return at, nil
}

// sendAndWait sends what is due, then sleeps.
func (s *sender) sendAndWait(ctx context.Context, until time.Time) error {
	if err := s.send(); err != nil {
		return err
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// send puts the batch on the wire.
func (s *sender) send() error {
	if len(s.batch) == 0 {
		return nil
	}
	if s.json {
		t := s.batch[0]
		s.buf = udptick.AppendMarkPriceUpdate(s.buf[:0], udptick.MarkPriceUpdate{
			Symbol: []byte(s.symbol.name), Mark: t.Mark, Index: t.Index, TimeMillis: t.TimeNanos / int64(time.Millisecond),
		})
	} else {
		s.buf = udptick.AppendPacket(s.buf[:0], s.session, s.sequence, s.batch...)
	}
	if err := s.write(); err != nil {
		return err
	}
	s.sequence += uint64(len(s.batch))
	s.ticks += uint64(len(s.batch))
	s.batch = s.batch[:0]
	return nil
}

// heartbeat tells the next sequence, so that a receiver can miss the last packet.
func (s *sender) heartbeat() error {
	if s.json {
		return nil
	}
	s.buf = udptick.AppendHeartbeat(s.buf[:0], s.session, s.sequence)
	return s.write()
}

func (s *sender) write() error {
	_, err := s.conn.Write(s.buf)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return exit.Errorf(exit.Unavailable, "nobody listens on %v: start the receiver first", s.conn.RemoteAddr())
	}
	if err != nil {
		return fmt.Errorf("sending to %v: %w", s.conn.RemoteAddr(), err)
	}
	s.datagrams++
	s.bytes += uint64(len(s.buf))
	return nil
}

// report says what was sent.
func (s *sender) report() report.Record {
	r := report.Record{
		{Name: "to", Value: s.conn.RemoteAddr().String()},
		{Name: "ticks", Value: s.ticks},
		{Name: "datagrams", Value: s.datagrams},
		{Name: "bytes", Value: s.bytes},
		{Name: "seconds", Value: decimals(s.took.Seconds())},
		{Name: "ticks_per_second", Value: decimals(float64(s.ticks) / s.took.Seconds())},
		{Name: "most_behind_seconds", Value: decimals(s.behind.Seconds())},
	}
	if !s.json {
		r = append(r, report.Field{Name: "next_sequence", Value: s.sequence})
	}
	return r
}

// decimals is a measured number as far as it means something.
func decimals(x float64) string { return fmt.Sprintf("%.6g", x) }
