package event_test

import (
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

// A record is a cache line; the byte form of an effect is its words.
var (
	_ [event.RecordSize]byte = [unsafe.Sizeof(event.Record{})]byte{}
	_ [64]byte               = [event.RecordSize]byte{}
	_ [288]byte              = [event.EffectSize]byte{}
)

func equal(t rapid.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

// builders build an event of each kind and return how to check what its
// accessors read. A kind without one fails the test.
var builders = map[event.Kind]func(t *rapid.T) (event.Event, func(t *rapid.T, e event.Event)){
	event.KindFund: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		s := event.FundSettings{ID: ident[event.FundID](t), Name: someName(t), Cap: number[fixedpoint.Rate](t),
			HasCap: flip(t), ADLOnly: flip(t), HasADLOnly: flip(t)}
		return event.AppendFund(nil, s), func(t *rapid.T, e event.Event) { equal(t, "fund", e.FundSettings(), s) }
	},
	event.KindFundTransfer: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		f, a, r := ident[event.FundID](t), number[fixedpoint.Amount](t), code(t, event.FundAdjustment)
		return event.Event{event.FundTransfer(f, a, r)}, func(t *rapid.T, e event.Event) {
			h := &e[0]
			equal(t, "fund_transfer", []any{h.Fund(), h.Amount(), event.FundReason(h.Code())}, []any{f, a, r})
		}
	},
	event.KindFundFill: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		f, s, q, p := ident[event.FundID](t), ident[event.SymbolID](t), number[fixedpoint.Qty](t), number[fixedpoint.Price](t)
		return event.Event{event.FundFill(f, s, q, p)}, func(t *rapid.T, e event.Event) {
			h := &e[0]
			equal(t, "fund_fill", []any{h.Fund(), h.Symbol(), h.Qty(), h.Price()}, []any{f, s, q, p})
		}
	},
	event.KindSymbol: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		s := someSettings(t)
		return event.AppendSymbol(nil, &s), func(t *rapid.T, e event.Event) {
			var got event.SymbolSettings
			e.SymbolSettings(&got)
			equal(t, "symbol", got, s)
		}
	},
	event.KindAccount: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		a, o, m := ident[event.AccountID](t), ident[event.AccountID](t), code(t, event.Isolated)
		return event.Event{event.OpenAccount(a, o, m)}, func(t *rapid.T, e event.Event) {
			h := &e[0]
			equal(t, "account", []any{h.Account(), h.Owner(), event.AccountMode(h.Code()), h.Has(event.FlagOwner | event.FlagMode)},
				[]any{a, o, m, true})
		}
	},
	event.KindAccountClose: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		a := ident[event.AccountID](t)
		return event.Event{event.CloseAccount(a)}, func(t *rapid.T, e event.Event) { equal(t, "account_close", e[0].Account(), a) }
	},
	event.KindAccountState: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		a := event.AccountReplacement{Account: ident[event.AccountID](t), Owner: ident[event.AccountID](t), HasOwner: flip(t),
			Mode: code(t, event.Isolated), HasMode: flip(t), Wallet: number[fixedpoint.Amount](t)}
		positions := make([]event.PositionState, rapid.IntRange(0, 20).Draw(t, "positions"))
		for i := range positions {
			positions[i] = event.PositionState{Symbol: ident[event.SymbolID](t), Side: code(t, event.Short),
				Qty: number[fixedpoint.Qty](t), ByEntry: flip(t), Value: number[int64](t)}
		}
		return event.AppendAccountState(nil, a, positions), func(t *rapid.T, e event.Event) {
			equal(t, "account_state", e.AccountReplacement(), a)
			equal(t, "positions", e.Positions(), len(positions))
			for i, p := range positions {
				equal(t, "position", e.Position(i), p)
			}
		}
	},
	event.KindMode: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		m := code(t, event.Loading)
		return event.Event{event.SetMode(m)}, func(t *rapid.T, e event.Event) { equal(t, "mode", event.EngineMode(e[0].Code()), m) }
	},
	event.KindTransfer: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		a, v, r := ident[event.AccountID](t), number[fixedpoint.Amount](t), code(t, event.TransferOther)
		return event.Event{event.Transfer(a, v, r)}, func(t *rapid.T, e event.Event) {
			h := &e[0]
			equal(t, "transfer", []any{h.Account(), h.Amount(), event.TransferReason(h.Code())}, []any{a, v, r})
		}
	},
	event.KindFill: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		a, s, side := ident[event.AccountID](t), ident[event.SymbolID](t), code(t, event.Short)
		q, p, fee := number[fixedpoint.Qty](t), number[fixedpoint.Price](t), number[fixedpoint.Amount](t)
		return event.Event{event.Fill(a, s, side, q, p, fee)}, func(t *rapid.T, e event.Event) {
			h := &e[0]
			equal(t, "fill", []any{h.Account(), h.Symbol(), h.Side(), h.Qty(), h.Price(), h.Fee()}, []any{a, s, side, q, p, fee})
		}
	},
	event.KindTrade: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		l := event.TradeLegs{Symbol: ident[event.SymbolID](t), Qty: number[fixedpoint.Qty](t), Price: number[fixedpoint.Price](t),
			Buyer: ident[event.AccountID](t), Seller: ident[event.AccountID](t),
			BuyerSide: code(t, event.Short), SellerSide: code(t, event.Short)}
		if flip(t) {
			l.BuyerFee, l.SellerFee = number[fixedpoint.Amount](t), number[fixedpoint.Amount](t)
		}
		return event.AppendTrade(nil, l), func(t *rapid.T, e event.Event) {
			h := &e[0]
			got := event.TradeLegs{Symbol: h.Symbol(), Qty: h.Qty(), Price: h.Price(), Buyer: h.Buyer(), Seller: h.Seller(),
				BuyerSide: h.Side(), SellerSide: h.SellerSide()}
			got.BuyerFee, got.SellerFee = e.Fees()
			equal(t, "trade", got, l)
		}
	},
	event.KindTick: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		s, mark, index, mt := ident[event.SymbolID](t), number[fixedpoint.Price](t), number[fixedpoint.Price](t), number[int64](t)
		r, hasIndex, hasTime, suspect := event.Tick(s, mark), flip(t), flip(t), flip(t)
		if hasIndex {
			r.SetIndex(index)
		}
		if hasTime {
			r.SetMarkTime(mt)
		}
		if suspect {
			r.SetSuspect()
		}
		return event.Event{r}, func(t *rapid.T, e event.Event) {
			h := &e[0]
			equal(t, "tick", []any{h.Symbol(), h.Mark(), h.Has(event.FlagIndex), h.Has(event.FlagMarkTime), h.Has(event.FlagSuspect)},
				[]any{s, mark, hasIndex, hasTime, suspect})
			if hasIndex {
				equal(t, "index", h.Index(), index)
			}
			if hasTime {
				equal(t, "mt", h.MarkTime(), mt)
			}
		}
	},
	event.KindDepth: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		s, bid, ask := ident[event.SymbolID](t), number[fixedpoint.Qty](t), number[fixedpoint.Qty](t)
		return event.Event{event.Depth(s, bid, ask)}, func(t *rapid.T, e event.Event) {
			equal(t, "depth", []any{e[0].Symbol(), e[0].Bid(), e[0].Ask()}, []any{s, bid, ask})
		}
	},
	event.KindOrderFill: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		o, q, p := ident[event.OrderID](t), number[fixedpoint.Qty](t), number[fixedpoint.Price](t)
		return event.Event{event.OrderFill(o, q, p)}, func(t *rapid.T, e event.Event) {
			equal(t, "order_fill", []any{e[0].Order(), e[0].Qty(), e[0].Price()}, []any{o, q, p})
		}
	},
	event.KindOrderDone: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		o, r := ident[event.OrderID](t), code(t, event.Rejected)
		return event.Event{event.OrderDone(o, r)}, func(t *rapid.T, e event.Event) {
			equal(t, "order_done", []any{e[0].Order(), event.DoneReason(e[0].Code())}, []any{o, r})
		}
	},
	event.KindHalt: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		s := ident[event.SymbolID](t)
		return event.Event{event.Halt(s)}, func(t *rapid.T, e event.Event) { equal(t, "halt", e[0].Symbol(), s) }
	},
	event.KindResume: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		s := ident[event.SymbolID](t)
		return event.Event{event.Resume(s)}, func(t *rapid.T, e event.Event) { equal(t, "resume", e[0].Symbol(), s) }
	},
	event.KindTime: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		return event.Event{event.Time(number[int64](t))}, func(t *rapid.T, e event.Event) {
			equal(t, "time", e[0].Has(event.FlagTime), true)
		}
	},
	event.KindAck: func(t *rapid.T) (event.Event, func(*rapid.T, event.Event)) {
		s, i := rapid.Uint64().Draw(t, "seq"), rapid.Uint32().Draw(t, "i")
		return event.Event{event.Ack(s, i)}, func(t *rapid.T, e event.Event) {
			equal(t, "ack", []any{e[0].AckSequence(), e[0].AckIndex()}, []any{s, i})
		}
	},
}

