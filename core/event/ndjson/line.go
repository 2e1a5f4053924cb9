package ndjson

import (
	"strconv"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// line is a line being written. Its methods are named after what they write: a
// member with its key, or, of those at the end, a piece of a text.
type line struct {
	b     []byte
	names *Names
}

// member writes a comma and a key. Keys are ours and need no escape.
func (l *line) member(k string) {
	l.b = append(l.b, ',', '"')
	l.b = append(l.b, k...)
	l.b = append(l.b, '"', ':')
}

func (l *line) uint(k string, v uint64) {
	l.member(k)
	l.b = strconv.AppendUint(l.b, v, 10)
}

func (l *line) int(k string, v int64) {
	l.member(k)
	l.b = strconv.AppendInt(l.b, v, 10)
}

// decimal writes a number at scale 1e-8.
func (l *line) decimal(k string, v int64) {
	l.member(k)
	l.b = append(l.b, '"')
	l.b = fixedpoint.AppendDecimal(l.b, v)
	l.b = append(l.b, '"')
}

func (l *line) qty(k string, v fixedpoint.Qty)       { l.decimal(k, int64(v)) }
func (l *line) price(k string, v fixedpoint.Price)   { l.decimal(k, int64(v)) }
func (l *line) amount(k string, v fixedpoint.Amount) { l.decimal(k, int64(v)) }
func (l *line) rate(k string, v fixedpoint.Rate)     { l.decimal(k, int64(v)) }

// known writes a price, or null for the 0 that stands for none.
func (l *line) known(k string, v fixedpoint.Price) {
	l.wideIf(k, fixedpoint.Int128From(int64(v)), v != 0)
}

// wide writes a sum at scale 1e-8.
func (l *line) wide(k string, v fixedpoint.Int128) {
	l.member(k)
	l.b = append(l.b, '"')
	l.b = v.AppendDecimal(l.b)
	l.b = append(l.b, '"')
}

// wideIf writes a sum, or null where there is none.
func (l *line) wideIf(k string, v fixedpoint.Int128, there bool) {
	if there {
		l.wide(k, v)
		return
	}
	l.member(k)
	l.b = append(l.b, "null"...)
}

// word writes a string that needs no escape.
func (l *line) word(k, s string) {
	l.member(k)
	l.b = append(l.b, '"')
	l.b = append(l.b, s...)
	l.b = append(l.b, '"')
}

func (l *line) bool(k string, v bool) {
	l.member(k)
	l.b = strconv.AppendBool(l.b, v)
}

// name writes a string that may need escapes.
func (l *line) name(k, s string) {
	l.member(k)
	l.b = append(l.b, '"')
	l.say(s)
	l.b = append(l.b, '"')
}

func (l *line) account(k string, id event.AccountID) { l.uint(k, uint64(id)) }
func (l *line) fund(k string, id event.FundID)       { l.name(k, l.names.FundName(id)) }
func (l *line) symbol(k string, id event.SymbolID)   { l.name(k, l.names.SymbolName(id)) }

// say writes a piece of a text. Names from records of foreign origin may hold
// any byte; what is not printable ASCII is written as an escape.
func (l *line) say(s string) *line {
	const hex = "0123456789abcdef"
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			l.b = append(l.b, '\\', c)
		case c < ' ' || c > '~':
			l.b = append(l.b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			l.b = append(l.b, c)
		}
	}
	return l
}

func (l *line) num(v uint64) *line {
	l.b = strconv.AppendUint(l.b, v, 10)
	return l
}

func (l *line) money(v int64) *line {
	l.b = fixedpoint.AppendDecimal(l.b, v)
	return l
}

func (l *line) sum(v fixedpoint.Int128) *line {
	l.b = v.AppendDecimal(l.b)
	return l
}
