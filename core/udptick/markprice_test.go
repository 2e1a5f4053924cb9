package udptick

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

// The example of Binance's documentation.
const documented = `{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15000000",` +
	`"i":"11784.62659091","P":"11784.25641265","r":"0.00038167","T":1562306400000}`

func TestParseMarkPriceUpdate(t *testing.T) {
	long := strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth)
	for _, c := range []struct{ name, in, reason string }{
		{"documented", documented, ""},
		{"wrapped", `{"stream":"btcusdt@markPrice","data":` + documented + `}`, ""},
		{"wrapped, data first", `{"data":` + documented + `,"stream":"btcusdt@markPrice"}`, ""},
		{"spaces and a line's end", " { \"E\" :\t1562305380000 , \"p\" : \"11794.15\",\"i\":\"11784.62659091\",\"s\":\"BTCUSDT\",\"e\":\"markPriceUpdate\"}\r\n", ""},
		{"an escape in an unknown key", documented[:len(documented)-1] +
			`,"\u0065":1}`, "escape in a key"},
		{"unknown keys of every kind", documented[:len(documented)-1] +
			`,"x":{"e":1,"\u0065":[]},"y":[1,-0.5e+3,0E9,null,{}],"z":true,"w":false,"v":"\u00e9\"\\\/\b\f\n\r\t"}`, ""},
		{"data that is no object", `{"data":[],` + documented[1:], ""},
		{"nested as deep as may be", `{"x":` + long + `,` + documented[1:], ""},
		{"nested one deeper", `{"x":[` + long + `],` + documented[1:], "nested too deep"},

		{"empty", ``, "want an object"},
		{"a list", `[` + documented + `]`, "want an object"},
		{"no fields", `{}`, "want e, E, s and p"},
		{"no e", strings.Replace(documented, `"e"`, `"a"`, 1), "want e, E, s and p"},
		{"no E", strings.Replace(documented, `"E"`, `"a"`, 1), "want e, E, s and p"},
		{"no s", strings.Replace(documented, `"s"`, `"a"`, 1), "want e, E, s and p"},
		{"no p", strings.Replace(documented, `"p"`, `"a"`, 1), "want e, E, s and p"},
		{"another event", strings.Replace(documented, "markPriceUpdate", "markPriceUpdated", 1), "want markPriceUpdate"},
		{"p twice", `{"p":"1",` + documented[1:], "second time"},
		{"two objects", documented + documented, "after the object"},
		{"a byte more", documented + "x", "after the object"},
		{"an update in an update", documented[:len(documented)-1] + `,"data":` + documented + `}`, "inside of an update"},
		{"an update around an update", `{"data":` + strings.Replace(documented, `"i"`, `"j"`, 1) + `,"i":"1"}`, "around an update"},
		{"two updates in a wrapper", `{"data":` + documented + `,"data":{}}`, "inside of an update"},
		{"an empty one before it", `{"data":{},"data":` + documented + `}`, "inside of an update"},
		{"an empty wrapper", `{"data":{},"stream":""}`, "want e, E, s and p"},
		{"a wrapper in a wrapper", `{"data":{"data":` + documented + `}}`, "want e, E, s and p"},
		{"p as a number", strings.Replace(documented, `"11794.15000000"`, `11794.15`, 1), "want a string"},
		{"s as null", strings.Replace(documented, `"BTCUSDT"`, `null`, 1), "want a string"},
		{"E as a string", strings.Replace(documented, `1562305380000`, `"1562305380000"`, 1), "want a value"},
		{"E with a fraction", strings.Replace(documented, `1562305380000`, `1562305380000.0`, 1), "want an integer"},
		{"E with an exponent", strings.Replace(documented, `1562305380000`, `1562305380E3`, 1), "want an integer"},
		{"an escape in s", strings.Replace(documented, `BTCUSDT`, `BTC\u0055SDT`, 1), "escape in a key or a field"},
		{"a control character", strings.Replace(documented, `BTCUSDT`, "BTC\nUSDT", 1), "control character"},
		{"no such escape", `{"x":"\x",` + documented[1:], "no such escape"},
		{"short escape", `{"x":"\u12g4",` + documented[1:], "hexadecimal"},
		{"no comma", strings.Replace(documented, `,"s"`, ` "s"`, 1), "want ','"},
		{"two commas", strings.Replace(documented, `,"s"`, `,,"s"`, 1), "want a key"},
		{"a comma at the end", documented[:len(documented)-1] + `,}`, "want a key"},
		{"no colon", strings.Replace(documented, `"s":`, `"s"`, 1), "want ':'"},
		{"number with a leading zero", `{"x":01,` + documented[1:], "want ','"},
		{"number with a plus", `{"x":+1,` + documented[1:], "want a value"},
		{"number without a fraction", `{"x":1.,` + documented[1:], "digit of a number"},
		{"number without an exponent", `{"x":1e,` + documented[1:], "digit of a number"},
		{"half a literal", `{"x":nul,` + documented[1:], "true, false or null"},
		{"mixed brackets", `{"x":[1},` + documented[1:], "want ','"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, err := ParseMarkPriceUpdate([]byte(c.in))
			if c.reason != "" {
				bad, ok := errors.AsType[*ParseError](err)
				if !ok || !strings.Contains(bad.Reason, c.reason) || bad.Value || bad.Offset < 0 || bad.Offset > len(c.in) {
					t.Fatalf("got %+v, %v, want %q", u, err, c.reason)
				}
				return
			}
			if err != nil || string(u.Symbol) != "BTCUSDT" || u.TimeMillis != 1562305380000 ||
				u.Mark != 11794_15000000 || u.Index != 11784_62659091 {
				t.Fatalf("got %+v, %v", u, err)
			}
		})
	}
}

