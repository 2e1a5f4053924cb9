package fund_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/backstop-fund/backstop/core/fund"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

func TestRestricted(t *testing.T) {
	for _, c := range []struct {
		name string
		fund fund.Fund
		want bool
	}{
		{"no cash, no deficit", fund.Fund{}, false},
		{"one step of deficit", fund.Fund{Cash: -1}, true},
		{"in funds", fund.Fund{Cash: 1}, false},
		{"told so", fund.Fund{Cash: 1, ADLOnly: true}, true},
	} {
		if got := c.fund.Restricted(); got != c.want {
			t.Errorf("%s: Restricted() = %v, want %v", c.name, got, c.want)
		}
	}
}

// Every number a fund shows or is judged by, against the same in fractions.
func TestAgainstFractions(t *testing.T) {
	same := func(t *rapid.T, name string, got fixedpoint.Int256, scale int, want *big.Rat) {
		if g := scaledRat(got, scale); g.Cmp(want) != 0 {
			t.Fatalf("%s = %v, want %v", name, g.FloatString(24), want.FloatString(24))
		}
	}
	for name, draw := range map[string]func(*rapid.T) story{"ordinary": ordinary, "extreme": extreme} {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			s := draw(t)
			x, b, share := s.exposure(), s.books(), s.piece.Share
			notional := fixedpoint.Value(s.inv[0].Qty, s.marks[0]).Abs()
			same(t, "Equity", s.fund.Equity(x), 2, b.equity())
			same(t, "Exposure.Net", x.Net, 2, b.net())
			same(t, "Base", s.fund.Base(x), 2, b.base())
			same(t, "CapNotional", s.fund.CapNotional(x), 3, mul(b.cap, b.base()))
			room := minimum(sub(mul(b.share, b.base()), b.contracts[0].notional()), sub(mul(b.cap, b.base()), b.net()))
			same(t, "Room", s.fund.Room(x, share, notional), 3, room)
			if got := s.fund.WithinCap(x, share, notional); got != b.withinCap() || got != (room.Sign() >= 0) {
				t.Fatalf("WithinCap = %v, want %v with room %v", got, b.withinCap(), room.FloatString(24))
			}
		}))
	}
}

// Cash 10, one contract worth exactly its cost of 10: the cap binds at the step.
func TestWithinCapAtTheEdge(t *testing.T) {
	for _, c := range []struct {
		name   string
		cash   fixedpoint.Amount
		within bool
	}{
		{"one step more", 10*unit + 1, true},
		{"exactly", 10 * unit, true},
		{"one step less", 10*unit - 1, false},
	} {
		f := fund.Fund{Cash: c.cash, Cap: unit}
		var x fund.Exposure
		x.Add(fund.Inventory{Qty: -5 * unit, Cost: -10 * unit}, 2*unit)
		if got := f.WithinCap(x, unit, fixedpoint.Value(5*unit, 2*unit)); got != c.within {
			t.Errorf("%s: WithinCap = %v, want %v", c.name, got, c.within)
		}
	}
}

// A contract of MaxInt64 at a mark value of MaxInt64, a hundred times over, in
// profit by twice that each: sums of what fits an Amount never wrap.
func TestExposureHasRoom(t *testing.T) {
	var x fund.Exposure
	for range 100 {
		x.Add(fund.Inventory{Qty: math.MaxInt64, Cost: -math.MaxInt64}, unit)
	}
	f := fund.Fund{Cash: math.MaxInt64, Cap: math.MaxInt64}
	want := mul(rat(int64(math.MaxInt64)), big.NewRat(201, 1))
	if got := scaledRat(f.Equity(x), 2); got.Cmp(want) != 0 {
		t.Errorf("Equity = %v, want %v", got, want)
	}
	want = mul(rat(int64(math.MaxInt64)), rat(int64(math.MaxInt64)))
	if got := scaledRat(f.CapNotional(x), 3); got.Cmp(want) != 0 {
		t.Errorf("CapNotional = %v, want %v", got, want)
	}
}
