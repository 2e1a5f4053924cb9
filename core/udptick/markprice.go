package udptick

import (
	"math"
	"strconv"

	"github.com/backstop-fund/backstop/fixedpoint"
)

// MarkPriceUpdate is what a Binance markPriceUpdate tells of a mark.
type MarkPriceUpdate struct {
	Symbol     []byte // s; of a parsed update, aliases its text
	Mark       fixedpoint.Price
	Index      fixedpoint.Price // 0 for none
	TimeMillis int64            // since 1970
}

const nanosPerMilli = 1_000_000

// ParseMarkPriceUpdate reads a datagram with one update; see the package doc for
// what it takes. It refuses anything else with a [*ParseError].
func ParseMarkPriceUpdate(datagram []byte) (MarkPriceUpdate, error) {
	u, bad := parseUpdate(datagram)
	if !bad.none() {
		return MarkPriceUpdate{}, bad.in("markPriceUpdate")
	}
	return u, nil
}

// AppendMarkPriceUpdate appends u as one JSON object, prices with eight decimals
// as Binance does, i only if there is an index. Requires: the symbol is printable
// ASCII without quote and backslash, prices and time are not negative.
func AppendMarkPriceUpdate(dst []byte, u MarkPriceUpdate) []byte {
	dst = append(dst, `{"e":"markPriceUpdate","E":`...)
	dst = strconv.AppendInt(dst, u.TimeMillis, 10)
	dst = append(append(append(dst, `,"s":"`...), u.Symbol...), `","p":"`...)
	dst = appendPrice(dst, u.Mark)
	if u.Index != 0 {
		dst = appendPrice(append(dst, `","i":"`...), u.Index)
	}
	return append(dst, `"}`...)
}

func appendPrice(dst []byte, p fixedpoint.Price) []byte {
	dst = strconv.AppendInt(dst, int64(p/fixedpoint.One), 10)
	dst = append(dst, '.')
	for unit, rest := int64(fixedpoint.One/10), int64(p%fixedpoint.One); unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+rest/unit%10))
	}
	return dst
}

// parseUpdate reads the structure first and the values after: a datagram is
// malformed or not whatever its values are. With a bad value, the symbol is good.
func parseUpdate(b []byte) (u MarkPriceUpdate, bad fault) {
	s := scanner{b: b}
	if bad = s.scan(); !bad.none() {
		return MarkPriceUpdate{}, bad
	}
	u.Symbol = s.get(fieldSymbol)
	var ok bool
	if u.TimeMillis, ok = millis(s.get(fieldTime)); !ok {
		return u, s.badValue(fieldTime, "E: want milliseconds since 1970, above 0")
	}
	if u.Mark, ok = price(s.get(fieldMark)); !ok || u.Mark == 0 {
		return u, s.badValue(fieldMark, reasonMark)
	}
	if s.has(fieldIndex) {
		if u.Index, ok = price(s.get(fieldIndex)); !ok {
			return u, s.badValue(fieldIndex, reasonIndex)
		}
	}
	return u, fault{}
}

const (
	reasonMark  = "p: want a decimal above 0, at most 92233720368.54775807, with zeros from the ninth decimal on"
	reasonIndex = "i: want a decimal not below 0, at most 92233720368.54775807, with zeros from the ninth decimal on"
)

// millis reads an integer that is above 0 and fits an int64 as nanoseconds.
func millis(text []byte) (v int64, ok bool) {
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		if v = v*10 + int64(c-'0'); v > math.MaxInt64/nanosPerMilli {
			return 0, false
		}
	}
	return v, v > 0
}

// price reads an unsigned decimal. It is [fixedpoint.Parse] for this wire: it
// takes zeros beyond the eighth decimal, and a refusal costs no allocation.
func price(text []byte) (fixedpoint.Price, bool) {
	const maxIntegerDigits = 11 // of 92233720368
	var v uint64
	i := 0
	for ; i < len(text) && text[i] != '.'; i++ {
		d := text[i] - '0'
		if d > 9 || i == maxIntegerDigits || i == 1 && text[0] == '0' {
			return 0, false
		}
		v = v*10 + uint64(d)
	}
	if i == 0 || i == len(text)-1 {
		return 0, false // no digit before the point, or none after it
	}
	decimals := 0
	for i++; i < len(text); i++ {
		d := text[i] - '0'
		switch {
		case d > 9, decimals == fixedpoint.Digits && d != 0:
			return 0, false
		case decimals < fixedpoint.Digits:
			v = v*10 + uint64(d)
			decimals++
		}
	}
	// Eleven digits and eight decimals stay below 10^19 < 2^64.
	v *= uint64(scales[fixedpoint.Digits-decimals])
	return fixedpoint.Price(v), v <= math.MaxInt64
}
