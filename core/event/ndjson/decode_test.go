package ndjson

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
)

// bound returns names with one fund and one symbol: USDT is 1, BTCUSDT is 4.
func bound(t testing.TB) *Names {
	t.Helper()
	names := new(Names)
	bindFund(t, names, "USDT", 1)
	bindSymbol(t, names, "BTCUSDT", 4)
	return names
}

func bindFund(t testing.TB, names *Names, name string, id event.FundID) {
	t.Helper()
	n, _ := event.MakeName(name)
	if err := names.BindFund(n, id); err != nil {
		t.Fatal(err)
	}
}

func bindSymbol(t testing.TB, names *Names, name string, id event.SymbolID) {
	t.Helper()
	n, _ := event.MakeName(name)
	if err := names.BindSymbol(n, id); err != nil {
		t.Fatal(err)
	}
}

// Each line of EVENTS.md, its alternatives spelled out, and how we write it.
func TestVocabulary(t *testing.T) {
	const symbol = `{"e":"symbol","symbol":"BTCUSDT",`
	for _, c := range []struct{ in, out string }{
		{`{"e":"fund","fund":"USDT","id":1,"cap":"1","adl_only":false}`, ""},
		{`{"e":"fund","fund":"USDT"}`, `{"e":"fund","fund":"USDT","id":1}`},
		{`{"e":"fund","fund":"NEW"}`, `{"e":"fund","fund":"NEW","id":2}`},
		{`{"e":"fund","fund":"NEW","id":"17"}`, `{"e":"fund","fund":"NEW","id":17}`},
		{`{"e":"fund_transfer","fund":"USDT","amount":"1000000","reason":"deposit"}`, ""},
		{`{"e":"fund_transfer","fund":"USDT","amount":"-5"}`, `{"e":"fund_transfer","fund":"USDT","amount":"-5","reason":"withdrawal"}`},
		{`{"e":"fund_transfer","fund":"USDT","amount":-5,"reason":"deposit"}`, `{"e":"fund_transfer","fund":"USDT","amount":"-5","reason":"deposit"}`},
		{`{"e":"fund_fill","fund":"USDT","symbol":"BTCUSDT","qty":"0.1","price":"50000"}`, ""},
		{symbol + `"id":4,"fund":"USDT","tick":"0.10","lot":"0.001","liq_fee":"0.0125","liquidation":"full",` +
			`"liq_attempts":3,"order_timeout":"5s","try_market":true,"takeover":"whole","cap_share":"1","max_deviation":"0.05",` +
			`"max_age":"5s","max_jump":"0","max_hold":"1s","tiers":[{"floor":"0","cap":"50000","mmr":"0.004","cum":"0","max_leverage":125},` +
			`{"floor":"50000","mmr":"0.005","cum":"50"}],"adl":{"policy":"drain","score":"bitmex","max_counterparties":10000},` +
			`"offload":{"interval":"10s","fraction":"0.1","full_size":"0.020","max_depth_fraction":"0.05","slippage":"0.01"}}`,
			symbol + `"id":4,"fund":"USDT","tick":"0.1","lot":"0.001","liq_fee":"0.0125","liquidation":"full",` +
				`"liq_attempts":3,"order_timeout":"5s","try_market":true,"takeover":"whole","cap_share":"1","max_deviation":"0.05",` +
				`"max_age":"5s","max_jump":"0","max_hold":"1s","tiers":[{"floor":"0","cap":"50000","mmr":"0.004","cum":"0","max_leverage":"125"},` +
				`{"floor":"50000","mmr":"0.005","cum":"50"}],"adl":{"policy":"drain","score":"bitmex","max_counterparties":10000},` +
				`"offload":{"interval":"10s","fraction":"0.1","full_size":"0.02","max_depth_fraction":"0.05","slippage":"0.01"}}`},
		{symbol + `"id":4}`, ""},
		{symbol + `"id":4,"tiers":[],"offload":"off"}`, ""},
		{symbol + `"id":4,"liquidation":"partial","takeover":"split","adl":{"score":"binance"},"offload":{}}`, ""},
		{symbol + `"adl":{}}`, symbol + `"id":4}`},
		{symbol + `"max_age":"1.5h"}`, symbol + `"id":4,"max_age":"1h30m0s"}`},
		{`{"e":"symbol","symbol":"ETHUSDT","fund":"NONE"}`, `{"e":"symbol","symbol":"ETHUSDT","id":5,"fund":"#18446744073709551615"}`},
		{`{"e":"account","account":7,"owner":8,"mode":"isolated"}`, ""},
		{`{"e":"account","account":7}`, `{"e":"account","account":7,"owner":7,"mode":"cross"}`},
		{`{"e":"account_close","account":18446744073709551615}`, ""},
		{`{"e":"account_state","account":7,"owner":0,"mode":"cross","wallet":"-100","positions":[` +
			`{"symbol":"BTCUSDT","position_side":"short","qty":"-1","entry":"1000"},{"symbol":"BTCUSDT","qty":"0","cost":"-1"}]}`, ""},
		{`{"e":"account_state","account":7,"wallet":"0","positions":[]}`, ""},
		{`{"e":"mode","mode":"loading"}`, ""},
		{`{"e":"mode","mode":"live"}`, ""},
		{`{"e":"transfer","account":7,"amount":"100.5","reason":"rebate"}`, ""},
		{`{"e":"transfer","account":7,"amount":"0"}`, `{"e":"transfer","account":7,"amount":"0","reason":"deposit"}`},
		{`{"e":"fill","account":7,"symbol":"BTCUSDT","position_side":"long","qty":"0.5","price":"50000","fee":"1.2"}`, ""},
		{`{"e":"fill","account":"7","symbol":"BTCUSDT","position_side":"both","qty":"-0","price":50000.10,"fee":"0"}`,
			`{"e":"fill","account":7,"symbol":"BTCUSDT","qty":"0","price":"50000.1"}`},
		{`{"e":"trade","symbol":"BTCUSDT","qty":"0.5","price":"50000","buyer":7,"seller":8,"buyer_side":"long","seller_side":"short","buyer_fee":"0","seller_fee":"-0.1"}`, ""},
		{`{"e":"trade","symbol":"BTCUSDT","qty":"0.5","price":"50000","buyer":7,"seller":8}`, ""},
		{`{"e":"tick","symbol":"BTCUSDT","mark":"49000","index":"49010","mt":1760131034000000000,"flags":"suspect"}`, ""},
		{`{"e":"tick","symbol":"NONE","mark":"49000"}`, `{"e":"tick","symbol":"#18446744073709551615","mark":"49000"}`},
		{`{"e":"tick","symbol":"#7","mark":"49000"}`, ""},
		{`{"e":"tick","symbol":"#4","mark":"49000"}`, `{"e":"tick","symbol":"BTCUSDT","mark":"49000"}`},
		{`{"e":"depth","symbol":"BTCUSDT","bid_qty":"12.5","ask_qty":"9"}`, ""},
		{`{"e":"order_fill","order":12,"qty":"0.1","price":"48990"}`, ""},
		{`{"e":"order_done","order":12,"reason":"filled"}`, ""},
		{`{"e":"order_done","order":12}`, `{"e":"order_done","order":12,"reason":"expired"}`},
		{`{"e":"halt","symbol":"BTCUSDT"}`, ""},
		{`{"e":"resume","symbol":"BTCUSDT"}`, ""},
		{`{"e":"time","t":1760131035000000000}`, ""},
		{`{"e":"ack","seq":50,"i":3}`, ""},
		{`{"e":"halt","symbol":"BTCUSDT","t":-1,"src":"gateway-1","sseq":18446744073709551615}`, ""},
		{`{"e":"halt","symbol":"BTCUSDT","src":65535,"sseq":1}`, ""},
		{`{"e":"halt","symbol":"BTCUSDT","src":65536,"sseq":1}`, ""},
		{`{"e":"halt","symbol":"BTCUSDT","src":"12","sseq":1}`, ""},
		{`{"e":"transfer","account":7,"amount":-1.50e-07}`, `{"e":"transfer","account":7,"amount":"-0.00000015","reason":"deposit"}`},
		{`{"e":"transfer","account":7,"amount":12.5E+1}`, `{"e":"transfer","account":7,"amount":"125","reason":"deposit"}`},
		{`{"e":"transfer","account":7,"amount":0.002e3}`, `{"e":"transfer","account":7,"amount":"2","reason":"deposit"}`},
		{`{"e":"transfer","account":7,"amount":0e9}`, `{"e":"transfer","account":7,"amount":"0","reason":"deposit"}`},
		{`{"src":"gateway-1","e":"halt","symbol":"BTCUSDT"}`, `{"e":"halt","symbol":"BTCUSDT"}`},
		{"\t{ \"symbol\" : \"BTC\\u0055SDT\" ,\"\\u0065\":\"halt\"}\r\n", `{"e":"halt","symbol":"BTCUSDT"}`},
	} {
		if c.out == "" {
			c.out = c.in
		}
		names := bound(t)
		e, err := NewDecoder(names).Decode([]byte(c.in), nil)
		if err != nil {
			t.Errorf("%s\n%v", c.in, err)
			continue
		}
		if err := e.Validate(); err != nil {
			t.Errorf("%s\n%v", c.in, err)
		}
		if out := string(AppendEvent(nil, names, e)); out != c.out {
			t.Errorf("%s\nwrites %s\nwant   %s", c.in, out, c.out)
		}
	}
}

