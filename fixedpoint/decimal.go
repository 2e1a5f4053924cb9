package fixedpoint

import (
	"math/bits"
	"strconv"
)

// ParseError says why a text is not a number of this package.
type ParseError struct {
	Input  string // the whole text
	Offset int    // of the byte that is wrong; where the text ends too early, its length
	Reason string // what is wrong and what would be right
}

// quotedBytes bounds how much of a refused input an error text repeats. The
// longest number has 21 bytes, so the byte at fault is nearly always inside.
const quotedBytes = 40

// Error quotes at most the first 40 bytes of the input.
func (e *ParseError) Error() string {
	input, more := e.Input, ""
	if len(input) > quotedBytes {
		input, more = input[:quotedBytes], "..."
	}
	return "fixedpoint: " + strconv.Quote(input) + more + " at byte " + strconv.Itoa(e.Offset) + ": " + e.Reason
}

// The reasons of a [ParseError].
const (
	reasonEmpty    = "empty: want a decimal number such as -12.5"
	reasonDigit    = "want a digit 0-9"
	reasonJunk     = "want a digit, a '.' or the end"
	reasonZero     = "leading zero: write the number without it"
	reasonDecimals = "more than 8 decimals: round it first"
	reasonRange    = "out of range: want -92233720368.54775808 to 92233720368.54775807"
)

// maxIntegerDigits is the length of 92233720368, the largest integer part.
const maxIntegerDigits = 11

var powersOfTen = [Digits + 1]uint64{1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, One}

// Parse reads a decimal such as "-12.5": an optional '-', digits without a
// leading zero, and optionally a '.' with one to eight digits. There is no
// exponent, no '+', no space and no NaN; "-0" is 0. A text that is not one, or
// not in range, is refused with a [*ParseError].
func Parse[T Price | Qty | Amount | Rate, S ~string | ~[]byte](s S) (T, error) {
	v, offset, reason := parse(s)
	if reason != "" {
		return 0, &ParseError{Input: string(s), Offset: offset, Reason: reason}
	}
	return T(v), nil
}

// parse returns the value, or the reason against it and where it applies.
func parse[S ~string | ~[]byte](s S) (v int64, offset int, reason string) {
	if len(s) == 0 {
		return 0, 0, reasonEmpty
	}
	i, negative := 0, s[0] == '-'
	if negative {
		i = 1
	}
	first := i
	var scaled uint64
	for ; i < len(s) && isDigit(s[i]); i++ {
		switch {
		case i == first+1 && s[first] == '0':
			return 0, first, reasonZero
		case i == first+maxIntegerDigits:
			return 0, first, reasonRange
		}
		scaled = scaled*10 + uint64(s[i]-'0')
	}
	if i == first {
		return 0, i, reasonDigit
	}
	decimals := 0
	if i < len(s) && s[i] == '.' {
		for i++; i < len(s) && isDigit(s[i]); i++ {
			if decimals == Digits {
				return 0, i, reasonDecimals
			}
			scaled = scaled*10 + uint64(s[i]-'0')
			decimals++
		}
		if decimals == 0 {
			return 0, i, reasonDigit
		}
	}
	if i < len(s) {
		if decimals > 0 {
			return 0, i, reasonDigit
		}
		return 0, i, reasonJunk
	}
	// Eleven digits and eight decimals stay below 10^19 < 2^64.
	v, ok := signed(scaled*powersOfTen[Digits-decimals], negative)
	if !ok {
		return 0, first, reasonRange
	}
	return v, 0, ""
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// maxText is the longest canonical text of an int64: "-92233720368.54775808".
const maxText = 21

// AppendDecimal appends the canonical text of v at scale 1e-8 to dst: what
// [Parse] reads, without trailing zeros. It does not allocate where dst has
// room for 21 bytes.
func AppendDecimal(dst []byte, v int64) []byte {
	if v < 0 {
		dst = append(dst, '-')
	}
	m := magnitude(v)
	dst = strconv.AppendUint(dst, m/One, 10)
	return appendFraction(dst, m%One)
}

// appendFraction appends the '.' and the decimals of f < One, or nothing for 0.
func appendFraction(dst []byte, f uint64) []byte {
	if f == 0 {
		return dst
	}
	n := Digits
	for f%10 == 0 {
		f, n = f/10, n-1
	}
	return appendPadded(append(dst, '.'), f, n)
}

// appendPadded appends the last n digits of v.
func appendPadded(dst []byte, v uint64, n int) []byte {
	const zeros = "0000000000000000000"
	end := len(dst) + n
	dst = append(dst, zeros[:n]...)
	for i := end - 1; v != 0; i-- {
		dst[i] = byte('0' + v%10)
		v /= 10
	}
	return dst
}

// String is the canonical decimal, as by [AppendDecimal].
func (p Price) String() string { return text(int64(p)) }

// String is the canonical decimal, as by [AppendDecimal].
func (q Qty) String() string { return text(int64(q)) }

// String is the canonical decimal, as by [AppendDecimal].
func (a Amount) String() string { return text(int64(a)) }

// String is the canonical decimal, as by [AppendDecimal]: 5 % is "0.05".
func (r Rate) String() string { return text(int64(r)) }

func text(v int64) string {
	var buf [maxText]byte
	return string(AppendDecimal(buf[:0], v))
}

// AppendDecimal appends the canonical text of x, read at scale 1e-8, to dst. It
// does not allocate where dst has room for 41 bytes. A value at scale 1e-16
// wants [Int128.Rescale] first.
func (x Int128) AppendDecimal(dst []byte) []byte {
	hi, lo := x.magnitude()
	if x.Hi < 0 {
		dst = append(dst, '-')
	}
	hi, rem := hi/One, hi%One
	lo, fraction := bits.Div64(rem, lo, One)
	if hi == 0 {
		return appendFraction(strconv.AppendUint(dst, lo, 10), fraction)
	}
	// The integer part is below 2^127 / 1e8 < 1e31: two runs of digits.
	const digits, run = 19, 10_000_000_000_000_000_000
	top, rest := bits.Div64(hi, lo, run)
	dst = strconv.AppendUint(dst, top, 10)
	return appendFraction(appendPadded(dst, rest, digits), fraction)
}

// maxText128 is the longest canonical text of an Int128: a sign, 39 digits and a '.'.
const maxText128 = 41

// String is the canonical decimal of x at scale 1e-8, as by [Int128.AppendDecimal].
func (x Int128) String() string {
	var buf [maxText128]byte
	return string(x.AppendDecimal(buf[:0]))
}
