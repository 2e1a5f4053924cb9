package udptick

// The fields of a markPriceUpdate that are read, as indexes of scanner.fields.
const (
	fieldEvent = iota
	fieldTime
	fieldSymbol
	fieldMark
	fieldIndex
	fieldEnd
	fieldNone = -1

	required = 1<<fieldEvent | 1<<fieldTime | 1<<fieldSymbol | 1<<fieldMark
)

// maxDepth bounds how deep a value that is skipped may nest. No venue sends more
// than a list of lists.
const maxDepth = 8

// span is where a field's text lies in the datagram.
type span struct{ from, to int }

// scanner reads a markPriceUpdate in one pass and notes where its fields are.
// Its methods return false after setting bad.
type scanner struct {
	b       []byte
	i       int // of the next byte
	fields  [fieldEnd]span
	seen    uint // bit per field
	wrapped bool // the fields are those of the object under "data"
	bad     fault
}

func (s *scanner) get(field int) []byte { return s.b[s.fields[field].from:s.fields[field].to] }
func (s *scanner) has(field int) bool   { return s.seen&(1<<field) != 0 }
func (s *scanner) fail(why string) bool { s.bad = fault{offset: s.i, reason: why}; return false }
func (s *scanner) badValue(field int, why string) fault {
	return fault{offset: s.fields[field].from, value: true, reason: why}
}

// scan reads the datagram.
func (s *scanner) scan() fault {
	if s.next() != '{' {
		s.fail("want an object")
		return s.bad
	}
	if !s.object(0, true) {
		return s.bad
	}
	switch s.next(); {
	case s.i != len(s.b):
		s.fail("bytes after the object")
	case s.seen&required != required:
		s.fail("want e, E, s and p")
	case string(s.get(fieldEvent)) != "markPriceUpdate":
		s.i = s.fields[fieldEvent].from
		s.fail("e: want markPriceUpdate")
	}
	return s.bad
}

// next skips white space and returns the byte there, or 0 at the end.
func (s *scanner) next() byte {
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// object reads an object, the scanner standing at its brace. Its members are
// fields if ours is set, else skipped.
func (s *scanner) object(depth int, ours bool) bool {
	s.i++
	if s.next() == '}' {
		s.i++
		return true
	}
	for {
		if s.next() != '"' {
			return s.fail("want a key")
		}
		key, ok := s.text(!ours)
		if !ok {
			return false
		}
		if s.next() != ':' {
			return s.fail("want ':'")
		}
		s.i++
		if ours {
			ok = s.member(s.b[key.from:key.to], depth)
		} else {
			ok = s.skip(depth)
		}
		if !ok {
			return false
		}
		if more, ok := s.more('}'); !more {
			return ok
		}
	}
}

// more reads what is between two members or elements, or the closing byte.
func (s *scanner) more(end byte) (more, ok bool) {
	switch s.next() {
	case ',':
		s.i++
		return true, true
	case end:
		s.i++
		return false, true
	}
	return false, s.fail("want ',' or the end of the object or list")
}

// member reads the value of a key of the update, or of its wrapper.
func (s *scanner) member(key []byte, depth int) bool {
	field := fieldOf(key)
	switch {
	case field == fieldNone && depth == 0 && string(key) == "data" && s.next() == '{':
		if s.seen != 0 || s.wrapped {
			return s.fail("an update inside of an update")
		}
		s.wrapped = true
		return s.object(1, true)
	case field == fieldNone:
		return s.skip(depth)
	case s.has(field):
		return s.fail("a key for the second time")
	case s.wrapped && depth == 0:
		return s.fail("an update around an update")
	}
	var ok bool
	switch c := s.next(); {
	case field == fieldTime:
		s.fields[field], ok = s.integer()
	case c == '"':
		s.fields[field], ok = s.text(false)
	default:
		return s.fail("want a string")
	}
	s.seen |= 1 << field
	return ok
}

func fieldOf(key []byte) int {
	if len(key) == 1 {
		switch key[0] {
		case 'e':
			return fieldEvent
		case 'E':
			return fieldTime
		case 's':
			return fieldSymbol
		case 'p':
			return fieldMark
		case 'i':
			return fieldIndex
		}
	}
	return fieldNone
}

// text reads a string, the scanner standing at its quote, and returns what is
// between the quotes. Escapes are refused where the text will be compared.
func (s *scanner) text(escapes bool) (span, bool) {
	s.i++
	from := s.i
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return span{from, s.i - 1}, true
		case c < ' ':
			return span{}, s.fail("a control character in a string")
		case c != '\\':
			s.i++
		case !escapes:
			return span{}, s.fail("an escape in a key or a field")
		case !s.escape():
			return span{}, false
		}
	}
	return span{}, s.fail("ends inside a string")
}

// escape reads a backslash and what belongs to it.
func (s *scanner) escape() bool {
	s.i++
	if s.i == len(s.b) {
		return s.fail("ends inside a string")
	}
	switch s.b[s.i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.i++
		return true
	case 'u':
		s.i++
		for range 4 {
			if s.i == len(s.b) || !isHex(s.b[s.i]) {
				return s.fail("want four hexadecimal digits")
			}
			s.i++
		}
		return true
	}
	return s.fail("no such escape")
}

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

func isDigit(c byte) bool { return c-'0' <= 9 }

// integer reads a number that has neither fraction nor exponent.
func (s *scanner) integer() (span, bool) {
	from := s.i
	if !s.number() {
		return span{}, false
	}
	for i := from; i < s.i; i++ {
		switch s.b[i] {
		case '.', 'e', 'E':
			s.i = i
			return span{}, s.fail("E: want an integer")
		}
	}
	return span{from, s.i}, true
}

// number reads a JSON number.
func (s *scanner) number() bool {
	if s.at('-') {
		s.i++
	}
	switch {
	case s.at('0'):
		s.i++
	case !s.digits():
		return false
	}
	if s.at('.') {
		s.i++
		if !s.digits() {
			return false
		}
	}
	if s.at('e') || s.at('E') {
		s.i++
		if s.at('+') || s.at('-') {
			s.i++
		}
		return s.digits()
	}
	return true
}

func (s *scanner) at(c byte) bool { return s.i < len(s.b) && s.b[s.i] == c }

func (s *scanner) digits() bool {
	from := s.i
	for s.i < len(s.b) && isDigit(s.b[s.i]) {
		s.i++
	}
	if s.i == from {
		return s.fail("want a value, or a digit of a number")
	}
	return true
}

// skip reads a value of any kind.
func (s *scanner) skip(depth int) bool {
	c := s.next()
	if (c == '{' || c == '[') && depth == maxDepth {
		return s.fail("nested too deep: want at most 8 levels")
	}
	switch c {
	case '{':
		return s.object(depth+1, false)
	case '[':
		return s.list(depth + 1)
	case '"':
		_, ok := s.text(true)
		return ok
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.number()
}

// list reads a list, the scanner standing at its bracket.
func (s *scanner) list(depth int) bool {
	s.i++
	if s.next() == ']' {
		s.i++
		return true
	}
	for {
		if !s.skip(depth) {
			return false
		}
		if more, ok := s.more(']'); !more {
			return ok
		}
	}
}

func (s *scanner) literal(word string) bool {
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		return s.fail("want true, false or null")
	}
	s.i += len(word)
	return true
}