// The example at the end of EVENTS.md, names bound as a machine would.
func TestExampleOfEvents(t *testing.T) {
	names := new(Names)
	d := NewDecoder(names)
	var kinds []string
	for l := range strings.Lines(`{"e":"fund","fund":"USDT"}
{"e":"fund_transfer","fund":"USDT","amount":"1000"}
{"e":"symbol","symbol":"BTCUSDT","fund":"USDT","tick":"0.01","lot":"0.001","tiers":[{"floor":"0","cap":"1000000","mmr":"0.005","cum":"0"}]}
{"e":"transfer","account":1,"amount":"100"}
{"e":"transfer","account":2,"amount":"100000"}
{"e":"tick","symbol":"BTCUSDT","mark":"1000","t":1760131033000000000}
{"e":"trade","symbol":"BTCUSDT","qty":"1","price":"1000","buyer":1,"seller":2}
{"e":"tick","symbol":"BTCUSDT","mark":"895","t":1760131034000000000}
`) {
		e, err := d.Decode([]byte(l), nil)
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, e[0].Kind().String())
		bindCreation(t, names, e)
		if e[0].Kind() == event.KindTick && e[0].Symbol() != 1 {
			t.Errorf("tick of symbol %d, want 1", e[0].Symbol())
		}
	}
	want := []string{"fund", "fund_transfer", "symbol", "transfer", "transfer", "tick", "trade", "tick"}
	if !slices.Equal(kinds, want) {
		t.Errorf("kinds %v, want %v", kinds, want)
	}
}

