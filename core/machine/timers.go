package machine

import (
	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/internal/arena"
)

// timers are the open rounds by when they are overdue, a heap of four branches:
// who is overdue now costs what is returned, and to start or stop one a few steps.
// Each account knows its place.
type timers struct {
	heap     []timer
	accounts *account.Table
}

// timer is of one round.
type timer struct {
	due     int64 // when the next order_timeout alarm is due, or never
	timeout int64 // fixed when the round was sent
	slot    account.Slot
}

// never is when a round is due that was sent before any t.
const never = 1<<63 - 1

const branches = 4

// newTimers has room for so many rounds.
func newTimers(rounds int, accounts *account.Table) timers {
	return timers{heap: arena.Empty[timer](min(rounds, accounts.Accounts())), accounts: accounts}
}

// next is when the first round is overdue.
func (x *timers) next() int64 {
	if len(x.heap) == 0 {
		return never
	}
	return x.heap[0].due
}

// of returns an account's timer, or a zero one.
func (x *timers) of(s account.Slot) timer {
	if i := x.accounts.At(s).Timer; i != 0 {
		return x.heap[i-1]
	}
	return timer{}
}

// start starts the timer of an account, or moves it.
func (x *timers) start(t timer) {
	i := int(x.accounts.At(t.slot).Timer) - 1
	if i < 0 {
		i = len(x.heap)
		x.heap = append(x.heap, timer{})
	}
	x.settle(i, t)
}

// stop ends an account's timer, if one runs.
func (x *timers) stop(s account.Slot) {
	a := x.accounts.At(s)
	i := int(a.Timer) - 1
	if i < 0 {
		return
	}
	a.Timer = 0
	last := len(x.heap) - 1
	moved := x.heap[last]
	x.heap = x.heap[:last]
	if i < last {
		x.settle(i, moved)
	}
}

// begin starts all timers at the first t: none was due before.
func (x *timers) begin(now int64) { x.restart(now, 0) }

// overdue appends to list the accounts whose round is due, and starts their timers
// anew.
func (x *timers) overdue(now int64, list []account.Slot) []account.Slot {
	n := len(x.heap)
	for len(x.heap) > 0 && x.heap[0].due <= now {
		t := x.heap[0]
		x.stop(t.slot)
		x.heap[:n][len(x.heap)] = t // behind the heap, where there is room now
		list = append(list, t.slot)
	}
	left := len(x.heap)
	x.heap = x.heap[:n]
	x.restart(now, left)
	return list
}

// restart starts the timers from the i-th on anew; those before are a heap.
func (x *timers) restart(now int64, i int) {
	rounds := x.heap[i:]
	x.heap = x.heap[:i]
	for _, t := range rounds { // each is read before its place is taken
		x.accounts.At(t.slot).Timer = 0
		t.due = later(now, t.timeout)
		x.start(t)
	}
}

// settle puts t where it belongs, at i or up or down from there.
func (x *timers) settle(i int, t timer) {
	for i > 0 {
		up := (i - 1) / branches
		if x.heap[up].due <= t.due {
			break
		}
		x.put(i, x.heap[up])
		i = up
	}
	for {
		first := branches*i + 1
		if first >= len(x.heap) {
			break
		}
		least := first
		for k := first + 1; k < min(first+branches, len(x.heap)); k++ {
			if x.heap[k].due < x.heap[least].due {
				least = k
			}
		}
		if t.due <= x.heap[least].due {
			break
		}
		x.put(i, x.heap[least])
		i = least
	}
	x.put(i, t)
}

func (x *timers) put(i int, t timer) {
	x.heap[i] = t
	x.accounts.At(t.slot).Timer = int32(i + 1)
}
