package event_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

const unit = fixedpoint.One

// Word 0: kind u8, code u8, flags u16, records that follow u16, source u16.
func TestValidateRefuses(t *testing.T) {
	halt := event.Halt(1)
	with := func(r event.Record, or uint64) event.Record { r[0] |= or; return r }
	const one, two = 1 << 32, 2 << 32 // records that follow
	name, _ := event.MakeName("USDT")
	fund := event.AppendFund(nil, event.FundSettings{ID: 1, Name: name})
	symbol := event.AppendSymbol(nil, &event.SymbolSettings{ID: 1, Name: name, Tiers: make([]event.Tier, 3)})
	state := event.AppendAccountState(nil, event.AccountReplacement{}, make([]event.PositionState, 3))
	change := func(e event.Event, record, word int, to uint64) event.Event {
		e = append(event.Event{}, e...)
		e[record][word] = to
		return e
	}
	for i, e := range []event.Event{fund, symbol, state, {halt}} {
		if err := e.Validate(); err != nil {
			t.Fatalf("event %d to start from: %v", i, err)
		}
	}
	for _, c := range []struct {
		name string
		e    event.Event
	}{
		{"no record", nil},
		{"kind none", event.Event{{}}},
		{"kind beyond the last", event.Event{{uint64(event.KindAck) + 1}}},
		{"fewer records than announced", event.Event{with(halt, one)}},
		{"more records than announced", event.Event{halt, {}}},
		{"too many records", append(event.Event{with(state[0], event.MaxRecords<<32)}, make([]event.Record, event.MaxRecords)...)},
		{"a code where there is none", event.Event{with(halt, 1<<8)}},
		{"a code beyond the last", event.Event{with(event.SetMode(0), 2<<8)}},
		{"a buyer's side beyond the last", event.Event{with(event.AppendTrade(nil, event.TradeLegs{})[0], 3<<8)}},
		{"a seller's side beyond the last", event.Event{with(event.AppendTrade(nil, event.TradeLegs{})[0], 3<<12)}},
		{"a flag of another kind", event.Event{with(halt, uint64(event.FlagSuspect)<<16)}},
		{"a flag of no kind", event.Event{with(halt, 1<<31)}},
		{"a body where there is none", event.Event{with(halt, one), {}}},
		{"a source record without a source", event.Event{with(halt, one|uint64(event.FlagSourceRecord)<<16), {}}},
		{"a source without its record", event.Event{with(halt, uint64(event.FlagSource|event.FlagSourceRecord)<<16)}},
		{"a source that is no text", change(event.Event{halt}.WithSource(event.Source{Name: name}, 1), 1, 1, 10)},
		{"a fund without a name record", event.Event{event.Record{uint64(event.KindFund)}}},
		{"a fund name with something behind it", change(fund, 1, 3, 'x')},
		{"a trade with two records of fees", event.Event{with(event.AppendTrade(nil, event.TradeLegs{})[0], two), {}, {}}},
		{"positions without records", change(state, 0, 6, 5)},
		{"more positions than can be", change(state, 0, 6, 1<<63)},
		{"all the positions a word can count", change(state, 0, 6, 1<<64-1)},
		{"a position side beyond the last", change(state, 1, 5, 3)},
		{"a position said in an unknown way", change(state, 1, 5, 1<<9)},
		{"settings cut short", append(event.Event{with(event.Record{uint64(event.KindSymbol)}, one)}, event.Record{})},
		{"tiers without records", change(symbol, 1, 4, 12<<32)},
		{"more tiers than can be", change(symbol, 1, 4, (event.MaxTiers+1)<<32)},
		{"an unknown switch", change(symbol, 2, 1, 16)},
		{"an unknown policy", change(symbol, 2, 1, 4<<8)},
		{"an unknown score", change(symbol, 2, 1, 3<<16)},
		{"a symbol name that is no text", change(symbol, 1, 0, '"')},
	} {
		if err := c.e.Validate(); !errors.Is(err, event.ErrEvent) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Plain is Validate at a glance: it never accepts more, and of single records of
// fixed kinds nothing less.
func TestPlainIsValid(t *testing.T) {
	plain := 0
	for kind := range uint64(event.KindAck) + 2 {
		for code := range uint64(18) {
			for flags := range uint64(1 << 12) {
				e := event.Event{{kind | code<<8 | flags<<16, 1, 2, 3, 4, 5, 6, 7}}
				valid := e.Validate() == nil
				if e.Plain() && !valid {
					t.Fatalf("kind %d, code %d, flags %#x is plain and not valid", kind, code, flags)
				}
				if k := event.Kind(kind); valid && !e.Plain() && k != event.KindTrade {
					t.Fatalf("%v, code %d, flags %#x is valid and not plain", k, code, flags)
				}
				if e.Plain() {
					plain++
				}
			}
		}
	}
	if plain == 0 {
		t.Error("nothing is plain")
	}
	if (event.Event{{uint64(event.KindHalt) | 1<<32}}).Plain() || (event.Event{event.Halt(1), {}}).Plain() {
		t.Error("an event with more records is plain")
	}
}

// Whatever is decoded has the bytes it came from, and accessors that are safe.
func FuzzDecode(f *testing.F) {
	name, _ := event.MakeName("BTCUSDT")
	for _, e := range []event.Event{
		{event.Halt(1)},
		{event.Tick(1, 1000*unit).At(5)},
		event.AppendFund(nil, event.FundSettings{ID: 1, Name: name}),
		event.AppendSymbol(nil, &event.SymbolSettings{ID: 1, Name: name, Tiers: make([]event.Tier, 3)}),
		event.AppendAccountState(nil, event.AccountReplacement{Account: 7}, make([]event.PositionState, 3)),
		event.AppendTrade(nil, event.TradeLegs{Qty: 1, BuyerFee: 1}).WithSource(event.Source{Name: name}, 9),
	} {
		b, _ := e.AppendBinary(nil)
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, n, err := event.Decode(nil, b)
		if err != nil {
			if !errors.Is(err, event.ErrEvent) || e != nil || n != 0 {
				t.Fatal(e, n, err)
			}
			return
		}
		if again, _ := e.AppendBinary(nil); !bytes.Equal(again, b[:n]) {
			t.Fatalf("%x was decoded, %x encoded", b[:n], again)
		}
		_ = e.Source().Name.String()
		switch e[0].Kind() {
		case event.KindFund:
			_ = e.FundSettings()
		case event.KindTrade:
			e.Fees()
		case event.KindSymbol:
			var s event.SymbolSettings
			e.SymbolSettings(&s)
		case event.KindAccountState:
			for i := range e.Positions() {
				_ = e.Position(i)
			}
		}
	})
}

// Every field of an effect survives its bytes; a field that is added to Effect
// and not to its byte form fails here.
func TestEffectRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x event.Effect
		draw(t, reflect.ValueOf(&x).Elem())
		x.Kind = event.EffectRejected + code(t, event.EffectAlarm-event.EffectRejected)
		x.Side, x.CounterSide = x.Side&15, x.CounterSide&15 // half a byte each
		b, err := x.AppendBinary(nil)
		if err != nil || len(b) != event.EffectSize {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		got, err := event.DecodeEffect(append(b, 0))
		if err != nil || got != x {
			t.Fatalf("%+v, want %+v: %v", got, x, err)
		}
		if _, err := event.DecodeEffect(b[:len(b)-1]); !errors.Is(err, event.ErrEvent) {
			t.Fatalf("one byte less: %v", err)
		}
	})
	var none event.Effect
	for _, k := range []event.EffectKind{event.EffectNone, event.EffectAlarm + 1} {
		none.Kind = k
		b, _ := none.AppendBinary(nil)
		if _, err := event.DecodeEffect(b); !errors.Is(err, event.ErrEvent) {
			t.Errorf("effect kind %d: %v", k, err)
		}
	}
}

// draw sets every field of a struct to something.
func draw(t *rapid.T, v reflect.Value) {
	switch {
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			draw(t, v.Field(i))
		}
	case v.CanUint():
		v.SetUint(rapid.Uint64().Draw(t, "uint") >> (64 - v.Type().Bits()))
	default:
		v.SetInt(rapid.Int64().Draw(t, "int"))
	}
}

func FuzzDecodeEffect(f *testing.F) {
	b, _ := (&event.Effect{Kind: event.EffectAlarm}).AppendBinary(nil)
	f.Add(b)
	f.Add(b[:9])
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := event.DecodeEffect(b)
		if err != nil {
			return
		}
		if again, _ := x.AppendBinary(nil); !bytes.Equal(again, b[:event.EffectSize]) {
			t.Fatalf("%x was decoded, %x encoded", b[:event.EffectSize], again)
		}
	})
}
