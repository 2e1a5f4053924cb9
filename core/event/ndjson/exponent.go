package ndjson

import (
	"bytes"
	"strconv"
)

// farthest bounds an exponent: any number that has more digits than this does not
// fit, and 0 needs none.
const farthest = 40

// plain writes a JSON number without its exponent: 1.5e-05 is 0.000015. JSON
// writers fall into that form by themselves, and the number is no less exact. A
// text that is no such number comes back as it is, to be refused as that.
func plain(number []byte) []byte {
	mantissa, exponent, _ := bytes.Cut(bytes.ToLower(number), []byte("e"))
	shift, err := strconv.Atoi(string(exponent))
	size, negative := bytes.CutPrefix(mantissa, []byte("-"))
	whole, fraction, hasPoint := bytes.Cut(size, []byte("."))
	if err != nil || shift < -farthest || shift > farthest || hasPoint && len(fraction) == 0 ||
		len(whole) == 0 || len(whole) > 1 && whole[0] == '0' {
		return number
	}
	digits := append(bytes.Clone(whole), fraction...)
	point := len(whole) + shift
	if point < 1 {
		digits = append(bytes.Repeat([]byte("0"), 1-point), digits...)
		point = 1
	}
	if more := point - len(digits); more > 0 {
		digits = append(digits, bytes.Repeat([]byte("0"), more)...)
	}
	whole, fraction = bytes.TrimLeft(digits[:point], "0"), bytes.TrimRight(digits[point:], "0")
	if len(whole) == 0 {
		whole = []byte("0")
	}
	var out []byte
	if negative {
		out = append(out, '-')
	}
	out = append(out, whole...)
	if len(fraction) > 0 {
		out = append(append(out, '.'), fraction...)
	}
	return out
}