// Cut anywhere, it is malformed, and nothing reads beyond the cut.
func TestCutUpdate(t *testing.T) {
	full := `{"stream":"x\n","data":{"a":[true,{"b":-1.5e3}],` + documented[1:] + `}`
	for i := range full {
		cut := []byte(full)[:i:i]
		if bad, ok := errors.AsType[*ParseError](parseError(cut)); !ok || bad.Value {
			t.Fatalf("%s: %v", cut, bad)
		}
	}
	if err := parseError([]byte(full)); err != nil {
		t.Fatal(err)
	}
}

func parseError(b []byte) error {
	_, err := ParseMarkPriceUpdate(b)
	return err
}

func TestUpdateValues(t *testing.T) {
	const least, most = "1", "9223372036854"
	for _, c := range []struct {
		name, time, mark, index string
		wantMark, wantIndex     fixedpoint.Price // 0 of both: refused as a value
	}{
		{"least", least, "0.00000001", "0.00000000", 1, 0},
		{"largest", most, "92233720368.54775807", "92233720368.54775807", math.MaxInt64, math.MaxInt64},
		{"whole", least, "12", "0", 12 * unit, 0},
		{"zeros from the ninth on", least, "1.500000000000", "0.000000010", 1_50000000, 1},
		{"one decimal", least, "0.1", "10.0", 10000000, 10 * unit},

		{"ninth decimal", least, "1.000000001", "1", 0, 0},
		{"ninth decimal of the index", least, "1", "1.000000001", 0, 0},
		{"twelfth decimal", least, "1.000000000001", "1", 0, 0},
		{"zero", least, "0.00000000", "1", 0, 0},
		{"negative", least, "-1", "1", 0, 0},
		{"negative index", least, "1", "-1", 0, 0},
		{"one too large", least, "92233720368.54775808", "1", 0, 0},
		{"whole and too large", least, "92233720369", "1", 0, 0},
		{"twelve digits", least, "100000000000", "1", 0, 0},
		{"many digits", least, strings.Repeat("9", 100), "1", 0, 0},
		{"leading zero", least, "01", "1", 0, 0},
		{"exponent", least, "1e3", "1", 0, 0},
		{"plus", least, "+1", "1", 0, 0},
		{"no digit before the point", least, ".5", "1", 0, 0},
		{"no digit after it", least, "5.", "1", 0, 0},
		{"a point", least, ".", "1", 0, 0},
		{"two points", least, "1.2.3", "1", 0, 0},
		{"empty", least, "", "1", 0, 0},
		{"empty index", least, "1", "", 0, 0},
		{"space", least, " 1", "1", 0, 0},
		{"not a number", least, "NaN", "1", 0, 0},
		{"time 0", "0", "1", "1", 0, 0},
		{"time below 0", "-1", "1", "1", 0, 0},
		{"time too large", "9223372036855", "1", "1", 0, 0},
		{"time of many digits", strings.Repeat("9", 100), "1", "1", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, err := ParseMarkPriceUpdate(fmt.Appendf(nil, `{"e":"markPriceUpdate","E":%s,"s":"A","p":%q,"i":%q}`, c.time, c.mark, c.index))
			if c.wantMark == 0 {
				if bad, ok := errors.AsType[*ParseError](err); !ok || !bad.Value {
					t.Fatalf("got %+v, %v, want a bad value", u, err)
				}
				return
			}
			if err != nil || u.Mark != c.wantMark || u.Index != c.wantIndex {
				t.Fatalf("got %+v, %v, want %v and %v", u, err, c.wantMark, c.wantIndex)
			}
		})
	}
}

