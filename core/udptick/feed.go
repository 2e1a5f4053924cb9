package udptick

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"github.com/backstop-fund/backstop/core/event"
)

// Framing is the form of the datagrams.
type Framing uint8

// The framings; see the package doc.
const (
	Mold64           Framing = iota // MoldUDP64 packets of ticks
	MarkPriceUpdates                // a markPriceUpdate JSON object each
)

// String returns the framing's name in configurations.
func (f Framing) String() string {
	switch f {
	case Mold64:
		return "mold64"
	case MarkPriceUpdates:
		return "markPriceUpdate"
	}
	return "Framing(" + strconv.Itoa(int(f)) + ")"
}

// Config says what a [Feed] accepts and where an [Adapter] listens.
type Config struct {
	Framing Framing
	// Sources are the addresses datagrams may come from. None means the loopback
	// addresses; an Adapter that listens elsewhere refuses to start without.
	Sources []netip.Prefix
	// Session is the only one to accept, for Mold64. Empty takes that of the first
	// well-formed packet.
	Session string
	// Names are the symbols of MarkPriceUpdates.
	Names map[string]event.SymbolID
	// Symbols is how many different ones there is room for; 0 means 4,096, or as
	// many as there are Names. Those beyond are counted in UnknownSymbol.
	Symbols int

	// Listen is the address and port of the Adapter, such as "127.0.0.1:26400".
	// Port 0 takes a free one.
	Listen string
	// ReceiveBuffer is how many bytes of datagrams the system is asked to keep
	// while the Adapter is busy. 0 leaves it to the system. It may grant less: see
	// the counter.
	ReceiveBuffer int
	// Now is the Adapter's clock in nanoseconds since 1970. Nil means the
	// system's.
	Now func() int64
}

