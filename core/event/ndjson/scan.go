package ndjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// token is a member of an object: offsets into the line of its key, its value
// and the end of that. The value's first byte says what it is: a quote, a
// brace, a bracket, the letter of true, false or null, and else a number.
type token struct {
	key, at, end int
	escaped      bool // a string with a backslash in it
}

// object holds the members of one object. Decoders reuse it: of toks only those
// in seen mean anything.
type object struct {
	d     *Decoder
	at    int // of the opening brace
	seen  keySet
	order []key // as in the line
	toks  [keyEnd]token
}

// fail keeps the first fault found.
func (d *Decoder) fail(at int, format string, args ...any) {
	if d.err == nil {
		d.err = &SyntaxError{Line: d.lines, Column: at + 1, What: fmt.Sprintf(format, args...)}
	}
}

// checkText refuses a line that is too long or not UTF-8.
func (d *Decoder) checkText() {
	if len(d.line) > MaxLine {
		d.fail(MaxLine, "the line goes on: an event has at most %d bytes", MaxLine)
		return
	}
	if utf8.Valid(d.line) {
		return
	}
	at := 0
	for {
		r, size := utf8.DecodeRune(d.line[at:])
		if r == utf8.RuneError && size == 1 {
			d.fail(at, "byte %#02x is not UTF-8", d.line[at])
			return
		}
		at += size
	}
}

// peek returns the byte at an offset, 0 after the end.
func (d *Decoder) peek(at int) byte {
	if at < len(d.line) {
		return d.line[at]
	}
	return 0
}

// space returns the offset of the next byte that is not white space. A newline
// is none here: it ends an event.
func (d *Decoder) space(at int) int {
	for at < len(d.line) && (d.line[at] == ' ' || d.line[at] == '\t' || d.line[at] == '\r') {
		at++
	}
	return at
}

// object reads the object whose brace is at offset at into o and returns the
// offset after it.
func (d *Decoder) object(o *object, at int) int {
	o.d, o.at, o.seen, o.order = d, at, keySet{}, o.order[:0]
	at = d.space(at + 1)
	if d.peek(at) == '}' {
		return at + 1
	}
	for {
		at = d.member(o, at)
		if d.err != nil {
			return at
		}
		switch d.peek(at) {
		case ',':
			at = d.space(at + 1)
		case '}':
			return at + 1
		default:
			d.fail(at, "want ',' or '}' after the value of %q, found %s", o.order[len(o.order)-1], d.found(at))
			return at
		}
	}
}

// member reads one key and its value.
func (d *Decoder) member(o *object, at int) int {
	if d.peek(at) != '"' {
		d.fail(at, "want a key in quotes, found %s", d.found(at))
		return at
	}
	end, escaped := d.str(at)
	if d.err != nil {
		return end
	}
	name := d.text(token{at: at, end: end, escaped: escaped})
	k, known := keysByName[string(name)]
	switch {
	case d.err != nil:
		return end
	case !known:
		d.fail(at, "key %s is not known", clip(d.line[at:end]))
		return end
	case o.seen.has(k):
		d.fail(at, "key %q is given twice", k)
		return end
	}
	t := token{key: at}
	at = d.space(end)
	if d.peek(at) != ':' {
		d.fail(at, "want ':' after the key %q, found %s", k, d.found(at))
		return at
	}
	t.at = d.space(at + 1)
	t.end, t.escaped = d.value(k, t.at)
	o.seen.add(k)
	o.order = append(o.order, k)
	o.toks[k] = t
	return d.space(t.end)
}

// value returns the end of the value of k at an offset. What is inside an array
// or object is left to those who read it, and what nobody reads is refused.
func (d *Decoder) value(k key, at int) (end int, escaped bool) {
	switch c := d.peek(at); {
	case c == '"':
		return d.str(at)
	case c == '{' || c == '[':
		return d.nested(at), false
	case c == '-' || isDigit(c):
		for end = at + 1; isNumber(d.peek(end)); {
			end++
		}
		return end, false
	}
	for _, w := range [...]string{"true", "false", "null"} {
		if bytes.HasPrefix(d.line[min(at, len(d.line)):], []byte(w)) {
			return at + len(w), false
		}
	}
	d.fail(at, "want a value of %q, found %s", k, d.found(at))
	return at, false
}

// str returns the end of the string whose quote is at an offset.
func (d *Decoder) str(at int) (end int, escaped bool) {
	for i := at + 1; i < len(d.line); i++ {
		switch c := d.line[i]; {
		case c == '"':
			return i + 1, escaped
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			d.fail(i, "control character %#02x in a string: write it as an escape", c)
			return i, escaped
		}
	}
	d.fail(at, "a string without its closing quote")
	return len(d.line), escaped
}

// nested returns the end of the array or object at an offset.
func (d *Decoder) nested(at int) int {
	depth := 0
	for i := at; i < len(d.line); i++ {
		switch d.line[i] {
		case '"':
			end, _ := d.str(i)
			if d.err != nil {
				return end
			}
			i = end - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	d.fail(at, "'%c' is never closed", d.line[at])
	return len(d.line)
}

// text returns what a string says. Escapes are rare (no key, word or name needs
// one, though some encoders write \/), so they may cost.
func (d *Decoder) text(t token) []byte {
	if !t.escaped {
		return d.line[t.at+1 : t.end-1]
	}
	var s string
	if json.Unmarshal(d.line[t.at:t.end], &s) != nil {
		d.fail(t.at, "%s has an escape that JSON does not know", clip(d.line[t.at:t.end]))
	}
	return []byte(s)
}

// found describes what stands at an offset, for an error text.
func (d *Decoder) found(at int) string {
	if at >= len(d.line) {
		return "the end of the line"
	}
	rest := d.line[at:]
	if i := bytes.IndexAny(rest[1:], " \t,:[]{}\""); i >= 0 {
		rest = rest[:i+1]
	}
	return clip(rest)
}

// clipBytes bounds how much of a line an error text repeats.
const clipBytes = 40

// clip shows a piece of the line as it is where that is safe to print.
func clip(b []byte) string {
	s, more := string(b), ""
	if len(s) > clipBytes {
		s, more = s[:clipBytes], "..."
	}
	if !strconv.CanBackquote(s) {
		s = strconv.Quote(s)
	}
	return s + more
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// isNumber reports whether c goes on a number, right or wrong: whoever reads
// the number judges it.
func isNumber(c byte) bool {
	return isDigit(c) || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E'
}
