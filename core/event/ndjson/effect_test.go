package ndjson

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

const unit = fixedpoint.One

func wide(v int64) fixedpoint.Int128 { return fixedpoint.Int128From(v) }

// effectLines is one effect of each kind with all it can carry.
var effectLines = []struct {
	x    event.Effect
	want string
}{
	{event.Effect{Seq: 9, Kind: event.EffectRejected, Reason: uint8(event.UnknownSymbol), Flags: event.HasSymbol, Symbol: UnknownID},
		`{"seq":9,"i":0,"fx":"rejected","code":"unknown_symbol","detail":"no symbol has the name in the event: a symbol event creates it"}`},
	{event.Effect{Seq: 9, Kind: event.EffectCancelOrders, Account: 7, Flags: event.HasSymbol, Symbol: 4},
		`{"seq":9,"i":0,"fx":"cancel_orders","account":7,"symbol":"BTCUSDT"}`},
	{event.Effect{Seq: 9, Index: 1, Kind: event.EffectLiquidate, Order: 12, Account: 7, Symbol: 4, Qty: -unit / 10, Price: 48500 * unit},
		`{"seq":9,"i":1,"fx":"liquidate","order":12,"account":7,"symbol":"BTCUSDT","position_side":"both","qty":"-0.1","limit":"48500"}`},
	{event.Effect{Seq: 15, Kind: event.EffectFee, Account: 7, Fund: 1, Symbol: 4, Amount: 12_50000000},
		`{"seq":15,"i":0,"fx":"fee","account":7,"fund":"USDT","symbol":"BTCUSDT","amount":"12.5"}`},
	{event.Effect{Seq: 15, Index: 1, Kind: event.EffectRecovered, Account: 7},
		`{"seq":15,"i":1,"fx":"recovered","account":7}`},
	{event.Effect{Seq: 15, Kind: event.EffectBankrupt, Account: 7, Equity: wide(-5 * unit), Reason: uint8(event.Unable)},
		`{"seq":15,"i":0,"fx":"bankrupt","account":7,"equity":"-5","reason":"unable"}`},
	{event.Effect{Seq: 15, Index: 1, Kind: event.EffectNetted, Account: 7, Symbol: 4, Qty: unit / 2, Price: 48400 * unit},
		`{"seq":15,"i":1,"fx":"netted","account":7,"symbol":"BTCUSDT","qty":"0.5","price":"48400"}`},
	{event.Effect{Seq: 15, Index: 1, Kind: event.EffectDeleverage, Flags: event.HasScore, Account: 7, Counterparty: 31, Symbol: 4,
		Side: event.Long, CounterSide: event.Short, Qty: unit / 20, Price: 48500 * unit, Quote: 2425 * unit, Rank: 1, Score: wide(1_26000000),
		Balance: 1 * unit, Equity: wide(2 * unit), MM: wide(3 * unit), AccountPnL: wide(-4 * unit), PnL: wide(5 * unit), Notional: wide(6 * unit),
		Entry: 7 * unit, Cost: -8 * unit, PositionMM: wide(9 * unit), Amount: 80_10000000},
		`{"seq":15,"i":1,"fx":"deleverage","account":7,"counterparty":31,"symbol":"BTCUSDT","position_side":"long","counterparty_side":"short",` +
			`"qty":"0.05","price":"48500","quote":"2425","rank":1,"score":"1.26","wallet":"1","equity":"2","maintenance_margin":"3","account_pnl":"-4",` +
			`"unrealized_pnl":"5","notional":"6","entry":"7","cost":"-8","position_mm":"9","realized":"80.1"}`},
	{event.Effect{Seq: 15, Index: 2, Kind: event.EffectReceipt, Flags: event.HasScore, Account: 7, Symbol: 4, Qty: unit / 20, Taken: unit / 25,
		Price: 48500 * unit, Mark: 48400 * unit, Reason: uint8(event.PolicyMinMax), Candidates: 12, Score: wide(unit * 9 / 10), RankedAt: 14,
		Base: wide(3 * unit), Room: fixedpoint.Int128{Hi: 1}},
		`{"seq":15,"i":2,"fx":"receipt","account":7,"symbol":"BTCUSDT","needed":"0.05","taken":"0.04","price":"48500","mark":"48400",` +
			`"policy":"min_max","candidates":12,"cutoff":"0.9","ranked_at":14,"base":"3","room":"184467440737.09551616"}`},
	{event.Effect{Seq: 15, Index: 3, Kind: event.EffectTakeover, Account: 7, Fund: 1, Symbol: 4, Qty: unit / 20, Price: 48500 * unit,
		Quote: 2425 * unit, PnL: wide(-5 * unit)},
		`{"seq":15,"i":3,"fx":"takeover","account":7,"fund":"USDT","symbol":"BTCUSDT","position_side":"both","qty":"0.05","price":"48500","quote":"2425","mark_loss":"5"}`},
	{event.Effect{Seq: 15, Index: 4, Kind: event.EffectCover, Account: 7, Fund: 1, Symbol: 4, Amount: 70000000},
		`{"seq":15,"i":4,"fx":"cover","account":7,"fund":"USDT","symbol":"BTCUSDT","amount":"0.7"}`},
	{event.Effect{Seq: 15, Index: 4, Kind: event.EffectSurplus, Account: 7, Fund: 1, Symbol: 4, Amount: 1},
		`{"seq":15,"i":4,"fx":"surplus","account":7,"fund":"USDT","symbol":"BTCUSDT","amount":"0.00000001"}`},
	{event.Effect{Seq: 40, Kind: event.EffectOffload, Order: 13, Fund: 1, Symbol: 4, Qty: -unit / 200, Price: 48300 * unit},
		`{"seq":40,"i":0,"fx":"offload","order":13,"fund":"USDT","symbol":"BTCUSDT","qty":"-0.005","limit":"48300"}`},
	{event.Effect{Seq: 41, Kind: event.EffectLedger, Fund: 1, Flags: event.HasSymbol, Symbol: 4, Reason: uint8(event.LedgerOffloadFill), Amount: -unit, Balance: 9 * unit},
		`{"seq":41,"i":0,"fx":"ledger","fund":"USDT","symbol":"BTCUSDT","type":"offload_fill","amount":"-1","cash":"9"}`},
	{event.Effect{Seq: 41, Index: 1, Kind: event.EffectFund, Fund: 1, Balance: 9 * unit, Equity: wide(8 * unit), Notional: wide(7 * unit), Room: wide(6 * unit)},
		`{"seq":41,"i":1,"fx":"fund","fund":"USDT","cash":"9","equity":"8","net_notional":"7","cap_notional":"6","mode":"normal"}`},
	{event.Effect{Seq: 50, Kind: event.EffectAlarm, Reason: uint8(event.AlarmBoundLifted), Flags: event.HasAccount | event.HasSymbol | event.HasFund,
		Account: 7, Symbol: 4, Fund: 1, Price: 3 * unit},
		`{"seq":50,"i":0,"fx":"alarm","code":"bound_lifted","account":7,"symbol":"BTCUSDT","fund":"USDT",` +
			`"detail":"account 7, symbol BTCUSDT, fund USDT was closed at 3, outside max_deviation, because the fund could not pay the difference"}`},
}

