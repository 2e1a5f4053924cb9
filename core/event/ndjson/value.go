package ndjson

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// The words of each enum are those its package prints, in the order of values.
var (
	eventWords       = words[event.Kind]()[1:] // but none
	fundReasonWords  = words[event.FundReason]()
	transferWords    = words[event.TransferReason]()
	accountModeWords = words[event.AccountMode]()
	engineModeWords  = words[event.EngineMode]()
	sideWords        = words[event.PositionSide]()
	doneWords        = words[event.DoneReason]()
	policyWords      = words[event.Policy]()
	scoreWords       = words[event.Score]()
	liquidationWords = []string{"partial", "full"}
	takeoverWords    = []string{"split", "whole"}
	flagWords        = []string{"suspect"}
)

func words[T interface {
	~uint8
	String() string
}]() (all []string) {
	for v := T(0); v.String() != "unknown"; v++ {
		all = append(all, v.String())
	}
	return all
}

var kindsByWord = func() map[string]event.Kind {
	m := make(map[string]event.Kind, len(eventWords))
	for i, w := range eventWords {
		m[w] = event.Kind(i + 1)
	}
	return m
}()

// The readers below return the zero value for a key that is not there, which is
// every optional key's default unless its caller says otherwise, and after a
// fault.

// want refuses the value of k.
func (o *object) want(k key, what string) {
	t := &o.toks[k]
	o.d.fail(t.at, "%s: want %s, found %s", k, what, clip(o.d.line[t.at:t.end]))
}

// digits returns the text of a number, in quotes or bare; nil if it is neither.
func (o *object) digits(k key) []byte {
	t := o.toks[k]
	switch c := o.d.line[t.at]; {
	case c == '"':
		return o.d.text(t)
	case c == '-' || isDigit(c):
		return o.d.line[t.at:t.end]
	}
	return nil
}

func decimal[T fixedpoint.Price | fixedpoint.Qty | fixedpoint.Amount | fixedpoint.Rate](o *object, k key) T {
	if !o.seen.has(k) || o.d.err != nil {
		return 0
	}
	text := o.digits(k)
	if text == nil {
		o.want(k, "a decimal")
		return 0
	}
	t := &o.toks[k]
	if o.d.line[t.at] != '"' && bytes.ContainsAny(text, "eE") {
		text = plain(text)
	}
	v, err := fixedpoint.Parse[T](text)
	if err == nil {
		return v
	}
	fault, _ := errors.AsType[*fixedpoint.ParseError](err)
	at := t.at
	switch {
	case o.d.line[at] != '"':
		at += min(fault.Offset, t.end-at) // an exponent was written out
	case !t.escaped:
		at += 1 + fault.Offset
	}
	o.d.fail(at, "%s %s: %s", k, clip(o.d.line[t.at:t.end]), fault.Reason)
	return 0
}

func (o *object) price(k key) fixedpoint.Price   { return decimal[fixedpoint.Price](o, k) }
func (o *object) qty(k key) fixedpoint.Qty       { return decimal[fixedpoint.Qty](o, k) }
func (o *object) amount(k key) fixedpoint.Amount { return decimal[fixedpoint.Amount](o, k) }
func (o *object) rate(k key) fixedpoint.Rate     { return decimal[fixedpoint.Rate](o, k) }

// id reads an unsigned 64-bit integer: a number, or a string where the sender's
// numbers are floats.
func (o *object) id(k key) uint64 {
	if !o.seen.has(k) || o.d.err != nil {
		return 0
	}
	v, ok := parseUint(o.digits(k))
	if !ok {
		o.want(k, "an unsigned 64-bit integer")
	}
	return v
}

func (o *object) account(k key) event.AccountID { return event.AccountID(o.id(k)) }

// count reads an integer of 32 bits.
func (o *object) count(k key) uint32 {
	if !o.seen.has(k) || o.d.err != nil {
		return 0
	}
	t := &o.toks[k]
	v, ok := parseUint(o.d.line[t.at:t.end])
	if !ok || v > math.MaxUint32 {
		o.want(k, "an integer from 0 to 4294967295")
	}
	return uint32(v)
}

