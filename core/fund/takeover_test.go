package fund_test

import (
	"math"
	"testing"

	"github.com/backstop-fund/backstop/core/fund"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

// The examples of RULES section 5: cash and equity 1,000,000, cap 1, an account
// bankrupt at equity 0, so that its quote is the mark value.
func TestWorkedExamples(t *testing.T) {
	const lot = unit / 100
	for _, c := range []struct {
		name       string
		net, piece fixedpoint.Qty
		fund, adl  fixedpoint.Qty
	}{
		{"long onto a long", 700_000, 500_000, 300_000, 200_000},
		{"short into a long", 700_000, -500_000, 500_000, 0},
		{"short through a long", 700_000, -2_000_000, 1_700_000, 300_000},
		{"long through a short", -900_000, 2_500_000, 1_900_000, 600_000},
		{"long onto too much", 1_200_000, 100_000, 0, 100_000},
		{"short into too much", 1_200_000, -100_000, 100_000, 0},
	} {
		inv := fund.Inventory{Qty: c.net * unit, Cost: fixedpoint.Amount(c.net * unit)}
		p := fund.Piece{Qty: c.piece * unit, Quote: fixedpoint.Amount(c.piece * unit), Lot: lot, Mark: unit, Share: unit}
		f := fund.Fund{Cash: 1_000_000 * unit, Cap: unit}
		var x fund.Exposure
		x.Add(inv, unit)
		lots, _ := p.Lots()
		taken := f.MayTake(x, inv, p, f.Restricted())
		if got := fixedpoint.Qty(taken) * lot; got != c.fund*unit {
			t.Errorf("%s: the fund takes %v, want %v", c.name, got, c.fund)
		}
		if got := fixedpoint.Qty(lots-taken) * lot; got != c.adl*unit {
			t.Errorf("%s: counterparties take %v, want %v", c.name, got, c.adl)
		}
	}
}

func TestLots(t *testing.T) {
	for _, c := range []struct {
		qty, lot fixedpoint.Qty
		lots     int64
		rest     fixedpoint.Qty
	}{
		{10, 5, 2, 0},
		{11, 5, 2, 1},
		{-14, 5, 2, 4},
		{4, 5, 0, 4},
		{-4, 5, 0, 4},
		{math.MaxInt64, 1, math.MaxInt64, 0},
		{-math.MaxInt64, math.MaxInt64 - 1, 1, 1},
	} {
		p := fund.Piece{Qty: c.qty, Lot: c.lot}
		if lots, rest := p.Lots(); lots != c.lots || rest != c.rest {
			t.Errorf("Lots of %d by %d = %d and %d, want %d and %d", c.qty, c.lot, lots, rest, c.lots, c.rest)
		}
	}
}

// One long of ten lots at mark 100 for a fund of nothing else, one step to each
// side of every edge.
func TestMayTakeEdges(t *testing.T) {
	long := fund.Piece{Qty: 10 * unit, Quote: 1000 * unit, Lot: unit, Mark: 100 * unit, Share: unit}
	with := func(change func(*fund.Piece)) fund.Piece {
		p := long
		change(&p)
		return p
	}
	whole := with(func(p *fund.Piece) { p.Whole = true })
	odd := with(func(p *fund.Piece) { p.Qty, p.Quote = 105*unit/10, 1050*unit })
	for _, c := range []struct {
		name       string
		cash       fixedpoint.Amount
		inv        fund.Inventory
		piece      fund.Piece
		restricted bool
		want       int64
	}{
		{"room for all", 1000 * unit, fund.Inventory{}, long, false, 10},
		{"one step short of it", 1000*unit - 1, fund.Inventory{}, long, false, 9},
		{"whole, room for all", 1000 * unit, fund.Inventory{}, whole, false, 10},
		{"whole, one step short", 1000*unit - 1, fund.Inventory{}, whole, false, 0},
		{"the remainder counts", 1050 * unit, fund.Inventory{}, odd, false, 10},
		{"the remainder counts, one step short", 1050*unit - 1, fund.Inventory{}, odd, false, 9},
		{"restricted", 1000 * unit, fund.Inventory{}, long, true, 0},
		{"restricted, but it nets", 1000 * unit, fund.Inventory{Qty: -4 * unit, Cost: -400 * unit}, long, true, 4},
		{"nets and goes on", 300 * unit, fund.Inventory{Qty: -4 * unit, Cost: -400 * unit}, long, false, 7},
		{"whole nets alone", 300 * unit, fund.Inventory{Qty: -4 * unit, Cost: -400 * unit}, whole, false, 4},
		{"share of zero", 1000 * unit, fund.Inventory{}, with(func(p *fund.Piece) { p.Share = 0 }), false, 0},
		// Bought at 105 what is worth 100, each lot costs equity 5: base is 1000 - 5 n.
		{"worse than the mark", 1000 * unit, fund.Inventory{}, with(func(p *fund.Piece) { p.Quote = 1050 * unit }), false, 9},
		// Bought at 90, equity grows and cash does not: the lesser of them stays.
		{"better than the mark", 999 * unit, fund.Inventory{}, with(func(p *fund.Piece) { p.Quote = 900 * unit }), false, 9},
		// Each lot netted at 105 costs 5 of 12: two leave 2, three would leave -3.
		{"netting until equity is spent", 12 * unit, fund.Inventory{Qty: -4 * unit, Cost: -400 * unit},
			with(func(p *fund.Piece) { p.Quote = 1050 * unit }), false, 2},
		// In the red by 12, each lot netted at 95 brings 5: three make it good.
		{"netting until equity is back", -12 * unit, fund.Inventory{Qty: -4 * unit, Cost: -400 * unit},
			with(func(p *fund.Piece) { p.Quote = 950 * unit }), true, 4},
		{"netting that does not bring it back", -21 * unit, fund.Inventory{Qty: -4 * unit, Cost: -400 * unit},
			with(func(p *fund.Piece) { p.Quote = 950 * unit }), true, 0},
		// A remainder larger than the inventory passes zero by itself: nothing nets.
		{"the remainder passes zero", 0, fund.Inventory{Qty: -unit / 4, Cost: -25 * unit}, odd, false, 0},
	} {
		f := fund.Fund{Cash: c.cash, Cap: unit}
		var x fund.Exposure
		x.Add(c.inv, c.piece.Mark)
		if got := f.MayTake(x, c.inv, c.piece, c.restricted); got != c.want {
			t.Errorf("%s: MayTake = %d, want %d", c.name, got, c.want)
		}
	}
}

// A cap above 1, a quote far below the mark and an equity below 0: what is left
// under the cap rises with each lot at first, and the search has to see over the
// hill.
func TestMayTakeClimbs(t *testing.T) {
	// 1,000 of cash, and another contract, worth 1, that has lost 1,100. Each lot, long
	// at 10 with the mark at 100, adds 90 to an equity of -100, which counts five times:
	// 5 x -10 - 100 with one lot, 5 x 80 - 200 with two. From 13 on base is the cash.
	p := fund.Piece{Qty: 60 * unit, Quote: 600 * unit, Lot: unit, Mark: 100 * unit, Share: 5 * unit}
	s := story{
		fund: fund.Fund{Cash: 1000 * unit, Cap: 5 * unit},
		inv:  []fund.Inventory{{}, {Qty: unit, Cost: 1101 * unit}}, marks: []fixedpoint.Price{p.Mark, unit}, piece: p,
	}
	const want = 49 // 49 x 100 + 1 <= 5 x 1,000
	if got, scan := s.mayTake(), s.books().mayTake(p, false); got != want || scan != want {
		t.Errorf("MayTake = %d, lot by lot %d, want %d", got, scan, want)
	}
}

// What a fund could not write down counts as not fitting the cap.
func TestMayTakeWhatFits(t *testing.T) {
	const top = math.MaxInt64
	rich := fund.Fund{Cash: top, Cap: top}
	for _, c := range []struct {
		name  string
		inv   fund.Inventory
		piece fund.Piece
		want  int64
	}{
		{"quantity", fund.Inventory{Qty: top - 5}, fund.Piece{Qty: 9, Quote: 0, Lot: 1, Mark: 1, Share: top}, 5},
		{"mark value", fund.Inventory{Qty: 4 * unit, Cost: 1}, fund.Piece{Qty: 9 * unit, Quote: 9, Lot: unit, Mark: top / 7, Share: top}, 3},
		{"cost", fund.Inventory{Qty: 4 * unit, Cost: top - 5}, fund.Piece{Qty: 9 * unit, Quote: 9, Lot: unit, Mark: 1, Share: top}, 5},
		{"cash", fund.Inventory{Qty: -4 * unit}, fund.Piece{Qty: 9 * unit, Quote: -9, Lot: unit, Mark: 1, Share: top}, 0},
		{"cash is spent", fund.Inventory{Qty: -4 * unit}, fund.Piece{Qty: 9 * unit, Quote: 9, Lot: unit, Mark: 1, Share: top}, 9},
	} {
		s := story{fund: rich, inv: []fund.Inventory{c.inv}, marks: []fixedpoint.Price{c.piece.Mark}, piece: c.piece}
		if got, scan := s.mayTake(), s.books().mayTake(c.piece, false); got != c.want || scan != c.want {
			t.Errorf("%s: MayTake = %d, lot by lot %d, want %d", c.name, got, scan, c.want)
		}
	}
}

// lotByLot compares MayTake with looking at every number of lots, in fractions.
func lotByLot(draw func(*rapid.T) story) func(*rapid.T) {
	return func(t *rapid.T) {
		s := draw(t)
		if got, want := s.mayTake(), s.books().mayTake(s.piece, s.restricted); got != want {
			t.Fatalf("MayTake = %d, lot by lot %d\n%+v", got, want, s)
		}
	}
}

func TestMayTakeLotByLot(t *testing.T) {
	t.Run("ordinary", rapid.MakeCheck(lotByLot(ordinary)))
	t.Run("extreme", rapid.MakeCheck(lotByLot(extreme)))
}

func FuzzMayTake(f *testing.F)         { f.Fuzz(rapid.MakeFuzz(lotByLot(ordinary))) }
func FuzzMayTakeExtremes(f *testing.F) { f.Fuzz(rapid.MakeFuzz(lotByLot(extreme))) }

// More cash never lets a fund take less.
func TestMayTakeRisesWithCash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := ordinary(t)
		lots := s.mayTake()
		s.fund.Cash += fixedpoint.Amount(rapid.Int64Range(0, 1000*unit).Draw(t, "more"))
		if got := s.mayTake(); got < lots {
			t.Fatalf("MayTake = %d, with more cash %d", lots, got)
		}
	})
}

