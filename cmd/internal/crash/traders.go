package crash

import (
	"fmt"
	"math/rand/v2"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// MinAccounts and MaxAccounts bound a population: below the one it would be
// whales and little else, above the other its whales' positions would reach the
// last tiers.
const (
	MinAccounts = 100
	MaxAccounts = 1_000_000
)

// Full is the population the sizes of whales are made for; smaller ones have
// proportionally smaller whales, so that the story stays the same.
const Full = 100_000

// whales is how many accounts of each contract are whales and their desks.
const whales = 8

// Contract is what traders need to know of one.
type Contract struct {
	Symbol event.SymbolID
	Price  fixedpoint.Price // at which the traders' equity is measured
	Tick   fixedpoint.Price
	Lot    fixedpoint.Qty
	Tiers  []event.Tier // their MaxLeverage bounds what traders take
}

// Deposit is the first transfer of an account.
type Deposit struct {
	Account event.AccountID
	Amount  fixedpoint.Amount
}

// Population is traders with positions, one deposit each, in ascending order of
// accounts from 1. Every trade has two sides, so quantities sum to zero.
type Population struct {
	Deposits []Deposit
	Trades   []event.TradeLegs
}

// Fees of a trade, as shares of its quote.
const (
	takerFee = fixedpoint.One * 5 / 10_000
	makerFee = fixedpoint.One * 2 / 10_000
)

// leverages is how much of it traders take: tenths of the notional over the
// equity, and how many in a thousand take up to so much more than the row before.
var leverages = []struct{ share, tenths int64 }{
	{0, 10}, // nobody has less
	{220, 30}, {300, 80}, {250, 200}, {150, 500}, {80, 1250},
}

// builder adds up what each account needs to carry its trades.
type builder struct {
	r         *rand.Rand
	contracts []Contract
	scale     int64 // accounts of the population
	needs     []need
	out       Population
}

type need struct {
	leverage int64             // tenths
	margin   fixedpoint.Amount // notional / leverage, of all positions
	behind   fixedpoint.Amount // losses at the contract's price, and fees
}

// New makes up a population of so many accounts. It is refused outside
// MinAccounts and MaxAccounts, without contracts, and where a quantity or a quote
// would not fit.
func New(seed uint64, accounts int, contracts []Contract) (*Population, error) {
	if accounts < MinAccounts || accounts > MaxAccounts {
		return nil, fmt.Errorf("crash: %d accounts: want %d to %d", accounts, MinAccounts, MaxAccounts)
	}
	if len(contracts) == 0 || whales*len(contracts) > accounts {
		return nil, fmt.Errorf("crash: %d contracts for %d accounts: want at least one, and at most %d", len(contracts), accounts, accounts/whales)
	}
	b := &builder{r: rand.New(rand.NewPCG(seed, 0)), contracts: contracts, scale: int64(accounts), needs: make([]need, accounts)}
	for i := range b.needs {
		b.needs[i].leverage = b.leverage()
	}
	crowd := accounts - whales*len(contracts)
	for i := 0; i+1 < crowd; i += 2 {
		if err := b.crowd(i); err != nil {
			return nil, err
		}
	}
	if err := b.whales(crowd); err != nil {
		return nil, err
	}
	for i, n := range b.needs {
		// One unit more keeps even a trader without a position from being empty.
		b.out.Deposits = append(b.out.Deposits, Deposit{event.AccountID(i + 1), n.margin + n.behind + fixedpoint.One})
	}
	return &b.out, nil
}

// leverage draws one by the table.
func (b *builder) leverage() int64 {
	n := b.r.Int64N(1000)
	for i, row := range leverages[1:] {
		if n < row.share {
			low := leverages[i].tenths
			return low + b.r.Int64N(row.tenths-low)
		}
		n -= row.share
	}
	panic("crash: the shares of leverages do not sum to a thousand")
}

// whales are four leveraged longs in each contract, a few gaps from ruin, each
// against a desk that has half the notional as margin. They are the last accounts:
// the fund has taken what small positions it can before it comes to theirs.
func (b *builder) whales(next int) error {
	for c := range b.contracts {
		for w := range int64(whales / 2) {
			long, desk := next, next+1
			next += 2
			b.needs[long].leverage = 130 + 20*w
			b.needs[desk].leverage = 20
			notional := fixedpoint.Amount((6_000_000 + 2_500_000*w) * b.scale / Full * fixedpoint.One)
			if err := b.trade(c, long, desk, notional); err != nil {
				return err
			}
		}
	}
	return nil
}

// crowd lets two traders trade with each other, and one in six of the first also
// with somebody else in any contract.
func (b *builder) crowd(i int) error {
	x, y := i, i+1
	if b.r.IntN(2) == 0 {
		x, y = y, x
	}
	// Six in ten trade in the first contract.
	c := 0
	if b.r.IntN(10) >= 6 {
		c = b.r.IntN(len(b.contracts))
	}
	if err := b.trade(c, x, y, b.size()); err != nil {
		return err
	}
	other := b.r.IntN(i + 1)
	if b.r.IntN(6) > 0 || other == x {
		return nil
	}
	return b.trade(b.r.IntN(len(b.contracts)), x, other, b.size())
}

// size draws a notional: from 100 upwards, each doubling rarer by 0.62, at most
// 819,200.
func (b *builder) size() fixedpoint.Amount {
	n := int64(100)
	for n < 409_600 && b.r.IntN(100) < 62 {
		n *= 2
	}
	return fixedpoint.Amount((n + b.r.Int64N(n)) * fixedpoint.One)
}

// trade books a trade of about a notional within 1.5 % of the contract's price,
// at least a lot, and what both sides need for it.
func (b *builder) trade(contract, buyer, seller int, notional fixedpoint.Amount) error {
	c := &b.contracts[contract]
	lots, ok := fixedpoint.MulDiv(int64(notional), fixedpoint.One, int64(c.Price), fixedpoint.Floor)
	if !ok {
		return fmt.Errorf("crash: contract %d: a notional of %v at %v does not fit a quantity", c.Symbol, notional, c.Price)
	}
	qty := max(c.Lot, fixedpoint.Qty(lots)/c.Lot*c.Lot)
	price, ok := fixedpoint.MulDiv(int64(c.Price), 985_000+b.r.Int64N(30_001), basis, fixedpoint.HalfEven)
	if !ok {
		return fmt.Errorf("crash: contract %d: a price near %v does not fit", c.Symbol, c.Price)
	}
	t := event.TradeLegs{
		Symbol: c.Symbol, Qty: qty, Price: max(c.Tick, fixedpoint.Price(price).Floor(c.Tick)),
		Buyer: event.AccountID(buyer + 1), Seller: event.AccountID(seller + 1),
	}
	quote, ok := fixedpoint.Quote(t.Qty, t.Price)
	value, fits := fixedpoint.Quote(t.Qty, c.Price)
	if !ok || !fits || value > 1<<60 {
		return fmt.Errorf("crash: contract %d: %v at %v does not fit an amount", c.Symbol, t.Qty, t.Price)
	}
	t.BuyerFee, t.SellerFee = share(quote, takerFee), share(quote, makerFee)
	b.needs[buyer].add(c, value, quote-value, t.BuyerFee)
	b.needs[seller].add(c, value, value-quote, t.SellerFee)
	b.out.Trades = append(b.out.Trades, t)
	return nil
}

// add adds a position of a value, so far behind (or ahead, negative).
func (n *need) add(c *Contract, value, behind, fee fixedpoint.Amount) {
	leverage := min(n.leverage, maxLeverage(c.Tiers, value))
	margin, _ := fixedpoint.MulDiv(int64(value), 10, leverage, fixedpoint.Ceil)
	n.margin += fixedpoint.Amount(margin)
	n.behind += max(0, behind) + fee
}

// maxLeverage is in tenths what the tier of a notional admits.
func maxLeverage(tiers []event.Tier, notional fixedpoint.Amount) int64 {
	for _, t := range tiers {
		if (t.Cap == 0 || notional <= t.Cap) && t.MaxLeverage > 0 {
			return int64(t.MaxLeverage) / (fixedpoint.One / 10)
		}
	}
	return 10
}

// share is a rate's part of an amount that is at most 1<<60: it fits.
func share(a fixedpoint.Amount, rate int64) fixedpoint.Amount {
	v, _ := fixedpoint.MulDiv(int64(a), rate, fixedpoint.One, fixedpoint.HalfEven)
	return fixedpoint.Amount(v)
}
