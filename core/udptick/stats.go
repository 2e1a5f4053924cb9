package udptick

import "sync/atomic"

// Counter names one of [Stats].
type Counter uint8

// The counters. They add up, after every datagram:
//
//	datagrams = refused_source + forged + replayed + malformed + wrong_session
//	          + unused + heartbeats + session_ends + packets
//	messages  = duplicates + expired + bad_value + ahead + unknown_symbol + stale + ticks
//	skipped   = filled + lost + missing
//	ticks     = delivered + conflated, but for at most one per symbol in waiting
//
// and messages, duplicates, expired are the sums of those of the lines, where
// duplicates are their late and duplicate together; see [LineCounter].
const (
	Datagrams     Counter = iota // datagrams received
	Bytes                        // bytes in them
	RefusedSource                // from an address that is not allowed
	Forged                       // without a good MAC of a known key
	Replayed                     // with a MAC that came before, or is too old to tell
	Malformed                    // not of the form; nothing of them was used
	WrongSession                 // of another session or channel; nothing of them was used
	Unused                       // sbe24 packets of another type: snapshots, requests, rejects
	Heartbeats                   // that told only the next sequence
	SessionEnds                  // that told the end of the session
	Packets                      // with messages of our stream, or one markPriceUpdate

	Messages      // in those packets
	Duplicates    // whose sequence had arrived before, on whichever line
	Expired       // whose sequence is from before the stream began for us, or more than Reach back
	BadValue      // with a price, exponent, flag or time that is none
	Ahead         // whose mark is more than a second in the future
	UnknownSymbol // whose name is not configured, or whose number exceeds the capacity
	Stale         // whose mark is not newer than the symbol's newest
	Ticks         // that became the newest of their symbol

	Gaps       // times that sequences were skipped
	Skipped    // sequences skipped, by all lines
	Filled     // of those, arrived after all
	Lost       // of those, given up: more than Reach back, or of a numbering that ended
	Requests   // for skipped sequences, made
	Unanswered // gaps asked for as often as is allowed, without an answer

	Sessions // changes to another session
	Restarts // times that the publisher began to number anew in the same session
	Silences // times that nothing came for too long

	Delivered // ticks the sink took
	Conflated // ticks a newer one replaced while the sink had no room
	Halts     // halts the sink took
	Resumes   // resumes the sink took
	Doubts    // marks the sink was told to be suspect without a new tick
	Cleared   // marks the sink was told to be good after all

	Waiting       // a level, not a count: symbols with something the sink has no room for
	Missing       // a level: sequences skipped that may still come
	Suspects      // a level: symbols that are suspect since a gap
	ReceiveBuffer // a level: bytes the system granted for waiting datagrams; 0 where it does not say

	counterEnd
)

var counterNames = [counterEnd]string{
	Datagrams: "datagrams", Bytes: "bytes", RefusedSource: "refused_source", Forged: "forged", Replayed: "replayed",
	Malformed: "malformed", WrongSession: "wrong_session", Unused: "unused", Heartbeats: "heartbeats",
	SessionEnds: "session_ends", Packets: "packets",
	Messages: "messages", Duplicates: "duplicates", Expired: "expired", BadValue: "bad_value", Ahead: "ahead",
	UnknownSymbol: "unknown_symbol", Stale: "stale", Ticks: "ticks",
	Gaps: "gaps", Skipped: "skipped", Filled: "filled", Lost: "lost", Requests: "requests", Unanswered: "unanswered",
	Sessions: "sessions", Restarts: "restarts", Silences: "silences",
	Delivered: "delivered", Conflated: "conflated", Halts: "halts", Resumes: "resumes", Doubts: "doubts", Cleared: "cleared",
	Waiting: "waiting", Missing: "missing", Suspects: "suspects", ReceiveBuffer: "receive_buffer",
}

// String returns the counter's name in metrics.
func (c Counter) String() string {
	if c < counterEnd {
		return counterNames[c]
	}
	return "unknown"
}

// Stats is the value of each [Counter] since the feed began.
type Stats [counterEnd]uint64

// published are the counters for other threads: written by the feed's after each
// datagram, read by whoever shows them, a few times a second. Each value is right
// by itself; two may be from either side of a datagram.
type published struct {
	stats [counterEnd]atomic.Uint64
	lines [Lines][lineCounterEnd]atomic.Uint64
}

// update stores what changed. Most counters do not in most datagrams, and a load
// is far cheaper than a store that others can see.
func update(shown []atomic.Uint64, values []uint64) {
	for i := range shown {
		if v := values[i]; shown[i].Load() != v {
			shown[i].Store(v)
		}
	}
}

func (p *published) load() (s Stats) {
	for i := range p.stats {
		s[i] = p.stats[i].Load()
	}
	return s
}

func (p *published) line(l Line) (s LineStats) {
	for i := range p.lines[l] {
		s[i] = p.lines[l][i].Load()
	}
	return s
}
