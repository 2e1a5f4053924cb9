package bench_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/backstop-fund/backstop/bench"
	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What the benchmarks claim of their workload, for any shape, by a machine alone:
// nothing is refused, only accounts in distress are acted on, each tick makes one
// order, and its id is the next one.
func TestWorkload(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shape := bench.Shape{
			Accounts:  rapid.IntRange(1, 60).Draw(t, "accounts"),
			Contracts: rapid.IntRange(1, 8).Draw(t, "contracts"),
			Leverage:  rapid.IntRange(2, 50).Draw(t, "leverage"),
			Crowded:   rapid.Bool().Draw(t, "crowded"),
		}
		shape.Positions = rapid.IntRange(1, shape.Contracts).Draw(t, "positions")
		shape.Distress = rapid.IntRange(0, shape.Contracts).Draw(t, "distress")
		market, err := bench.NewMarket(shape)
		if err != nil {
			t.Fatal(err)
		}
		m, err := machine.New(shape.Limits())
		if err != nil {
			t.Fatal(err)
		}
		var orders []event.OrderID
		apply := func(e event.Event) {
			fx := event.NewEffects(1, nil)
			if _, code := m.Apply(e, fx); code != event.Accepted {
				t.Fatalf("%v is refused: %v", e[0].Kind(), code)
			}
			for _, x := range fx.All() {
				if x.Kind == event.EffectLiquidate {
					orders = append(orders, x.Order)
				}
			}
		}
		for e := range market.Opening {
			apply(e)
		}
		ticks := 0
		for range 1_000 {
			r, tick, isTick := market.Next()
			if isTick {
				r = event.Tick(event.SymbolID(tick.Instrument), tick.Mark).At(market.Now())
				r.SetMarkTime(tick.TimeNanos)
				if int(tick.Instrument) <= shape.Distress {
					ticks++
				}
			}
			apply(event.Event{r})
		}
		want := shape.Distress + ticks
		if len(orders) != want || !slices.IsSorted(orders) || want > 0 && orders[want-1] != event.OrderID(want) {
			t.Fatalf("%d orders of %d ticks in %d contracts: %v", len(orders), ticks, shape.Contracts, orders)
		}
	})
}

func TestShapesRefused(t *testing.T) {
	for _, s := range []bench.Shape{
		{Accounts: 0, Contracts: 1, Positions: 1},
		{Accounts: 1, Contracts: 0, Positions: 0},
		{Accounts: 1, Contracts: 1, Positions: 0},
		{Accounts: 1, Contracts: 1, Positions: 2},
		{Accounts: 1, Contracts: 1, Positions: 1, Leverage: 1},
		{Accounts: 1, Contracts: 1, Positions: 1, Leverage: 51},
		{Accounts: 1, Contracts: 1, Positions: 1, Distress: 2},
	} {
		if _, err := bench.NewMarket(s); !errors.Is(err, bench.ErrShape) {
			t.Errorf("%+v: %v, want ErrShape", s, err)
		}
	}
}

// What is not of the workload ends the measurement: a refusal among the effects,
// and a tick that decides nothing because its contract is halted, as the answer to
// the order that it does not cause is refused.
func TestDriftIsNoticed(t *testing.T) {
	shape := bench.Shape{Accounts: 10, Contracts: 1, Positions: 1, Distress: 1}
	for what, r := range map[string]event.Record{"refused": event.Halt(99), "halted": event.Halt(1)} {
		p, err := bench.OpenPipe(shape, core.Config{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		p.Offer(r)
		for range 2 * cycle {
			p.Step()
		}
		if err := p.Close(); !errors.Is(err, bench.ErrDrift) {
			t.Errorf("%s: %v, want ErrDrift", what, err)
		}
	}
}

func TestLatencies(t *testing.T) {
	l := bench.NewLatencies(1000)
	if got := l.At(500); got != 0 {
		t.Errorf("%v without samples", got)
	}
	for i := range 1000 {
		l.Add(time.Duration((i*617)%1000 + 1)) // 1 to 1000, each once
	}
	for _, c := range []struct{ perMille, want int }{{1, 1}, {500, 500}, {999, 999}, {1000, 1000}} {
		if got := l.At(c.perMille); got != time.Duration(c.want) {
			t.Errorf("at %d per mille: %d, want %d", c.perMille, got, c.want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a sample too many is taken")
		}
	}()
	l.Add(1)
}

// A late event makes none of the others later: they are due when they were.
func TestPaced(t *testing.T) {
	const interval = 10 * time.Millisecond
	var late []time.Duration
	start := time.Now()
	bench.Paced(start, 4, interval, func(i int) {
		late = append(late, time.Since(start)-time.Duration(i)*interval)
		if i == 0 {
			time.Sleep(3 * interval)
		}
	}, func() {})
	if len(late) != 4 || slices.Min(late) < 0 || late[1] < 2*interval || late[2] < interval {
		t.Errorf("%s late, want the pause after the first in the others", fmt.Sprint(late))
	}
}