// time reads nanoseconds since 1970.
func (o *object) time(k key) int64 {
	if !o.seen.has(k) || o.d.err != nil {
		return 0
	}
	t := &o.toks[k]
	text := o.d.line[t.at:t.end]
	v, err := strconv.ParseInt(string(text), 10, 64)
	if unsigned := bytes.TrimPrefix(text, []byte("-")); err != nil || unsigned[0] == '0' && len(unsigned) > 1 {
		o.want(k, "an integer: nanoseconds since 1970")
	}
	return v
}

// duration reads nanoseconds from a text such as "5s", as time.ParseDuration
// does: what is finer than a nanosecond is cut off.
func (o *object) duration(k key) int64 {
	text := o.str(k, `a duration such as "5s" or "100ms"`)
	if text == nil {
		return 0
	}
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		o.want(k, `a duration of 0 or more such as "5s", "100ms" or "8760h"`)
	}
	return int64(v)
}

func (o *object) bool(k key) bool {
	if !o.seen.has(k) || o.d.err != nil {
		return false
	}
	c := o.d.line[o.toks[k].at]
	if c != 't' && c != 'f' {
		o.want(k, "true or false")
	}
	return c == 't'
}

// str returns the text of a string, nil if there is none.
func (o *object) str(k key, what string) []byte {
	if !o.seen.has(k) || o.d.err != nil {
		return nil
	}
	t := o.toks[k]
	if o.d.line[t.at] != '"' {
		o.want(k, what)
		return nil
	}
	return o.d.text(t)
}

// word returns the index of a string in a list.
func (o *object) word(k key, list []string) uint8 {
	text := o.str(k, "a word in quotes")
	if text == nil {
		return 0
	}
	for i, w := range list {
		if w == string(text) {
			return uint8(i)
		}
	}
	o.want(k, "one of "+strings.Join(list, ", "))
	return 0
}

func (o *object) side(k key) event.PositionSide { return event.PositionSide(o.word(k, sideWords)) }

const nameRule = "a name of 1 to 32 printable ASCII characters without space, quote and backslash"

// fund reads a reference to a fund, symbol one to a symbol.
func (o *object) fund(k key) event.FundID {
	return event.FundID(o.refer(k, &o.d.names.funds))
}

func (o *object) symbol(k key) event.SymbolID {
	return event.SymbolID(o.refer(k, &o.d.names.symbols))
}

func (o *object) refer(k key, t *table) uint64 {
	text := o.str(k, nameRule)
	if text == nil {
		return 0
	}
	id := o.d.names.refer(t, text)
	if id == UnknownID {
		o.name(k)
	}
	return id
}

// name reads a name.
func (o *object) name(k key) event.Name {
	text := o.str(k, nameRule)
	if text == nil {
		return event.Name{}
	}
	name, ok := event.MakeName(string(text))
	if !ok {
		o.want(k, nameRule)
	}
	return name
}

// creation reads the name and id of a fund or symbol that is created or updated.
func (o *object) creation(k key, t *table) (name event.Name, id uint64) {
	if name = o.name(k); o.d.err != nil {
		return name, 0
	}
	text := o.str(k, nameRule)
	if _, ok := numbered(text); ok {
		o.want(k, "a name that is not # and a number: those stand for ids")
	}
	if !o.seen.has(keyID) {
		if id = o.d.names.create(t, text); id == UnknownID {
			o.want(k, `an "id" too: the highest possible one is in use`)
		}
		return name, id
	}
	if id = o.id(keyID); id == UnknownID {
		o.want(keyID, "a smaller id: this one is reserved")
	}
	return name, id
}

// parseUint reads an unsigned integer without sign and leading zeros.
func parseUint(b []byte) (uint64, bool) {
	v, err := strconv.ParseUint(string(b), 10, 64)
	return v, err == nil && (b[0] != '0' || len(b) == 1)
}
