package margin_test

import (
	"math/big"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

// The dumb twin computes in fractions, by the formulas of the package doc.

const unit = fixedpoint.One

func big128(x fixedpoint.Int128) *big.Int {
	z := new(big.Int).Lsh(big.NewInt(x.Hi), 64)
	return z.Add(z, new(big.Int).SetUint64(x.Lo))
}

func big256(x fixedpoint.Int256) *big.Int {
	w := x.Words()
	z := big.NewInt(int64(w[3]))
	for i := 2; i >= 0; i-- {
		z.Lsh(z, 64)
		z.Add(z, new(big.Int).SetUint64(w[i]))
	}
	return z
}

func ratio(n *big.Int, digits int64) *big.Rat {
	return new(big.Rat).SetFrac(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(digits), nil))
}

// money is v at 1e-8 as a fraction.
func money[T ~int64](v T) *big.Rat { return ratio(big.NewInt(int64(v)), 8) }

func plus(a, b *big.Rat) *big.Rat  { return new(big.Rat).Add(a, b) }
func minus(a, b *big.Rat) *big.Rat { return new(big.Rat).Sub(a, b) }
func times(a, b *big.Rat) *big.Rat { return new(big.Rat).Mul(a, b) }

// halfEven rounds to a multiple of 1e-8 and returns the multiple.
func halfEven(r *big.Rat) *big.Int {
	scaled := times(r, new(big.Rat).SetInt64(unit))
	floor, rem := new(big.Int).DivMod(scaled.Num(), scaled.Denom(), new(big.Int))
	switch c := rem.Lsh(rem, 1).Cmp(scaled.Denom()); {
	case c > 0, c == 0 && floor.Bit(0) == 1:
		return floor.Add(floor, big.NewInt(1))
	}
	return floor
}

// maintenance is N x mmr - cum in the first tier whose cap N does not exceed.
func maintenance(tiers []event.Tier, notional *big.Rat) *big.Rat {
	i := 0
	for i < len(tiers)-1 && money(tiers[i].Cap).Cmp(notional) < 0 {
		i++
	}
	return minus(times(notional, money(tiers[i].MMR)), money(tiers[i].Cum))
}

// surplus is equity - margin of some legs with a wallet; every leg has the same tiers.
func surplus(tiers []event.Tier, legs []margin.Leg, wallet fixedpoint.Amount) (equity, mm *big.Rat) {
	equity, mm = money(wallet), new(big.Rat)
	for _, l := range legs {
		value := times(money(l.Qty), money(l.Mark))
		equity = plus(equity, minus(value, money(l.Cost)))
		mm = plus(mm, maintenance(tiers, new(big.Rat).Abs(value)))
	}
	return equity, mm
}

// someTiers draws a table that is right: its floors are whole, so that every
// maintenance amount has 8 decimals.
func someTiers() *rapid.Generator[[]event.Tier] {
	return rapid.Custom(func(t *rapid.T) []event.Tier {
		tiers := make([]event.Tier, rapid.IntRange(1, 6).Draw(t, "tiers"))
		mmr := fixedpoint.Rate(rapid.Int64Range(1, unit/20).Draw(t, "mmr"))
		for i := range tiers {
			s := &tiers[i]
			s.MMR, s.MaxLeverage = mmr, 125*unit
			if i > 0 {
				before := tiers[i-1]
				s.Floor = before.Cap
				s.Cum = before.Cum + s.Floor/unit*fixedpoint.Amount(s.MMR-before.MMR)
			}
			s.Cap = s.Floor + unit*fixedpoint.Amount(rapid.Int64Range(1, 3_000).Draw(t, "width"))
			mmr += fixedpoint.Rate(rapid.Int64Range(0, unit/10).Draw(t, "step"))
		}
		if rapid.Bool().Draw(t, "open") {
			tiers[len(tiers)-1].Cap = 0
		}
		return tiers
	})
}

func accepted(t rapid.TB, tiers []event.Tier) *margin.Tiers {
	t.Helper()
	if fault, number, right := margin.CheckTiers(tiers); fault != event.TiersFit {
		t.Fatalf("tier %d of %v: %v, want %v", number, tiers, fault, right)
	}
	table := new(margin.Tiers)
	table.Set(tiers)
	return table
}

// someLeg draws a position around the tiers' floors.
func someLeg(t *rapid.T, table *margin.Tiers) margin.Leg {
	return margin.Leg{
		Qty:   fixedpoint.Qty(spread(t, "qty", -100*unit, 100*unit)),
		Cost:  fixedpoint.Amount(spread(t, "cost", -20_000*unit, 20_000*unit)),
		Mark:  fixedpoint.Price(spread(t, "mark", 1, 200*unit)),
		Tiers: table,
	}
}

// spread draws from all of a range: rapid alone would stay near 0 most of the time.
func spread(t *rapid.T, label string, low, high int64) int64 {
	const cells = 64
	cell := (high - low) / cells
	// A multiplication by an odd number permutes the cells.
	at := int64(rapid.IntRange(0, cells-1).Draw(t, label+" cell")) * 37 % cells
	return low + at*cell + rapid.Int64Range(0, cell).Draw(t, label)
}