// A price is what fixedpoint.Parse makes of it without the zeros that it refuses.
func TestPriceAgainstParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,11}|[0-9]{1,3})(\.[0-9]{0,8}0{0,3}[0-9]?)?`).Draw(t, "text")
		short := text
		for point := strings.IndexByte(text, '.'); point >= 0 && len(short) > point+1+fixedpoint.Digits && short[len(short)-1] == '0'; {
			short = short[:len(short)-1]
		}
		want, err := fixedpoint.Parse[fixedpoint.Price](short)
		fits := err == nil && !strings.HasPrefix(text, "-")
		if got, ok := price([]byte(text)); ok != fits || ok && got != want {
			t.Fatalf("price(%q) = %v, %v, want %v, %v", text, got, ok, want, err)
		}
	})
}

// What is appended is read again, and is JSON to others.
func TestAppendMarkPriceUpdate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := MarkPriceUpdate{
			Symbol:     []byte(rapid.StringMatching(`[A-Z0-9_]{1,20}`).Draw(t, "symbol")),
			Mark:       fixedpoint.Price(rapid.Int64Range(1, math.MaxInt64).Draw(t, "mark")),
			Index:      fixedpoint.Price(rapid.Int64Range(0, math.MaxInt64).Draw(t, "index")),
			TimeMillis: rapid.Int64Range(1, math.MaxInt64/nanosPerMilli).Draw(t, "time"),
		}
		b := AppendMarkPriceUpdate(nil, u)
		got, err := ParseMarkPriceUpdate(b)
		if err != nil || string(got.Symbol) != string(u.Symbol) || got.Mark != u.Mark || got.Index != u.Index || got.TimeMillis != u.TimeMillis {
			t.Fatalf("%s: %+v, %v, want %+v", b, got, err, u)
		}
		if !json.Valid(b) {
			t.Fatalf("not JSON: %s", b)
		}
	})
}

// Every markPriceUpdate that venues were recorded to send gives exactly the
// decimals it says, bare and in its wrapper.
func TestRecordedUpdates(t *testing.T) {
	found := 0
	check := func(text []byte, bare json.RawMessage) {
		var fields map[string]any
		if err := json.Unmarshal(bare, &fields); err != nil || fields["e"] != "markPriceUpdate" {
			return
		}
		found++
		for _, b := range [][]byte{text, bare} {
			u, err := ParseMarkPriceUpdate(b)
			if err != nil {
				t.Errorf("%v: %s", err, b)
				continue
			}
			if string(u.Symbol) != fields["s"] || float64(u.TimeMillis) != fields["E"] ||
				!equals(u.Mark, fields["p"]) || !equals(u.Index, fields["i"]) {
				t.Errorf("got %+v of %s", u, b)
			}
		}
	}
	gzipLines(t, wire(t, "venue_messages.jsonl.gz"), func(line []byte) {
		var l struct {
			Msg json.RawMessage
		}
		var wrapper struct{ Data json.RawMessage }
		if json.Unmarshal(line, &l) != nil {
			return
		}
		if json.Unmarshal(l.Msg, &wrapper) == nil && len(wrapper.Data) > 0 {
			check(l.Msg, wrapper.Data)
		} else {
			check(l.Msg, l.Msg)
		}
	})
	gzipLines(t, wire(t, "venue_payloads_misc.jsonl.gz"), func(line []byte) {
		var l struct{ Payload json.RawMessage }
		if json.Unmarshal(line, &l) == nil {
			check(l.Payload, l.Payload)
		}
	})
	if found != 6 {
		t.Errorf("%d updates in the recordings, want 6", found)
	}
}

// equals reports whether p is exactly the decimal in text; no text is 0.
func equals(p fixedpoint.Price, text any) bool {
	if text == nil {
		return p == 0
	}
	want, ok := new(big.Rat).SetString(text.(string))
	return ok && want.Cmp(big.NewRat(int64(p), unit)) == 0
}

// No message of another kind that venues were recorded to send is taken for a mark.
func TestOtherRecordedMessages(t *testing.T) {
	n := 0
	gzipLines(t, wire(t, "binance_um_btcusdt_raw_2024-08-08_120s.jsonl.gz"), func(line []byte) {
		_, message, _ := strings.Cut(string(line), " ")
		bad, ok := errors.AsType[*ParseError](parseError([]byte(message)))
		if !ok || bad.Value || strings.Contains(bad.Reason, "after the object") {
			t.Fatalf("%v: %s", bad, message)
		}
		n++
	})
	if n != 29_038 {
		t.Errorf("%d messages in the recording, want 29,038", n)
	}
}

// Each kind of datagram, sent after one update of BTCUSDT, and all it counts.
func TestReceiveUpdateCounts(t *testing.T) {
	update := func(symbol string, millis int64, mark fixedpoint.Price) []byte {
		return AppendMarkPriceUpdate(nil, MarkPriceUpdate{Symbol: []byte(symbol), Mark: mark, TimeMillis: millis})
	}
	const noonMillis = noon / nanosPerMilli
	first := update("BTCUSDT", noonMillis, unit)
	for _, c := range []struct {
		name string
		in   []byte
		want []count
	}{
		{"a millisecond later", update("BTCUSDT", noonMillis+1, unit), []count{{Packets, 1}, {Ticks, 1}, {Delivered, 1}}},
		{"the same again", first, []count{{Packets, 1}, {Stale, 1}}},
		{"older", update("BTCUSDT", noonMillis-1, unit), []count{{Packets, 1}, {Stale, 1}}},
		{"a second ahead", update("BTCUSDT", noonMillis+1000, unit), []count{{Packets, 1}, {Ticks, 1}, {Delivered, 1}}},
		{"more than a second ahead", update("BTCUSDT", noonMillis+1001, unit), []count{{Packets, 1}, {Ahead, 1}, {Doubts, 1}, {Suspects, 1}}},
		{"another symbol", update("ETHUSDT", 1, unit), []count{{Packets, 1}, {Ticks, 1}, {Delivered, 1}}},
		{"an unknown symbol", update("btcusdt", noonMillis+1, unit), []count{{Packets, 1}, {UnknownSymbol, 1}}},
		{"no price", update("BTCUSDT", noonMillis+1, 0), []count{{Packets, 1}, {BadValue, 1}, {Doubts, 1}, {Suspects, 1}}},
		{"cut", first[:len(first)-1], []count{{Malformed, 1}}},
		{"empty", nil, []count{{Malformed, 1}}},
		{"a mold64 packet", packet(1, at(1)), []count{{Malformed, 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sink := unlimited()
			f := newFeed(t, Config{Framing: MarkPriceUpdates, Names: map[string]event.SymbolID{"BTCUSDT": 1, "ETHUSDT": 1 << 40}}, sink)
			f.Receive(LineA, local, first, noon)
			f.Receive(LineA, local, c.in, noon)
			s := f.Stats()
			for _, c := range []count{{Packets, 1}, {Messages, 1}, {Ticks, 1}, {Delivered, 1}, {Datagrams, 1}} {
				s[c.Counter] -= c.n
			}
			checkCounts(t, s, c.want...)
			if r := sink.records[0]; r.Symbol() != 1 || r.Mark() != unit || r.MarkTime() != noon || r.Time() != noon {
				t.Errorf("first record is %v", r)
			}
		})
	}
}
