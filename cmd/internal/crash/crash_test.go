package crash

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

const unit = fixedpoint.One

// market is two contracts with two tiers each.
func market() []Contract {
	tiers := []event.Tier{
		{Cap: 50_000 * unit, MMR: unit / 250, MaxLeverage: 125 * unit},
		{Floor: 50_000 * unit, MMR: unit / 100, Cum: 300 * unit, MaxLeverage: 50 * unit},
	}
	return []Contract{
		{Symbol: 1, Price: 61_000 * unit, Tick: unit / 10, Lot: unit / 1000, Tiers: tiers},
		{Symbol: 2, Price: 2_900 * unit, Tick: unit / 100, Lot: unit / 1000, Tiers: tiers},
	}
}

func TestPopulationHoldsTogether(t *testing.T) {
	for _, accounts := range []int{MinAccounts, MinAccounts + 1, 5_000} {
		p, err := New(7, accounts, market())
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Deposits) != accounts {
			t.Fatalf("%d deposits for %d accounts", len(p.Deposits), accounts)
		}
		equity := make([]fixedpoint.Amount, accounts+1)
		margin := make([]fixedpoint.Amount, accounts+1)
		for i, d := range p.Deposits {
			if d.Account != event.AccountID(i+1) || d.Amount <= 0 {
				t.Fatalf("deposit %d is %v", i, d)
			}
			equity[d.Account] = d.Amount
		}
		for _, tr := range p.Trades {
			c := market()[tr.Symbol-1]
			if tr.Buyer == tr.Seller || tr.Qty <= 0 || tr.Qty%c.Lot != 0 || tr.Price%c.Tick != 0 {
				t.Fatalf("trade %+v: not between two, in lots, on a tick", tr)
			}
			quote, _ := fixedpoint.Quote(tr.Qty, tr.Price)
			value, _ := fixedpoint.Quote(tr.Qty, c.Price)
			equity[tr.Buyer] += value - quote - tr.BuyerFee
			equity[tr.Seller] += quote - value - tr.SellerFee
			// The least any tier asks of an open position.
			margin[tr.Buyer] += value / 125
			margin[tr.Seller] += value / 125
		}
		for a := 1; a <= accounts; a++ {
			if equity[a] < margin[a] {
				t.Fatalf("account %d of %d begins with equity %v for at least %v of initial margin", a, accounts, equity[a], margin[a])
			}
		}
	}
}

func TestSameSeedSamePopulation(t *testing.T) {
	a, err := New(3, 1_000, market())
	if err != nil {
		t.Fatal(err)
	}
	b, _ := New(3, 1_000, market())
	c, _ := New(4, 1_000, market())
	if !slices.Equal(a.Trades, b.Trades) || !slices.Equal(a.Deposits, b.Deposits) {
		t.Error("one seed gives two populations")
	}
	if slices.Equal(a.Trades, c.Trades) {
		t.Error("two seeds give one population")
	}
}

func TestPopulationRefused(t *testing.T) {
	huge := market()
	huge[0].Price = 1 // a notional of a hundred is more than a quantity holds
	for _, c := range []struct {
		accounts  int
		contracts []Contract
		want      string
	}{
		{MinAccounts - 1, market(), "99 accounts: want 100 to 1000000"},
		{MaxAccounts + 1, market(), "1000001 accounts: want 100 to 1000000"},
		{MinAccounts, nil, "0 contracts"},
		{MinAccounts, slices.Repeat(market(), 7), "14 contracts for 100 accounts: want at least one, and at most 12"},
		{MinAccounts, huge, "does not fit"},
	} {
		if _, err := New(1, c.accounts, c.contracts); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d accounts, %d contracts: %v, want an error with %q", c.accounts, len(c.contracts), err, c.want)
		}
	}
}

func TestLeveragesSumToAThousand(t *testing.T) {
	sum := int64(0)
	for i, row := range leverages {
		sum += row.share
		if i > 0 && row.tenths <= leverages[i-1].tenths {
			t.Errorf("row %d does not rise", i)
		}
	}
	if sum != 1000 {
		t.Errorf("shares sum to %d", sum)
	}
}

func TestPaths(t *testing.T) {
	for name, p := range map[string]Path{"bitcoin": Bitcoin(), "ether": Ether()} {
		prices := p.Prices(1, 2)
		if len(prices) != p.Seconds()+1 || !slices.Equal(prices, p.Prices(1, 2)) {
			t.Fatalf("%s: %d prices for %d seconds, or not the same twice", name, len(prices), p.Seconds())
		}
		if slices.Equal(prices, p.Prices(2, 2)) || slices.Equal(prices, p.Prices(1, 3)) {
			t.Errorf("%s: seed or stream do nothing", name)
		}
		for i, w := range p.Waypoints {
			if i > 0 && w.Second <= p.Waypoints[i-1].Second {
				t.Errorf("%s: waypoint %d is not after the one before", name, i)
			}
			// Noise has a memory of 8 seconds: it stays within 8 of its steps.
			level := int64(prices[w.Second]) / (int64(p.Start) / basis)
			if d := level - w.Level; d > 8*p.Noise || d < -8*p.Noise {
				t.Errorf("%s: level %d at second %d, want %d", name, level, w.Second, w.Level)
			}
		}
		for s, price := range prices {
			if price < p.Tick || price%p.Tick != 0 {
				t.Fatalf("%s: price %v at second %d is not on a tick", name, price, s)
			}
		}
	}
}

// A fall from 100 to 80 with a gap in it.
func ExamplePath() {
	p := Path{Start: 100 * unit, Tick: unit / 10, Waypoints: []Waypoint{
		{0, 1_000_000}, {2, 960_000}, {3, 850_000}, {5, 800_000},
	}}
	fmt.Println(p.Prices(1, 1))
	// Output: [100 98 96 85 82.5 80]
}
