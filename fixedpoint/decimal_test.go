package fixedpoint

import (
	"errors"
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"pgregory.net/rapid"
)

func TestParseAndString(t *testing.T) {
	for _, c := range []struct {
		text      string
		want      int64
		canonical string // where it is not the text itself
	}{
		{"0", 0, ""},
		{"-0", 0, "0"},
		{"-0.00000000", 0, "0"},
		{"1", One, ""},
		{"-1", -One, ""},
		{"0.5", One / 2, ""},
		{"0.10", One / 10, "0.1"},
		{"0.00000001", 1, ""},
		{"-0.00000001", -1, ""},
		{"12.34567890", 12_34567890, "12.3456789"},
		{"100", 100 * One, ""},
		{"10.01", 10_01000000, ""},
		{"92233720368.54775807", math.MaxInt64, ""},
		{"-92233720368.54775807", -math.MaxInt64, ""},
		{"-92233720368.54775808", math.MinInt64, ""},
	} {
		got, err := Parse[Price](c.text)
		if err != nil || int64(got) != c.want {
			t.Errorf("Parse(%q) = %d, %v, want %d", c.text, got, err, c.want)
		}
		fromBytes, err := Parse[Rate]([]byte(c.text))
		if err != nil || int64(fromBytes) != c.want {
			t.Errorf("Parse([]byte(%q)) = %d, %v, want %d", c.text, fromBytes, err, c.want)
		}
		canonical := c.canonical
		if canonical == "" {
			canonical = c.text
		}
		for _, got := range []string{Price(c.want).String(), Qty(c.want).String(), Amount(c.want).String(),
			Rate(c.want).String(), Int128From(c.want).String(), string(AppendDecimal(nil, c.want))} {
			if got != canonical {
				t.Errorf("the text of %d is %q, want %q", c.want, got, canonical)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const (
		digit    = "want a digit 0-9"
		junk     = "want a digit, a '.' or the end"
		zero     = "leading zero: write the number without it"
		decimals = "more than 8 decimals: round it first"
		outside  = "out of range: want -92233720368.54775808 to 92233720368.54775807"
	)
	for _, c := range []struct {
		text   string
		offset int
		reason string
	}{
		{"", 0, "empty: want a decimal number such as -12.5"},
		{"-", 1, digit},
		{"--1", 1, digit},
		{"+1", 0, digit},
		{" 1", 0, digit},
		{"1 ", 1, junk},
		{".5", 0, digit},
		{"-.5", 1, digit},
		{"1.", 2, digit},
		{"1..2", 2, digit},
		{"1.2.3", 3, digit},
		{"1.5 ", 3, digit},
		{"1,5", 1, junk},
		{"1e8", 1, junk},
		{"1.0e8", 3, digit},
		{"0x10", 1, junk},
		{"NaN", 0, digit},
		{"-Inf", 1, digit},
		{"01", 0, zero},
		{"-00.5", 1, zero},
		{"00000000000000", 0, zero},
		{"0.123456789", 10, decimals},
		{"1.000000000", 10, decimals},
		{"92233720368.54775808", 0, outside},
		{"-92233720368.54775809", 1, outside},
		{"92233720369", 0, outside},
		{"99999999999.99999999", 0, outside},
		{"100000000000", 0, outside},
		{"18446744073709551617", 0, outside},
		{"1\x00", 1, junk},
		{"\u0661", 0, digit}, // A digit in Arabic.
	} {
		_, err := Parse[Amount](c.text)
		parseErr, ok := errors.AsType[*ParseError](err)
		if !ok {
			t.Errorf("Parse(%q): %v, want a *ParseError", c.text, err)
			continue
		}
		if *parseErr != (ParseError{c.text, c.offset, c.reason}) {
			t.Errorf("Parse(%q): %+v, want offset %d, %q", c.text, *parseErr, c.offset, c.reason)
		}
	}
}

func TestParseErrorText(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"12x4", `fixedpoint: "12x4" at byte 2: want a digit, a '.' or the end`},
		{"\xff\n", `fixedpoint: "\xff\n" at byte 0: want a digit 0-9`},
		{"0." + strings.Repeat("3", 38), `fixedpoint: "0.33333333333333333333333333333333333333" at byte 10: more than 8 decimals: round it first`},
		{"0." + strings.Repeat("3", 39), `fixedpoint: "0.33333333333333333333333333333333333333"... at byte 10: more than 8 decimals: round it first`},
	} {
		if _, err := Parse[Qty](c.text); err == nil || err.Error() != c.want {
			t.Errorf("Parse(%q): %v\nwant %s", c.text, err, c.want)
		}
	}
}

// An Int128 prints as apd does, and as Parse reads where it fits.
func TestTextMatchesApd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := anyInt128().Draw(t, "x")
		got := string(x.AppendDecimal([]byte("x=")))
		if len(got) > len("x=")+maxText128 {
			t.Fatalf("%q is longer than %d", got, maxText128)
		}
		twin := apd.NewWithBigInt(new(apd.BigInt).SetMathBigInt(big128(x)), -Digits)
		if twin.IsZero() {
			twin = new(apd.Decimal)
		}
		twin.Reduce(twin)
		if want := "x=" + twin.Text('f'); got != want {
			t.Fatalf("AppendDecimal = %q, want %q", got, want)
		}
		if v, ok := x.Int64(); ok {
			if back, err := Parse[Qty](got[2:]); err != nil || int64(back) != v {
				t.Fatalf("Parse(%q) = %d, %v, want %d", got[2:], back, err, v)
			}
			if short := string(AppendDecimal(nil, v)); short != got[2:] {
				t.Fatalf("AppendDecimal(%d) = %q, want %q", v, short, got[2:])
			}
		}
	})
}

