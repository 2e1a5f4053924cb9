package machine_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// queue is a market in which counterparties stand in line: every account is short
// contract 1 at an entry of its own, and holds some of the other contracts. The fund
// may carry nothing, so a bankrupt long of contract 1 is closed against them.
type queue struct {
	*machine.Machine
	fx        *event.Effects
	last      receipts
	n         int
	contracts int
	random    *rand.Rand
	records   []event.Record
	positions []event.PositionState
}

// receipts takes of each receipt how many could have given.
type receipts struct{ candidates int }

func (r *receipts) Effects(batch []event.Effect) {
	for i := range batch {
		if batch[i].Kind == event.EffectReceipt {
			r.candidates = int(batch[i].Candidates)
		}
	}
}

// newQueue opens it with so many holders and contracts, max_counterparties most.
func newQueue(tb testing.TB, holders, contracts, most int) *queue {
	l := machine.Limits{Accounts: holders + 1000, Positions: holders*contracts + 1000, Symbols: contracts, Funds: 1, Orders: 64, Sources: 1}
	m, err := machine.New(l)
	if err != nil {
		tb.Fatal(err)
	}
	q := &queue{Machine: m, n: holders, contracts: contracts, random: rand.New(rand.NewPCG(1, 2))}
	q.fx = event.NewEffects(64, &q.last)
	fund, _ := event.MakeName("USDT")
	q.apply(tb, event.AppendFund(nil, event.FundSettings{ID: 1, Name: fund, ADLOnly: true, HasADLOnly: true}))
	for id := range contracts {
		name, _ := event.MakeName(fmt.Sprintf("C%dUSDT", id+1))
		q.apply(tb, event.AppendSymbol(nil, &event.SymbolSettings{
			ID: event.SymbolID(id + 1), Name: name, Fund: 1, Tick: unit / 100, Lot: unit / 1000, MaxCounterparties: uint32(most),
			Set: event.SetFund | event.SetTick | event.SetLot | event.SetTiers | event.SetMaxDeviation | event.SetMaxCounterparties,
			Tiers: []event.Tier{
				{Cap: 50_000 * unit, MMR: unit / 200},
				{Floor: 50_000 * unit, Cap: 250_000 * unit, MMR: unit / 100, Cum: 250 * unit},
				{Floor: 250_000 * unit, MMR: unit / 50, Cum: 2_750 * unit},
			},
		}))
		q.apply(tb, event.Event{event.Tick(event.SymbolID(id+1), 1_000*unit)})
	}
	for i := range holders {
		q.apply(tb, event.Event{event.Transfer(account(i), 10_000*unit, event.TransferDeposit)})
	}
	// Accounts take positions in no order, so that neighbours in one table are none in another.
	for id := range contracts {
		for _, i := range q.random.Perm(holders) {
			q.apply(tb, event.Event{q.entry(i, event.SymbolID(id+1))})
		}
	}
	return q
}

func (q *queue) entry(i int, id event.SymbolID) event.Record {
	qty := fixedpoint.Qty(unit + q.random.Int64N(1000)*unit/1000)
	if id == 1 || q.random.IntN(2) == 0 {
		qty = -qty
	}
	return event.Fill(account(i), id, event.Both, qty, fixedpoint.Price(900*unit+q.random.Int64N(200*unit)), 0)
}

func (q *queue) apply(tb testing.TB, e event.Event) {
	if _, code := q.Apply(e, q.fx); code != event.Accepted {
		tb.Fatalf("workload drifted: %v refused as %v", e[0].Kind(), code)
	}
}

// bankrupt is a long of contract 1 whose loss is more than its wallet by a
// hundredth of what it paid, so that counterparties get less than the mark.
func (q *queue) bankrupt(i int, size fixedpoint.Qty) event.Event {
	cost := int64(size) / unit * 1_100 * unit
	q.positions = append(q.positions[:0], event.PositionState{Symbol: 1, Qty: size, Value: cost})
	q.records = event.AppendAccountState(q.records[:0], event.AccountReplacement{
		Account: account(q.n + i), Wallet: fixedpoint.Amount(cost) / 12,
	}, q.positions)
	return q.records
}
