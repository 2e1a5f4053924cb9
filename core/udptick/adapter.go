package udptick

import (
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/udptick/datagram"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Adapter feeds a [Sink] from UDP sockets: one for each line, and one to ask for
// what was lost.
type Adapter struct {
	inlets []inlet
	server *datagram.Socket // nil if there is none to ask
	polled bool
	now    func() int64
	thread atomic.Int64 // set once by Run, read by whoever asks

	// What follows belongs to Run. Where each line has a goroutine that waits for it,
	// mu is held by the one that has something to do.
	mu      sync.Mutex
	feed    *Feed
	last    int64 // what now returned last: stamps never go back
	armed   int64 // when the first inlet's Receive ends at the latest
	request []byte
	looks   uint // of a polling Run
}

// answersEvery is how many looks into the lines there are for one into the answers.
// Those took a way through the network and back: a few microseconds more are nothing
// to them, but a system call is to a mark.
const answersEvery = 16

// Listen opens the sockets. From then on datagrams are kept for [Adapter.Run], as
// many as the receive buffers hold. The error says which setting is wrong, or what
// the system says.
func Listen(config Config, sockets Sockets, sink Sink) (*Adapter, error) {
	feed, err := NewFeed(config, sink)
	if err != nil {
		return nil, err
	}
	inlets, err := sockets.open(&config)
	if err != nil {
		return nil, err
	}
	a := &Adapter{
		inlets: inlets, polled: sockets.BusyPoll, now: sockets.clock(),
		feed: feed, armed: never, request: make([]byte, 0, largestRequest),
	}
	buffer := inlets[0].socket.Status().Buffer
	for _, in := range inlets {
		buffer = min(buffer, in.socket.Status().Buffer)
		if in.line == Answers {
			a.server = in.socket
		}
	}
	feed.stats[ReceiveBuffer] = uint64(buffer)
	feed.show()
	return a, nil
}

// largestRequest has room for a request of either framing and its MAC.
const largestRequest = 128

// Addr returns the address and port of line A.
func (a *Adapter) Addr() netip.AddrPort { return a.inlets[0].socket.Addr() }

// Know is [Feed.Know], before Run.
func (a *Adapter) Know(id event.SymbolID, mark fixedpoint.Price, nanos int64) {
	a.feed.Know(id, mark, nanos)
}

// Stats returns the counters. Any goroutine may ask.
func (a *Adapter) Stats() Stats { return a.feed.Stats() }

// LineStats returns the counters of a line. Any goroutine may ask.
func (a *Adapter) LineStats(line Line) LineStats { return a.feed.LineStats(line) }

// Receptions returns what became of each socket, line A first. Any goroutine may
// ask.
func (a *Adapter) Receptions() []Reception {
	receptions := make([]Reception, 0, len(a.inlets))
	for _, in := range a.inlets {
		receptions = append(receptions, Reception{in.line, in.socket.Status()})
	}
	return receptions
}

// Thread is the number of the thread on which Run polls, for taskset, chrt, perf
// and the like; 0 before it does, where it waits, and where the system tells no
// number.
func (a *Adapter) Thread() int { return int(a.thread.Load()) }

// Close ends Run, and Run is to be waited for by whoever started it. Any
// goroutine may call it; a second call returns an error.
func (a *Adapter) Close() error { return closeAll(a.inlets) }

// Run feeds the sink until Close, after which it returns nil, or until a socket
// fails. It belongs to one goroutine. If it polls, it does so on a thread that is
// made for it; else it waits, on a goroutine more for each socket after the first, which
// have ended when it returns. Receiving does not allocate; a wait that ends without
// a datagram does, at most once a millisecond while the sink is full or a gap is
// open.
func (a *Adapter) Run() error {
	if a.polled {
		ended := make(chan error)
		go func() { ended <- a.poll() }()
		return <-ended
	}
	// There may be something to tell before any datagram comes.
	if err := a.wake(a.stamp(), true); err != nil {
		return a.ended(err)
	}
	var others sync.WaitGroup
	failed := make([]error, len(a.inlets))
	for i := range a.inlets[1:] {
		others.Go(func() { failed[1+i] = a.wait(1 + i) })
	}
	failed[0] = a.wait(0)
	others.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

// poll looks into each socket in turn. Nobody unlocks its thread, which so ends
// with it, and what others gave the thread: a CPU, a priority.
func (a *Adapter) poll() error {
	runtime.LockOSThread()
	a.thread.Store(int64(threadID()))
	for {
		if err := a.look(); err != nil {
			return a.ended(err)
		}
	}
}

// look takes what there is on each socket, and does what is due.
func (a *Adapter) look() error {
	a.looks++
	for i := range a.inlets {
		in := &a.inlets[i]
		if in.line == Answers && a.looks%answersEvery != 0 {
			continue
		}
		batch, err := in.socket.Receive()
		if err != nil {
			return err
		}
		if len(batch) > 0 {
			a.take(in, batch, a.stamp())
		}
	}
	if now := a.stamp(); now >= a.feed.Next() {
		a.feed.Poll(now)
		a.ask(now)
	}
	return nil
}

// wait takes what comes on the i-th socket.
func (a *Adapter) wait(i int) error {
	for {
		if err := a.waitOnce(i); err != nil {
			return a.ended(err)
		}
	}
}

// waitOnce takes one datagram. The first socket's wait also ends when the feed has
// something to do without one.
func (a *Adapter) waitOnce(i int) error {
	in := &a.inlets[i]
	batch, err := in.socket.Receive()
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.stamp()
	woken := len(batch) == 0 && i == 0
	if woken {
		a.feed.Poll(now)
		a.ask(now)
	} else {
		a.take(in, batch, now)
	}
	return a.wake(now, woken)
}

// take feeds datagrams of a line. What the kernel dropped before the last of them
// may be newer than any of them.
func (a *Adapter) take(in *inlet, batch []datagram.Datagram, now int64) {
	for i := range batch {
		d := &batch[i]
		a.feed.Receive(in.line, d.From.Addr(), d.Data, now)
	}
	a.feed.Dropped(in.line, uint32(in.socket.Dropped()))
	a.ask(now)
}

// ask sends the requests that are due. One that is lost is sent again by the
// feed's own reckoning.
func (a *Adapter) ask(now int64) {
	if a.server == nil {
		return
	}
	for {
		request, due := a.feed.Request(a.request[:0], now)
		if !due {
			return
		}
		if a.server.Send(request) != nil {
			return // closed: Run is about to end
		}
	}
}

// wake has the first socket's Receive end when the feed has something to do. A
// wait that ends too early is put right then: moving its end with every datagram
// would cost more than that.
func (a *Adapter) wake(now int64, woken bool) error {
	next := a.feed.Next()
	if !woken && next >= a.armed {
		return nil
	}
	a.armed = next
	var until time.Time
	if next != never {
		until = time.Now().Add(time.Duration(max(next-now, 0)))
	}
	return a.inlets[0].socket.WaitUntil(until)
}

// ended is what Run says to the error of a socket, after it closed the others.
func (a *Adapter) ended(err error) error {
	if err == datagram.ErrClosed {
		return nil
	}
	for _, in := range a.inlets {
		in.socket.Close() // a second time, perhaps
	}
	return err
}

// stamp returns the time, or the last one if the clock went back.
func (a *Adapter) stamp() int64 {
	a.last = max(a.last, a.now())
	return a.last
}
