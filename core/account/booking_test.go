package account_test

import (
	"fmt"
	"math"
	"math/big"
	"testing"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

// twinBook is RULES section 1 in words of any length: a flip is its closing part,
// which gets floor(quote x closed / |fill|), and then an opening.
func twinBook(held, cost, qty, quote *big.Int) (newQty, newCost, realized *big.Int, reduced bool) {
	if held.Sign() == 0 || held.Sign() == qty.Sign() {
		return sum(held, qty), sum(cost, quote), new(big.Int), false
	}
	if qty.CmpAbs(held) > 0 {
		part := share(quote, held, qty)
		_, _, realized, _ = twinBook(held, cost, new(big.Int).Neg(held), part)
		return sum(held, qty), new(big.Int).Sub(quote, part), realized, true
	}
	released := share(cost, qty, held)
	proceeds := new(big.Int).Neg(quote)
	return sum(held, qty), new(big.Int).Sub(cost, released), proceeds.Sub(proceeds, released), true
}

func sum(a, b *big.Int) *big.Int { return new(big.Int).Add(a, b) }

// share is floor(|v| x |part| / |whole|) with the sign of v.
func share(v, part, whole *big.Int) *big.Int {
	n := new(big.Int).Mul(new(big.Int).Abs(v), new(big.Int).Abs(part))
	n.Quo(n, new(big.Int).Abs(whole))
	if v.Sign() < 0 {
		n.Neg(n)
	}
	return n
}

// representable is what the table holds: magnitudes that fit.
func representable(values ...*big.Int) bool {
	for _, v := range values {
		if v.CmpAbs(big.NewInt(math.MaxInt64)) > 0 {
			return false
		}
	}
	return true
}

func checkBook(t interface{ Fatalf(string, ...any) }, held, cost, qty, quote int64) (ok bool) {
	wantQty, wantCost, wantRealized, reduced := twinBook(big.NewInt(held), big.NewInt(cost), big.NewInt(qty), big.NewInt(quote))
	fits := representable(wantQty, wantCost, wantRealized)
	b, ok := account.Book(fixedpoint.Qty(held), fixedpoint.Amount(cost), fixedpoint.Qty(qty), fixedpoint.Amount(quote))
	if ok != fits {
		t.Fatalf("Book(%d, %d, %d, %d) is %v, want %v: %v, %v, %v", held, cost, qty, quote, ok, fits, wantQty, wantCost, wantRealized)
	}
	if !ok {
		return false
	}
	if int64(b.Qty) != wantQty.Int64() || int64(b.Cost) != wantCost.Int64() || int64(b.Realized) != wantRealized.Int64() || b.Reduced != reduced {
		t.Fatalf("Book(%d, %d, %d, %d) = %+v, want %v, %v, %v, %v", held, cost, qty, quote, b, wantQty, wantCost, wantRealized, reduced)
	}
	return true
}

// edge draws small numbers, and those at which int64 ends.
func edge(t *rapid.T, label string) int64 {
	v := rapid.OneOf(
		rapid.Int64Range(-9, 9),
		rapid.Int64(),
		rapid.SampledFrom([]int64{math.MaxInt64, math.MaxInt64 - 1, 1 << 62, -1 << 62, -math.MaxInt64}),
	).Draw(t, label)
	return max(v, -math.MaxInt64) // what is held is representable
}

func TestBookAgainstBig(t *testing.T) {
	fitted, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		held, cost, qty, quote := edge(t, "held"), edge(t, "cost"), edge(t, "qty"), edge(t, "quote")
		if rapid.IntRange(0, 9).Draw(t, "least") == 9 {
			quote = math.MinInt64
		}
		switch {
		case qty == 0:
		case checkBook(t, held, cost, qty, quote):
			fitted++
		default:
			refused++
		}
	})
	if fitted == 0 || refused == 0 {
		t.Errorf("%d fills fitted, %d did not", fitted, refused)
	}
}

func TestBookEdges(t *testing.T) {
	const most = math.MaxInt64
	for _, c := range []struct {
		name                   string
		held, cost, qty, quote int64
		fits                   bool
	}{
		{"the largest position", 0, 0, most, most, true},
		{"one more", most, most, 1, 0, false},
		{"a quantity whose magnitude does not fit", 0, 0, math.MinInt64, 0, false},
		{"released cost rounds down", 3, 100, -1, -33, true},
		{"negative released cost rounds towards zero", 3, -100, -1, -33, true},
		{"proceeds beyond int64", 2, -2, -1, math.MinInt64, false},
		{"proceeds beyond int64, brought back by the cost", 2, 4, -1, math.MinInt64, true},
		{"a loss beyond int64", 1, most, -1, most, false},
		{"flips the largest", most, most, math.MinInt64, -most, true},
		{"flips by one", 1, 10, -2, -31, true},
	} {
		if fits := checkBook(t, c.held, c.cost, c.qty, c.quote); fits != c.fits {
			t.Errorf("%s: %v", c.name, fits)
		}
	}
}

func FuzzBook(f *testing.F) {
	f.Add(int64(3), int64(100), int64(-1), int64(-33))
	f.Add(int64(1), int64(10), int64(-2), int64(-31))
	f.Add(int64(2), int64(-2), int64(-1), int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, held, cost, qty, quote int64) {
		if qty == 0 || held == math.MinInt64 || cost == math.MinInt64 {
			t.Skip("no position and no fill has these")
		}
		checkBook(t, held, cost, qty, quote)
	})
}

// A long of 2 for 2,000 is sold and 1 more: what closes realizes 200, the rest
// opens a short.
func ExampleBook() {
	b, ok := account.Book(2*unit, 2000*unit, -3*unit, -3300*unit)
	fmt.Println(ok, b.Qty, b.Cost, b.Realized, b.Reduced)
	// Output: true -1 -1100 200 true
}
