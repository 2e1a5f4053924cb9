package udptick

import "sync/atomic"

// Counter names one of [Stats].
type Counter uint8

// The counters. Every datagram is counted in Datagrams and in one of
// RefusedSource, Malformed, WrongSession, Heartbeats, SessionEnds and Packets.
// Every message of a packet is counted in Messages and in one of Duplicates,
// Expired, BadValue, Ahead, UnknownSymbol, Stale and Ticks. Ticks is Delivered
// and Conflated together, but for at most one tick per symbol in Waiting.
const (
	Datagrams     Counter = iota // datagrams received
	Bytes                        // bytes in them
	RefusedSource                // from an address that is not allowed
	Malformed                    // not of the form; nothing of them was used
	WrongSession                 // of another session; nothing of them was used
	Heartbeats                   // that told only the next sequence
	SessionEnds                  // that told the end of the session
	Packets                      // with messages of our session, or one markPriceUpdate

	Messages      // in those packets
	Duplicates    // whose sequence had arrived before
	Expired       // whose sequence is from before the feed began, or more than 1,024 back
	BadValue      // with a price, exponent, flag or time that is none
	Ahead         // whose mark is more than a second in the future
	UnknownSymbol // whose name is not configured, or whose number exceeds the capacity
	Stale         // whose mark is not newer than the symbol's newest
	Ticks         // that became the newest of their symbol

	Gaps // times that sequences were skipped
	Lost // sequences skipped
	Late // of those, arrived after all; Lost - Late are missing

	Delivered // ticks the sink took
	Conflated // ticks a newer one replaced while the sink had no room
	Halts     // halts the sink took
	Resumes   // resumes the sink took

	Waiting       // a level, not a count: symbols with something the sink has no room for
	ReceiveBuffer // a level: bytes the system granted for waiting datagrams; 0 where it does not say

	counterEnd
)

var counterNames = [counterEnd]string{
	Datagrams: "datagrams", Bytes: "bytes", RefusedSource: "refused_source", Malformed: "malformed",
	WrongSession: "wrong_session", Heartbeats: "heartbeats", SessionEnds: "session_ends", Packets: "packets",
	Messages: "messages", Duplicates: "duplicates", Expired: "expired", BadValue: "bad_value", Ahead: "ahead",
	UnknownSymbol: "unknown_symbol", Stale: "stale", Ticks: "ticks",
	Gaps: "gaps", Lost: "lost", Late: "late",
	Delivered: "delivered", Conflated: "conflated", Halts: "halts", Resumes: "resumes",
	Waiting: "waiting", ReceiveBuffer: "receive_buffer",
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

// published is Stats for other threads: written by the feed's after each
// datagram, read by whoever shows it, a few times a second. Each value is right
// by itself; two may be from either side of a datagram.
type published [counterEnd]atomic.Uint64

// update stores what changed. Most counters do not in most datagrams, and a load
// is far cheaper than a store that others can see.
func (p *published) update(s *Stats) {
	for i, v := range s {
		if p[i].Load() != v {
			p[i].Store(v)
		}
	}
}

func (p *published) load() (s Stats) {
	for i := range p {
		s[i] = p[i].Load()
	}
	return s
}