func TestWideText(t *testing.T) {
	for _, c := range []struct {
		x    Int128
		want string
	}{
		{Int128{Hi: math.MinInt64}, "-1701411834604692317316873037158.84105728"},
		{Int128{Hi: math.MaxInt64, Lo: math.MaxUint64}, "1701411834604692317316873037158.84105727"},
		// 10^19 whole units: the first value of two runs of digits.
		{Mul64(10_000_000_000, One).Wide().MulInt64(1_000_000_000).low(), "10000000000000000000"},
		{Mul64(10_000_000_000, One).Wide().MulInt64(1_000_000_000).low().Sub(Int128From(1)), "9999999999999999999.99999999"},
		{Int128{Hi: 1}, "184467440737.09551616"},
	} {
		if got := c.x.String(); got != c.want {
			t.Errorf("%+v prints as %s, want %s", c.x, got, c.want)
		}
	}
}

// low is x, which fits.
func (x Int256) low() Int128 {
	v, _ := x.Int128()
	return v
}

// grammar is the whole of what [Parse] reads, range apart.
var grammar = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]{1,8})?$`)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"0", "-0", "1.5", "-92233720368.54775808", "92233720368.54775808", "01", "1e3", "1.", "0.123456789", "99999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Parse[Amount](text)
		fromBytes, bytesErr := Parse[Amount]([]byte(text))
		if got != fromBytes || (err == nil) != (bytesErr == nil) {
			t.Fatalf("Parse(%q) = %d, %v as string, %d, %v as bytes", text, got, err, fromBytes, bytesErr)
		}
		if err != nil {
			parseErr, ok := errors.AsType[*ParseError](err)
			if !ok || parseErr.Offset < 0 || parseErr.Offset > len(text) || len(err.Error()) > 300 {
				t.Fatalf("Parse(%q): %v", text, err)
			}
		}
		var want *big.Int
		if grammar.MatchString(text) {
			twin, _ := new(big.Rat).SetString(text)
			want = twin.Mul(twin, big.NewRat(One, 1)).Num()
		}
		if readable := want != nil && want.IsInt64(); readable != (err == nil) {
			t.Fatalf("Parse(%q): %v, want readable: %v", text, err, readable)
		}
		if err == nil && int64(got) != want.Int64() {
			t.Fatalf("Parse(%q) = %d, want %v", text, int64(got), want)
		}
	})
}
