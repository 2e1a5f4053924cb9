package main

import (
	"fmt"
	"os"
	"time"

	// Named anew: a test of this package has a function crash.
	synth "github.com/backstop-fund/backstop/cmd/internal/crash"
	"github.com/backstop-fund/backstop/cmd/internal/venue"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

const (
	demoFund = event.FundID(1)
	// demoCash is what the fund begins with for synth.Full accounts.
	demoCash = 32_000_000
	// demoStart is the time of the synthetic crash's first mark, an hour before
	// midnight of 2024-08-04 UTC.
	demoStart = 1_722_812_400 * int64(time.Second)
)

// demoContract is a contract, the market it trades in, and what its rows in a
// price file may be called.
type demoContract struct {
	id     event.SymbolID
	name   string
	rows   []string
	path   synth.Path
	lot    fixedpoint.Qty
	depth  int64 // of a side of the book, in lots, for synth.Full accounts
	tiers  []event.Tier
	prices []fixedpoint.Price // of the synthetic crash
}

func demoContracts() []demoContract {
	return []demoContract{
		{id: 1, name: "BTCUSDT", rows: []string{"BTC", "BTCUSDT", "BTC/USDT"}, path: synth.Bitcoin(), lot: fixedpoint.One / 1000, depth: 600_000, tiers: demoTiers(bitcoinTiers)},
		{id: 2, name: "ETHUSDT", rows: []string{"ETH", "ETHUSDT", "ETH/USDT"}, path: synth.Ether(), lot: fixedpoint.One / 1000, depth: 8_000_000, tiers: demoTiers(etherTiers)},
	}
}

// demoTier is a row of Binance's published brackets: up to which notional it
// holds, the margin rate in hundredths of a percent, the leverage it admits, and
// the maintenance amount.
type demoTier struct{ limit, rate, leverage, cum int64 }

// The brackets of BTCUSDT and ETHUSDT perpetuals as of 2024-08-01, the last one
// left open.
var (
	bitcoinTiers = []demoTier{
		{50_000, 40, 125, 0}, {600_000, 50, 100, 50}, {3_000_000, 65, 75, 950}, {12_000_000, 100, 50, 11_450},
		{70_000_000, 200, 25, 131_450}, {100_000_000, 250, 20, 481_450}, {230_000_000, 500, 10, 2_981_450},
		{480_000_000, 1000, 5, 14_481_450}, {600_000_000, 1250, 4, 26_481_450}, {800_000_000, 1500, 3, 41_481_450},
		{1_200_000_000, 2500, 2, 121_481_450}, {0, 5000, 1, 421_481_450},
	}
	etherTiers = []demoTier{
		{50_000, 40, 125, 0}, {600_000, 50, 100, 50}, {3_000_000, 65, 75, 950}, {12_000_000, 100, 50, 11_450},
		{50_000_000, 200, 25, 131_450}, {65_000_000, 250, 20, 381_450}, {150_000_000, 500, 10, 2_006_450},
		{320_000_000, 1000, 5, 9_506_450}, {400_000_000, 1250, 4, 17_506_450}, {530_000_000, 1500, 3, 27_506_450},
		{800_000_000, 2500, 2, 80_506_450}, {0, 5000, 1, 280_506_450},
	}
)

func demoTiers(rows []demoTier) []event.Tier {
	tiers := make([]event.Tier, len(rows))
	var floor fixedpoint.Amount
	for i, row := range rows {
		tiers[i] = event.Tier{
			Floor: floor, Cap: fixedpoint.Amount(row.limit * fixedpoint.One),
			MMR: fixedpoint.Rate(row.rate * fixedpoint.One / 10_000), MaxLeverage: fixedpoint.Rate(row.leverage * fixedpoint.One),
			Cum: fixedpoint.Amount(row.cum * fixedpoint.One),
		}
		floor = tiers[i].Cap
	}
	return tiers
}

// demoScenario is everything a demonstration is determined by.
type demoScenario struct {
	accounts  int
	seed      uint64
	contracts []demoContract
	maxAge    time.Duration // of a mark, before it is stale
	people    *synth.Population
	ticks     []demoTick // by time; the first of each contract is its opening mark
	passed    int        // rows of the file that were not replayed
}

// demoTick is a mark to replay.
type demoTick struct {
	contract int // index into contracts
	price    fixedpoint.Price
	nanos    int64
}

// demoPace is how many seconds lie between two marks of a contract. A venue sends
// one a second; every mark costs a look at all who hold the contract, and the
// story is the same.
const demoPace = 2

// synthetic makes the crash up.
func (s *demoScenario) synthetic() {
	for i := range s.contracts {
		s.contracts[i].prices = s.contracts[i].path.Prices(s.seed, uint64(i+1))
	}
	for second := 0; second < len(s.contracts[0].prices); second += demoPace {
		for i := range s.contracts {
			s.ticks = append(s.ticks, demoTick{i, s.contracts[i].prices[second], demoStart + int64(second)*int64(time.Second)})
		}
	}
}

// recorded reads the marks of a price file.
func (s *demoScenario) recorded(path string, sample fixedpoint.Rate) error {
	var symbols []string
	index := make(map[string]int)
	for i, c := range s.contracts {
		index[c.name] = i
		for _, row := range c.rows {
			symbols = append(symbols, fmt.Sprintf("%s=%s:%d", row, c.name, c.id))
		}
	}
	t, err := newMarkTable(symbols, "olhc", time.Minute)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // read only: there is nothing to lose
	if err := t.read(f); err != nil {
		return fmt.Errorf("%s:%w", path, err)
	}
	last := make([]demoTick, len(s.contracts))
	for _, m := range t.marks {
		tick := demoTick{index[m.symbol.name], m.price, m.nanos}
		before := &last[tick.contract]
		if before.nanos != 0 && m.nanos <= before.nanos {
			return fmt.Errorf("%s: two marks of %s at %d ns since 1970: want one", path, m.symbol.name, m.nanos)
		}
		if before.nanos != 0 && tick.nanos-before.nanos < int64(time.Minute) && !moved(before.price, tick.price, sample) {
			s.passed++
			continue
		}
		*before = tick
		s.ticks = append(s.ticks, tick)
	}
	for i, c := range s.contracts {
		if last[i].nanos == 0 {
			return fmt.Errorf("%s:1: no row below it is of %s: want %v in column symbol", path, c.name, c.rows)
		}
	}
	return nil
}

// moved reports whether a price lies at least a share away from another.
func moved(from, to fixedpoint.Price, share fixedpoint.Rate) bool {
	distance := fixedpoint.Mul64(max(int64(to-from), int64(from-to)), fixedpoint.One)
	return !distance.Less(fixedpoint.Mul64(int64(from), int64(share)))
}

// opening is the first mark of a contract.
func (s *demoScenario) opening(contract int) demoTick {
	for _, t := range s.ticks {
		if t.contract == contract {
			return t
		}
	}
	panic("demo: a contract without a mark was let in")
}

// populate makes the traders up, around the opening marks.
func (s *demoScenario) populate() (err error) {
	var contracts []synth.Contract
	for i, c := range s.contracts {
		contracts = append(contracts, synth.Contract{Symbol: c.id, Price: s.opening(i).price, Tick: c.path.Tick, Lot: c.lot, Tiers: c.tiers})
	}
	s.people, err = synth.New(s.seed, s.accounts, contracts)
	return err
}

// scaled is a size for synth.Full accounts, in proportion to those there are.
func (s *demoScenario) scaled(n int64) int64 { return max(1, n*int64(s.accounts)/synth.Full) }

// book opens the market of a contract: within 1 % of the mark, a fiftieth back
// a second.
func (s *demoScenario) book(c *demoContract) (*venue.Book, error) {
	return venue.New(venue.Settings{
		Tick: c.path.Tick, Lot: c.lot, Depth: c.lot * fixedpoint.Qty(s.scaled(c.depth)),
		Width: fixedpoint.One / 100, HalfSpread: fixedpoint.One / 50_000, Refill: fixedpoint.One / 50,
	})
}

// settings is the event that opens a contract.
func (s *demoScenario) settings(c *demoContract) event.Event {
	name, ok := event.MakeName(c.name)
	if !ok {
		panic("demo: a contract's name is none")
	}
	return event.AppendSymbol(nil, &event.SymbolSettings{
		ID: c.id, Name: name, Fund: demoFund, Tick: c.path.Tick, Lot: c.lot, Tiers: c.tiers,
		LiqFee: fixedpoint.One / 200, MaxAge: int64(s.maxAge),
		Interval: 10 * int64(time.Second), FullSize: 20 * c.lot,
		Set: event.SetFund | event.SetTick | event.SetLot | event.SetTiers | event.SetLiqFee | event.SetMaxAge | event.SetInterval | event.SetFullSize,
	})
}
