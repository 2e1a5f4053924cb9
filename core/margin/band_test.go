package margin_test

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// At any marks short of the triggers, and at the worst of them, just short of all
// at once, the account is healthy by the twin.
func TestBandsAgainstTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tiers := someTiers().Draw(t, "tiers")
		legs, wallet, left := healthyLegs(t, tiers)
		triggers := make([]fixedpoint.Price, len(legs))
		margin.Bands(left, legs, triggers)
		moved := make([]margin.Leg, len(legs))
		worst := rapid.Bool().Draw(t, "worst")
		for i, l := range legs {
			moved[i] = l
			low, high := fixedpoint.Price(1), fixedpoint.Price(math.MaxInt64)
			if l.Qty > 0 {
				low = max(triggers[i]+1, 1)
			} else if triggers[i] != 0 {
				high = triggers[i] - 1
			}
			switch {
			case low > l.Mark || high < l.Mark:
				t.Fatalf("leg %d of %d at %d: trigger %d is reached already", i, l.Qty, l.Mark, triggers[i])
			case worst && l.Qty > 0:
				moved[i].Mark = low
			case worst:
				moved[i].Mark = high
			default:
				moved[i].Mark = low + fixedpoint.Price(spread(t, "moved", 0, int64(high-low)))
			}
		}
		if equity, mm := surplus(tiers, moved, wallet); equity.Cmp(mm) < 0 {
			t.Fatalf("unhealthy short of the triggers %v: equity %v, margin %v", triggers, equity, mm)
		}
	})
}

// Triggers are not much nearer than they must be: where all are reached, less
// than half of the surplus of a one-leg account is left.
func TestBandsUseTheSurplus(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tiers := someTiers().Draw(t, "tiers")[:1]
		legs, wallet, _ := healthyLegs(t, tiers)
		legs = legs[:1]
		var q margin.Sums
		q.Add(&legs[0])
		left := q.Surplus(wallet)
		if left.Sign() < 0 {
			return
		}
		var trigger [1]fixedpoint.Price
		margin.Bands(left, legs, trigger[:])
		if trigger[0] == 0 || trigger[0]>>19 >= legs[0].Mark {
			return // no trigger, or the share is cut
		}
		before, mmBefore := surplus(tiers, legs, wallet)
		legs[0].Mark = trigger[0]
		after, mmAfter := surplus(tiers, legs, wallet)
		half := times(minus(before, mmBefore), big.NewRat(1, 2))
		if minus(after, mmAfter).Cmp(half) > 0 {
			t.Fatalf("at the trigger %d more than half of the surplus is left", trigger[0])
		}
	})
}

// The worst marks that bounds allow are where all are reached: nowhere short of them
// is less left, by the twin.
func TestWorstMarksAgainstTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tiers := someTiers().Draw(t, "tiers")
		legs, wallet, left := healthyLegs(t, tiers)
		bounds := make([]fixedpoint.Price, len(legs))
		margin.Bands(left, legs, bounds)
		worst, between := slices.Clone(legs), slices.Clone(legs)
		for i, l := range legs {
			d := fixedpoint.Price(spread(t, "shift", -5*unit, 5*unit))
			if l.Qty > 0 {
				worst[i].Mark = min(max(bounds[i]+d, 0), l.Mark)
				between[i].Mark = worst[i].Mark + fixedpoint.Price(spread(t, "between", 0, int64(l.Mark-worst[i].Mark)))
				continue
			}
			if bounds[i] == 0 {
				bounds[i], d = math.MaxInt64, 0
			}
			worst[i].Mark = max(min(bounds[i], math.MaxInt64-5*unit)+d, l.Mark)
			between[i].Mark = worst[i].Mark - fixedpoint.Price(spread(t, "between", 0, int64(worst[i].Mark-l.Mark)))
		}
		equity, mm := surplus(tiers, worst, wallet)
		other, otherMM := surplus(tiers, between, wallet)
		if minus(other, otherMM).Cmp(minus(equity, mm)) < 0 {
			t.Fatalf("less is left at %v than at %v", between, worst)
		}
	})
}

// At the worst marks that Bands allows the account is healthy, so that triggers stay
// while nothing changes.
func TestBandsAreKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tiers := someTiers().Draw(t, "tiers")
		legs, wallet, left := healthyLegs(t, tiers)
		bounds := make([]fixedpoint.Price, len(legs))
		margin.Bands(left, legs, bounds)
		var worst margin.Sums
		for i, l := range legs {
			switch {
			case l.Qty > 0:
				l.Mark = min(bounds[i]+1, l.Mark)
			case bounds[i] == 0:
				l.Mark = math.MaxInt64
			default:
				l.Mark = bounds[i] - 1
			}
			worst.Add(&l)
		}
		if worst.Surplus(wallet).Sign() < 0 {
			t.Fatalf("not healthy within its own bands %v", bounds)
		}
	})
}

// healthyLegs draws an account that is healthy, with its surplus.
func healthyLegs(t *rapid.T, tiers []event.Tier) ([]margin.Leg, fixedpoint.Amount, fixedpoint.Int256) {
	table := accepted(t, tiers)
	legs := make([]margin.Leg, rapid.IntRange(1, 20).Draw(t, "legs"))
	var s margin.Sums
	for i := range legs {
		legs[i] = someLeg(t, table)
		if legs[i].Qty == 0 {
			legs[i].Qty = 1
		}
		if legs[i].Mark == 0 {
			legs[i].Mark = 1
		}
		s.Add(&legs[i])
	}
	// Just enough, and a draw of more.
	short, _ := s.Surplus(0).Neg().Int128()
	least, _ := short.Div(unit*unit, fixedpoint.Ceil).Int64()
	more := []int64{0, 1, unit, 1000 * unit, 10_000_000 * unit}[rapid.IntRange(0, 4).Draw(t, "more")]
	wallet := fixedpoint.Amount(least + rapid.Int64Range(0, more).Draw(t, "wallet"))
	return legs, wallet, s.Surplus(wallet)
}
