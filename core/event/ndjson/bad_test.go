package ndjson

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
)

// Every way a line can be wrong, and what is said about it.
func TestSyntaxErrors(t *testing.T) {
	const (
		tick  = `{"e":"tick","symbol":"BTCUSDT",`
		sym   = `{"e":"symbol","symbol":"BTCUSDT",`
		state = `{"e":"account_state","account":7,"wallet":"0",`
		decl  = "want a digit, a '.' or the end"
		kinds = "fund, fund_transfer, fund_fill, symbol, account, account_close, account_state, mode, transfer, fill, trade, tick, depth, order_fill, order_done, halt, resume, time, ack"
		name  = "want a name of 1 to 32 printable ASCII characters without space, quote and backslash"
	)
	for _, c := range []struct{ line, want string }{
		// Not one JSON object.
		{`[]`, `1:1: want an event, {"e":...}, found [`},
		{`# comment`, `1:1: want an event, {"e":...}, found #`},
		{"\xef\xbb\xbf{}", `1:1: want an event, {"e":...}, found "\ufeff"`},
		{`{`, `1:2: want a key in quotes, found the end of the line`},
		{`{}`, `1:1: the event has no "e", which says what it is`},
		{`{e:"time"}`, `1:2: want a key in quotes, found e`},
		{`{"e" "time"}`, `1:6: want ':' after the key "e", found "time`},
		{`{"e":}`, `1:6: want a value of "e", found }`},
		{`{"e":"time","t":1,}`, `1:19: want a key in quotes, found }`},
		{`{"e":"time","t":1`, `1:18: want ',' or '}' after the value of "t", found the end of the line`},
		{`{"e":"time" "t":1}`, `1:13: want ',' or '}' after the value of "e", found "t`},
		{`{"e":"time","t":1}}`, `1:19: want the end of the line after the event, found }`},
		{`{"e":"time","t":1} {"e":"time","t":1}`, `1:20: want the end of the line after the event, found {`},
		{"{\"e\":\"time\",\n\"t\":1}", `1:13: want a key in quotes, found "\n"`},
		{`{"e":"time`, `1:6: a string without its closing quote`},
		{`{"e":"time\`, `1:6: a string without its closing quote`},
		{"{\"e\":\"ti\tme\"}", `1:9: control character 0x09 in a string: write it as an escape`},
		{`{"e":"ti\me"}`, "1:6: \"ti\\me\" has an escape that JSON does not know"},
		{`{"\x65":"time"}`, "1:2: \"\\x65\" has an escape that JSON does not know"},
		{"{\"e\":\"ti\xffme\"}", `1:9: byte 0xff is not UTF-8`},
		{"{\"e\":\"\xc3\xa9\xed\xa0\x80\"}", `1:9: byte 0xed is not UTF-8`},
		{`{"e":"symbol","tiers":[{"floor":"0"}`, `1:23: '[' is never closed`},
		{`{"e":"symbol","tiers":["`, `1:24: a string without its closing quote`},
		{strings.Repeat(" ", MaxLine) + "{", `1:1048577: the line goes on: an event has at most 1048576 bytes`},

		// Which event, which keys.
		{`{"e":"trades"}`, `1:6: e: want one of ` + kinds + `, found "trades"`},
		{`{"e":""}`, `1:6: e: want one of ` + kinds + `, found ""`},
		{`{"e":"none"}`, `1:6: e: want one of ` + kinds + `, found "none"`},
		{`{"e":7}`, `1:6: e: want a word in quotes, found 7`},
		{`{"e":null}`, `1:6: e: want a word in quotes, found null`},
		{`{"e":"time","t":1,"foo":2}`, `1:19: key "foo" is not known`},
		{`{"e":"time","T":1}`, `1:13: key "T" is not known`},
		{`{"e":"time","t":1,"mark":"2"}`, `1:19: time has no key "mark"`},
		{`{"e":"time","e":"time","t":1}`, `1:13: key "e" is given twice`},
		{`{"e":"time","t":1,"\u0074":2}`, `1:19: key "t" is given twice`},
		{`{"e":"time"}`, `1:1: time without "t"`},
		{`{"e":"fill","account":7,"symbol":"BTCUSDT","qty":"1"}`, `1:1: fill without "price"`},
		{`{"e":"halt","symbol":"BTCUSDT","sseq":1}`, `1:32: "sseq" is a source's own sequence, "src" is missing`},
		{`{"e":"halt","symbol":"BTCUSDT","src":""}`, `1:38: src: ` + name + `, found ""`},

		// Decimals.
		{tick + `"mark":"1e400"}`, `1:41: mark "1e400": ` + decl},
		{tick + `"mark":1e400}`, `1:40: mark 1e400: ` + decl},
		{tick + `"mark":"1E2"}`, `1:41: mark "1E2": ` + decl},
		{tick + `"mark":01E2}`, `1:39: mark 01E2: leading zero: write the number without it`},
		{tick + `"mark":1e-9}`, `1:43: mark 1e-9: more than 8 decimals: round it first`},
		{tick + `"mark":1e11}`, `1:39: mark 1e11: out of range: want -92233720368.54775808 to 92233720368.54775807`},
		{tick + `"mark":NaN}`, `1:39: want a value of "mark", found NaN`},
		{tick + `"mark":"NaN"}`, `1:40: mark "NaN": want a digit 0-9`},
		{tick + `"mark":-Inf}`, `1:40: want ',' or '}' after the value of "mark", found Inf`},
		{tick + `"mark":+1}`, `1:39: want a value of "mark", found +1`},
		{tick + `"mark":"+1"}`, `1:40: mark "+1": want a digit 0-9`},
		{tick + `"mark":01}`, `1:39: mark 01: leading zero: write the number without it`},
		{tick + `"mark":"-01"}`, `1:41: mark "-01": leading zero: write the number without it`},
		{tick + `"mark":.5}`, `1:39: want a value of "mark", found .5`},
		{tick + `"mark":".5"}`, `1:40: mark ".5": want a digit 0-9`},
		{tick + `"mark":5.}`, `1:41: mark 5.: want a digit 0-9`},
		{tick + `"mark":-}`, `1:40: mark -: want a digit 0-9`},
		{tick + `"mark":""}`, `1:40: mark "": empty: want a decimal number such as -12.5`},
		{tick + `"mark":" 1"}`, `1:40: mark " 1": want a digit 0-9`},
		{tick + `"mark":"1,5"}`, `1:41: mark "1,5": ` + decl},
		{tick + `"mark":"\u0031e"}`, `1:39: mark "\u0031e": ` + decl},
		{tick + `"mark":"0.123456789"}`, `1:50: mark "0.123456789": more than 8 decimals: round it first`},
		{tick + `"mark":0.100000000}`, `1:49: mark 0.100000000: more than 8 decimals: round it first`},
		{tick + `"mark":"92233720368.54775808"}`, `1:40: mark "92233720368.54775808": out of range: want -92233720368.54775808 to 92233720368.54775807`},
		{tick + `"mark":99999999999999999999}`, `1:39: mark 99999999999999999999: out of range: want -92233720368.54775808 to 92233720368.54775807`},
		{tick + `"mark":true}`, `1:39: mark: want a decimal, found true`},
		{tick + `"mark":null}`, `1:39: mark: want a decimal, found null`},
		{tick + `"mark":["1"]}`, `1:39: mark: want a decimal, found ["1"]`},
		{tick + `"mark":truely}`, `1:43: want ',' or '}' after the value of "mark", found ly`},
		{tick + `"mark":"1","flags":"old"}`, `1:51: flags: want one of suspect, found "old"`},

		// Integers and times.
		{`{"e":"account","account":-7}`, `1:26: account: want an unsigned 64-bit integer, found -7`},
		{`{"e":"account","account":7.0}`, `1:26: account: want an unsigned 64-bit integer, found 7.0`},
		{`{"e":"account","account":"07"}`, `1:26: account: want an unsigned 64-bit integer, found "07"`},
		{`{"e":"account","account":""}`, `1:26: account: want an unsigned 64-bit integer, found ""`},
		{`{"e":"account","account":18446744073709551616}`, `1:26: account: want an unsigned 64-bit integer, found 18446744073709551616`},
		{`{"e":"account","account":{"id":7}}`, `1:26: account: want an unsigned 64-bit integer, found {"id":7}`},
		{`{"e":"ack","seq":1,"i":4294967296}`, `1:24: i: want an integer from 0 to 4294967295, found 4294967296`},
		{`{"e":"ack","seq":1,"i":"0"}`, `1:24: i: want an integer from 0 to 4294967295, found "0"`},
		{`{"e":"time","t":"1"}`, `1:17: t: want an integer: nanoseconds since 1970, found "1"`},
		{`{"e":"time","t":1.5}`, `1:17: t: want an integer: nanoseconds since 1970, found 1.5`},
		{`{"e":"time","t":-01}`, `1:17: t: want an integer: nanoseconds since 1970, found -01`},
		{`{"e":"time","t":9223372036854775808}`, `1:17: t: want an integer: nanoseconds since 1970, found 9223372036854775808`},
		{tick + `"mark":"1","mt":1e9}`, `1:48: mt: want an integer: nanoseconds since 1970, found 1e9`},
		{sym + `"max_age":"-5s"}`, `1:44: max_age: want a duration of 0 or more such as "5s", "100ms" or "8760h", found "-5s"`},
		{sym + `"max_age":"5"}`, `1:44: max_age: want a duration of 0 or more such as "5s", "100ms" or "8760h", found "5"`},
		{sym + `"max_age":"9999999h"}`, `1:44: max_age: want a duration of 0 or more such as "5s", "100ms" or "8760h", found "9999999h"`},
		{sym + `"max_age":5}`, `1:44: max_age: want a duration such as "5s" or "100ms", found 5`},
		{sym + `"try_market":"true"}`, `1:47: try_market: want true or false, found "true"`},
		{sym + `"try_market":null}`, `1:47: try_market: want true or false, found null`},

		// Names and words.
		{`{"e":"halt","symbol":""}`, `1:22: symbol: ` + name + `, found ""`},
		{`{"e":"halt","symbol":"BTC USDT"}`, `1:22: symbol: ` + name + `, found "BTC USDT"`},
		{`{"e":"halt","symbol":"BTC\"USDT"}`, `1:22: symbol: ` + name + `, found "BTC\"USDT"`},
		{`{"e":"halt","symbol":"é"}`, `1:22: symbol: ` + name + `, found "é"`},
		{`{"e":"halt","symbol":"012345678901234567890123456789012"}`, `1:22: symbol: ` + name + `, found "012345678901234567890123456789012"`},
		{`{"e":"halt","symbol":7}`, `1:22: symbol: ` + name + `, found 7`},
		{`{"e":"fund","fund":"a b"}`, `1:20: fund: ` + name + `, found "a b"`},
		{`{"e":"fund","fund":"#7"}`, `1:20: fund: want a name that is not # and a number: those stand for ids, found "#7"`},
		{`{"e":"fund","fund":"A","id":18446744073709551615}`, `1:29: id: want a smaller id: this one is reserved, found 18446744073709551615`},
		{`{"e":"halt","symbol":"BTCUSDT","src":"","sseq":1}`, `1:38: src: ` + name + `, found ""`},
		{`{"e":"halt","symbol":"BTCUSDT","src":-1,"sseq":1}`, `1:38: src: want an unsigned 64-bit integer, found -1`},
		{`{"e":"transfer","account":7,"amount":"1","reason":"gift"}`, `1:51: reason: want one of deposit, withdrawal, funding, fee, rebate, other, found "gift"`},
		{`{"e":"fund_transfer","fund":"USDT","amount":"1","reason":"fee"}`, `1:58: reason: want one of deposit, withdrawal, adjustment, found "fee"`},
		{`{"e":"order_done","order":1,"reason":"done"}`, `1:38: reason: want one of expired, filled, rejected, found "done"`},
		{`{"e":"mode","mode":"cross"}`, `1:20: mode: want one of live, loading, found "cross"`},
		{`{"e":"account","account":7,"mode":"live"}`, `1:35: mode: want one of cross, isolated, found "live"`},
		{`{"e":"account","account":7,"mode":true}`, `1:35: mode: want a word in quotes, found true`},
		{`{"e":"fill","account":7,"symbol":"BTCUSDT","qty":"1","price":"1","position_side":"Long"}`, `1:82: position_side: want one of both, long, short, found "Long"`},
		{sym + `"liquidation":"half"}`, `1:48: liquidation: want one of partial, full, found "half"`},
		{sym + `"takeover":"none"}`, `1:45: takeover: want one of split, whole, found "none"`},

		// What is inside.
		{sym + `"tiers":{}}`, `1:42: tiers: want an array, found {}`},
		{sym + `"tiers":"off"}`, `1:42: tiers: want an array, found "off"`},
		{sym + `"tiers":[1]}`, `1:43: tiers: want an object, found 1`},
		{sym + `"tiers":[}}`, `1:43: tiers: want an object, found }`},
		{sym + `"tiers":[{}]}`, `1:43: a tier without "floor"`},
		{sym + `"tiers":[{"floor":"0","mmr":"0.1","cum":"0","qty":"1"}]}`, `1:78: a tier has no key "qty"`},
		{sym + `"tiers":[{"floor":"0","floor":"1"}]}`, `1:56: key "floor" is given twice`},
		{sym + `"tiers":[{"floor":"0","mmr":"x","cum":"0"}]}`, `1:63: mmr "x": want a digit 0-9`},
		{sym + `"tiers":[{"floor":"0","mmr":"0.1","cum":"0"},{"floor":"1","mmr":"0.1","cum":"0"}]}`, `1:43: a tier without "cap": only the last may leave it out`},
		{sym + `"tiers":[{"floor":"0","mmr":"0.1","cum":"0"},]}`, `1:79: tiers: want an object, found ]`},
		{sym + `"tiers":[{"floor":"0","mmr":"0.1","cum":"0"} 1]}`, `1:79: tiers: want ',' or ']' after an object, found 1`},
		{sym + `"adl":"queue"}`, `1:40: adl: want an object, found "queue"`},
		{sym + `"adl":{"policy":"fifo"}}`, `1:50: policy: want one of queue, pro_rata, drain, min_max, found "fifo"`},
		{sym + `"adl":{"score":"ftx"}}`, `1:49: score: want one of binance, bitmex, hyperliquid, found "ftx"`},
		{sym + `"adl":{"interval":"1s"}}`, `1:41: adl has no key "interval"`},
		{sym + `"offload":"on"}`, `1:44: offload: want "off" or an object, found "on"`},
		{sym + `"offload":false}`, `1:44: offload: want "off" or an object, found false`},
		{sym + `"offload":{"policy":"drain"}}`, `1:45: offload has no key "policy"`},
		{state + `"positions":[{"symbol":"BTCUSDT","qty":"1"}]}`, `1:60: a position has either "entry" or "cost"`},
		{state + `"positions":[{"symbol":"BTCUSDT","qty":"1","entry":"1","cost":"1"}]}`, `1:60: a position has either "entry" or "cost"`},
		{state + `"positions":[{"qty":"1","cost":"1"}]}`, `1:60: a position without "symbol"`},
	} {
		e, err := NewDecoder(bound(t)).Decode([]byte(c.line), nil)
		if e != nil || err == nil {
			t.Errorf("%s\ndecodes to %v", shorten(c.line), e)
			continue
		}
		if got := err.Error(); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", shorten(c.line), got, c.want)
		}
	}
}

func shorten(s string) string { return s[max(0, len(s)-300):] }

// The lists inside events are bounded, and one less is an event.
func TestListLimits(t *testing.T) {
	tier := `{"floor":"0","cap":"0","mmr":"0.1","cum":"0"}`
	position := `{"symbol":"BTCUSDT","qty":"1","cost":"1"}`
	for _, c := range []struct {
		what, before, item, after string
		limit                     int
	}{
		{"tiers", `{"e":"symbol","symbol":"BTCUSDT","tiers":[`, tier, `]}`, event.MaxTiers},
		{"positions", `{"e":"account_state","account":7,"src":"a","sseq":1,"wallet":"0","positions":[`, position, `]}`, maxPositions},
	} {
		d := NewDecoder(bound(t))
		full := c.before + strings.Repeat(c.item+",", c.limit-1) + c.item
		e, err := d.Decode([]byte(full+c.after), nil)
		if err != nil {
			t.Fatalf("%d %s: %v", c.limit, c.what, err)
		}
		if err := e.Validate(); err != nil {
			t.Errorf("%d %s: %v", c.limit, c.what, err)
		}
		_, err = d.Decode([]byte(full+","+c.item+c.after), nil)
		want := fmt.Sprintf("2:%d: %s: more than %d", len(full)+2, c.what, c.limit)
		if err == nil || err.Error() != want {
			t.Errorf("one more: %v, want %s", err, want)
		}
	}
}

// The decoder goes on after a refused line, and counts it.
func TestDecodeAfterError(t *testing.T) {
	d := NewDecoder(bound(t))
	for range 3 {
		if _, err := d.Decode([]byte(`{"e":"halt"}`), nil); err == nil {
			t.Fatal("a halt of nothing decodes")
		}
	}
	if e, err := d.Decode([]byte(`{"e":"halt","symbol":"BTCUSDT"}`), nil); err != nil || e[0].Symbol() != 4 {
		t.Fatalf("%v, %v", e, err)
	}
	_, err := d.Decode([]byte(`{"e":"halt","symbol":1}`), nil)
	if s, ok := errors.AsType[*SyntaxError](err); !ok || s.Line != 5 || s.Column != 22 {
		t.Errorf("%v, want a fault at 5:22", err)
	}
}
