package oracle

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strings"
)

// num is an exact integer that nobody changes after it was made.
type num = *big.Int

var (
	zero  = big.NewInt(0)
	one   = big.NewInt(1)
	big20 = big.NewInt(20)
	e8    = big.NewInt(1e8)
	e16   = big.NewInt(1e16)
)

func add(a, b num) num { return new(big.Int).Add(a, b) }
func sub(a, b num) num { return new(big.Int).Sub(a, b) }
func mul(a, b num) num { return new(big.Int).Mul(a, b) }
func mod(a, b num) num { return new(big.Int).Mod(a, b) }
func neg(a num) num    { return new(big.Int).Neg(a) }
func abs(a num) num    { return new(big.Int).Abs(a) }

func lessOf(a, b num) num {
	if a.Cmp(b) <= 0 {
		return a
	}
	return b
}

func moreOf(a, b num) num {
	if a.Cmp(b) >= 0 {
		return a
	}
	return b
}

// floorDiv rounds towards minus infinity; b is positive.
func floorDiv(a, b num) num { return new(big.Int).Div(a, b) }

// ceilDiv rounds towards plus infinity; b is positive.
func ceilDiv(a, b num) num { return neg(floorDiv(neg(a), b)) }

// halfEven rounds a/b to the nearest integer, ties to the even one.
func halfEven(a, b num) num {
	if b.Sign() < 0 {
		a, b = neg(a), neg(b)
	}
	q := floorDiv(a, b)
	twice := mul(big.NewInt(2), sub(a, mul(q, b)))
	if c := twice.Cmp(b); c > 0 || c == 0 && q.Bit(0) == 1 {
		return add(q, one)
	}
	return q
}

// show8 is a value with 16 decimals as one with 8.
func show8(v16 num) num { return halfEven(v16, e8) }

// show24 is a value with 24 decimals as one with 8.
func show24(v24 num) num { return halfEven(v24, e16) }

func rat(a, b num) *big.Rat { return new(big.Rat).SetFrac(a, b) }

func ratOf(a num) *big.Rat { return new(big.Rat).SetInt(a) }

func ratAdd(a, b *big.Rat) *big.Rat { return new(big.Rat).Add(a, b) }
func ratSub(a, b *big.Rat) *big.Rat { return new(big.Rat).Sub(a, b) }
func ratMul(a, b *big.Rat) *big.Rat { return new(big.Rat).Mul(a, b) }
func ratDiv(a, b *big.Rat) *big.Rat { return new(big.Rat).Quo(a, b) }

func ratFloor(r *big.Rat) num { return floorDiv(r.Num(), r.Denom()) }

// showRat is a plain number as an integer at 1e-8, half-even.
func showRat(r *big.Rat) num { return halfEven(mul(r.Num(), e8), r.Denom()) }

// fits says whether a number of the rules (int64 at 1e-8) can hold v.
func fits(v num) bool { return v.IsInt64() }

var (
	maxInt = big.NewInt(math.MaxInt64)
)

// decimal is the canonical text of an integer at 1e-8.
func decimal(v num) string {
	digits := fmt.Sprintf("%09d", abs(v))
	n := len(digits) - 8
	text := strings.TrimRight(digits[:n]+"."+digits[n:], "0")
	text = strings.TrimSuffix(text, ".")
	if v.Sign() < 0 {
		return "-" + text
	}
	return text
}

// numberForm is a decimal of JSON; its exponent has two digits at most, enough
// for every number that fits.
var numberForm = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$`)

// parseDecimal reads an exact decimal of at most 8 places that fits an int64.
func parseDecimal(text string) (num, error) {
	var r *big.Rat
	ok := numberForm.MatchString(text)
	if ok {
		r, ok = new(big.Rat).SetString(text)
	}
	if !ok {
		return nil, fmt.Errorf("oracle: %q is no decimal number", text)
	}
	r.Mul(r, ratOf(e8))
	if !r.IsInt() || !fits(r.Num()) {
		return nil, fmt.Errorf("oracle: %q does not fit 8 decimals of a 64-bit integer", text)
	}
	return new(big.Int).Set(r.Num()), nil
}

// share splits total over the weights by largest remainder; the earlier of two
// equal remainders comes first.
func share(total num, weights []num) []num {
	sum := zero
	for _, w := range weights {
		sum = add(sum, w)
	}
	parts := make([]num, len(weights))
	rest := make([]*big.Rat, len(weights))
	left := abs(total)
	for i, w := range weights {
		exact := mul(abs(total), w)
		parts[i] = floorDiv(exact, sum)
		rest[i] = rat(sub(exact, mul(parts[i], sum)), one)
		left = sub(left, parts[i])
	}
	for left.Sign() > 0 {
		best := -1
		for i := range rest {
			if rest[i] != nil && (best < 0 || rest[i].Cmp(rest[best]) > 0) {
				best = i
			}
		}
		parts[best], rest[best] = add(parts[best], one), nil
		left = sub(left, one)
	}
	if total.Sign() < 0 {
		for i := range parts {
			parts[i] = neg(parts[i])
		}
	}
	return parts
}
