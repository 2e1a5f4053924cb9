package main

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/core/udptick"
)

// feedFaults are the flags that say what becomes of datagrams on their way.
type feedFaults struct {
	skew                     time.Duration
	regroup                  bool
	loss, duplicate, reorder rates
}

func (f *feedFaults) add(flags *pflag.FlagSet) {
	flags.DurationVar(&f.skew, "skew", 0, "`time` by which line B is behind line A")
	flags.BoolVar(&f.regroup, "regroup", false, "line B groups ticks into datagrams of its own")
	flags.Var(&f.loss, "loss", "part of the datagrams that is lost, 0 to 1, on each line or on A,B")
	flags.Var(&f.duplicate, "duplicate", "part of the datagrams that is sent twice, 0 to 1, on each line or on A,B")
	flags.Var(&f.reorder, "reorder", "part of the datagrams that falls behind one to three later ones, 0 to 1, on each line or on A,B")
}

func (f *feedFaults) check(two bool) error {
	switch {
	case f.skew < 0:
		return exit.Errorf(exit.Usage, "skew %v: want 0 or more", f.skew)
	case !two && (f.skew > 0 || f.regroup):
		return exit.Errorf(exit.Usage, "--skew and --regroup mean nothing without --to-b")
	}
	return nil
}

// line returns the faults of one line.
func (f *feedFaults) line(i int) lineFaults {
	l := lineFaults{loss: f.loss[i], duplicate: f.duplicate[i], reorder: f.reorder[i]}
	if i == int(udptick.LineB) {
		l.skew, l.regroup = f.skew, f.regroup
	}
	return l
}

// rates are a part of the datagrams for each line. They are a flag's value.
type rates [2]float64

// String returns both, or the one if they are alike.
func (r *rates) String() string {
	if r[0] == r[1] {
		return strconv.FormatFloat(r[0], 'g', -1, 64)
	}
	return fmt.Sprintf("%g,%g", r[0], r[1])
}

// Set reads one part or two.
func (r *rates) Set(s string) error {
	parts := strings.Split(s, ",")
	if len(parts) > len(r) {
		return fmt.Errorf("want one part, or two of lines A and B")
	}
	for i := range r {
		x, err := strconv.ParseFloat(parts[min(i, len(parts)-1)], 64)
		if err != nil || !(x >= 0 && x <= 1) {
			return fmt.Errorf("want a part from 0 to 1")
		}
		r[i] = x
	}
	return nil
}

// Type is what help texts call the value.
func (r *rates) Type() string { return "part[,part]" }

// lineFaults is what happens to one line.
type lineFaults struct {
	skew                     time.Duration
	regroup                  bool
	loss, duplicate, reorder float64
}

// carryWithin is how soon the next group must be due for ticks to be put off into
// its datagrams.
const carryWithin = time.Millisecond

// feedLine is a way to the receivers, and what happens on it.
type feedLine struct {
	conn   net.Conn
	random *rand.Rand
	batch  int
	faults lineFaults

	first   uint64         // sequence of the first of carried
	carried []udptick.Tick // that go with the next group
	held    []heldDatagram
	queue   []queuedDatagram // in the order of their times

	datagrams, bytes            uint64
	lost, duplicated, reordered uint64
}

// heldDatagram lets later ones pass.
type heldDatagram struct {
	datagram []byte
	behind   int // how many
}

// queuedDatagram is on its way.
type queuedDatagram struct {
	datagram []byte
	at       time.Time
}

// regroup yields the datagrams to make of a group, whose next one is due after some
// time. A line that does not regroup makes one.
func (l *feedLine) regroup(first uint64, group []udptick.Tick, next time.Duration) iter.Seq2[uint64, []udptick.Tick] {
	return func(yield func(uint64, []udptick.Tick) bool) {
		if !l.faults.regroup {
			yield(first, group)
			return
		}
		if len(l.carried) == 0 {
			l.first = first
		}
		ticks := append(l.carried, group...)
		for len(ticks) > 0 {
			n := 1 + l.random.IntN(l.batch)
			if n > len(ticks) && next <= carryWithin {
				break
			}
			n = min(n, len(ticks))
			if !yield(l.first, ticks[:n]) {
				return
			}
			l.first, ticks = l.first+uint64(n), ticks[n:]
		}
		l.carried = append([]udptick.Tick(nil), ticks...)
	}
}

// put sends a datagram, or what becomes of it. Chance is asked the same number of
// times for each, so that one fault's rate does not move where another one strikes.
func (l *feedLine) put(now time.Time, datagram []byte) error {
	lose, double, hold, behind := l.random.Float64(), l.random.Float64(), l.random.Float64(), 1+l.random.IntN(3)
	passed := l.held
	l.held = nil
	switch {
	case lose < l.faults.loss:
		l.lost++
		l.held = passed
		return nil
	case hold < l.faults.reorder:
		l.reordered++
		l.held = append(passed, heldDatagram{datagram, behind})
		return nil
	}
	copies := 1
	if double < l.faults.duplicate {
		l.duplicated++
		copies = 2
	}
	for range copies {
		if err := l.enqueue(now, datagram); err != nil {
			return err
		}
	}
	for _, h := range passed {
		if h.behind--; h.behind > 0 {
			l.held = append(l.held, h)
			continue
		}
		if err := l.enqueue(now, h.datagram); err != nil {
			return err
		}
	}
	return nil
}

// release sends what is held back.
func (l *feedLine) release(now time.Time) error {
	held := l.held
	l.held = nil
	for _, h := range held {
		if err := l.enqueue(now, h.datagram); err != nil {
			return err
		}
	}
	return nil
}

// enqueue sends a datagram after the line's delay.
func (l *feedLine) enqueue(now time.Time, datagram []byte) error {
	if l.faults.skew == 0 {
		return l.write(datagram)
	}
	l.queue = append(l.queue, queuedDatagram{datagram, now.Add(l.faults.skew)})
	return nil
}

// pump sends what is due by now, and returns when the next is; the zero time if
// there is none.
func (l *feedLine) pump(now time.Time) (next time.Time, err error) {
	for len(l.queue) > 0 {
		if q := l.queue[0]; now.Before(q.at) {
			return q.at, nil
		} else if err := l.write(q.datagram); err != nil {
			return next, err
		}
		l.queue = l.queue[1:]
	}
	return next, nil
}

func (l *feedLine) write(datagram []byte) error {
	_, err := l.conn.Write(datagram)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return exit.Errorf(exit.Unavailable, "nobody listens on %v: start the receiver first", l.conn.RemoteAddr())
	}
	if err != nil {
		return fmt.Errorf("sending to %v: %w", l.conn.RemoteAddr(), err)
	}
	l.datagrams++
	l.bytes += uint64(len(datagram))
	return nil
}

// report says what became of the line's datagrams.
func (l *feedLine) report(name string) report.Record {
	return report.Record{
		{Name: "line_" + name, Value: l.conn.RemoteAddr().String()},
		{Name: name + "_datagrams", Value: l.datagrams},
		{Name: name + "_lost", Value: l.lost},
		{Name: name + "_duplicated", Value: l.duplicated},
		{Name: name + "_reordered", Value: l.reordered},
	}
}
