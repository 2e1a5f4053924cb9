package udptick

// Line is one of the ways by which messages of a stream arrive.
type Line uint8

// A publisher sends every message on line A and again on line B, grouped into
// packets as it likes on each. Answers are what a re-request server sends us.
const (
	LineA Line = iota
	LineB
	Answers

	Lines = 3 // how many there are
)

// String returns the line's name in metrics.
func (l Line) String() string {
	switch l {
	case LineA:
		return "a"
	case LineB:
		return "b"
	case Answers:
		return "answers"
	}
	return "unknown"
}

func (l Line) bit() uint8 { return 1 << l }

// LineCounter names one of [LineStats].
type LineCounter uint8

// The counters of a line. Every message that came on it is one of won, late,
// duplicate and expired:
//
//	messages = won + late + duplicate + expired
//
// Every sequence that line A or B skipped is in gap, and in one of the other four
// as soon as it is known what became of it; Answers have no order to skip in:
//
//	gap = reordered + recovered + lost + open
//
// A line begins with its first packet in a session. One that falls more than
// [Reach] sequences behind the other has skipped them.
const (
	LineDatagrams LineCounter = iota // from an allowed source
	LineMessages                     // in packets of our stream
	LineWon                          // first to bring the sequence
	LineLate                         // another line was first
	LineDuplicate                    // this line had brought it before
	LineExpired                      // from before the stream began for us, or more than Reach back
	LineGap                          // sequences this line skipped
	LineReordered                    // of those, it brought after all
	LineRecovered                    // of those, only another line brought
	LineLost                         // of those, nobody brought
	LineOpen                         // a level: of those, not decided yet
	LineDropped                      // datagrams the kernel had no room for

	lineCounterEnd
)

var lineCounterNames = [lineCounterEnd]string{
	LineDatagrams: "datagrams", LineMessages: "messages", LineWon: "won", LineLate: "late",
	LineDuplicate: "duplicate", LineExpired: "expired", LineGap: "gap", LineReordered: "reordered",
	LineRecovered: "recovered", LineLost: "lost", LineOpen: "open", LineDropped: "dropped",
}

// String returns the counter's name in metrics.
func (c LineCounter) String() string {
	if c < lineCounterEnd {
		return lineCounterNames[c]
	}
	return "unknown"
}

// LineStats is the value of each [LineCounter] since the feed began.
type LineStats [lineCounterEnd]uint64
