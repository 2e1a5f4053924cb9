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
	gave      counter
	n         int
	contracts int
	random    *rand.Rand
	records   []event.Record
	positions []event.PositionState
}

// counter counts the fills of counterparty-liquidations.
type counter struct{ fills, receipts, candidates int }

func (c *counter) Effects(batch []event.Effect) {
	for i := range batch {
		switch batch[i].Kind {
		case event.EffectDeleverage:
			c.fills++
		case event.EffectReceipt:
			c.receipts++
			c.candidates = int(batch[i].Candidates)
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
	q.fx = event.NewEffects(64, &q.gave)
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

// BenchmarkADLRank is a counterparty-liquidation right after a new mark: those on
// the other side are ranked, of whom 10,000 may take part, and the first gives.
func BenchmarkADLRank(b *testing.B) {
	for _, contracts := range []int{1, 3} {
		for _, holders := range []int{1e4, 1e5, 1e6} {
			b.Run(fmt.Sprintf("positions=%d/holders=%.0e", contracts, float64(holders)), func(b *testing.B) {
				q := newQueue(b, holders, contracts, 10_000)
				q.rank(b, 0)
				b.ResetTimer()
				b.ReportAllocs()
				for i := 1; b.Loop(); i++ {
					b.StopTimer()
					q.apply(b, event.Event{event.Tick(1, fixedpoint.Price(1_000*unit+int64(i%2)*unit/100))})
					b.StartTimer()
					q.rank(b, i)
				}
			})
		}
	}
}

// rank is one counterparty-liquidation of one unit, or part of it.
func (q *queue) rank(tb testing.TB, i int) {
	before := q.gave
	q.apply(tb, q.bankrupt(0, unit))
	q.fx.Flush()
	if q.gave.receipts != before.receipts+1 || q.gave.fills == before.fills || q.gave.candidates < 9_000 {
		tb.Fatalf("workload drifted: %d fills, %d candidates in liquidation %d", q.gave.fills-before.fills, q.gave.candidates, i)
	}
}

// BenchmarkADLNext is what follows until the next mark: another bankrupt position
// with the ranking at hand, one unit each.
func BenchmarkADLNext(b *testing.B) {
	q := newQueue(b, 1e5, 3, 10_000)
	q.rank(b, 0)
	b.ReportAllocs()
	for i := 1; b.Loop(); i++ {
		q.rank(b, i)
	}
}

// BenchmarkADLWorst is one tick that bankrupts several accounts, whose positions
// take so many counterparties: all effects out.
func BenchmarkADLWorst(b *testing.B) {
	const fills, bankrupts, holders = 11_279, 40, 20_000
	for _, contracts := range []int{1, 3} {
		b.Run(fmt.Sprintf("positions=%d/fills=%d", contracts, fills), func(b *testing.B) {
			q := newQueue(b, holders, contracts, holders)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				q.refill(b, bankrupts, fills)
				before := q.gave
				b.StartTimer()
				q.apply(b, event.Event{event.Tick(1, 970*unit)})
				q.fx.Flush()
				if n := q.gave.fills - before.fills; n < fills || n > fills+2*bankrupts || q.gave.receipts-before.receipts != bankrupts {
					b.Fatalf("workload drifted: %d fills, %d receipts", n, q.gave.receipts-before.receipts)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*fills), "ns/fill")
		})
	}
}

// refill puts everyone back to where they began, a unit short each, and opens longs
// that the next mark but one will bankrupt, which want so many counterparties.
func (q *queue) refill(tb testing.TB, bankrupts, fills int) {
	q.apply(tb, event.Event{event.Tick(1, 1_000*unit)})
	for i := range q.n {
		list := append(q.positions[:0], event.PositionState{Symbol: 1, Qty: -unit, Value: -1_000*unit - int64(i)*unit/1000})
		for id := 2; id <= q.contracts; id++ {
			list = append(list, event.PositionState{Symbol: event.SymbolID(id), Qty: unit, Value: 1_000 * unit})
		}
		q.positions = list
		q.records = event.AppendAccountState(q.records[:0], event.AccountReplacement{Account: account(i), Wallet: 10_000 * unit}, list)
		q.apply(tb, q.records)
	}
	for i := range bankrupts {
		size := int64(fills / bankrupts)
		if i == 0 {
			size += int64(fills % bankrupts)
		}
		q.positions = append(q.positions[:0], event.PositionState{Symbol: 1, Qty: fixedpoint.Qty(size * unit), Value: size * 1_000 * unit})
		q.records = event.AppendAccountState(q.records[:0], event.AccountReplacement{
			Account: account(q.n + i), Wallet: fixedpoint.Amount(size * 20 * unit),
		}, q.positions)
		q.apply(tb, q.records)
	}
}