// Every kind comes back from its bytes as it was built, stamped and signed.
func TestRoundTrip(t *testing.T) {
	for k := event.KindNone + 1; k.String() != "unknown"; k++ {
		build := builders[k]
		if build == nil {
			t.Errorf("no builder for %v", k)
			continue
		}
		t.Run(k.String(), func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { roundTrip(t, k, build) }) })
	}
}

func roundTrip(t *rapid.T, k event.Kind, build func(*rapid.T) (event.Event, func(*rapid.T, event.Event))) {
	e, check := build(t)
	if flip(t) {
		at := number[int64](t)
		e[0].SetTime(at)
		defer func() { equal(t, "t", e[0].Time(), at) }()
	}
	if flip(t) {
		from, sequence := someSource(t), rapid.Uint64().Draw(t, "sseq")
		e = e.WithSource(from, sequence)
		defer func() { equal(t, "source", []any{e.Source(), e[0].SourceSequence()}, []any{from, sequence}) }()
	}
	b, err := e.AppendBinary([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	room := []event.Record{someRecord(t)}
	got, n, err := event.Decode(room, append(b[6:], someBytes(t)...))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "kind", got[0].Kind(), k)
	equal(t, "bytes", n, len(b)-6)
	equal(t, "records", got, e)
	check(t, got)
	e = got // what the deferred checks look at

	if cut := rapid.IntRange(0, n-1).Draw(t, "cut"); cut < n {
		if _, _, err := event.Decode(nil, b[6:6+cut]); err == nil {
			t.Fatalf("%d of %d bytes were decoded", cut, n)
		}
	}
}

func TestNames(t *testing.T) {
	long := strings.Repeat("x", event.NameSize)
	for _, s := range []string{"B", "BTCUSDT", "1000PEPE-USDT_260626", long} {
		n, ok := event.MakeName(s)
		if !ok || n.String() != s || n.Len() != len(s) {
			t.Errorf("%q: %q of length %d, %v", s, n, n.Len(), ok)
		}
	}
	for _, s := range []string{"", long + "x", "a b", "a\"", `a\`, "a\x00b", "a\x00", "é", "\x7f", "a\n"} {
		if n, ok := event.MakeName(s); ok || n != (event.Name{}) {
			t.Errorf("%q is no name: %q", s, n)
		}
	}
}

// Every code has a name, and what lies beyond has none.
func TestWords(t *testing.T) {
	for _, c := range []struct {
		of    string
		codes int
		word  func(i uint8) string
	}{
		{"kinds", int(event.KindAck) + 1, func(i uint8) string { return event.Kind(i).String() }},
		{"sides", 3, func(i uint8) string { return event.PositionSide(i).String() }},
		{"account modes", 2, func(i uint8) string { return event.AccountMode(i).String() }},
		{"engine modes", 2, func(i uint8) string { return event.EngineMode(i).String() }},
		{"transfers", 6, func(i uint8) string { return event.TransferReason(i).String() }},
		{"fund transfers", 3, func(i uint8) string { return event.FundReason(i).String() }},
		{"ends of orders", 3, func(i uint8) string { return event.DoneReason(i).String() }},
		{"effects", int(event.EffectAlarm) + 1, func(i uint8) string { return event.EffectKind(i).String() }},
		{"reasons of bankrupt", 3, func(i uint8) string { return event.BankruptReason(i).String() }},
		{"ledger types", 8, func(i uint8) string { return event.LedgerType(i).String() }},
		{"alarms", int(event.AlarmCapacity) + 1, func(i uint8) string { return event.Alarm(i).String() }},
		{"rejects", event.RejectCodes, func(i uint8) string { return event.Reject(i).String() }},
		{"policies", 4, func(i uint8) string { return event.Policy(i).String() }},
		{"scores", 3, func(i uint8) string { return event.Score(i).String() }},
		{"statuses", int(event.Unassessed) + 1, func(i uint8) string { return event.Status(i).String() }},
		{"tier faults", int(event.CumTooFine) + 1, func(i uint8) string { return event.TierFault(i).String() }},
		{"resources", int(event.Sources) + 1, func(i uint8) string { return event.Resource(i).String() }},
	} {
		seen := map[string]bool{}
		for i := range c.codes {
			w := c.word(uint8(i))
			if w == "" || w == "unknown" || seen[w] {
				t.Errorf("%s: %d is %q", c.of, i, w)
			}
			seen[w] = true
		}
		if w := c.word(uint8(c.codes)); w != "unknown" {
			t.Errorf("%s: %d is %q", c.of, c.codes, w)
		}
	}
}
