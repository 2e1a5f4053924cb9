package udptick

import (
	"fmt"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// risk is a machine behind a feed: account 1 is long 1 of contract 1 at 1000 with
// 100 in its wallet, account 2 is on the other side. Both contracts hold back what
// is further than a tenth from the last mark.
type risk struct {
	*stage
	machine *machine.Machine
	effects *event.Effects
}

func newRisk(t *testing.T) *risk {
	m, err := machine.New(machine.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	r := &risk{machine: m, effects: event.NewEffects(64, nil)}
	r.stage = &stage{T: t, Feed: newFeed(t, Config{}, r), now: noon}
	fund, _ := event.MakeName("USDT")
	r.apply(event.AppendFund(nil, event.FundSettings{ID: 1, Name: fund}))
	r.apply(event.Event{event.FundTransfer(1, 10_000*unit, event.FundDeposit)})
	for id := range event.SymbolID(2) {
		name, _ := event.MakeName(fmt.Sprint("CONTRACT", id+1))
		r.apply(event.AppendSymbol(nil, &event.SymbolSettings{
			ID: id + 1, Name: name, Fund: 1, Tick: unit / 100, Lot: unit / 1000, MaxJump: unit / 10,
			Set:   event.SetFund | event.SetTick | event.SetLot | event.SetTiers | event.SetMaxJump,
			Tiers: []event.Tier{{Cap: 1_000_000 * unit, MMR: unit / 200}},
		}))
	}
	r.apply(event.Event{event.Transfer(1, 100*unit, event.TransferDeposit)})
	r.apply(event.Event{event.Transfer(2, 100_000*unit, event.TransferDeposit)})
	r.tick(LineA, 1, 1, 1000, 0)
	r.apply(event.AppendTrade(nil, event.TradeLegs{Symbol: 1, Qty: unit, Price: 1_000 * unit, Buyer: 1, Seller: 2}))
	r.effects.Reset()
	return r
}

func (r *risk) apply(e event.Event) {
	if _, code := r.machine.Apply(e, r.effects); code != event.Accepted {
		r.Errorf("%v is refused: %v", e[0].Kind(), code)
	}
}

// Offer makes the machine the sink.
func (r *risk) Offer(rec event.Record) bool {
	r.apply(event.Event{rec})
	return true
}

// tick delivers a tick that is so old.
func (r *risk) tick(line Line, sequence uint64, instrument uint32, mark int64, age int64) {
	r.Receive(line, local, packet(sequence, Tick{Instrument: instrument, Mark: fixedpoint.Price(mark) * unit, TimeNanos: r.now - age}), r.now)
	checkSums(r.T, r.Feed)
}

// did checks what the machine did since the last time.
func (r *risk) did(want string) {
	r.Helper()
	var kinds []string
	for _, x := range r.effects.All() {
		kinds = append(kinds, x.Kind.String())
	}
	if got := strings.Join(kinds, " "); got != want {
		r.Errorf("the machine did %q, want %q", got, want)
	}
	r.effects.Reset()
}

// resolved is what happens to account 1 when it is bankrupt and may be closed.
const resolved = "cancel_orders bankrupt takeover ledger fund"

// A gap blocks the contracts that were not heard of since: an account that has lost
// its margin meanwhile is not closed at a mark that may be outdated.
func TestGapBlocksLiquidation(t *testing.T) {
	r := newRisk(t)
	r.tick(LineA, 2, 2, 50, 0)
	r.tick(LineA, 4, 2, 51, -1) // 3 is lost
	r.after(defaultGapNanos)
	withdrawn := event.Event{event.Transfer(1, -102*unit, event.TransferFunding)} // bankrupt at 1000
	r.apply(withdrawn)
	r.did("")
	r.now += milli
	r.tick(LineA, 5, 1, 1000, 0)
	r.did(resolved)
}

// What was lost and comes as an answer ends the block: nothing was missed.
func TestRecoveredGapUnblocks(t *testing.T) {
	r := newRisk(t)
	r.now += milli
	r.tick(LineA, 3, 2, 51, 0)
	r.after(defaultGapNanos)
	r.apply(event.Event{event.Transfer(1, -102*unit, event.TransferFunding)})
	r.did("")
	r.tick(Answers, 2, 2, 50, milli)
	r.did(resolved)
}

// A tick that comes too late to be acted on moves the mark and blocks it at once;
// the next one that is on time acts.
func TestLateTickDoesNotLiquidate(t *testing.T) {
	r := newRisk(t)
	r.now += 6 * second
	r.tick(LineA, 2, 1, 950, 5*second+1) // older than max_age, and newer than the last
	r.tick(LineA, 3, 1, 904, 5*second)   // held up for as long as may be: it counts
	r.did("cancel_orders liquidate")
	r = newRisk(t)
	r.now += 7 * second
	r.tick(LineA, 2, 1, 904, 6*second)
	r.did("")
	r.tick(LineA, 3, 1, 903, 0)
	r.did("cancel_orders liquidate")
}

// A price far from the last is held by the machine, with an alarm, until another
// says the same.
func TestJumpIsHeld(t *testing.T) {
	r := newRisk(t)
	r.now += milli
	r.tick(LineA, 2, 1, 895, 0)
	r.did("alarm")
	r.now += milli
	r.tick(LineA, 3, 1, 894, 0)
	r.did(resolved)
}

// A duplicate of an old tick, on whichever line and however late, changes nothing.
func TestOldTickChangesNothing(t *testing.T) {
	r := newRisk(t)
	r.now += milli
	r.tick(LineA, 2, 1, 904, 0)
	r.did("cancel_orders liquidate")
	digest := r.machine.Digest()
	r.tick(LineB, 1, 1, 1000, milli)
	r.tick(LineA, 1, 1, 1000, milli)
	r.tick(LineA, 3, 1, 1000, milli)
	if r.machine.Digest() != digest {
		t.Error("an old tick changed the state")
	}
	r.did("")
}

// A feed that begins before a machine that has marks already blocks them until they
// are heard of: what was missed in between nobody knows.
func TestRestartedFeedBlocks(t *testing.T) {
	r := newRisk(t)
	r.Feed = newFeed(t, Config{}, r)
	known := 0
	r.machine.Marks(func(id event.SymbolID, mark fixedpoint.Price, last int64) bool {
		known++
		r.Know(id, mark, last)
		return true
	})
	if known != 1 { // contract 2 has no mark
		t.Errorf("%d marks, want 1", known)
	}
	r.after(milli)
	r.apply(event.Event{event.Transfer(1, -102*unit, event.TransferFunding)})
	r.did("")
	r.tick(LineA, 9, 1, 1000, 0)
	r.did(resolved)
}
