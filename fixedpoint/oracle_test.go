package fixedpoint

import (
	"flag"
	"math/big"

	"pgregory.net/rapid"
)

// The dumb twin of everything in this package is math/big.

// A property here costs microseconds: look at more than rapid's hundred cases.
// The flag on the command line still decides.
func init() {
	if err := flag.Set("rapid.checks", "3000"); err != nil {
		panic(err)
	}
}

func bigInt(v int64) *big.Int { return big.NewInt(v) }

func big128(x Int128) *big.Int {
	z := new(big.Int).Lsh(big.NewInt(x.Hi), 64)
	return z.Add(z, new(big.Int).SetUint64(x.Lo))
}

// of is an integer of these limbs, the lowest first.
func of(limbs ...uint64) Int256 {
	var w [4]uint64
	copy(w[:], limbs)
	return int256(w)
}

func big256(x Int256) *big.Int {
	w := x.Words()
	z := big.NewInt(int64(w[3]))
	for i := 2; i >= 0; i-- {
		z.Lsh(z, 64)
		z.Add(z, new(big.Int).SetUint64(w[i]))
	}
	return z
}

func bigProduct(factors []Int256) *big.Int {
	z := big.NewInt(1)
	for _, f := range factors {
		z.Mul(z, big256(f))
	}
	return z
}

func pow2(n uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), n) }

// wrapped is v reduced to a two's complement integer of that many bits.
func wrapped(v *big.Int, bits uint) *big.Int {
	z := new(big.Int).Mod(v, pow2(bits))
	if z.Cmp(pow2(bits-1)) >= 0 {
		z.Sub(z, pow2(bits))
	}
	return z
}

func fits(v *big.Int, bits uint) bool { return v.Cmp(wrapped(v, bits)) == 0 }

// roundedQuotient rounds n/d by the definitions of the rules, not by magnitudes: the
// floor, and one more where the rule and the distance ask for it.
func roundedQuotient(n, d *big.Int, r Rounding) *big.Int {
	if d.Sign() < 0 {
		n, d = new(big.Int).Neg(n), new(big.Int).Neg(d)
	}
	floor, rem := new(big.Int).DivMod(n, d, new(big.Int))
	if rem.Sign() == 0 {
		return floor
	}
	ceil := new(big.Int).Add(floor, big.NewInt(1))
	switch r {
	case Floor:
		return floor
	case Ceil:
		return ceil
	case Truncate:
		if n.Sign() < 0 {
			return ceil
		}
		return floor
	}
	c := rem.Lsh(rem, 1).Cmp(d)
	if c > 0 || c == 0 && floor.Bit(0) == 1 {
		return ceil
	}
	return floor
}

var roundings = []Rounding{Floor, Ceil, Truncate, HalfEven}

func drawRounding() *rapid.Generator[Rounding] { return rapid.SampledFrom(roundings) }

// limb draws what carries, borrows and trial quotients stumble over as often as
// anything else.
func limb() *rapid.Generator[uint64] {
	return rapid.OneOf(
		rapid.SampledFrom([]uint64{0, 1, 2, 1<<63 - 1, 1 << 63, 1<<63 + 1, ^uint64(0) - 1, ^uint64(0)}),
		rapid.Uint64(),
	)
}

func anyInt64() *rapid.Generator[int64] {
	return rapid.Custom(func(t *rapid.T) int64 { return int64(limb().Draw(t, "limb")) })
}

func anyInt128() *rapid.Generator[Int128] {
	return rapid.Custom(func(t *rapid.T) Int128 {
		if rapid.Bool().Draw(t, "small") {
			return Int128From(anyInt64().Draw(t, "v"))
		}
		return Int128{Hi: anyInt64().Draw(t, "hi"), Lo: limb().Draw(t, "lo")}
	})
}

// anyInt256 draws integers of every length: the upper limbs repeat the sign.
func anyInt256() *rapid.Generator[Int256] {
	return rapid.Custom(func(t *rapid.T) Int256 {
		var x [4]uint64
		n := rapid.IntRange(1, 4).Draw(t, "limbs")
		for i := range n {
			x[i] = limb().Draw(t, "limb")
		}
		for i := n; i < 4; i++ {
			x[i] = uint64(int64(x[n-1]) >> 63)
		}
		return int256(x)
	})
}
