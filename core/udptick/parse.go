package udptick

import "fmt"

// ParseError says why bytes are not what they should be.
type ParseError struct {
	Form   string // what was expected: "mold64 packet", "tick" or "markPriceUpdate"
	Offset int    // of the byte that is wrong; where the input ends too early, its length
	Reason string // what is wrong and what would be right
	// Value is set where the form is right and a value in it is not: a [Feed]
	// counts that as [BadValue], all else as [Malformed].
	Value bool
}

// Error tells the form, the place and the reason.
func (e *ParseError) Error() string {
	return fmt.Sprintf("udptick: %s: byte %d: %s", e.Form, e.Offset, e.Reason)
}

// fault is a ParseError in the making: parsers run per datagram, and an error
// value would be an allocation for each bad one. The zero fault is none.
type fault struct {
	reason string
	offset int
	value  bool
}

func (f fault) none() bool { return f.reason == "" }

func (f fault) in(form string) error {
	if f.none() {
		return nil
	}
	return &ParseError{Form: form, Offset: f.offset, Reason: f.reason, Value: f.value}
}