func BenchmarkMayTake(b *testing.B) {
	for _, c := range []struct {
		name string
		cash fixedpoint.Amount
		want int64
	}{
		{"all fits", 2_000_000 * unit, 200_000_000},
		{"part fits", 1_000_000 * unit, 170_000_000},
	} {
		b.Run(c.name, func(b *testing.B) {
			inv := fund.Inventory{Qty: 700_000 * unit, Cost: 700_000 * unit}
			p := fund.Piece{Qty: -2_000_000 * unit, Quote: -2_000_000 * unit, Lot: unit / 100, Mark: unit, Share: unit}
			f := fund.Fund{Cash: c.cash, Cap: unit}
			var x fund.Exposure
			x.Add(inv, unit)
			for b.Loop() {
				if got := f.MayTake(x, inv, p, false); got != c.want {
					b.Fatalf("workload drifted: %d lots, want %d", got, c.want)
				}
			}
		})
	}
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	inv := fund.Inventory{Qty: 700_000 * unit, Cost: 700_000 * unit}
	p := fund.Piece{Qty: -2_000_000 * unit, Quote: -2_000_000 * unit, Lot: unit / 100, Mark: unit, Share: unit}
	f := fund.Fund{Cash: 1_000_000 * unit, Cap: unit}
	n := testing.AllocsPerRun(100, func() {
		var x fund.Exposure
		x.Add(inv, unit)
		f.MayTake(x, inv, p, false)
		f.WithinCap(x, unit, fixedpoint.Value(inv.Qty, unit))
		f.Room(x, unit, fixedpoint.Value(inv.Qty, unit))
	})
	if n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