const (
	defaultSymbols = 1 << 12
	// maxAheadNanos is how far a mark's time may be in the future. The machine
	// refuses such a tick, too; here it must not become the newest of its symbol,
	// where it would hide all that follow.
	maxAheadNanos = 1_000_000_000
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// Feed turns datagrams into events. It belongs to one goroutine, but for Stats.
type Feed struct {
	framing  Framing
	sources  []netip.Prefix
	names    map[string]event.SymbolID
	session  Session
	required bool // session was configured
	started  bool // a well-formed packet has set session and window
	window   window
	book     book
	stats    *Stats
	shown    published
}

// NewFeed returns a feed that offers its events to sink. All memory it will ever
// use is allocated here. The error says which setting is wrong.
func NewFeed(config Config, sink Sink) (*Feed, error) {
	f := &Feed{
		framing: config.Framing,
		sources: slices.Clone(config.Sources),
		names:   maps.Clone(config.Names),
		stats:   new(Stats),
	}
	if len(f.sources) == 0 {
		f.sources = loopback
	}
	if err := config.check(sink); err != nil {
		return nil, err
	}
	if config.Session != "" {
		session, err := MakeSession(config.Session)
		if err != nil {
			return nil, err
		}
		f.session, f.required = session, true
	}
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
	case c.Framing > MarkPriceUpdates:
		return fmt.Errorf("udptick: framing %v: want mold64 or markPriceUpdate", c.Framing)
	case c.Framing == MarkPriceUpdates && len(c.Names) == 0:
		return errors.New("udptick: markPriceUpdate without names: no symbol could be told")
	case c.Symbols < 0 || c.Symbols > maxSymbols:
		return fmt.Errorf("udptick: room for %d symbols: want 0 to %d", c.Symbols, maxSymbols)
	case c.Symbols != 0 && c.Symbols < len(c.Names):
		return fmt.Errorf("udptick: room for %d symbols, but %d names", c.Symbols, len(c.Names))
	}
	for _, p := range c.Sources {
		if !p.IsValid() {
			return fmt.Errorf("udptick: source %v: want a prefix such as 10.1.2.0/24", p)
		}
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

// Receive takes one datagram that came from an address at a time in nanoseconds
// since 1970, and offers what is new in it to the sink. It does not allocate, and
// keeps nothing of datagram.
func (f *Feed) Receive(from netip.Addr, datagram []byte, now int64) {
	f.stats[Datagrams]++
	f.stats[Bytes] += uint64(len(datagram))
	switch {
	case !f.allows(from):
		f.stats[RefusedSource]++
	case f.framing == MarkPriceUpdates:
		f.receiveUpdate(datagram, now)
	default:
		f.receivePacket(datagram, now)
	}
	f.Flush(now)
}

// Flush offers the sink again what it had no room for, and reports whether
// nothing is waiting any more.
func (f *Feed) Flush(now int64) bool {
	done := f.book.flush(now)
	f.show()
	return done
}

func (f *Feed) waits() bool { return len(f.book.waiting) > 0 }

// Stats returns the counters. Any goroutine may ask.
func (f *Feed) Stats() Stats { return f.shown.load() }

// Session returns the session in force; false before the first well-formed
// packet of a feed without a configured one. It belongs to the feed's goroutine.
func (f *Feed) Session() (Session, bool) { return f.session, f.required || f.started }

func (f *Feed) show() {
	f.stats[Waiting] = uint64(len(f.book.waiting))
	f.shown.update(f.stats)
}

// allows looks the source up in a list that is a handful long in practice.
func (f *Feed) allows(from netip.Addr) bool {
	// A prefix never contains a 4-in-6 address or one with a zone.
	from = from.Unmap().WithZone("")
	for _, p := range f.sources {
		if p.Contains(from) {
			return true
		}
	}
	return false
}

func (f *Feed) receivePacket(datagram []byte, now int64) {
	p, bad := parsePacket(datagram)
	if !bad.none() {
		f.stats[Malformed]++
		return
	}
	if p.Session != f.session && (f.required || f.started) {
		f.stats[WrongSession]++
		return
	}
	if !onlyTicks(&p) {
		f.stats[Malformed]++
		return
	}
	if !f.started {
		f.started, f.session = true, p.Session
		f.window.start(p.Sequence)
	}
	if missing := f.window.skip(p.Sequence); missing > 0 {
		f.stats[Gaps]++
		f.stats[Lost] += missing
	}
	switch {
	case p.End:
		f.stats[SessionEnds]++
	case p.Heartbeat():
		f.stats[Heartbeats]++
	default:
		f.stats[Packets]++
		f.receiveTicks(&p, now)
	}
}

// framed is what one tick takes in a packet.
const framed = lengthSize + TickSize

// onlyTicks reports whether all messages of p are ticks, so that none is used of
// a packet that would turn out to be something else halfway.
func onlyTicks(p *Packet) bool {
	for b := p.messages; len(b) > 0; b = b[framed:] {
		if binary.BigEndian.Uint16(b) != TickSize || !checkTick(b[lengthSize:framed]).none() {
			return false
		}
	}
	return true
}

// receiveTicks arbitrates each message by itself. Requires: onlyTicks.
func (f *Feed) receiveTicks(p *Packet, now int64) {
	seq := p.Sequence
	for b := p.messages; len(b) > 0; b, seq = b[framed:], seq+1 {
		f.stats[Messages]++
		switch f.window.take(seq) {
		case duplicate:
			f.stats[Duplicates]++
			continue
		case expired:
			f.stats[Expired]++
			continue
		case late:
			f.stats[Late]++
		}
		var t Tick
		if bad := t.read((*[TickSize]byte)(b[lengthSize:framed])); !bad.none() {
			f.stats[BadValue]++
			continue
		}
		f.mark(event.SymbolID(t.Instrument), &t, now)
	}
}

func (f *Feed) receiveUpdate(datagram []byte, now int64) {
	u, bad := parseUpdate(datagram)
	if !bad.none() && !bad.value {
		f.stats[Malformed]++
		return
	}
	f.stats[Packets]++
	f.stats[Messages]++
	if bad.value {
		f.stats[BadValue]++
		return
	}
	id, ok := f.names[string(u.Symbol)]
	if !ok {
		f.stats[UnknownSymbol]++
		return
	}
	t := Tick{Mark: u.Mark, Index: u.Index, TimeNanos: u.TimeMillis * nanosPerMilli}
	f.mark(id, &t, now)
}

func (f *Feed) mark(id event.SymbolID, t *Tick, now int64) {
	if t.TimeNanos-maxAheadNanos > now { // t.TimeNanos > 0: this cannot wrap.
		f.stats[Ahead]++
		return
	}
	f.book.mark(id, t, now)
}
