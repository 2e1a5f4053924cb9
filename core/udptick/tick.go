package udptick

import (
	"encoding/binary"
	"math"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// TickFlags say what else a tick tells.
type TickFlags uint16

// The flags of a tick. A bit that is none of them makes it a bad value: it could
// mean that the price is not to be used.
const (
	Halted   TickFlags = 1 << iota // trading in the contract is halted
	Snapshot                       // the mark is repeated, not new
	Suspect                        // the price must not become the mark

	knownFlags = Halted | Snapshot | Suspect
)

// Tick is one mark price on the wire.
type Tick struct {
	Instrument uint32
	Flags      TickFlags
	Mark       fixedpoint.Price
	Index      fixedpoint.Price // 0 for none
	TimeNanos  int64            // since 1970
}

// TickSize is the size of an encoded tick in bytes.
const TickSize = 40

// The layout of a tick; see the package doc. schema.xml says the same, and a test
// compares the two.
const (
	instrumentAt = 8
	flagsAt      = 12
	exponentAt   = 14
	markAt       = 16
	indexAt      = 24
	timeAt       = 32

	blockLength = 32
	templateID  = 1
	schemaID    = 0x4253
	version     = 1

	// tickHeader is the first eight bytes of every tick as one integer.
	tickHeader = blockLength | templateID<<16 | schemaID<<32 | version<<48

	noPrice     = math.MinInt64 // SBE's null of an int64
	minExponent = -fixedpoint.Digits
)

// scales holds what a price with exponent e is multiplied by, at e + 8.
var scales = [fixedpoint.Digits + 1]int64{1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, fixedpoint.One}

// AppendTick appends the 40 bytes of t, its prices with exponent -8. It encodes
// what it is given: whether the values are good is for the reader to judge.
func AppendTick(dst []byte, t Tick) []byte {
	const exponent = 1<<8 + minExponent // as a signed byte
	e := binary.LittleEndian
	dst = e.AppendUint64(dst, tickHeader)
	dst = e.AppendUint32(dst, t.Instrument)
	dst = e.AppendUint16(dst, uint16(t.Flags))
	dst = append(dst, exponent, 0)
	dst = e.AppendUint64(dst, uint64(t.Mark))
	dst = e.AppendUint64(dst, uint64(t.Index))
	return e.AppendUint64(dst, uint64(t.TimeNanos))
}

// ParseTick reads a tick, which must be all of b. It refuses anything else with
// a [*ParseError].
func ParseTick(b []byte) (Tick, error) {
	if bad := checkTick(b); !bad.none() {
		return Tick{}, bad.in("tick")
	}
	var t Tick
	if bad := t.read((*[TickSize]byte)(b)); !bad.none() {
		return Tick{}, bad.in("tick")
	}
	return t, nil
}

// checkTick reports whether b has the form of a tick.
func checkTick(b []byte) fault {
	if len(b) != TickSize {
		return fault{offset: len(b), reason: "want 40 bytes"}
	}
	if binary.LittleEndian.Uint64(b) != tickHeader {
		return fault{reason: "want blockLength 32, templateId 1, schemaId 0x4253, version 1"}
	}
	return fault{}
}

// read reads the values of a tick; t is good if there is no fault. Requires:
// checkTick passed.
func (t *Tick) read(b *[TickSize]byte) fault {
	e := binary.LittleEndian
	t.Instrument = e.Uint32(b[instrumentAt:])
	t.Flags = TickFlags(e.Uint16(b[flagsAt:]))
	t.TimeNanos = int64(e.Uint64(b[timeAt:]))
	exponent := int8(b[exponentAt])
	mark, index := int64(e.Uint64(b[markAt:])), int64(e.Uint64(b[indexAt:]))
	if index == noPrice {
		index = 0
	}
	switch {
	case t.Flags&^knownFlags != 0:
		return fault{offset: flagsAt, value: true, reason: "flags: only 1, 2 and 4 are defined"}
	case exponent < minExponent || exponent > 0:
		return fault{offset: exponentAt, value: true, reason: "exponent: want -8 to 0"}
	case mark <= 0:
		return fault{offset: markAt, value: true, reason: "markPrice: want more than 0"}
	case index < 0:
		return fault{offset: indexAt, value: true, reason: "indexPrice: want 0 or more"}
	case t.TimeNanos <= 0:
		return fault{offset: timeAt, value: true, reason: "transactTime: want more than 0"}
	}
	if scale := scales[exponent-minExponent]; scale != 1 {
		if limit := math.MaxInt64 / scale; mark > limit || index > limit {
			return fault{offset: markAt, value: true, reason: "a price does not fit: want at most 92233720368.54775807"}
		}
		mark, index = mark*scale, index*scale
	}
	t.Mark, t.Index = fixedpoint.Price(mark), fixedpoint.Price(index)
	return fault{}
}

// tickTime reads only the time of a tick.
func tickTime(b *[TickSize]byte) int64 { return int64(binary.LittleEndian.Uint64(b[timeAt:])) }

// record is the tick as an event of a symbol, stamped with now, its mark not to be
// accepted if it is doubtful. It writes the
// words that package event documents: event.Tick and what adds to it return
// copies, and each copy waits for the one before to reach the cache.
func (t *Tick) record(symbol event.SymbolID, doubtful bool, now int64) event.Record {
	flags := event.FlagTime | event.FlagMarkTime
	if t.Index != 0 {
		flags |= event.FlagIndex
	}
	if doubtful {
		flags |= event.FlagSuspect
	}
	return event.Record{
		uint64(event.KindTick) | uint64(flags)<<16, uint64(now), 0,
		uint64(symbol), uint64(t.Mark), uint64(t.Index), uint64(t.TimeNanos),
	}
}
