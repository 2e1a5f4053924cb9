package fixedpoint

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// splitTwin is largest remainder by its definition, with rationals and a stable sort.
func splitTwin(total int64, weights []Int256) []int64 {
	sum := new(big.Int)
	for _, w := range weights {
		sum.Add(sum, big256(w))
	}
	left := new(big.Int).Abs(bigInt(total))
	magnitude := new(big.Int).Set(left)
	shares, rems := make([]*big.Int, len(weights)), make([]*big.Int, len(weights))
	order := make([]int, len(weights))
	for i, w := range weights {
		shares[i], rems[i] = new(big.Int).QuoRem(new(big.Int).Mul(magnitude, big256(w)), sum, new(big.Int))
		left.Sub(left, shares[i])
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return rems[j].Cmp(rems[i]) })
	for _, i := range order[:left.Int64()] {
		shares[i].Add(shares[i], big.NewInt(1))
	}
	out := make([]int64, len(weights))
	for i, share := range shares {
		if total < 0 {
			share.Neg(share)
		}
		out[i] = share.Int64()
	}
	return out
}

// anyWeights draws a few parties or hundreds, with equal and zero weights among
// them, and sums below 2^255 and above 0.
func anyWeights() *rapid.Generator[[]Int256] {
	one := rapid.Custom(func(t *rapid.T) Int256 {
		if rapid.Bool().Draw(t, "small") {
			return Int256From(rapid.Int64Range(0, 5).Draw(t, "weight"))
		}
		w := anyInt256().Draw(t, "weight")
		w.w3 >>= 10 // Hundreds of them stay below 2^255.
		return w
	})
	return rapid.Custom(func(t *rapid.T) []Int256 {
		weights := rapid.SliceOfN(one, 1, rapid.SampledFrom([]int{1, 2, 3, 13, 60}).Draw(t, "parties")).Draw(t, "weights")
		if !slices.ContainsFunc(weights, func(w Int256) bool { return !w.IsZero() }) {
			weights[0] = Int256From(1)
		}
		return weights
	})
}

func TestSplitMatchesTwin(t *testing.T) {
	var scratch SplitScratch // One for all: what a split leaves in it must not matter.
	rapid.Check(t, func(t *rapid.T) {
		total, weights := anyInt64().Draw(t, "total"), anyWeights().Draw(t, "weights")
		out := make([]int64, len(weights))
		Split(total, weights, out, &scratch)
		if want := splitTwin(total, weights); !slices.Equal(out, want) {
			t.Fatalf("Split(%d, %x) = %d, want %d", total, weights, out, want)
		}
	})
}

// Thousands of parties, in the shapes that selection is sensitive to.
func TestSplitAmongThousands(t *testing.T) {
	const parties = 5_000
	for name, weight := range map[string]func(i int64) int64{
		"equal":     func(int64) int64 { return 7 },
		"ascending": func(i int64) int64 { return i },
		"falling":   func(i int64) int64 { return parties - i },
		"organ":     func(i int64) int64 { return min(i, parties-i) },
		"scattered": func(i int64) int64 { return i * 7919 % 4999 },
		"two kinds": func(i int64) int64 { return 1 + i%2 },
		"one holds": func(i int64) int64 { return max(0, i-parties+2) },
	} {
		t.Run(name, func(t *testing.T) {
			weights := make([]Int256, parties)
			for i := range weights {
				weights[i] = Int256From(weight(int64(i)))
			}
			for _, total := range []int64{1, 4_999, 123_456_789, -math.MaxInt64} {
				out := make([]int64, parties)
				Split(total, weights, out, nil)
				if !slices.Equal(out, splitTwin(total, weights)) {
					t.Errorf("Split of %d differs from its twin", total)
				}
			}
		})
	}
}

func TestSplitTable(t *testing.T) {
	for _, c := range []struct {
		name    string
		total   int64
		weights []int64
		want    []int64
	}{
		{"one party", 10, []int64{3}, []int64{10}},
		{"one party, everything", math.MinInt64, []int64{3}, []int64{math.MinInt64}},
		{"nothing", 0, []int64{1, 2}, []int64{0, 0}},
		{"exact", 6, []int64{1, 2, 3}, []int64{1, 2, 3}},
		{"a tie goes to the lower index", 1, []int64{1, 1}, []int64{1, 0}},
		{"two units of three equals", 2, []int64{5, 5, 5}, []int64{1, 1, 0}},
		{"the larger remainder first", 10, []int64{1, 1, 4}, []int64{2, 2, 6}},
		{"a magnitude has no floor below", -10, []int64{1, 1, 4}, []int64{-2, -2, -6}},
		{"no weight, no unit", 1, []int64{0, 1, 0, 1}, []int64{0, 1, 0, 0}},
		{"fewer units than parties", 2, []int64{1, 3, 2, 3}, []int64{0, 1, 0, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			weights, out := make([]Int256, len(c.weights)), make([]int64, len(c.weights))
			for i, w := range c.weights {
				weights[i] = Int256From(w)
			}
			Split(c.total, weights, out, nil)
			if !slices.Equal(out, c.want) {
				t.Errorf("Split(%d, %d) = %d, want %d", c.total, c.weights, out, c.want)
			}
		})
	}
}
