package adl

import (
	"math/big"
	"testing"

	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

func bigOf(v fixedpoint.Int128) *big.Int {
	z := new(big.Int).Lsh(big.NewInt(v.Hi), 64)
	return z.Add(z, new(big.Int).SetUint64(v.Lo))
}

// factor draws an integer other than 0 of any length and sign.
func factor(t *rapid.T) fixedpoint.Int128 {
	ends := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, 1 << 63, 1<<63 - 1, ^uint64(0)}))
	v := fixedpoint.Int128{Lo: ends.Draw(t, "lo")}
	if rapid.Bool().Draw(t, "wide") {
		v.Hi = int64(ends.Draw(t, "hi") >> rapid.IntRange(0, 64).Draw(t, "length"))
	}
	if v == (fixedpoint.Int128{}) {
		v.Lo = 1
	}
	if rapid.Bool().Draw(t, "negative") {
		v = v.Neg()
	}
	return v
}

func factors(t *rapid.T) (a, b [3]fixedpoint.Int128) {
	for i := range a {
		a[i], b[i] = factor(t), factor(t)
	}
	return a, b
}

func product(a, b *[3]fixedpoint.Int128) *big.Int {
	z := big.NewInt(1)
	for i := range a {
		z.Mul(z, bigOf(a[i])).Mul(z, bigOf(b[i]))
	}
	return z.Abs(z)
}

// The product of any six lies where its leading bits say.
func TestLeadHoldsTheProduct(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := factors(t)
		m, want := leading(&a, &b), product(&a, &b)
		if m.top < 1<<63 {
			t.Fatalf("top = %x, its highest bit is not set", m.top)
		}
		// Everything x 2^64: a product of small numbers has an exponent below 0.
		want.Lsh(want, 64)
		low := new(big.Int).SetUint64(m.top)
		high := new(big.Int).Add(low, big.NewInt(slack))
		if low.Lsh(low, uint(m.exp+64)).Cmp(want) > 0 || high.Lsh(high, uint(m.exp+64)).Cmp(want) <= 0 {
			t.Fatalf("%x x 2^%d does not hold the product %x", m.top, m.exp, want)
		}
	})
}

// What leading bits decide is right, however close the products are.
func TestLeadBelow(t *testing.T) {
	decided := 0
	rapid.Check(t, func(t *rapid.T) {
		a, b := factors(t)
		c, d := a, b
		if rapid.Bool().Draw(t, "close") {
			i := rapid.IntRange(0, 2).Draw(t, "which")
			c[i] = c[i].Add(fixedpoint.Int128From(rapid.Int64Range(-100, 100).Draw(t, "off")))
			if c[i].Sign() == 0 {
				c[i] = a[i]
			}
		} else {
			c, d = factors(t)
		}
		x, y := leading(&a, &b), leading(&c, &d)
		truth := product(&a, &b).Cmp(product(&c, &d))
		if x.below(y) && truth >= 0 || y.below(x) && truth <= 0 {
			t.Fatalf("%v and %v decide against %d", x, y, truth)
		}
		if x.below(y) || y.below(x) {
			decided++
		}
	})
	if decided == 0 {
		t.Error("leading bits decided nothing")
	}
}

// The edges: a power of two apart, and as close as the slack.
func TestLeadBelowEdges(t *testing.T) {
	const most = ^uint64(0)
	for _, c := range []struct {
		name string
		m, n lead
		want bool
	}{
		{"the same", lead{1 << 63, 0}, lead{1 << 63, 0}, false},
		{"within the slack", lead{1 << 63, 0}, lead{1<<63 + slack - 1, 0}, false},
		{"at the slack", lead{1 << 63, 0}, lead{1<<63 + slack, 0}, true},
		{"the larger one", lead{1<<63 + slack, 0}, lead{1 << 63, 0}, false},
		{"next exponent", lead{most - slack, 0}, lead{1 << 63, 1}, true},
		{"next exponent, may be reached", lead{most - slack + 1, 0}, lead{1 << 63, 1}, false},
		{"smaller exponent", lead{1 << 63, 1}, lead{most, 0}, false},
	} {
		if got := c.m.below(c.n); got != c.want {
			t.Errorf("%s: below = %v, want %v", c.name, got, c.want)
		}
	}
}
