package adl_test

import (
	"cmp"
	"flag"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/backstop-fund/backstop/core/adl"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

const unit = fixedpoint.One

var kinds = []event.Score{event.ScoreBinance, event.ScoreBitMEX, event.ScoreHyperliquid}

// A property here costs microseconds: look at more than rapid's hundred cases.
// The flag on the command line still decides.
func init() {
	checks := "3000"
	if raceEnabled {
		checks = "300"
	}
	if err := flag.Set("rapid.checks", checks); err != nil {
		panic(err)
	}
}

// wide is v in units of 1e-8.
func wide(v int64) fixedpoint.Int128 { return fixedpoint.Int128From(v) }

func bigOf(v fixedpoint.Int128) *big.Int {
	z := new(big.Int).Lsh(big.NewInt(v.Hi), 64)
	return z.Add(z, new(big.Int).SetUint64(v.Lo))
}

// step is v, or one step of 1e-8 where it is less.
func step(v *big.Int) *big.Int {
	if v.Sign() <= 0 {
		return big.NewInt(1)
	}
	return v
}

// ratio is a / b, where b counts as one step at least.
func ratio(a, b *big.Int) *big.Rat { return new(big.Rat).SetFrac(a, step(b)) }

// scoreTwin is RULES section 6 in fractions of the printed integers.
func scoreTwin(kind event.Score, in *adl.Inputs) *big.Rat {
	equity, mm, one := bigOf(in.Equity), bigOf(in.MM), big.NewInt(1)
	switch kind {
	case event.ScoreBinance:
		gain, wallet := bigOf(in.AccountPnL), big.NewInt(int64(in.Wallet))
		if gain.Sign() < 0 {
			gain.SetInt64(0)
		}
		if wallet.Cmp(big.NewInt(unit)) < 0 {
			wallet.SetInt64(unit)
		}
		s := ratio(gain, wallet)
		return s.Mul(s, ratio(mm, equity))
	case event.ScoreBitMEX:
		cost := big.NewInt(int64(in.Cost))
		s := ratio(bigOf(in.PnL), cost.Abs(cost))
		// The position's share of equity, from margins of one step at least.
		share := ratio(step(bigOf(in.PositionMM)), bigOf(in.MM))
		share.Mul(share, new(big.Rat).SetInt(step(equity)))
		leverage := new(big.Rat).SetInt(bigOf(in.Notional))
		leverage.Quo(leverage, share)
		switch {
		case s.Sign() > 0:
			return s.Mul(s, leverage)
		case leverage.Sign() == 0:
			return s
		}
		return s.Quo(s, leverage)
	}
	mark, entry := big.NewInt(int64(in.Mark)), big.NewInt(int64(in.Entry))
	if !in.Long {
		mark, entry = entry, mark
	}
	s := ratio(mark, entry)
	s.Mul(s, ratio(bigOf(in.Notional), equity))
	return s.Mul(s, ratio(one, one))
}

// halfEven rounds r to an integer.
func halfEven(r *big.Rat) *big.Int {
	floor := new(big.Int).Div(r.Num(), r.Denom())
	rest := new(big.Rat).Sub(r, new(big.Rat).SetInt(floor))
	c := rest.Cmp(big.NewRat(1, 2))
	if c > 0 || c == 0 && floor.Bit(0) == 1 {
		floor.Add(floor, big.NewInt(1))
	}
	return floor
}

// at8 is r in steps of 1e-8, half-even.
func at8(r *big.Rat) *big.Int { return halfEven(new(big.Rat).Mul(r, big.NewRat(unit, 1))) }

func TestValue(t *testing.T) {
	for _, c := range []struct {
		name string
		kind event.Score
		in   adl.Inputs
		want int64
	}{
		// RULES section 6: 40.2 of profit on 4.27, margin ratio 13.42 %.
		{"binance", event.ScoreBinance, adl.Inputs{AccountPnL: wide(40_20000000), Wallet: 4_27000000, MM: wide(1342), Equity: wide(10000)}, 1_26342857},
		{"binance, a small wallet counts as 1", event.ScoreBinance, adl.Inputs{AccountPnL: wide(3 * unit), Wallet: 50000000, MM: wide(unit), Equity: wide(2 * unit)}, 1_50000000},
		{"binance, a debt counts as 1", event.ScoreBinance, adl.Inputs{AccountPnL: wide(3 * unit), Wallet: -9 * unit, MM: wide(unit), Equity: wide(2 * unit)}, 1_50000000},
		{"binance, no profit", event.ScoreBinance, adl.Inputs{AccountPnL: wide(-3 * unit), Wallet: unit, MM: wide(unit), Equity: wide(unit)}, 0},
		// A profit of 20 on 100, notional 120; half of the margin, so 30 of equity.
		{"bitmex, profit", event.ScoreBitMEX, adl.Inputs{PnL: wide(20 * unit), Cost: -100 * unit, Notional: wide(120 * unit),
			MM: wide(2 * unit), PositionMM: wide(unit), Equity: wide(60 * unit)}, 80000000},
		// The same lost: 20 % through a leverage of 80 / 30.
		{"bitmex, loss", event.ScoreBitMEX, adl.Inputs{PnL: wide(-20 * unit), Cost: 100 * unit, Notional: wide(80 * unit),
			MM: wide(2 * unit), PositionMM: wide(unit), Equity: wide(60 * unit)}, -7500000},
		{"bitmex, no cost counts as one step", event.ScoreBitMEX, adl.Inputs{PnL: wide(1), Notional: wide(3), MM: wide(1), PositionMM: wide(1), Equity: wide(1)}, 3 * unit},
		// Margins of less than half a step: the position is all of the account.
		{"bitmex, no margin to speak of", event.ScoreBitMEX, adl.Inputs{PnL: wide(20 * unit), Cost: -100 * unit, Notional: wide(30), Equity: wide(60)}, 10000000},
		{"bitmex, loss, no notional to speak of", event.ScoreBitMEX, adl.Inputs{PnL: wide(-20 * unit), Cost: 100 * unit, Equity: wide(60 * unit)}, -20000000},
		{"hyperliquid, long", event.ScoreHyperliquid, adl.Inputs{Mark: 150 * unit, Entry: 100 * unit, Long: true, Notional: wide(80 * unit), Equity: wide(40 * unit)}, 3 * unit},
		{"hyperliquid, short", event.ScoreHyperliquid, adl.Inputs{Mark: 100 * unit, Entry: 150 * unit, Notional: wide(80 * unit), Equity: wide(40 * unit)}, 3 * unit},
		{"half to even", event.ScoreHyperliquid, adl.Inputs{Mark: 5, Entry: 2 * unit, Long: true, Notional: wide(1), Equity: wide(1)}, 2},
	} {
		if got, ok := adl.Value(c.kind, &c.in); !ok || got != wide(c.want) {
			t.Errorf("%s: Value = %v, %v; want %v", c.name, got, ok, c.want)
		}
	}
	huge := adl.Inputs{Mark: math.MaxInt64, Entry: 1, Long: true, Notional: fixedpoint.Int128{Hi: 1}, Equity: wide(1)}
	if got, ok := adl.Value(event.ScoreHyperliquid, &huge); ok {
		t.Errorf("a score of more than 128 bits = %v", got)
	}
}

// anyInputs draws from few values, for ties, or from all, for size.
func anyInputs(t *rapid.T) adl.Inputs {
	amount := rapid.OneOf(rapid.Int64Range(1, 4), rapid.SampledFrom([]int64{unit, 2 * unit, 3 * unit}), rapid.Int64Range(1, math.MaxInt64))
	signed := func(name string) int64 {
		v := amount.Draw(t, name)
		if rapid.IntRange(0, 2).Draw(t, "sign") == 0 {
			v = -v
		}
		return v
	}
	large := func(name string) fixedpoint.Int128 {
		v := wide(amount.Draw(t, name))
		if rapid.IntRange(0, 9).Draw(t, "size") == 0 {
			v.Hi = rapid.Int64Range(0, 1<<40).Draw(t, "high")
		}
		return v
	}
	in := adl.Inputs{
		Wallet: fixedpoint.Amount(signed("wallet")), Equity: large("equity"), MM: large("mm"),
		AccountPnL: wide(signed("account pnl")), PnL: wide(signed("pnl")), Notional: large("notional"),
		Entry: fixedpoint.Price(amount.Draw(t, "entry")), Cost: fixedpoint.Amount(signed("cost")),
		PositionMM: large("position mm"), Mark: fixedpoint.Price(amount.Draw(t, "mark")), Long: rapid.Bool().Draw(t, "long"),
	}
	if rapid.IntRange(0, 9).Draw(t, "tiny") == 0 {
		in.PositionMM, in.Cost, in.MM = fixedpoint.Int128{}, 0, fixedpoint.Int128{}
		if rapid.Bool().Draw(t, "nothing") {
			in.Notional = fixedpoint.Int128{}
		}
	}
	return in
}

func valueAgainstFractions(t *rapid.T) {
	in := anyInputs(t)
	for _, kind := range kinds {
		want := at8(scoreTwin(kind, &in))
		got, ok := adl.Value(kind, &in)
		if fits := want.BitLen() < 128; ok != fits || ok && bigOf(got).Cmp(want) != 0 {
			t.Fatalf("%v: Value = %v, %v; want %v\n%+v", kind, got, ok, want, in)
		}
	}
}

func TestValueAgainstFractions(t *testing.T) { rapid.Check(t, valueAgainstFractions) }
func FuzzValue(f *testing.F)                 { f.Fuzz(rapid.MakeFuzz(valueAgainstFractions)) }

// compareTwin is the order of the rules in fractions.
func compareTwin(kind event.Score, a, b *adl.Member) int {
	profit := func(m *adl.Member) int {
		if m.InProfit {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(profit(a), profit(b)),
		scoreTwin(kind, &b.Inputs).Cmp(scoreTwin(kind, &a.Inputs)),
		bigOf(b.Notional).Cmp(bigOf(a.Notional)),
		cmp.Compare(a.Account, b.Account),
		cmp.Compare(a.Side, b.Side))
}

func anyMember(t *rapid.T) adl.Member {
	return adl.Member{
		Account: event.AccountID(rapid.Uint64Range(1, 3).Draw(t, "account")), Side: event.PositionSide(rapid.IntRange(0, 2).Draw(t, "side")),
		InProfit: rapid.Bool().Draw(t, "in profit"), Inputs: anyInputs(t),
	}
}

// neighbour is m with one input a step off, or none: scores that differ, if they
// do, in their last bits.
func neighbour(t *rapid.T, m adl.Member) adl.Member {
	step := rapid.Int64Range(-1, 1).Draw(t, "step")
	switch rapid.IntRange(0, 4).Draw(t, "which") {
	case 0:
		m.Equity = m.Equity.Add(wide(step))
	case 1:
		m.Notional = m.Notional.Add(wide(max(0, step)))
	case 2:
		m.Mark = max(1, m.Mark-1)
	case 3:
		m.MM = m.MM.Add(wide(max(0, step)))
	case 4:
		// Twice of both is the same score.
		m.Notional, m.Equity = m.Notional.Add(m.Notional), m.Equity.Add(m.Equity)
	}
	m.Account += event.AccountID(rapid.Uint64Range(0, 1).Draw(t, "next account"))
	return m
}

func compareAgainstFractions(t *rapid.T) {
	a := anyMember(t)
	b := anyMember(t)
	if rapid.Bool().Draw(t, "close") {
		b = neighbour(t, a)
	}
	for _, kind := range kinds {
		want := compareTwin(kind, &a, &b)
		if got := adl.Compare(kind, &a, &b); got != want {
			t.Fatalf("%v: Compare = %d, want %d\n%+v\n%+v", kind, got, want, a, b)
		}
		if got := adl.Compare(kind, &b, &a); got != -want {
			t.Fatalf("%v: the other way round Compare = %d, want %d", kind, got, -want)
		}
	}
}

func TestCompareAgainstFractions(t *testing.T) { rapid.Check(t, compareAgainstFractions) }
func FuzzCompare(f *testing.F)                 { f.Fuzz(rapid.MakeFuzz(compareAgainstFractions)) }

// A ranking is the same whatever the order the members came in, and no two of
// different keys tie: Compare is a strict total order.
func TestRankingIgnoresArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		members := rapid.SliceOfNDistinct(rapid.Custom(anyMember), 0, 8,
			func(m adl.Member) [2]uint64 { return [2]uint64{uint64(m.Account), uint64(m.Side)} }).Draw(t, "members")
		if len(members) > 1 && rapid.Bool().Draw(t, "tie") {
			members[0].Inputs, members[0].InProfit = members[1].Inputs, members[1].InProfit
		}
		ranked := func(list []adl.Member) []adl.Member {
			list = slices.Clone(list)
			slices.SortFunc(list, func(a, b adl.Member) int { return adl.Compare(kind, &a, &b) })
			return list
		}
		first := ranked(members)
		if other := ranked(rapid.Permutation(members).Draw(t, "arrival")); !slices.Equal(first, other) {
			t.Fatalf("two rankings of the same members:\n%+v\n%+v", first, other)
		}
		for i := range first {
			for j := range first {
				if got, want := adl.Compare(kind, &first[i], &first[j]), cmp.Compare(i, j); got != want {
					t.Fatalf("Compare of ranks %d and %d = %d, want %d", i+1, j+1, got, want)
				}
			}
		}
	})
}

