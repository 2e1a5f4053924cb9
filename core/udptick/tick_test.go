package udptick

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

// One tick, byte by byte after the table in the package doc.
func TestAppendTickBytes(t *testing.T) {
	got := hex.EncodeToString(AppendTick(nil, Tick{
		Instrument: 0x01020304,
		Flags:      Halted | Suspect,
		Mark:       0x1112131415161718,
		Index:      0x2122232425262728,
		TimeNanos:  0x3132333435363738,
	}))
	const want = "2000" + "0100" + "5342" + "0100" + // header
		"04030201" + "0500" + "f8" + "00" + // instrument, flags, exponent -8, padding
		"1817161514131211" + "2827262524232221" + "3837363534333231"
	if got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}

// wireTick is a tick with every field free.
func wireTick(exponent int8, mark, index, time int64, flags uint16) []byte {
	b := AppendTick(nil, Tick{Instrument: 7})
	binary.LittleEndian.PutUint16(b[flagsAt:], flags)
	b[exponentAt] = byte(exponent)
	binary.LittleEndian.PutUint64(b[markAt:], uint64(mark))
	binary.LittleEndian.PutUint64(b[indexAt:], uint64(index))
	binary.LittleEndian.PutUint64(b[timeAt:], uint64(time))
	return b
}

func TestParseTick(t *testing.T) {
	good := wireTick(-8, 1, 0, 1, 0)
	patched := func(at int, v byte) []byte {
		b := append([]byte(nil), good...)
		b[at] = v
		return b
	}
	const whole = math.MaxInt64 / unit // the largest price without decimals
	for _, c := range []struct {
		name        string
		in          []byte
		mark, index fixedpoint.Price
		reason      string
		value       bool
	}{
		{"least price", good, 1, 0, "", false},
		{"largest price", wireTick(-8, math.MaxInt64, math.MaxInt64, math.MaxInt64, 7), math.MaxInt64, math.MaxInt64, "", false},
		{"exponent 0", wireTick(0, 42, 41, 1, 0), 42 * unit, 41 * unit, "", false},
		{"exponent -3", wireTick(-3, 42_001, 0, 1, 0), 42_00100000, 0, "", false},
		{"largest whole price", wireTick(0, whole, 0, 1, 0), whole * unit, 0, "", false},
		{"null index", wireTick(-8, 5, math.MinInt64, 1, 0), 5, 0, "", false},
		{"padding", patched(15, 0xff), 1, 0, "", false},

		{"39 bytes", good[:39], 0, 0, "want 40 bytes", false},
		{"41 bytes", append(patched(15, 0), 0), 0, 0, "want 40 bytes", false},
		{"empty", nil, 0, 0, "want 40 bytes", false},
		{"block length", patched(0, 33), 0, 0, "blockLength", false},
		{"template", patched(2, 2), 0, 0, "blockLength", false},
		{"schema", patched(5, 0), 0, 0, "blockLength", false},
		{"version", patched(6, 2), 0, 0, "blockLength", false},

		{"unknown flag", wireTick(-8, 1, 0, 1, 8), 0, 0, "flags", true},
		{"exponent 1", wireTick(1, 1, 0, 1, 0), 0, 0, "exponent", true},
		{"exponent -9", wireTick(-9, 1, 0, 1, 0), 0, 0, "exponent", true},
		{"exponent -128", wireTick(-128, 1, 0, 1, 0), 0, 0, "exponent", true},
		{"mark 0", wireTick(-8, 0, 1, 1, 0), 0, 0, "markPrice", true},
		{"mark below 0", wireTick(-8, -1, 1, 1, 0), 0, 0, "markPrice", true},
		{"index below 0", wireTick(-8, 1, -1, 1, 0), 0, 0, "indexPrice", true},
		{"mark one too large", wireTick(0, whole+1, 0, 1, 0), 0, 0, "does not fit", true},
		{"index one too large", wireTick(0, 1, whole+1, 1, 0), 0, 0, "does not fit", true},
		{"time 0", wireTick(-8, 1, 0, 0, 0), 0, 0, "transactTime", true},
		{"time below 0", wireTick(-8, 1, 0, -1, 0), 0, 0, "transactTime", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseTick(c.in)
			if c.reason != "" {
				bad, ok := errors.AsType[*ParseError](err)
				if !ok || !strings.Contains(bad.Reason, c.reason) || bad.Value != c.value {
					t.Fatalf("got %+v, %+v, want %q", got, err, c.reason)
				}
				return
			}
			if err != nil || got.Instrument != 7 || got.Mark != c.mark || got.Index != c.index {
				t.Fatalf("got %+v, %v, want mark %v index %v", got, err, c.mark, c.index)
			}
		})
	}
}

// Prices of any exponent are those of arbitrary precision, or refused.
func TestTickPricesAgainstBig(t *testing.T) {
	scaled := func(mantissa int64, exponent int8) (int64, bool) {
		v := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(fixedpoint.Digits+exponent)), nil)
		v.Mul(v, big.NewInt(mantissa))
		return v.Int64(), v.IsInt64()
	}
	rapid.Check(t, func(t *rapid.T) {
		exponent := rapid.Int8Range(-8, 0).Draw(t, "exponent")
		mark := rapid.Int64Range(1, math.MaxInt64).Draw(t, "mark")
		index := rapid.Int64Range(0, math.MaxInt64).Draw(t, "index")
		wantMark, markFits := scaled(mark, exponent)
		wantIndex, indexFits := scaled(index, exponent)
		got, err := ParseTick(wireTick(exponent, mark, index, 1, 0))
		if (err == nil) != (markFits && indexFits) {
			t.Fatalf("mark fits %v, index fits %v, but %v", markFits, indexFits, err)
		}
		if err == nil && (int64(got.Mark) != wantMark || int64(got.Index) != wantIndex) {
			t.Fatalf("got %d %d, want %d %d", got.Mark, got.Index, wantMark, wantIndex)
		}
	})
}

// The record is what package event builds, and valid to it: a sink that refused
// it would be offered it for ever.
func TestTickRecordAgainstBuilders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tick := Tick{
			Flags:     rapid.SampledFrom([]TickFlags{0, Suspect, Halted, Snapshot | Suspect}).Draw(t, "flags"),
			Mark:      fixedpoint.Price(rapid.Int64Range(1, math.MaxInt64).Draw(t, "mark")),
			Index:     fixedpoint.Price(rapid.SampledFrom([]int64{0, 1, math.MaxInt64}).Draw(t, "index")),
			TimeNanos: rapid.Int64Range(1, math.MaxInt64).Draw(t, "time"),
		}
		symbol := event.SymbolID(rapid.Uint64().Draw(t, "symbol"))
		now := rapid.Int64Range(0, math.MaxInt64).Draw(t, "now")
		want := event.Tick(symbol, tick.Mark).At(now)
		want.SetMarkTime(tick.TimeNanos)
		if tick.Index != 0 {
			want.SetIndex(tick.Index)
		}
		if tick.Flags&Suspect != 0 {
			want.SetSuspect()
		}
		got := tick.record(symbol, tick.Flags&Suspect != 0, now)
		if got != want {
			t.Fatalf("got  %x\nwant %x", got, want)
		}
		if err := (event.Event{got}).Validate(); err != nil {
			t.Fatal(err)
		}
	})
}
