package main

import (
	"bufio"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/backstop-fund/backstop/cmd/internal/pcap"
	"github.com/backstop-fund/backstop/cmd/internal/report"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/event/ndjson"
	"github.com/backstop-fund/backstop/core/udptick"
)

// tap prints datagrams and counts them.
type tap struct {
	framing udptick.Framing
	signed  bool
	quiet   bool
	ndjson  bool
	count   uint64 // datagrams to take, 0 for all

	mu      sync.Mutex // held for all that follows, by the line that has a datagram
	names   ndjson.Names
	out     *bufio.Writer
	file    *bufio.Writer
	capture *pcap.Writer // nil for none
	taken   uint64
	lines   [2]tapLine

	elsewhere uint64 // datagrams to ports that are no line's
	skipped   pcap.Skipped
	line      []byte
}

// take prints a datagram of a line.
func (t *tap) take(line udptick.Line, d *pcap.Datagram) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count > 0 && t.taken == t.count {
		return errEnough
	}
	t.taken++
	if t.capture != nil {
		if err := t.capture.Write(*d); err != nil {
			return err
		}
	}
	l := &t.lines[line]
	l.arrived(d.Nanos, len(d.Data))
	data := d.Data
	if t.signed {
		data = udptick.CutMAC(data)
	}
	if t.framing == udptick.MarkPriceUpdates {
		t.update(line, l, d.Nanos, data)
	} else {
		t.packet(line, l, d.Nanos, data)
	}
	if err := t.out.Flush(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	if t.taken == t.count {
		return errEnough
	}
	return nil
}

func (t *tap) packet(line udptick.Line, l *tapLine, at int64, data []byte) {
	p, err := udptick.Stream{Framing: t.framing}.Parse(data)
	if err != nil {
		l.malformed++
		t.say(line, at, "%v", err)
		return
	}
	if l.follows(&p) {
		if t.framing == udptick.SBE24 {
			t.say(line, at, "channel %d", p.Channel)
		} else {
			t.say(line, at, "session %s", strings.TrimRight(p.Session.String(), " "))
		}
	}
	l.skip(p.Sequence)
	switch {
	case p.End:
		l.ends++
		t.say(line, at, "end of session, next is %d", p.Sequence)
	case p.Heartbeat():
		l.heartbeats++
		t.say(line, at, "heartbeat, next is %d", p.Sequence)
	}
	for seq, message := range p.Messages() {
		l.message(seq)
		tick, err := udptick.ParseTick(message)
		if err != nil {
			l.others++
			t.say(line, at, "%d  %v", seq, err)
			continue
		}
		t.tick(line, at, seq, &tick)
	}
}

func (t *tap) update(line udptick.Line, l *tapLine, at int64, data []byte) {
	u, err := udptick.ParseMarkPriceUpdate(data)
	if err != nil {
		l.malformed++
		t.say(line, at, "%v", err)
		return
	}
	l.messages++
	id, ok := t.known(string(u.Symbol))
	if !ok {
		t.say(line, at, "symbol %q cannot be a contract's name", u.Symbol)
		return
	}
	t.tick(line, at, 0, &udptick.Tick{Instrument: id, Mark: u.Mark, Index: u.Index, TimeNanos: u.TimeMillis * int64(time.Millisecond)})
}

// known returns the id of a name, a free one if it has none yet.
func (t *tap) known(symbol string) (id uint32, ok bool) {
	if known, ok := t.names.Symbol(symbol); ok {
		return uint32(known), true
	}
	name, ok := event.MakeName(symbol)
	for id = 1; ok; id++ {
		if t.names.BindSymbol(name, event.SymbolID(id)) == nil {
			return id, true
		}
		ok = id < 1<<20
	}
	return 0, false
}

// say prints what is no tick, for people.
func (t *tap) say(line udptick.Line, at int64, format string, args ...any) {
	if t.quiet || t.ndjson {
		return
	}
	fmt.Fprintf(t.out, "%s  %v  %s\n", clock(at), line, fmt.Sprintf(format, args...)) // the writer keeps its error
}

// clock is a time of day as people read it.
func clock(nanos int64) string { return time.Unix(0, nanos).UTC().Format("15:04:05.000000000") }

// tick prints a tick, which has no sequence if that is 0.
func (t *tap) tick(line udptick.Line, at int64, seq uint64, tick *udptick.Tick) {
	switch {
	case t.quiet:
	case t.ndjson:
		t.events(line, at, seq, tick)
	default:
		text := fmt.Sprintf("%v  %v", t.names.SymbolName(event.SymbolID(tick.Instrument)), tick.Mark)
		if seq > 0 {
			text = fmt.Sprintf("%d  %s", seq, text)
		}
		if tick.Index != 0 {
			text += fmt.Sprintf("  index %v", tick.Index)
		}
		if tick.Flags != 0 {
			text += "  " + flagNames(tick.Flags)
		}
		t.say(line, at, "%s  age %v", text, time.Duration(at-tick.TimeNanos))
	}
}

// flagNames are the flags of a tick as words.
func flagNames(f udptick.TickFlags) string {
	var names []string
	for _, x := range []struct {
		flag udptick.TickFlags
		name string
	}{{udptick.Halted, "halted"}, {udptick.Snapshot, "snapshot"}, {udptick.Suspect, "suspect"}} {
		if f&x.flag != 0 {
			names = append(names, x.name)
		}
	}
	return strings.Join(names, ",")
}

// events prints a tick as events: with a halt before it, or a resume after it, where
// the line's last tick of the contract had it otherwise.
func (t *tap) events(line udptick.Line, at int64, seq uint64, tick *udptick.Tick) {
	id, l := event.SymbolID(tick.Instrument), &t.lines[line]
	halted := tick.Flags&udptick.Halted != 0
	changed := halted != l.halted[tick.Instrument]
	if changed && l.halted == nil {
		l.halted = make(map[uint32]bool)
	}
	if changed {
		l.halted[tick.Instrument] = halted
	}
	if changed && halted {
		t.event(event.Halt(id).At(at))
	}
	r := event.Tick(id, tick.Mark).At(at)
	r.SetMarkTime(tick.TimeNanos)
	if tick.Index != 0 {
		r.SetIndex(tick.Index)
	}
	if tick.Flags&udptick.Suspect != 0 {
		r.SetSuspect()
	}
	if seq > 0 {
		r.SetSource(uint16(line)+1, seq)
	}
	t.event(r)
	if changed && !halted {
		t.event(event.Resume(id).At(at))
	}
}

func (t *tap) event(r event.Record) {
	t.line = append(ndjson.AppendEvent(t.line[:0], &t.names, event.Event{r}), '\n')
	t.out.Write(t.line) // it keeps its error
}

// report is what happened on each line that had anything, or line A.
func (t *tap) report() []report.Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	var records []report.Record
	for i := range t.lines {
		if l := &t.lines[i]; i == 0 || l.datagrams > 0 || l.dropped > 0 {
			records = append(records, l.report(udptick.Line(i)))
		}
	}
	if t.elsewhere > 0 || t.skipped != (pcap.Skipped{}) {
		for i := range records {
			records[i] = append(records[i], report.Record{
				{Name: "other_ports", Value: t.elsewhere}, {Name: "other_frames", Value: t.skipped.Other},
				{Name: "fragments", Value: t.skipped.Fragments}, {Name: "cut_frames", Value: t.skipped.Cut},
			}...)
		}
	}
	return records
}
