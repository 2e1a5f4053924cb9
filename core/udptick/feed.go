package udptick

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Config says what a [Feed] accepts.
type Config struct {
	Framing Framing
	// Sources are the addresses datagrams may come from, answers to requests
	// included. None means the loopback addresses; an [Adapter] that listens elsewhere
	// refuses to start without.
	Sources []netip.Prefix
	// Session is the only one to accept, for Mold64. Empty follows the publisher from
	// one to the next.
	Session string
	// Channel is the only one to accept, for SBE24. 0 takes that of the first
	// well-formed packet.
	Channel int32
	// Names are the symbols of MarkPriceUpdates.
	Names map[string]event.SymbolID
	// Symbols is how many different ones there is room for; 0 means 4,096, or as
	// many as there are Names. Those beyond are counted in UnknownSymbol.
	Symbols int
	// Keys are those of the publishers and of the re-request server. With any, a
	// datagram without a good MAC is not looked at.
	Keys []Key

	// GapNanos is how long a skipped sequence may take to arrive after all, from the
	// other line for instance, before symbols become suspect and it is asked for. 0
	// means 5 ms.
	GapNanos int64
	// RequestTries is how often a gap is asked for without any progress, each time
	// waiting twice as long; 0 never asks: there is no server.
	RequestTries int
	// RequestNanos is how long the first answer may take. 0 means 20 ms.
	RequestNanos int64
	// RequestKey signs our requests; needed if there are Keys and requests.
	RequestKey Key
	// SilenceNanos is after how long without a datagram of the stream, on any line,
	// all symbols become suspect; three of the publisher's heartbeats are a good
	// choice. 0 leaves it to the age at which the machine stops believing a mark.
	SilenceNanos int64
}

const (
	defaultSymbols      = 1 << 12
	defaultGapNanos     = 5_000_000
	defaultRequestNanos = 20_000_000
	// maxNanos bounds the settings above: an hour.
	maxNanos        = 3_600_000_000_000
	maxRequestTries = 16

	// maxAheadNanos is how far a mark's time may be in the future. The machine
	// refuses such a tick, too; here it must not become the newest of its symbol,
	// where it would hide all that follow.
	maxAheadNanos = 1_000_000_000
	// retryNanos is how soon a full sink is offered again what waits for it, if no
	// datagram comes first. A consumer that is alive frees slots far sooner.
	retryNanos = 1_000_000
)

// Feed turns datagrams into events. It belongs to one goroutine, but for Stats and
// LineStats.
type Feed struct {
	names    map[string]event.SymbolID
	guard    guard
	sessions sessions
	arbiter  arbiter
	gaps     gaps
	book     book
	packet   Packet // the one at hand

	requestKey Key
	signer     *Signer // of requests; made when there is one, for only then is there a time

	// doubt is one past the highest sequence known to be missing, in a declared gap or
	// given up: what is older than that may be outdated. 0 if there is none.
	doubt  uint64
	latest int64 // the largest time of a tick in this numbering
	began  int64 // the time of the tick that revealed a restart, 0 for none

	heard   int64 // when a datagram of the stream came last
	silence int64 // how long that may be; 0 for ever
	silent  bool  // it was longer
	retry   int64 // when to offer again what waits; never if nothing does

	stats *Stats
	lines *[Lines]LineStats
	shown published
}

// NewFeed returns a feed that offers its events to sink. All memory it will ever
// use is allocated here, but for what signs requests. The error says which setting
// is wrong.
func NewFeed(config Config, sink Sink) (*Feed, error) {
	if err := config.check(sink); err != nil {
		return nil, err
	}
	f := &Feed{
		names:      maps.Clone(config.Names),
		gaps:       newGaps(&config),
		requestKey: config.RequestKey,
		silence:    config.SilenceNanos,
		retry:      never,
		stats:      new(Stats),
		lines:      new([Lines]LineStats),
	}
	var err error
	if f.guard, err = newGuard(config.Sources, config.Keys); err != nil {
		return nil, err
	}
	if f.sessions, err = newSessions(&config); err != nil {
		return nil, err
	}
	f.arbiter.stats, f.arbiter.counts = f.stats, f.lines
	symbols := config.Symbols
	if symbols == 0 {
		symbols = max(defaultSymbols, len(config.Names))
	}
	f.book = newBook(symbols, sink, f.stats)
	return f, nil
}

