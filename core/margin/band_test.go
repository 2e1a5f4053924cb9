package margin_test

import (
	"math"
	"math/big"
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

// Within says yes only where the twin finds the account healthy at its bounds.
func TestWithinAgainstTwin(t *testing.T) {
	yes := 0
	rapid.Check(t, func(t *rapid.T) {
		tiers := someTiers().Draw(t, "tiers")
		legs, wallet, left := healthyLegs(t, tiers)
		bounds, moved := make([]fixedpoint.Price, len(legs)), make([]margin.Leg, len(legs))
		margin.Bands(left, legs, bounds)
		for i, l := range legs {
			if d := fixedpoint.Price(spread(t, "shift", -5*unit, 5*unit)); l.Qty > 0 {
				bounds[i] = min(max(bounds[i]+d, 0), l.Mark)
			} else if bounds[i] == 0 {
				bounds[i] = math.MaxInt64
			} else {
				bounds[i] = max(bounds[i]+d, l.Mark)
			}
			moved[i] = l
			moved[i].Mark = bounds[i]
		}
		if margin.Within(left, legs, bounds) {
			yes++
			if equity, mm := surplus(tiers, moved, wallet); equity.Cmp(mm) < 0 {
				t.Fatalf("within %v: equity %v, margin %v there", bounds, equity, mm)
			}
		}
	})
	if yes == 0 {
		t.Error("no draw was within its bounds: the test says nothing")
	}
}

// What Bands gives is within, so that triggers stay while nothing changes.
func TestBandsAreWithin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tiers := someTiers().Draw(t, "tiers")
		legs, _, left := healthyLegs(t, tiers)
		bounds := make([]fixedpoint.Price, len(legs))
		margin.Bands(left, legs, bounds)
		for i, l := range legs {
			if l.Qty < 0 && bounds[i] == 0 {
				return // without a bound there is nothing to reach
			}
			if l.Qty > 0 {
				bounds[i] = min(bounds[i]+1, l.Mark)
			} else {
				bounds[i]--
			}
		}
		if !margin.Within(left, legs, bounds) {
			t.Fatalf("not within its own bands %v", bounds)
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