func TestEffectLines(t *testing.T) {
	names := bound(t)
	for _, c := range effectLines {
		if got := string(AppendEffect(nil, names, &c.x)); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// The optional parts, away.
func TestEffectsWithoutOptionalParts(t *testing.T) {
	names := bound(t)
	for _, c := range []struct {
		x          event.Effect
		with, sans string
	}{
		{event.Effect{Kind: event.EffectCancelOrders, Account: 7}, `"account":7}`, `symbol`},
		{event.Effect{Kind: event.EffectDeleverage}, `"rank":0,"score":null,`, `"score":"`},
		{event.Effect{Kind: event.EffectReceipt}, `"policy":"queue","candidates":0,"cutoff":null,`, `"cutoff":"`},
		{event.Effect{Kind: event.EffectLedger, Fund: 1}, `"fund":"USDT","type":"deposit"`, `symbol`},
		{event.Effect{Kind: event.EffectFund, Flags: event.EffectADLOnly}, `"mode":"adl_only"}`, `normal`},
		{event.Effect{Kind: event.EffectAlarm}, `"code":"cap_exceeded","detail":`, `"account"`},
	} {
		got := string(AppendEffect(nil, names, &c.x))
		if !strings.Contains(got, c.with) || strings.Contains(got, c.sans) {
			t.Errorf("%s\nwant %s, and no %s", got, c.with, c.sans)
		}
	}
}

var keyPattern = regexp.MustCompile(`"(\w+)":`)

// The lines of EVENTS.md have the keys ours have, in the same order.
func TestEffectKeysAreThoseOfTheContract(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(sharedFolder(t), "EVENTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = bytes.Cut(text, []byte("## Effects"))
	block := strings.Split(string(text), "```")[1]
	contract := map[string][]string{}
	for line := range strings.SplitSeq(block, `{"seq":`) {
		object, _, ok := strings.Cut(line, "}")
		if ok {
			_, fx, _ := strings.Cut(object, `"fx":"`)
			fx, _, _ = strings.Cut(fx, `"`)
			contract[fx] = keysOf(`"seq":` + object)
		}
	}
	contract["surplus"] = contract["cover"] // "also"
	for _, c := range effectLines {
		if ours, theirs := keysOf(c.want), contract[c.x.Kind.String()]; !slices.Equal(ours, theirs) {
			t.Errorf("%v has %v\nEVENTS.md     %v", c.x.Kind, ours, theirs)
		}
		delete(contract, c.x.Kind.String())
	}
	if len(contract) != 0 {
		t.Errorf("no line here for %v", contract)
	}
}

func keysOf(line string) (keys []string) {
	for _, m := range keyPattern.FindAllStringSubmatch(line, -1) {
		keys = append(keys, m[1])
	}
	return keys
}

// Whatever is in an effect, names of foreign bytes too, its line is one JSON
// object with its sequence and index, and the words of its kind are known.
func TestEffectsAreJSON(t *testing.T) {
	names := bound(t)
	var foreign event.Name
	copy(foreign[:], "a\"\\\x01\xffz")
	if err := names.BindSymbol(foreign, 77); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		x := event.Effect{
			Seq: ident[uint64](t), Index: rapid.Uint32().Draw(t, "i"),
			Kind:  event.EffectKind(rapid.IntRange(1, int(event.EffectAlarm)).Draw(t, "kind")),
			Flags: event.EffectFlags(rapid.Uint8().Draw(t, "flags")), Reason: rapid.Uint8().Draw(t, "reason"),
			Rank: rapid.Uint32Range(0, 9).Draw(t, "rank"), Candidates: rapid.Uint32Range(0, 9).Draw(t, "candidates"),
			Account: ident[event.AccountID](t), Symbol: reference[event.SymbolID](t), Fund: reference[event.FundID](t),
			Qty: number[fixedpoint.Qty](t), Price: number[fixedpoint.Price](t), Amount: number[fixedpoint.Amount](t),
			Room: fixedpoint.Int128{Hi: number[int64](t)}, PnL: wide(math.MinInt64),
		}
		line := AppendEffect(nil, names, &x)
		var back struct {
			Seq uint64
			I   uint32
			Fx  string
		}
		if err := json.Unmarshal(line, &back); err != nil || back.Seq != x.Seq || back.I != x.Index || back.Fx != x.Kind.String() {
			t.Fatalf("%s: read back as %+v, %v", line, back, err)
		}
	})
	line := AppendEffect(nil, names, &event.Effect{Kind: event.EffectNetted, Symbol: 77})
	if want := `"symbol":"a\"\\\u0001\u00ffz"`; !bytes.Contains(line, []byte(want)) {
		t.Errorf("%s, want %s", line, want)
	}
}

func TestStateLines(t *testing.T) {
	names := bound(t)
	a := event.AccountView{
		Account: 7, Owner: 8, Mode: event.Isolated, Status: event.OutOfSync, Wallet: unit, PendingFee: 2 * unit,
		Equity: wide(3 * unit), MM: wide(4 * unit),
		Positions: []event.PositionView{
			{Symbol: 4, Side: event.Long, Qty: unit, Cost: 5 * unit, Entry: 5 * unit, Mark: 6 * unit, PnL: wide(unit),
				LiquidationBelow: 2 * unit, LiquidationAbove: 9 * unit, BankruptcyPrice: 1, Quantile: 4},
			{Symbol: 4, Side: event.Short, Qty: -unit, Cost: 0, Quantile: -1},
		},
	}
	f := event.FundView{
		Fund: 1, Cash: unit, Equity: wide(2 * unit), NetNotional: wide(3 * unit), CapNotional: wide(4 * unit), ADLOnly: true,
		Inventory: []event.InventoryView{{Symbol: 4, Qty: -unit, Cost: -5 * unit}, {Symbol: 5, Qty: unit, Cost: 1}},
	}
	for _, c := range []struct{ got, want []byte }{
		{AppendAccount(nil, names, &a), []byte(`{"state":"account","account":7,"owner":8,"mode":"isolated","status":"out_of_sync","wallet":"1","pending_fee":"2",` +
			`"equity":"3","maintenance_margin":"4","positions":[{"symbol":"BTCUSDT","position_side":"long","qty":"1","cost":"5","entry":"5","mark":"6",` +
			`"unrealized_pnl":"1","liquidation_below":"2","liquidation_above":"9","bankruptcy_price":"0.00000001","adl_quantile":4},` +
			`{"symbol":"BTCUSDT","position_side":"short","qty":"-1","cost":"0","entry":"0","mark":null,"unrealized_pnl":"0",` +
			`"liquidation_below":null,"liquidation_above":null,"bankruptcy_price":null,"adl_quantile":null}]}`)},
		{AppendAccount(nil, names, &event.AccountView{Account: 1}), []byte(`{"state":"account","account":1,"owner":0,"mode":"cross","status":"healthy",` +
			`"wallet":"0","pending_fee":"0","equity":"0","maintenance_margin":"0","positions":[]}`)},
		{AppendFund(nil, names, &f), []byte(`{"state":"fund","fund":"USDT","cash":"1","equity":"2","net_notional":"3","cap_notional":"4","mode":"adl_only",` +
			`"inventory":[{"symbol":"BTCUSDT","qty":"-1","cost":"-5"},{"symbol":"#5","qty":"1","cost":"0.00000001"}]}`)},
		{AppendDigest([]byte("x"), 50, [32]byte{0: 0xab, 31: 1}), []byte(`x{"state":"digest","seq":50,"digest":"ab` + strings.Repeat("00", 30) + `01"}`)},
	} {
		if !bytes.Equal(c.got, c.want) {
			t.Errorf("got  %s\nwant %s", c.got, c.want)
		}
	}
}

func TestAppendEffectAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	names, out := bound(t), make([]byte, 0, 2048)
	for _, c := range effectLines {
		if n := testing.AllocsPerRun(100, func() { AppendEffect(out, names, &c.x) }); c.x.Symbol != UnknownID && n != 0 {
			t.Errorf("%v: %v allocations, want 0", c.x.Kind, n)
		}
	}
}

func BenchmarkAppendEffect(b *testing.B) {
	names, out := bound(b), make([]byte, 0, 2048)
	for _, c := range effectLines {
		if k := c.x.Kind; k == event.EffectDeleverage || k == event.EffectCancelOrders {
			b.Run(k.String(), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					out = AppendEffect(out[:0], names, &c.x)
				}
			})
		}
	}
}