func (c *Config) check(sink Sink) error {
	switch {
	case sink == nil:
		return errors.New("udptick: no sink: there is nowhere to put the ticks")
	case c.Framing > SBE24:
		return fmt.Errorf("udptick: framing %v: want mold64, sbe24 or markPriceUpdate", c.Framing)
	case c.Framing == MarkPriceUpdates && len(c.Names) == 0:
		return errors.New("udptick: markPriceUpdate without names: no symbol could be told")
	case c.Framing == MarkPriceUpdates && c.RequestTries > 0:
		return errors.New("udptick: requests for markPriceUpdate: it has no sequences to ask for")
	case c.Session != "" && c.Framing != Mold64:
		return fmt.Errorf("udptick: session %.40q: %v has none", c.Session, c.Framing)
	case c.Channel != 0 && c.Framing != SBE24:
		return fmt.Errorf("udptick: channel %d: %v has none", c.Channel, c.Framing)
	case c.Symbols < 0 || c.Symbols > maxSymbols:
		return fmt.Errorf("udptick: room for %d symbols: want 0 to %d", c.Symbols, maxSymbols)
	case c.Symbols != 0 && c.Symbols < len(c.Names):
		return fmt.Errorf("udptick: room for %d symbols, but %d names", c.Symbols, len(c.Names))
	case c.RequestTries < 0 || c.RequestTries > maxRequestTries:
		return fmt.Errorf("udptick: %d requests for a gap: want 0 to %d", c.RequestTries, maxRequestTries)
	}
	for _, s := range []struct {
		name  string
		nanos int64
	}{{"gap", c.GapNanos}, {"request", c.RequestNanos}, {"silence", c.SilenceNanos}} {
		if s.nanos < 0 || s.nanos > maxNanos {
			return fmt.Errorf("udptick: %s of %d ns: want 0 to an hour", s.name, s.nanos)
		}
	}
	if err := c.checkRequestKey(); err != nil {
		return err
	}
	// Two names of one symbol would mix two prices into one mark.
	byID := make(map[event.SymbolID]string, len(c.Names))
	for _, name := range slices.Sorted(maps.Keys(c.Names)) {
		id := c.Names[name]
		if other, ok := byID[id]; ok {
			return fmt.Errorf("udptick: symbol %d has two names: %q and %q", id, other, name)
		}
		byID[id] = name
	}
	return nil
}

// maxSymbols bounds the memory of a feed: about 100 bytes a symbol.
const maxSymbols = 1 << 20

// Receive takes one datagram that came on a line from an address at a time in
// nanoseconds since 1970, and offers what is new in it to the sink. It does not
// allocate, and keeps nothing of datagram.
func (f *Feed) Receive(line Line, from netip.Addr, datagram []byte, now int64) {
	f.stats[Datagrams]++
	f.stats[Bytes] += uint64(len(datagram))
	packet, verdict := f.guard.admit(line, from, datagram)
	if verdict != refusedSource {
		f.lines[line][LineDatagrams]++
	}
	switch {
	case verdict == refusedSource:
		f.stats[RefusedSource]++
	case verdict == forged:
		f.stats[Forged]++
	case verdict == replayed:
		f.stats[Replayed]++
	case f.sessions.stream.Framing == MarkPriceUpdates:
		f.receiveUpdate(line, packet, now)
	default:
		f.receivePacket(line, packet, now)
	}
	f.work(now)
	if f.arbiter.touched {
		f.arbiter.touched = false
		f.show()
		return
	}
	update(f.shown.stats[:], f.stats[:])
	update(f.shown.lines[line][:], f.lines[line][:])
}

// Poll does what is due by now: it declares gaps, notes a silence, and offers the
// sink again what it had no room for. It returns when it wants to be called again
// if no datagram comes before, or the largest int64 for never; see [Feed.Next].
func (f *Feed) Poll(now int64) (next int64) {
	f.work(now)
	f.show()
	return f.Next()
}

// Next returns when Poll or Request will have something to do.
func (f *Feed) Next() int64 {
	next := min(f.retry, f.gaps.next())
	if f.silence > 0 && f.heard > 0 && !f.silent {
		next = min(next, f.heard+f.silence)
	}
	return next
}

// Request appends the request that is due at now, if one is. It is to be called
// after Receive and Poll, until there is none, and what it returns sent to the
// re-request server; its answers are Received on the line of that name.
func (f *Feed) Request(dst []byte, now int64) ([]byte, bool) {
	stream := f.sessions.stream
	first, count := f.gaps.ask(uint64(stream.EthernetTicks()), now)
	if count == 0 {
		return dst, false
	}
	f.stats[Requests]++
	f.show()
	// Appending to dst could sign what was there before.
	from := len(dst)
	dst = stream.AppendRequest(dst, first, count, now)
	if f.sign(now) {
		dst = append(dst[:from], f.signer.Append(dst[from:])...)
	}
	return dst, true
}

