package event_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// batches is a sink that keeps what it is handed, batch by batch.
type batches [][]event.Effect

func (s *batches) Effects(batch []event.Effect) { *s = append(*s, slices.Clone(batch)) }

func recovered(a event.AccountID) event.Effect {
	return event.Effect{Kind: event.EffectRecovered, Flags: event.HasAccount, Account: a}
}

// With a sink, what does not fit is handed over, in order and nothing twice.
func TestEffectsWithSink(t *testing.T) {
	var sink batches
	x := event.NewEffects(2, &sink)
	x.Flush() // nothing to hand over: the sink is not called
	for seq := range uint64(3) {
		x.Begin(seq + 1)
		for range seq + 1 {
			x.Append(recovered(event.AccountID(seq)))
		}
	}
	if n := len(x.All()); len(sink) != 2 || n != 2 || x.Count() != 6 {
		t.Fatalf("%d batches handed over, %d effects left, %d counted", len(sink), n, x.Count())
	}
	x.Flush()
	x.Flush()
	var got []string
	for _, b := range sink {
		for _, e := range b {
			got = append(got, fmt.Sprintf("%d.%d:%d", e.Seq, e.Index, e.Account))
		}
	}
	if want := []string{"1.0:0", "2.0:1", "2.1:1", "3.0:2", "3.1:2", "3.2:2"}; !slices.Equal(got, want) || len(sink) != 3 {
		t.Errorf("%v in %d batches, want %v", got, len(sink), want)
	}
	if len(x.All()) != 0 {
		t.Error("effects are left after a flush")
	}
}

// Without one they are kept, however many, until they are forgotten.
func TestEffectsWithoutSink(t *testing.T) {
	x := event.NewEffects(0, nil)
	x.Begin(7)
	for i := range 10 {
		x.Append(recovered(event.AccountID(i)))
	}
	x.Flush()
	all := x.All()
	if len(all) != 10 || x.Count() != 10 {
		t.Fatalf("%d effects, %d counted", len(all), x.Count())
	}
	for i, e := range all {
		if e.Seq != 7 || e.Index != uint32(i) || e.Account != event.AccountID(i) {
			t.Errorf("effect %d: %+v", i, e)
		}
	}
	x.Reset()
	x.Append(recovered(1))
	if all := x.All(); len(all) != 1 || all[0].Index != 10 || x.Count() != 11 {
		t.Errorf("after Reset: %d effects, index %d, %d counted", len(all), all[0].Index, x.Count())
	}
}

// discard is a sink that allocates nothing.
type discard struct{ n int }

func (d *discard) Effects(batch []event.Effect) { d.n += len(batch) }

func TestNothingAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	name, _ := event.MakeName("BTCUSDT")
	records := make([]event.Record, 0, 64)
	symbol := event.AppendSymbol(nil, &event.SymbolSettings{ID: 1, Name: name, Tiers: make([]event.Tier, 9)})
	tick := event.Event{event.Tick(1, 5)}
	b, _ := symbol.AppendBinary(nil)
	buf, settings := make([]byte, 0, 4096), event.SymbolSettings{Tiers: make([]event.Tier, 0, event.MaxTiers)}
	sink := new(discard)
	effects, effect := event.NewEffects(4, sink), recovered(1)
	for name, f := range map[string]func(){
		"Decode":       func() { _, _, _ = event.Decode(records, b) },
		"Validate":     func() { _, _ = tick.Validate(), symbol.Validate() },
		"settings":     func() { symbol.SymbolSettings(&settings) },
		"AppendBinary": func() { _, _ = symbol.AppendBinary(buf) },
		"AppendSymbol": func() { event.AppendSymbol(records, &settings) },
		"an effect":    func() { effects.Append(effect) },
		"its bytes": func() {
			b, _ := effect.AppendBinary(buf)
			_, _ = event.DecodeEffect(b)
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	if sink.n == 0 || len(settings.Tiers) != 9 {
		t.Error("nothing was done")
	}
}

// A trade, as it lies in the ring and in the journal.
func Example() {
	e := event.AppendTrade(nil, event.TradeLegs{
		Symbol: 1, Qty: unit / 2, Price: 50_000 * unit, Buyer: 7, Seller: 8, BuyerFee: 12 * unit,
	})
	e[0].SetTime(1_760_131_034_000_000_000)

	b, _ := e.AppendBinary(nil)
	got, n, err := event.Decode(nil, b)
	if err != nil {
		fmt.Println(err)
		return
	}
	buyer, seller := got.Fees()
	fmt.Println(got[0].Kind(), got[0].Qty(), got[0].Price(), "fees", buyer, seller, "in", n, "bytes")
	// Output: trade 0.5 50000 fees 12 0 in 128 bytes
}

// A tick with all it can say.
func ExampleTick() {
	tick := event.Tick(1, 49_000*unit)
	tick.SetIndex(49_010 * unit)
	tick.SetMarkTime(1_760_131_034_000_000_000)
	fmt.Println(tick.Mark(), tick.Index(), tick.Has(event.FlagMarkTime), tick.Has(event.FlagSuspect))
	// Output: 49000 49010 true false
}

// Effects are numbered within their event.
func ExampleEffects() {
	x := event.NewEffects(16, nil)
	x.Begin(9)
	x.Append(event.Effect{Kind: event.EffectCancelOrders, Account: 7})
	x.Append(event.Effect{Kind: event.EffectBankrupt, Account: 7, Equity: fixedpoint.Int128From(-5 * unit)})
	for _, e := range x.All() {
		fmt.Println(e.Seq, e.Index, e.Kind, e.Account)
	}
	// Output:
	// 9 0 cancel_orders 7
	// 9 1 bankrupt 7
}

func BenchmarkTick(b *testing.B) {
	ring := make([]event.Record, 1024)
	i := 0
	for b.Loop() {
		i++
		r := &ring[i&1023]
		*r = event.Tick(1, fixedpoint.Price(i))
		r.SetIndex(6)
		r.SetMarkTime(7)
		r.SetTime(8)
	}
	if !ring[1].Has(event.FlagTime | event.FlagMarkTime | event.FlagIndex) {
		b.Fatal("not a whole tick")
	}
}

func BenchmarkDecode(b *testing.B) {
	name, _ := event.MakeName("BTCUSDT")
	for _, e := range []event.Event{
		{event.Tick(1, 5)},
		event.AppendSymbol(nil, &event.SymbolSettings{ID: 1, Name: name, Tiers: make([]event.Tier, 12)}),
	} {
		b.Run(e[0].Kind().String(), func(b *testing.B) {
			raw, _ := e.AppendBinary(nil)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			records := make([]event.Record, 0, 64)
			for b.Loop() {
				if _, _, err := event.Decode(records, raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEffect(b *testing.B) {
	b.Run("Append", func(b *testing.B) {
		sink, e := new(discard), recovered(7)
		x := event.NewEffects(256, sink)
		for b.Loop() {
			x.Append(e)
		}
		x.Flush()
		if uint64(sink.n) != x.Count() {
			b.Fatal("effects were lost")
		}
	})
	b.Run("AppendBinary", func(b *testing.B) {
		e, buf := recovered(7), make([]byte, 0, event.EffectSize)
		b.SetBytes(event.EffectSize)
		for b.Loop() {
			if out, err := e.AppendBinary(buf); err != nil || len(out) != event.EffectSize {
				b.Fatal(err)
			}
		}
	})
}
