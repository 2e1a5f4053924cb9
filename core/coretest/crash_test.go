package coretest

import (
	"compress/gzip"
	"encoding/csv"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/internal/invariant"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/fixedpoint"
)

var wholeCrash = flag.Bool("whole-crash", false, "compare index and scan over all 29 days of the recorded crash with 20,000 accounts, which takes minutes")

const unit = fixedpoint.One

// minute is one of the recorded ones, of both contracts.
type minute struct {
	nanos  int64
	prices [2][4]fixedpoint.Price // open, low, high, close
}

// recordedMinutes reads the minutes from one time to another.
func recordedMinutes(t *testing.T, from, to int64) (minutes []minute) {
	at := map[int64]int{}
	for _, row := range gzippedCSV(t, "crash_2024_08/binance_spot_1m.csv.gz") {
		ms, err := strconv.ParseInt(row["open_time_ms"], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		nanos := ms * 1e6
		if nanos < from || nanos >= to {
			continue
		}
		i, known := at[nanos]
		if !known {
			i = len(minutes)
			at[nanos] = i
			minutes = append(minutes, minute{nanos: nanos})
		}
		for k, column := range []string{"open", "low", "high", "close"} {
			p, err := fixedpoint.Parse[fixedpoint.Price](row[column])
			if err != nil {
				t.Fatal(err)
			}
			minutes[i].prices[map[string]int{"BTC": 0, "ETH": 1}[row["symbol"]]][k] = p
		}
	}
	return minutes
}

// publishedTiers reads a contract's tiers of the week of the crash; the last is left
// open.
func publishedTiers(t *testing.T, symbol string) (tiers []event.Tier) {
	for _, row := range gzippedCSV(t, "leverage_tiers/binance_um_tiers_2024-08-01.csv.gz") {
		if row["ccxt_symbol"] != symbol {
			continue
		}
		var values [4]int64
		for i, column := range []string{"notional_floor", "notional_cap", "maint_margin_ratio", "cum_maint_amount"} {
			v, err := fixedpoint.Parse[fixedpoint.Amount](row[column])
			if err != nil {
				t.Fatal(err)
			}
			values[i] = int64(v)
		}
		tiers = append(tiers, event.Tier{
			Floor: fixedpoint.Amount(values[0]), Cap: fixedpoint.Amount(values[1]),
			MMR: fixedpoint.Rate(values[2]), Cum: fixedpoint.Amount(values[3]),
		})
	}
	tiers[len(tiers)-1].Cap = 0
	return tiers
}

// gzippedCSV reads a file of the data folder beside the checkout, or skips the test.
func gzippedCSV(t *testing.T, name string) (rows []map[string]string) {
	t.Helper()
	file, err := os.Open(sharedData(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(unzipped)
	header, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	for {
		fields, err := r.Read()
		if err == io.EOF {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		row := make(map[string]string, len(header))
		for i, h := range header {
			row[h] = fields[i]
		}
		rows = append(rows, row)
	}
}

func sharedData(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		path := filepath.Join(dir, "shared", "data", filepath.FromSlash(name))
		if _, err := os.Stat(path); err == nil {
			return path
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Skipf("no folder above the test has shared/data/%s: put the recorded data beside the checkout", name)
		}
		dir = parent
	}
}

// crowd are traders in a recorded market, with a venue that fills most of what is
// asked of it.
type crowd struct {
	*lockstep
	t        *testing.T
	r        *rand.Rand
	accounts int
	marks    [2]fixedpoint.Price
	records  []event.Record
	counts   coverage
}

func newCrowd(t *testing.T, accounts int) *crowd {
	l, err := newLockstep(machine.Limits{Accounts: accounts, Positions: 4 * accounts, Symbols: 2, Funds: 1, Orders: 1 << 12, Sources: 1})
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{lockstep: l, t: t, r: rand.New(rand.NewPCG(1, 10)), accounts: accounts, counts: coverage{}}
	name, _ := event.MakeName("USDT")
	c.play(event.Event{event.SetMode(event.Loading)})
	c.play(event.AppendFund(nil, event.FundSettings{ID: 1, Name: name}))
	c.play(event.Event{event.FundTransfer(1, fixedpoint.Amount(accounts)*300*unit, event.FundDeposit)})
	for i, symbol := range []string{"BTC/USDT:USDT", "ETH/USDT:USDT"} {
		name, _ := event.MakeName(symbol)
		c.play(event.AppendSymbol(nil, &event.SymbolSettings{
			ID: event.SymbolID(i + 1), Name: name, Fund: 1, Tick: unit / 100, Lot: unit / 1000,
			LiqFee: unit / 200, MaxAge: 60e9, Tiers: publishedTiers(t, symbol),
			Set: event.SetFund | event.SetTick | event.SetLot | event.SetTiers | event.SetLiqFee | event.SetMaxAge,
		}))
	}
	return c
}

// play applies an event to both, and lets the venue answer what comes of it.
func (c *crowd) play(e event.Event) {
	c.t.Helper()
	if err := c.step(e); err != nil {
		c.t.Fatalf("event %d, %v: %v", c.events, e[0].Kind(), err)
	}
	effects := c.want.All()
	c.counts.add(effects)
	var answers []event.Record
	for i := range effects {
		x := &effects[i]
		if x.Kind != event.EffectLiquidate && x.Kind != event.EffectOffload {
			continue
		}
		if c.r.IntN(4) > 0 {
			answers = append(answers, event.OrderFill(x.Order, max(x.Qty, -x.Qty), x.Price))
		}
		answers = append(answers, event.OrderDone(x.Order, event.Expired))
	}
	for _, a := range answers {
		c.play(event.Event{a})
	}
}

// enter gives an account positions at the present marks: 3 to 100 times levered,
// most of them small, some across several tiers; one in four isolated, one in ten
// with a long and a short leg.
func (c *crowd) enter(id event.AccountID) {
	r := event.AccountReplacement{Account: id, HasMode: true, Mode: event.Cross}
	first, n := c.r.IntN(2), 1+c.r.IntN(2)
	if id%4 == 0 {
		r.Mode, n = event.Isolated, 1
	}
	var positions []event.PositionState
	add := func(i int, side event.PositionSide, sign fixedpoint.Qty) {
		notional := int64(100*unit) << c.r.IntN(8+c.r.IntN(12))
		notional += c.r.Int64N(notional)
		lots, _ := fixedpoint.MulDiv(notional, 1000, int64(c.marks[i]), fixedpoint.Floor)
		entry := times(c.marks[i], 9900+c.r.Int64N(201), 10_000)
		positions = append(positions, event.PositionState{
			Symbol: event.SymbolID(i + 1), Side: side, ByEntry: true, Value: int64(entry),
			Qty: sign * fixedpoint.Qty(max(1, lots)*unit/1000),
		})
		r.Wallet += fixedpoint.Amount(notional/50 + notional/(3+c.r.Int64N(98)))
	}
	for i := range n {
		i = (first + i) % 2
		if id%10 == 0 {
			add(i, event.Long, 1)
			add(i, event.Short, -1)
			continue
		}
		add(i, event.Both, fixedpoint.Qty(1-2*c.r.IntN(2)))
	}
	c.records = event.AppendAccountState(c.records[:0], r, positions)
	c.play(c.records)
}

// replay plays a minute's marks, its low before its high or after it, a second apart;
// a few traders come back in, or are charged funding.
func (c *crowd) replay(i int, m *minute) {
	order := [4]int{0, 1, 2, 3}
	if i%2 == 1 {
		order = [4]int{0, 2, 1, 3}
	}
	for k, at := range order {
		for symbol := range c.marks {
			if c.marks[symbol] = m.prices[symbol][at]; c.marks[symbol] == 0 {
				c.t.Fatalf("minute %d has no price of contract %d", i, symbol+1)
			}
			c.play(event.Event{event.Tick(event.SymbolID(symbol+1), c.marks[symbol]).At(m.nanos + int64(k)*15e9)})
		}
		id := event.AccountID(1 + c.r.IntN(c.accounts))
		if c.r.IntN(2) == 0 {
			c.enter(id)
		} else {
			c.play(event.Event{event.Transfer(id, fixedpoint.Amount(c.r.Int64N(20*unit)-10*unit), event.TransferFunding)})
		}
	}
}

// TestIndexAgainstScanOverTheCrash compares effect by effect over the day of the crash
// of August 2024, minute by minute. All of it:
//
//	go test ./core/coretest -run OverTheCrash -whole-crash -timeout 1h
func TestIndexAgainstScanOverTheCrash(t *testing.T) {
	const hour = int64(3600e9)
	from, to, accounts := int64(1722801600e9), int64(1722801600e9)+18*hour, 3000 // from 2024-08-04 20:00
	switch {
	case *wholeCrash:
		from, to, accounts = 0, 1<<62, 20_000
	case testing.Short(), raceEnabled, invariant.Enabled:
		from, to, accounts = from+4*hour, from+6*hour, 200
	}
	minutes := recordedMinutes(t, from, to)
	c := newCrowd(t, accounts)
	c.replay(0, &minutes[0])
	for id := range accounts {
		c.enter(event.AccountID(id + 1))
	}
	c.play(event.Event{event.SetMode(event.Live)})
	for i := range minutes[1:] {
		c.replay(i, &minutes[i+1])
		var err error
		switch {
		case i%(len(minutes)/5) == len(minutes)/10:
			err = c.restore()
		case i%200 == 0:
			err = c.same()
		}
		if err != nil {
			t.Fatalf("minute %d: %v", i, err)
		}
	}
	if err := c.same(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d minutes, %d accounts, %d events, %d restores: %v", len(minutes), accounts, c.events, c.restores, c.counts)
	for _, what := range []string{"liquidate", "recovered", "bankrupt equity", "takeover", "deleverage"} {
		if c.counts[what] == 0 {
			t.Errorf("no %s in all of it: the crowd is too calm to tell", what)
		}
	}
	if c.restores == 0 {
		t.Error("no restore in the middle")
	}
}
