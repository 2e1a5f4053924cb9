package event_test

import (
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

func number[T ~int64](t *rapid.T) T          { return T(rapid.Int64().Draw(t, "number")) }
func ident[T ~uint64](t *rapid.T) T          { return T(rapid.Uint64().Draw(t, "id")) }
func flip(t *rapid.T) bool                   { return rapid.Bool().Draw(t, "flip") }
func code[T ~uint8](t *rapid.T, last T) T    { return T(rapid.Uint8Range(0, uint8(last)).Draw(t, "code")) }
func someRecord(t *rapid.T) (r event.Record) { fill(t, r[:]); return r }
func fill(t *rapid.T, words []uint64) {
	copy(words, rapid.SliceOfN(rapid.Uint64(), len(words), len(words)).Draw(t, "words"))
}
func someBytes(t *rapid.T) []byte { return rapid.SliceOf(rapid.Byte()).Draw(t, "bytes") }

func someName(t *rapid.T) event.Name {
	n, ok := event.MakeName(rapid.StringMatching(`[!#-\[\]-~]{1,32}`).Draw(t, "name"))
	if !ok {
		t.Fatal("a legal name was refused")
	}
	return n
}

func someSource(t *rapid.T) event.Source {
	if flip(t) {
		return event.Source{Name: someName(t), Number: rapid.Uint64().Draw(t, "number")}
	}
	return event.Source{Number: rapid.SampledFrom([]uint64{0, 1, 1<<16 - 1, 1 << 16, 1<<64 - 1}).Draw(t, "source")}
}

func someSettings(t *rapid.T) event.SymbolSettings {
	type rate = fixedpoint.Rate
	s := event.SymbolSettings{
		ID: ident[event.SymbolID](t), Name: someName(t), Set: event.SymbolFields(rapid.Uint32().Draw(t, "set")),
		Fund: ident[event.FundID](t), Tick: number[fixedpoint.Price](t), Lot: number[fixedpoint.Qty](t),
		LiqFee: number[rate](t), Full: flip(t), LiqAttempts: rapid.Uint32().Draw(t, "attempts"),
		OrderTimeout: number[int64](t), TryMarket: flip(t), Whole: flip(t), CapShare: number[rate](t),
		MaxDeviation: number[rate](t), MaxAge: number[int64](t), MaxJump: number[rate](t), MaxHold: number[int64](t),
		Policy: code(t, event.PolicyMinMax), Score: code(t, event.ScoreHyperliquid),
		MaxCounterparties: rapid.Uint32().Draw(t, "counterparties"), OffloadOff: flip(t), Interval: number[int64](t),
		Fraction: number[rate](t), FullSize: number[fixedpoint.Qty](t), MaxDepthFraction: number[rate](t), Slippage: number[rate](t),
	}
	for range rapid.IntRange(0, event.MaxTiers).Draw(t, "tiers") {
		s.Tiers = append(s.Tiers, event.Tier{
			Floor: number[fixedpoint.Amount](t), Cap: number[fixedpoint.Amount](t), MMR: number[rate](t),
			Cum: number[fixedpoint.Amount](t), MaxLeverage: number[rate](t),
		})
	}
	return s
}