func (f *Feed) sign(now int64) bool {
	if f.signer == nil && len(f.requestKey.Secret) > 0 {
		f.signer, _ = NewSigner(f.requestKey, max(now, 0)) // check has seen the key
	}
	return f.signer != nil
}

// Dropped tells how many datagrams of a line the kernel has had no room for since
// the socket was opened, modulo 2^32 as Linux counts. Where there are no sequences
// it is the only sign of a loss, and makes all symbols suspect.
func (f *Feed) Dropped(line Line, total uint32) {
	more := total - uint32(f.lines[line][LineDropped])
	if more == 0 {
		return
	}
	f.lines[line][LineDropped] += uint64(more)
	if f.sessions.stream.Framing == MarkPriceUpdates {
		f.book.forget()
		f.retry = 0 // tell it now: no datagram may come
	}
	update(f.shown.lines[line][:], f.lines[line][:])
}

// Know tells of a mark that the sink has from before the feed began, and of the time
// of its last tick: it is suspect until the symbol's first tick, for what was missed
// in between nobody knows, and nothing older comes after it. It is to be called
// before the first Receive; a symbol there is no room for is passed over.
func (f *Feed) Know(id event.SymbolID, mark fixedpoint.Price, nanos int64) {
	f.book.know(id, mark, nanos)
	f.retry = 0 // there is something to tell
}

// Stats returns the counters. Any goroutine may ask.
func (f *Feed) Stats() Stats { return f.shown.load() }

// LineStats returns the counters of a line. Any goroutine may ask.
func (f *Feed) LineStats(line Line) LineStats { return f.shown.line(line) }

// Stream returns the stream in force; false before the first well-formed packet
// of a feed without a configured one. It belongs to the feed's goroutine.
func (f *Feed) Stream() (Stream, bool) {
	return f.sessions.stream, f.sessions.required || f.sessions.begun
}

// show publishes all counters.
func (f *Feed) show() {
	update(f.shown.stats[:], f.stats[:])
	for i := range f.lines {
		update(f.shown.lines[i][:], f.lines[i][:])
	}
}

// work does what does not depend on a datagram.
func (f *Feed) work(now int64) {
	if len(f.gaps.list) > 0 {
		f.reckon(now)
	}
	if f.silence > 0 && f.heard > 0 && !f.silent && now-f.heard >= f.silence {
		f.silent = true
		f.stats[Silences]++
		f.book.forget()
	}
	f.retry = never
	if !f.book.flush(now) {
		f.retry = now + retryNanos
	}
	f.stats[Waiting] = uint64(len(f.book.waiting))
}

// reckon brings the doubts about symbols up to date with the gaps.
func (f *Feed) reckon(now int64) {
	before := f.doubt
	f.doubt = max(f.arbiter.given, f.gaps.tend(&f.arbiter, f.stats, now))
	switch {
	case f.doubt > before:
		f.book.doubt(f.doubt)
	case f.doubt < before:
		f.book.settle(f.doubt)
	}
}

func (f *Feed) receivePacket(line Line, datagram []byte, now int64) {
	p := &f.packet
	if !p.parse(f.sessions.stream.Framing, datagram).none() {
		f.stats[Malformed]++
		return
	}
	if p.Framing == SBE24 && p.Type&^Retransmit != Incremental {
		f.stats[Unused]++
		return
	}
	verdict := f.sessions.of(p, line, now-f.heard)
	switch {
	case verdict == otherSession:
		f.stats[WrongSession]++
		return
	case !p.onlyTicks():
		f.stats[Malformed]++
		return
	case verdict == newSession:
		if f.sessions.begun {
			f.stats[Sessions]++
		}
		f.sessions.change(p)
		f.begin(p.Sequence)
	}
	f.heard, f.silent = now, false
	straggler := f.isStraggler(p)
	if !straggler {
		f.advance(line, p.Sequence, now)
	}
	switch {
	case straggler:
		f.stats[Packets]++
		f.expire(line, uint64(p.Count))
	case p.End:
		f.stats[SessionEnds]++
		f.sessions.ended = true
	case p.Heartbeat():
		f.stats[Heartbeats]++
	default:
		f.stats[Packets]++
		f.receiveTicks(line, p, now)
	}
}

