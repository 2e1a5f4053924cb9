package venue

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backstop-fund/backstop/fixedpoint"
)

const unit = fixedpoint.One

func settings() Settings {
	return Settings{Tick: unit / 10, Lot: unit / 1000, Depth: 100 * unit, Width: unit / 100, HalfSpread: unit / 10_000, Refill: unit / 50}
}

// twin is a book as one would explain it: rationals, and one lot after the other.
type twin struct {
	s       Settings
	mark    *big.Rat
	missing [2]int64 // lots
}

// at is the price of a side's volume after so much of it.
func (b *twin) at(side int, volume *big.Rat) *big.Rat {
	offset := new(big.Rat).Mul(big.NewRat(int64(b.s.Width), unit), volume)
	offset.Quo(offset, big.NewRat(int64(b.s.Depth), unit))
	offset.Add(offset, big.NewRat(int64(b.s.HalfSpread), unit))
	if side == bid {
		offset.Neg(offset)
	}
	return offset.Add(offset, big.NewRat(1, 1)).Mul(offset, b.mark)
}

// execute takes lots while the far end of the next one is within the limit.
func (b *twin) execute(side int, lots int64, limit *big.Rat) int64 {
	var n int64
	for n < lots {
		end := new(big.Rat).Mul(big.NewRat(b.missing[side]+1, 1), big.NewRat(int64(b.s.Lot), unit))
		if end.Cmp(big.NewRat(int64(b.s.Depth), unit)) > 0 {
			break
		}
		p := b.at(side, end)
		if side == bid && p.Cmp(limit) < 0 || side == ask && p.Cmp(limit) > 0 {
			break
		}
		b.missing[side]++
		n++
	}
	return n
}

func TestBookAgainstTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := settings()
		s.Depth = fixedpoint.Qty(rapid.Int64Range(1, 300).Draw(t, "depth")) * s.Lot
		s.Width = fixedpoint.Rate(rapid.Int64Range(1, unit/2).Draw(t, "width"))
		s.HalfSpread = fixedpoint.Rate(rapid.Int64Range(0, unit/4).Draw(t, "half spread"))
		b, err := New(s)
		if err != nil {
			t.Fatal(err)
		}
		mark := fixedpoint.Price(rapid.Int64Range(1, 1_000_000).Draw(t, "mark")) * s.Tick
		b.SetMark(mark, 1)
		w := &twin{s: s, mark: big.NewRat(int64(mark), unit)}
		for range rapid.IntRange(1, 6).Draw(t, "orders") {
			lots := rapid.Int64Range(1, 200).Draw(t, "lots")
			side := rapid.IntRange(bid, ask).Draw(t, "side")
			limit := max(s.Tick, mark*fixedpoint.Price(rapid.Int64Range(400, 1600).Draw(t, "limit"))/1000/s.Tick*s.Tick)
			qty := fixedpoint.Qty(lots) * s.Lot
			if side == bid {
				qty = -qty
			}
			from := b.missing[side]
			filled, price := b.Execute(qty, limit)
			want := w.execute(side, lots, big.NewRat(int64(limit), unit))
			// The book's distance to the limit is rounded down to 1e-8 of the mark, which
			// may cost it a little volume more than the twin, never less.
			got, slack := int64(filled/s.Lot), int64(s.Depth)/int64(s.Width)/int64(s.Lot)+2
			if got > want || got < want-slack {
				t.Fatalf("filled %d lots, the twin %d (slack %d)", got, want, slack)
			}
			w.missing[side] += got - want
			if filled == 0 {
				continue
			}
			if side == bid && (price < limit || price > mark) || side == ask && (price > limit || price < mark) {
				t.Fatalf("%v at %v: beyond the limit %v or better than the mark %v", qty, price, limit, mark)
			}
			middle := big.NewRat(int64(from)*2+int64(filled), 2*unit)
			exact, _ := w.at(side, middle).Float64()
			if d := float64(price)/unit - exact; d > 0.11+exact/5e7 || d < -0.11-exact/5e7 {
				t.Fatalf("average %v, exactly %v: want within a tick", price, exact)
			}
		}
	})
}

func TestRefill(t *testing.T) {
	b, err := New(settings())
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := b.Execute(-unit, 1); n != 0 {
		t.Errorf("filled %v before the first mark", n)
	}
	start := int64(1_000 * time.Second)
	b.SetMark(1000*unit, start)
	b.Execute(-80*unit, unit/10)
	steps := []struct {
		at         time.Duration
		bids, asks fixedpoint.Qty
	}{
		{0, 20 * unit, 100 * unit},
		{time.Second, 22 * unit, 100 * unit},
		{500 * time.Millisecond, 22 * unit, 100 * unit}, // back in time: nothing
		{11 * time.Second, 42 * unit, 100 * unit},
		{time.Hour, 100 * unit, 100 * unit},
	}
	for _, s := range steps {
		b.SetMark(1000*unit, start+int64(s.at))
		if bids, asks := b.Depth(unit / 10); bids != s.bids || asks != s.asks {
			t.Errorf("after %v: %v bid, %v asked, want %v and %v", s.at, bids, asks, s.bids, s.asks)
		}
	}
	if bids, _ := b.Depth(unit / 10_000); bids != 0 {
		t.Errorf("%v rest within the spread", bids)
	}
}

func TestSettingsRefused(t *testing.T) {
	for want, change := range map[string]func(*Settings){
		"tick 0":        func(s *Settings) { s.Tick = 0 },
		"lot 0":         func(s *Settings) { s.Lot = 0 },
		"depth 0.0009":  func(s *Settings) { s.Depth = unit / 1000 * 9 / 10 },
		"width 0":       func(s *Settings) { s.Width = 0 },
		"half spread 1": func(s *Settings) { s.HalfSpread = unit },
		"below 1":       func(s *Settings) { s.Width, s.HalfSpread = unit/2, unit/2 },
		"refill 1.5":    func(s *Settings) { s.Refill = unit * 3 / 2 },
	} {
		s := settings()
		change(&s)
		if _, err := New(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error with %q", s, err, want)
		}
	}
}

// Two sales of 40 into a book of 100 within 1 %: the second finds what the first
// left, and its limit cuts it off.
func ExampleBook_Execute() {
	b, err := New(Settings{Tick: unit / 10, Lot: unit, Depth: 100 * unit, Width: unit / 100, Refill: unit / 50})
	if err != nil {
		fmt.Println(err)
		return
	}
	b.SetMark(50_000*unit, 1)
	for range 2 {
		filled, price := b.Execute(-40*unit, 49_700*unit)
		fmt.Println(filled, "at", price)
	}
	// Output:
	// 40 at 49900
	// 20 at 49750
}
