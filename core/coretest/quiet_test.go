package coretest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/internal/invariant"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// calm makes events of a market in which most decide nothing: accounts of all modes
// that trade a little, among them some so near their margin that a little is too much.
type calm struct {
	*rand.Rand
	now      int64
	sequence uint64
	mark     [3]fixedpoint.Price
	orders   []event.Effect
	records  []event.Record
}

const calmAccounts = 12

func (c *calm) limits() machine.Limits {
	return machine.Limits{Accounts: calmAccounts + 1, Positions: 4 * calmAccounts, Symbols: 3, Funds: 1, Orders: 64, Sources: 1}
}

// opening yields the events before the market.
func (c *calm) opening(yield func(event.Event) bool) {
	one := func(r event.Record) bool { return yield(event.Event{r}) }
	usdt, _ := event.MakeName("USDT")
	ok := yield(event.AppendFund(nil, event.FundSettings{ID: 1, Name: usdt})) &&
		one(event.FundTransfer(1, 2_000*fixedpoint.One, event.FundDeposit))
	for i := range c.mark {
		name, _ := event.MakeName(fmt.Sprintf("C%dUSDT", i))
		c.mark[i] = fixedpoint.Price(100+c.IntN(900)) * fixedpoint.One
		ok = ok && yield(event.AppendSymbol(nil, &event.SymbolSettings{
			ID: event.SymbolID(i + 1), Name: name, Fund: 1, Tick: 1, Lot: fixedpoint.One / 1000, LiqFee: fixedpoint.One / 100, MaxAge: 3_600e9,
			Set: event.SetFund | event.SetTick | event.SetLot | event.SetTiers | event.SetLiqFee | event.SetMaxAge,
			Tiers: []event.Tier{
				{Cap: 1_000 * fixedpoint.One, MMR: fixedpoint.One / 200},
				{Floor: 1_000 * fixedpoint.One, Cap: 3_000 * fixedpoint.One, MMR: fixedpoint.One / 100, Cum: 5 * fixedpoint.One},
				{Floor: 3_000 * fixedpoint.One, MMR: fixedpoint.One / 50, Cum: 35 * fixedpoint.One},
			},
		})) && yield(c.tick(i))
	}
	for id := range event.AccountID(calmAccounts) {
		ok = ok && yield(c.state(id+1))
	}
}

func (c *calm) stamped(e event.Event) event.Event {
	c.records = e
	if c.IntN(8) > 0 {
		c.now += c.Int64N(50_000_000)
		e[0].SetTime(c.now)
	}
	if c.IntN(3) == 0 {
		c.sequence += uint64(min(c.IntN(16), 1))
		e[0].SetSource(7, c.sequence)
	}
	return e
}

func (c *calm) one(r event.Record) event.Event { return c.stamped(append(c.records[:0], r)) }

func (c *calm) tick(i int) event.Event {
	c.mark[i] += c.mark[i] / 1000 * fixedpoint.Price(c.IntN(5)-2)
	c.now += c.Int64N(50_000_000)
	return append(c.records[:0], event.Tick(event.SymbolID(i+1), c.mark[i]).At(c.now))
}

// side is what accounts of an id hold: one in four keeps two legs.
func (c *calm) side(id event.AccountID) event.PositionSide {
	if id%4 == 1 {
		return event.Long + event.PositionSide(c.IntN(2))
	}
	return event.Both
}

// contract is one that an account may hold: isolated ones have one.
func (c *calm) contract(id event.AccountID) int {
	if id%4 == 0 {
		return int(id/4) % len(c.mark)
	}
	return c.IntN(len(c.mark))
}

// state makes an account new, with a wallet from just its margin to plenty.
func (c *calm) state(id event.AccountID) event.Event {
	var positions []event.PositionState
	notional := fixedpoint.Amount(0)
	add := func(i int, side event.PositionSide, qty fixedpoint.Qty) {
		value, _ := fixedpoint.Quote(qty, c.mark[i])
		positions = append(positions, event.PositionState{Symbol: event.SymbolID(i + 1), Side: side, Qty: qty, Value: int64(value)})
		notional += max(value, -value)
	}
	qty := func() fixedpoint.Qty { return fixedpoint.Qty(1+c.IntN(8_000)) * fixedpoint.One / 1000 }
	r := event.AccountReplacement{Account: id, HasMode: true}
	switch id % 4 {
	case 0:
		r.Mode = event.Isolated
		add(c.contract(id), event.Both, -qty())
	case 1:
		for i := range c.mark {
			add(i, event.Long, qty())
			add(i, event.Short, -qty())
		}
	default:
		for i := range c.mark {
			if q := qty(); c.IntN(2) == 0 {
				add(i, event.Both, q)
			} else {
				add(i, event.Both, -q)
			}
		}
	}
	r.Wallet = notional/50 + notional/1000*fixedpoint.Amount(c.IntN(400)*c.IntN(2)) + 1
	return event.AppendAccountState(c.records[:0], r, positions)
}

