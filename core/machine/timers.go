package machine

import (
	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/internal/arena"
)

// timers are the open rounds by when they are overdue, a heap of four branches:
// who is overdue now costs what is returned, and to start or stop one a few steps.
// Each account's Round knows its place.
type timers struct {
	heap     []timer
	accounts *account.Table
}

type timer struct {
	due  int64
	slot account.Slot
}

const branches = 4

// newTimers has room for so many rounds.
func newTimers(rounds int, accounts *account.Table) timers {
	return timers{heap: arena.Empty[timer](min(rounds, accounts.Accounts())), accounts: accounts}
}

// next is when the first round is overdue.
func (x *timers) next() int64 {
	if len(x.heap) == 0 {
		return 1<<63 - 1
	}
	return x.heap[0].due
}

// due returns when an account's round is overdue, 0 if no timer runs.
func (x *timers) due(s account.Slot) int64 {
	if i := x.accounts.Round(s).Timer; i != 0 {
		return x.heap[i-1].due
	}
	return 0
}

// start starts an account's timer, or moves it.
func (x *timers) start(s account.Slot, due int64) {
	i := int(x.accounts.Round(s).Timer) - 1
	if i < 0 {
		i = len(x.heap)
		x.heap = append(x.heap, timer{})
	}
	x.settle(i, timer{due, s})
}

// stop ends an account's timer, if one runs.
func (x *timers) stop(s account.Slot) {
	i := int(x.accounts.Round(s).Timer) - 1
	if i < 0 {
		return
	}
	x.accounts.Round(s).Timer = 0
	last := len(x.heap) - 1
	moved := x.heap[last]
	x.heap = x.heap[:last]
	if i < last {
		x.settle(i, moved)
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
	x.accounts.Round(t.slot).Timer = int32(i + 1)
}