func bindCreation(t testing.TB, names *Names, e event.Event) {
	t.Helper()
	var err error
	switch e[0].Kind() {
	case event.KindFund:
		s := e.FundSettings()
		err = names.BindFund(s.Name, s.ID)
	case event.KindSymbol:
		var s event.SymbolSettings
		e.SymbolSettings(&s)
		err = names.BindSymbol(s.Name, s.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Every line of the shared cases is an event that survives being written.
func TestSharedCases(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(sharedFolder(t), "cases", "*.ndjson"))
	if len(files) == 0 {
		t.Skip("no cases/*.ndjson in the shared folder")
	}
	for _, file := range files {
		names := new(Names)
		d, again := NewDecoder(names), NewDecoder(names)
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, MaxLine)
		for lines.Scan() {
			e, err := d.Decode(lines.Bytes(), nil)
			if err != nil {
				t.Fatalf("%s:%v", filepath.Base(file), err)
			}
			bindCreation(t, names, e)
			back, err := again.Decode(AppendEvent(nil, names, e), nil)
			if err != nil || !slices.Equal(e, back) {
				t.Fatalf("%s: %s is read back as %v, %v", filepath.Base(file), lines.Bytes(), back, err)
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

// sharedFolder finds the folder shared beside the checkout.
func sharedFolder(t *testing.T) string {
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		shared := filepath.Join(dir, "shared")
		if s, err := os.Stat(filepath.Join(shared, "EVENTS.md")); err == nil && !s.IsDir() {
			return shared
		}
		dir = filepath.Dir(dir)
	}
	t.Skip("no folder shared with EVENTS.md beside the checkout")
	return ""
}

// Blank lines are no events, but they count as lines.
func TestBlankLines(t *testing.T) {
	d := NewDecoder(new(Names))
	for _, blank := range []string{"", "\n", " \t\r\n"} {
		if e, err := d.Decode([]byte(blank), nil); e != nil || err != nil {
			t.Errorf("Decode(%q) = %v, %v, want nothing", blank, e, err)
		}
	}
	if _, err := d.Decode([]byte(" x"), nil); err == nil || err.Error() != `4:2: want an event, {"e":...}, found x` {
		t.Errorf("after three blank lines: %v", err)
	}
}

// Decode builds in the storage it is given, from its start.
func TestDecodeReusesStorage(t *testing.T) {
	storage := make([]event.Record, 2, 8)
	line := []byte(`{"e":"time","t":5}`)
	e, err := NewDecoder(new(Names)).Decode(line, storage)
	if err != nil || len(e) != 1 || &e[0] != &storage[0] {
		t.Errorf("%v, %v: want one record at the start of the storage", e, err)
	}
	clear(line)
	if e[0].Time() != 5 {
		t.Error("the event refers to the line")
	}
}

var hotLines = map[string]string{
	"tick":  `{"e":"tick","symbol":"BTCUSDT","mark":"49000.5","index":"49010","mt":1760131034000000000,"t":1760131034000100000}`,
	"fill":  `{"e":"fill","account":7,"symbol":"BTCUSDT","position_side":"both","qty":"0.5","price":"50000","fee":"1.2","src":"gateway-1","sseq":981}`,
	"trade": `{"e":"trade","symbol":"BTCUSDT","qty":"0.5","price":"50000","buyer":7,"seller":8,"buyer_fee":"0.1"}`,
}

func TestDecodeAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for kind, text := range hotLines {
		names := bound(t)
		d, dst, line := NewDecoder(names), make([]event.Record, 0, 8), []byte(text)
		out := make([]byte, 0, 1024)
		allocs := testing.AllocsPerRun(100, func() {
			e, err := d.Decode(line, dst)
			if err != nil {
				t.Fatal(err)
			}
			AppendEvent(out, names, e)
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations to read and write it, want 0", kind, allocs)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for kind, text := range hotLines {
		b.Run(kind, func(b *testing.B) {
			d, dst, line := NewDecoder(bound(b)), make([]event.Record, 0, 8), []byte(text)
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Decode(line, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendEvent(b *testing.B) {
	for kind, text := range hotLines {
		b.Run(kind, func(b *testing.B) {
			names := bound(b)
			e, err := NewDecoder(names).Decode([]byte(text), nil)
			if err != nil {
				b.Fatal(err)
			}
			out := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				out = AppendEvent(out[:0], names, e)
			}
			b.SetBytes(int64(len(out)))
		})
	}
}