func (c *calm) next() event.Event {
	id := event.AccountID(1 + c.IntN(calmAccounts))
	i := c.contract(id)
	qty := fixedpoint.Qty(1+c.IntN(1<<c.IntN(12))) * fixedpoint.One / 1000
	price := c.mark[i] + c.mark[i]/10_000*fixedpoint.Price(c.IntN(5)-2)
	fee := fixedpoint.Amount(c.IntN(3)-1) * fixedpoint.Amount(c.IntN(1_000_000))
	switch n := c.IntN(20); {
	case n < 5:
		return c.stamped(c.tick(c.IntN(len(c.mark))))
	case n < 9:
		side := c.side(id)
		if c.IntN(2) == 0 {
			qty = -qty
		}
		return c.one(event.Fill(id, event.SymbolID(i+1), side, qty, price, fee))
	case n < 13:
		other := event.AccountID(1 + c.IntN(calmAccounts))
		return c.stamped(event.AppendTrade(c.records[:0], event.TradeLegs{
			Symbol: event.SymbolID(i + 1), Qty: qty, Price: price, Buyer: id, Seller: other,
			BuyerSide: c.side(id), SellerSide: c.side(other), BuyerFee: fee, SellerFee: fee * fixedpoint.Amount(c.IntN(2)),
		}))
	case n < 16:
		reason := []event.TransferReason{event.TransferDeposit, event.TransferWithdrawal, event.TransferOther}[c.IntN(3)]
		return c.one(event.Transfer(id, fixedpoint.Amount(c.IntN(41)-20)*fixedpoint.One/4, reason))
	case n < 17:
		return c.state(id)
	case n < 19 && len(c.orders) > 0:
		x := c.orders[0]
		if left := max(x.Qty, -x.Qty); left > 0 {
			c.orders[0].Qty = 0
			return c.one(event.OrderFill(x.Order, left, x.Price))
		}
		c.orders = c.orders[1:]
		return c.one(event.OrderDone(x.Order, event.Expired))
	}
	c.now += c.Int64N(1_000_000_000)
	return append(c.records[:0], event.Time(c.now))
}

// Events that decide nothing are booked the short way, and nothing tells it from the
// long one, which a machine that scans always goes: effects, and the state after
// every event.
func TestQuietEventsAgainstTwin(t *testing.T) {
	worlds, events := uint64(60), 1_500
	if testing.Short() || raceEnabled || invariant.Enabled {
		worlds = 6
	}
	var total quiet
	applied := 0
	for seed := uint64(1); seed <= worlds; seed++ {
		c := &calm{Rand: rand.New(rand.NewPCG(seed, 31)), now: 1_760_131_034_000_000_000}
		l, err := newLockstep(c.limits())
		if err != nil {
			t.Fatal(err)
		}
		step := func(e event.Event) {
			if err := l.step(e); err != nil {
				t.Fatalf("seed %d, event %d: %v\n%v", seed, l.events, err, e)
			}
			if err := l.same(); err != nil {
				t.Fatalf("seed %d, event %d: %v\n%v", seed, l.events, err, e)
			}
			for _, x := range l.want.All() {
				if x.Kind == event.EffectLiquidate || x.Kind == event.EffectOffload {
					c.orders = append(c.orders, x)
				}
			}
		}
		for e := range c.opening {
			step(e)
		}
		for range events {
			step(c.next())
		}
		for i, n := range l.quiet {
			total[i] += n
		}
		applied += l.events
	}
	for i, n := range total {
		t.Logf("%7d of %d quiet: %s", n, applied, quietNames[i])
		if n < uint64(applied)/1000 {
			t.Errorf("of %d events %d were a quiet %s: too few to tell", applied, n, quietNames[i])
		}
	}
}
