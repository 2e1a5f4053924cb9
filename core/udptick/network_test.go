package udptick

import (
	"container/heap"
	"math/rand/v2"

	"github.com/backstop-fund/backstop/fixedpoint"
)

// weather is what a line does to datagrams.
type weather struct {
	loss, copies float64 // of datagrams lost, and of the rest doubled
	delay        int64   // of every datagram
	jitter       int64   // at most, on top: more than between two of them reorders
}

// flight is a datagram on its way.
type flight struct {
	at       int64
	order    int // of sending: those that arrive together keep it
	line     Line
	request  bool // to the re-request server
	datagram []byte
}

// ether carries datagrams through the weather, in one goroutine, by one seed.
type ether struct {
	random  *rand.Rand
	flights []flight
	order   int
}

func (n *ether) Len() int { return len(n.flights) }
func (n *ether) Less(i, j int) bool {
	a, b := &n.flights[i], &n.flights[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}
func (n *ether) Swap(i, j int) { n.flights[i], n.flights[j] = n.flights[j], n.flights[i] }
func (n *ether) Push(x any)    { n.flights = append(n.flights, x.(flight)) }
func (n *ether) Pop() any {
	last := n.flights[len(n.flights)-1]
	n.flights = n.flights[:len(n.flights)-1]
	return last
}

// send puts a datagram on its way at a time.
func (n *ether) send(w weather, f flight, now int64) {
	if n.random.Float64() < w.loss {
		return
	}
	copies := 1
	if n.random.Float64() < w.copies {
		copies = 2
	}
	for range copies {
		f.at = now + w.delay
		if w.jitter > 0 {
			f.at += n.random.Int64N(w.jitter)
		}
		f.order = n.order
		n.order++
		heap.Push(n, f)
	}
}

// sentTick is what the publisher knows of a tick.
type sentTick struct {
	at  int64 // when it was made
	uid int64 // of all ticks ever made, rising; its mark
}

// exchange publishes ticks on two lines and answers requests.
type exchange struct {
	net     *ether
	lines   [Answers]weather
	regroup bool // line B groups as it likes, and so later
	stream  Stream
	next    uint64
	pending []Tick // made, and not sent on B yet
	first   uint64 // sequence of the first of them
	server  *Server
	signer  *Signer // nil without keys

	made *[instruments][]sentTick
	uids int64
}

const instruments = 24

// make makes a few ticks and sends them.
func (x *exchange) make(now int64) {
	var ticks []Tick
	for i := range 1 + x.net.random.IntN(4) {
		x.uids++
		// Half of the ticks are of a few symbols: the others are heard of seldom.
		instrument := uint32(x.net.random.IntN(instruments))
		if x.net.random.IntN(2) == 0 {
			instrument /= 8
		}
		x.made[instrument] = append(x.made[instrument], sentTick{now, x.uids})
		ticks = append(ticks, Tick{Instrument: instrument, Mark: fixedpoint.Price(x.uids), TimeNanos: now + int64(i)})
	}
	x.server.Keep(x.next, ticks...)
	x.post(LineA, x.stream.AppendPacket(nil, x.next, now, ticks...), now)
	if len(x.pending) == 0 {
		x.first = x.next
	}
	x.next += uint64(len(ticks))
	x.pending = append(x.pending, ticks...)
	if !x.regroup || x.net.random.IntN(3) == 0 {
		x.flush(now)
	}
}

// flush sends on line B what is not sent there.
func (x *exchange) flush(now int64) {
	for len(x.pending) > 0 {
		n := len(x.pending)
		if x.regroup {
			n = 1 + x.net.random.IntN(n)
		}
		x.post(LineB, x.stream.AppendPacket(nil, x.first, now, x.pending[:n]...), now)
		x.pending, x.first = x.pending[n:], x.first+uint64(n)
	}
}

func (x *exchange) heartbeat(now int64) {
	x.flush(now)
	for line := range Answers {
		x.post(line, x.stream.AppendHeartbeat(nil, x.next, now), now)
	}
}

func (x *exchange) post(line Line, datagram []byte, now int64) {
	if x.signer != nil {
		datagram = x.signer.Append(datagram)
	}
	x.net.send(x.lines[line], flight{line: line, datagram: datagram}, now)
}

// answer handles a request that has arrived, and its answer takes line A's weather.
func (x *exchange) answer(request []byte, now int64) {
	if b, ok := x.server.Answer(nil, local, request, now); ok {
		x.net.send(x.lines[LineA], flight{line: Answers, datagram: b}, now)
	}
}
