package simulator

import (
	"math/rand/v2"

	"github.com/backstop-fund/backstop/core/coretest"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// tape is what the senders of a run send, made before it begins: the same events
// whatever becomes of the engine.
type tape struct {
	limits  machine.Limits
	records []event.Record
	ends    []int // of each event, in records
}

func (t *tape) event(i int) event.Event {
	from := 0
	if i > 0 {
		from = t.ends[i-1]
	}
	return event.Event(t.records[from:t.ends[i]])
}

func (t *tape) append(e event.Event) {
	t.records = append(t.records, e...)
	t.ends = append(t.ends, len(t.records))
}

// source makes events for a machine that has had all those before.
type source interface {
	Limits() machine.Limits
	Next(m *machine.Machine) event.Event
	Answer(effects []event.Effect)
}

// record makes a tape of n events. One in eight is by the adversary of package
// coretest, whose events reach every corner of the rules; the others are by a crowd,
// whose events are cheap, and still liquidate, bankrupt and deleverage.
func record(seed uint64, n int) (*tape, error) {
	r := rand.New(rand.NewPCG(seed, 20))
	var s source
	if r.IntN(8) == 0 {
		s = coretest.NewAdversary(r.IntN, new(coretest.Reach))
	} else {
		s = &crowd{r: r, now: 1_760_131_033_000_000_000, price: [2]int64{1000, 500}}
	}
	t := &tape{limits: s.Limits(), records: make([]event.Record, 0, 2*n), ends: make([]int, 0, n)}
	m, err := machine.New(t.limits)
	if err != nil {
		return nil, err
	}
	fx := event.NewEffects(64, nil)
	for range n {
		e := s.Next(m)
		t.append(e)
		fx.Reset()
		m.Apply(e, fx)
		s.Answer(fx.All())
	}
	return t, nil
}

const (
	unit    = fixedpoint.One
	usdt    = event.FundID(1)
	traders = 12
)

// crowd is a dozen traders with thin wallets in two contracts whose marks walk and
// fall, and a venue that answers most orders.
type crowd struct {
	r       *rand.Rand
	opening int // events of it so far
	now     int64
	price   [2]int64
	orders  []event.Effect
	records []event.Record
}

func (c *crowd) Limits() machine.Limits {
	return machine.Limits{Accounts: traders + 4, Positions: 2*traders + 8, Symbols: 2, Funds: 1, Orders: 1 << 8, Sources: 2}
}

func (c *crowd) Answer(effects []event.Effect) {
	for i := range effects {
		if k := effects[i].Kind; k == event.EffectLiquidate || k == event.EffectOffload {
			c.orders = append(c.orders, effects[i])
		}
	}
}

// one is an event of one record.
func (c *crowd) one(r event.Record) event.Event {
	c.records = append(c.records[:0], r)
	return c.records
}

func (c *crowd) Next(*machine.Machine) event.Event {
	c.opening++
	switch c.opening {
	case 1:
		name, _ := event.MakeName("USDT")
		return event.AppendFund(c.records[:0], event.FundSettings{ID: usdt, Name: name})
	case 2:
		return c.one(event.FundTransfer(usdt, 1_000*unit, event.FundDeposit))
	case 3, 4:
		return c.contract(event.SymbolID(c.opening - 2))
	case 5, 6:
		return c.tick(c.opening - 5)
	}
	if c.opening <= 6+traders {
		return c.one(event.Transfer(event.AccountID(c.opening-6), 150*unit, event.TransferDeposit))
	}
	return c.trading()
}

func (c *crowd) contract(id event.SymbolID) event.Event {
	name, _ := event.MakeName([]string{"BTCUSDT", "ETHUSDT"}[id-1])
	return event.AppendSymbol(c.records[:0], &event.SymbolSettings{
		ID: id, Name: name, Fund: usdt, Tick: unit / 100, Lot: unit / 1000, LiqFee: unit / 100,
		Policy: event.Policy(c.r.IntN(4)),
		Set:    event.SetFund | event.SetTick | event.SetLot | event.SetTiers | event.SetLiqFee | event.SetPolicy,
		Tiers:  []event.Tier{{Cap: 10_000 * unit, MMR: unit / 100}, {Floor: 10_000 * unit, MMR: unit / 50, Cum: 100 * unit}},
	})
}

func (c *crowd) tick(symbol int) event.Event {
	c.now += c.r.Int64N(3_000_000_000)
	return c.one(event.Tick(event.SymbolID(symbol+1), fixedpoint.Price(c.price[symbol]*unit)).At(c.now))
}

func (c *crowd) trading() event.Event {
	symbol := c.r.IntN(2)
	id := event.AccountID(1 + c.r.IntN(traders))
	price := fixedpoint.Price(c.price[symbol] * unit)
	var e event.Event
	switch n := c.r.IntN(20); {
	case n < 6:
		c.price[symbol] = max(50, c.price[symbol]*int64(965+c.r.IntN(70))/1000)
		if c.price[symbol] > 5000 {
			c.price[symbol] = 800
		}
		return c.tick(symbol)
	case n < 12:
		e = event.AppendTrade(c.records[:0], event.TradeLegs{
			Symbol: event.SymbolID(symbol + 1), Qty: fixedpoint.Qty(1+c.r.IntN(800)) * unit / 1000, Price: price,
			Buyer: id, Seller: id%traders + 1, BuyerFee: fixedpoint.Amount(c.r.IntN(2)), SellerFee: 1,
		})
	case n < 16 && len(c.orders) > 0:
		return c.answer()
	case n < 18:
		e = c.one(event.Transfer(id, fixedpoint.Amount(c.r.IntN(60)-20)*unit, event.TransferOther))
	case n < 19:
		e = event.AppendAccountState(c.records[:0], event.AccountReplacement{Account: id, Wallet: 150 * unit}, nil)
	default:
		e = c.one(event.FundTransfer(usdt, fixedpoint.Amount(c.r.IntN(200)-90)*unit, event.FundAdjustment))
	}
	c.records = e
	if c.r.IntN(9) == 0 {
		name, _ := event.MakeName("desk")
		e = e.WithSource(event.Source{Name: name}, uint64(c.opening-c.r.IntN(3)))
	}
	return e
}

// answer is the venue's, to the oldest order: a fill and then its end, or the end.
func (c *crowd) answer() event.Event {
	x := &c.orders[0]
	if qty := max(x.Qty, -x.Qty); qty > 0 && c.r.IntN(2) == 0 {
		x.Qty = 0
		return c.one(event.OrderFill(x.Order, qty, x.Price))
	}
	id := x.Order
	c.orders = c.orders[1:]
	return c.one(event.OrderDone(id, event.Expired))
}
