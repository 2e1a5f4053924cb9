package machine

import (
	"strings"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/fund"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/core/offload"
	"github.com/backstop-fund/backstop/core/trigger"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// contract is a perpetual contract: its settings, its mark, and the inventory its
// fund holds of it.
//
// What every tick and every check of a holder needs comes first.
type contract struct {
	mark     fixedpoint.Price // last accepted; 0 before the first
	markTime int64            // its own time; 0 if it came before any t
	last     int64            // own time of the last tick, accepted as the mark or not
	held     fixedpoint.Price // a mark that jumped too far; 0 if none
	maxJump  fixedpoint.Rate
	maxAge   int64
	tiers    *margin.Tiers
	halted   bool
	suspect  bool // the last tick was flagged
	// most is at least the largest |qty| anyone holds, and exactly that unless fewer is
	// set: a bound for the overflow check, not part of the state.
	fewer bool
	most  fixedpoint.Qty

	id   event.SymbolID
	name event.Name
	fund int32

	tick         fixedpoint.Price
	lot          fixedpoint.Qty
	liqFee       fixedpoint.Rate
	full         bool
	liqAttempts  int32
	orderTimeout int64
	tryMarket    bool
	whole        bool
	capShare     fixedpoint.Rate
	maxDeviation fixedpoint.Rate
	maxHold      int64
	policy       event.Policy
	score        event.Score
	maxCounter   int
	offload      offload.Settings

	heldTime  int64 // own time of the held mark
	heldSince int64
	heldMore  uint8 // further ticks since the hold began

	bid, ask   fixedpoint.Qty
	depthTime  int64
	depthKnown bool

	inventory    fund.Inventory
	sliceFrom    int64 // when the inventory became non-zero or the last slice was sent; 0 while nothing is held
	offloadOrder event.OrderID

	rankings [2]ranking // of longs and of shorts
}

// noteSize keeps the bound of what anyone holds, when a position changes.
func (c *contract) noteSize(was, is fixedpoint.Qty) {
	c.most = max(c.most, is, -is)
	if was == c.most || was == -c.most {
		c.fewer = true
	}
}

const (
	longs  = int(trigger.Below)
	shorts = int(trigger.Above)
)

func (c *contract) startTime(now int64) {
	if c.mark != 0 && c.markTime == 0 {
		c.markTime = now
	}
	if c.held != 0 && c.heldSince == 0 {
		c.heldSince = now
		if c.heldTime == 0 {
			c.heldTime = now
		}
	}
	if c.depthKnown && c.depthTime == 0 {
		c.depthTime = now
	}
	if c.inventory.Qty != 0 && c.sliceFrom == 0 {
		c.sliceFrom = now
	}
}

// later is t+d, or the end of time.
func later(t, d int64) int64 {
	if s := t + d; s >= t {
		return s
	}
	return 1<<63 - 1
}

// contractOf returns the index of a symbol's contract, or -1 with the refusal
// noted.
func (m *Machine) contractOf(id event.SymbolID) int32 {
	m.refusal.Symbol = id
	m.refusal.Flags |= event.HasSymbol
	return m.symbolIDs.Find(uint64(id))
}

// checkPositive is the code for quantities and prices that must be above zero.
func checkPositive(values ...int64) event.Reject {
	code := event.Accepted
	for _, v := range values {
		switch {
		case v == 0:
			return event.Zero
		case v < 0:
			code = event.Sign
		}
	}
	return code
}

func compareNames(a, b event.Name) int { return strings.Compare(string(a[:]), string(b[:])) }