// isStraggler reports whether a packet that leaps ahead is from before the restart
// of its publisher: its sequences mean nothing any more.
func (f *Feed) isStraggler(p *Packet) bool {
	return p.Count > 0 && p.Sequence > f.arbiter.next &&
		tickTime((*[TickSize]byte)(p.messages[len(p.messages)-TickSize:])) < f.began
}

func (f *Feed) expire(line Line, messages uint64) {
	f.stats[Messages] += messages
	f.stats[Expired] += messages
	f.lines[line][LineMessages] += messages
	f.lines[line][LineExpired] += messages
}

// begin starts a numbering. What was heard before says nothing about it.
func (f *Feed) begin(at uint64) {
	f.arbiter.finish()
	f.arbiter.start(at)
	f.gaps.list = f.gaps.list[:0]
	f.doubt, f.latest, f.began = 0, 0, 0
	f.book.forget()
}

// advance notes that a line is at a sequence.
func (f *Feed) advance(line Line, sequence uint64, now int64) {
	from := f.arbiter.next
	if f.arbiter.skip(line, sequence) > 0 {
		f.gaps.open(from, sequence, now)
	}
}

// receiveTicks arbitrates each message by itself. Requires: onlyTicks.
func (f *Feed) receiveTicks(line Line, p *Packet, now int64) {
	prefix := f.sessions.stream.prefix()
	seq := p.Sequence
	f.stats[Messages] += uint64(p.Count)
	f.lines[line][LineMessages] += uint64(p.Count)
	for b := p.messages; len(b) > 0; b, seq = b[prefix+TickSize:], seq+1 {
		message := (*[TickSize]byte)(b[prefix:])
		if seq < f.arbiter.next && tickTime(message) > f.latest && f.renumbered(line, message, seq, now) {
			f.stats[Restarts]++
			f.begin(seq)
			f.began = tickTime(message)
			f.advance(line, seq, now)
		}
		switch f.arbiter.take(line, seq) {
		case filling:
			f.gaps.filled(seq, &f.arbiter, line == Answers, now)
		case late, duplicate:
			f.stats[Duplicates]++
			continue
		case expired:
			f.stats[Expired]++
			continue
		}
		var t Tick
		if bad := t.read(message); !bad.none() {
			f.stats[BadValue]++
			f.book.spoil(event.SymbolID(t.Instrument), seq+1)
			continue
		}
		f.mark(event.SymbolID(t.Instrument), &t, seq+1, now)
	}
}

// renumbered reports whether a message whose sequence was here before, or is out of
// reach, is new all the same: it is later than the latest of those that were here,
// so it is none of them, and the publisher has begun to number anew.
func (f *Feed) renumbered(line Line, message *[TickSize]byte, seq uint64, now int64) bool {
	var t Tick
	return line != Answers && f.arbiter.has(seq) && t.read(message).none() && !isAhead(t.TimeNanos, now)
}

func (f *Feed) receiveUpdate(line Line, datagram []byte, now int64) {
	u, bad := parseUpdate(datagram)
	if !bad.none() && !bad.value {
		f.stats[Malformed]++
		return
	}
	f.heard, f.silent = now, false
	f.stats[Packets]++
	f.stats[Messages]++
	f.lines[line][LineMessages]++
	f.lines[line][LineWon]++ // There is no sequence to tell by: the newer mark wins.
	id, known := f.names[string(u.Symbol)]
	switch {
	case bad.value:
		f.stats[BadValue]++
		if known {
			f.book.spoil(id, 0)
		}
		return
	case !known:
		f.stats[UnknownSymbol]++
		return
	}
	t := Tick{Mark: u.Mark, Index: u.Index, TimeNanos: u.TimeMillis * nanosPerMilli}
	f.mark(id, &t, 0, now)
}

func (f *Feed) mark(id event.SymbolID, t *Tick, heard uint64, now int64) {
	// Its copy on the other line may be ahead no more, and is no restart for that.
	f.latest = max(f.latest, min(t.TimeNanos, now+2*maxAheadNanos))
	if isAhead(t.TimeNanos, now) {
		f.stats[Ahead]++
		f.book.spoil(id, heard)
		return
	}
	f.book.mark(id, t, heard, f.doubt, now)
}

// isAhead reports whether a mark's time is too far in the future. Requires: it is
// above 0, so that this cannot wrap.
func isAhead(nanos, now int64) bool { return nanos-maxAheadNanos > now }