// Who goes first where the score does not say.
func TestCompareTies(t *testing.T) {
	base := adl.Member{Account: 7, Side: event.Long, InProfit: true, Inputs: adl.Inputs{
		Wallet: unit, AccountPnL: wide(unit), MM: wide(unit), Equity: wide(10 * unit), Notional: wide(5 * unit),
	}}
	with := func(change func(*adl.Member)) adl.Member {
		m := base
		change(&m)
		return m
	}
	for _, c := range []struct {
		name  string
		other adl.Member
		want  int
	}{
		{"itself", base, 0},
		{"in profit before a higher score", with(func(m *adl.Member) { m.InProfit, m.AccountPnL = false, wide(9*unit) }), -1},
		{"higher score", with(func(m *adl.Member) { m.AccountPnL, m.Notional, m.Account = wide(unit-1), wide(9*unit), 1 }), -1},
		{"larger notional", with(func(m *adl.Member) { m.Notional, m.Account = wide(5*unit-1), 1 }), -1},
		{"lower account", with(func(m *adl.Member) { m.Account, m.Side = 8, 0 }), -1},
		{"long before short", with(func(m *adl.Member) { m.Side = event.Short }), -1},
	} {
		if got := adl.Compare(event.ScoreBinance, &base, &c.other); got != c.want {
			t.Errorf("%s: Compare = %d, want %d", c.name, got, c.want)
		}
		if got := adl.Compare(event.ScoreBinance, &c.other, &base); got != -c.want {
			t.Errorf("%s, the other way round: Compare = %d, want %d", c.name, got, -c.want)
		}
	}
}

// Wides names each 128-bit input once.
func TestWides(t *testing.T) {
	var in adl.Inputs
	for i, w := range in.Wides() {
		*w = wide(int64(i + 1))
	}
	want := adl.Inputs{Equity: wide(1), MM: wide(2), AccountPnL: wide(3), PnL: wide(4), Notional: wide(5), PositionMM: wide(6)}
	if in != want {
		t.Errorf("Wides reach %+v, want %+v", in, want)
	}
}
