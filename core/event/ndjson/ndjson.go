// Package ndjson is the text form of events, effects and views: one JSON object
// a line, as EVENTS.md defines it.
//
// A [Decoder] turns a line into an event or refuses it with a [SyntaxError]
// that names line, column and what would be right. The Append functions write
// lines without their line end. [Names] holds the names of funds and symbols,
// which lines use where records carry ids.
//
// # Strictness
//
// A line is refused unless there is exactly one way to read it: unknown keys,
// keys of another event, a key given twice, a missing key, a word that is not in
// the list, a number that is not exact (a ninth decimal, more than an int64 holds)
// or badly written (a leading zero, an exponent in quotes), bytes that are not UTF-8, and anything after
// the object. Whether the rules accept a well-formed event is not asked here.
//
// This is why the scanner is our own. fastjson, the JSON library of the edges,
// keeps the first of two equal keys, reads NaN and 007, and knows no offsets: a
// second scanner would have to find all of that again, and then nothing is left
// for the first one to do. The vocabulary is flat but for three lists and two
// objects, so one pass over the line suffices.
//
// # Without loss
//
// Decode(AppendEvent(e)) is e. A fund or symbol without a bound name is written
// as # and its id ("#7"), and so read back; such a name cannot be given to a new
// one. The one thing text cannot keep is a name that was never bound: a
// reference to it becomes [UnknownID].
package ndjson

import (
	"fmt"
	"math"
)

// UnknownID stands for a fund or symbol whose name is not bound. It is never
// given out, so that the machine refuses the event with unknown_fund or
// unknown_symbol and the run goes on.
const UnknownID = math.MaxUint64

// MaxLine bounds a line without its line end, in bytes: four times the longest
// one AppendEvent writes, an account_state with all the positions it may have.
const MaxLine = 1 << 20

// SyntaxError says why a line is not a well-formed event.
type SyntaxError struct {
	Line   int    // of the input, from 1; blank lines count
	Column int    // byte of the line, from 1
	What   string // what is wrong, and what would be right
}

// Error returns "line:column: what".
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.What)
}
