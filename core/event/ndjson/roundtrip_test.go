package ndjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

// number draws any value of a scaled int64, edges more often than not.
func number[T ~int64](t *rapid.T) T {
	return T(rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 3),
		rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, fixedpoint.One, -fixedpoint.One})).Draw(t, "number"))
}

func ident[T ~uint64](t *rapid.T) T {
	return T(rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 9)).Draw(t, "id"))
}

// reference draws an id a fund or symbol is referred to by: bound, not bound,
// or of an unknown name.
func reference[T ~uint64](t *rapid.T) T {
	return T(rapid.SampledFrom([]uint64{1, 4, 0, 77, UnknownID}).Draw(t, "reference"))
}

func code[T ~uint8](t *rapid.T, list []string) T {
	return T(rapid.IntRange(0, len(list)-1).Draw(t, "code"))
}

func someName(t *rapid.T) event.Name {
	n, ok := event.MakeName(rapid.StringMatching(`[!#-\[\]-~]{1,32}`).Draw(t, "name"))
	if _, reserved := numbered([]byte(n.String())); !ok || reserved {
		t.Skip("the text drawn is no name, or a number's")
	}
	return n
}

func flip(t *rapid.T) bool { return rapid.Bool().Draw(t, "flip") }

func pick[T any](t *rapid.T, there bool, draw func(*rapid.T) T) (v T) {
	if there {
		v = draw(t)
	}
	return v
}

// someEvent draws an event of the kind, with every field at its whole range.
func someEvent(t *rapid.T, kind event.Kind) event.Event {
	var r event.Record
	switch kind {
	case event.KindFund:
		s := event.FundSettings{ID: ident[event.FundID](t) / 2, Name: someName(t), HasCap: flip(t), HasADLOnly: flip(t)}
		s.Cap = pick(t, s.HasCap, number[fixedpoint.Rate])
		s.ADLOnly = pick(t, s.HasADLOnly, flip)
		return event.AppendFund(nil, s)
	case event.KindSymbol:
		return event.AppendSymbol(nil, someSettings(t))
	case event.KindAccountState:
		return someState(t)
	case event.KindTrade:
		return event.AppendTrade(nil, event.TradeLegs{
			Symbol: reference[event.SymbolID](t), Qty: number[fixedpoint.Qty](t), Price: number[fixedpoint.Price](t),
			Buyer: ident[event.AccountID](t), Seller: ident[event.AccountID](t),
			BuyerSide: code[event.PositionSide](t, sideWords), SellerSide: code[event.PositionSide](t, sideWords),
			BuyerFee: number[fixedpoint.Amount](t), SellerFee: number[fixedpoint.Amount](t),
		})
	case event.KindTick:
		r = event.Tick(reference[event.SymbolID](t), number[fixedpoint.Price](t))
		if flip(t) {
			r.SetIndex(number[fixedpoint.Price](t))
		}
		if flip(t) {
			r.SetMarkTime(rapid.Int64().Draw(t, "mt"))
		}
		if flip(t) {
			r.SetSuspect()
		}
	case event.KindFill:
		r = event.Fill(ident[event.AccountID](t), reference[event.SymbolID](t), code[event.PositionSide](t, sideWords),
			number[fixedpoint.Qty](t), number[fixedpoint.Price](t), number[fixedpoint.Amount](t))
	case event.KindTransfer:
		r = event.Transfer(ident[event.AccountID](t), number[fixedpoint.Amount](t), code[event.TransferReason](t, transferWords))
	case event.KindFundTransfer:
		r = event.FundTransfer(reference[event.FundID](t), number[fixedpoint.Amount](t), code[event.FundReason](t, fundReasonWords))
	case event.KindFundFill:
		r = event.FundFill(reference[event.FundID](t), reference[event.SymbolID](t), number[fixedpoint.Qty](t), number[fixedpoint.Price](t))
	case event.KindAccount:
		r = event.OpenAccount(ident[event.AccountID](t), ident[event.AccountID](t), code[event.AccountMode](t, accountModeWords))
	case event.KindAccountClose:
		r = event.CloseAccount(ident[event.AccountID](t))
	case event.KindMode:
		r = event.SetMode(code[event.EngineMode](t, engineModeWords))
	case event.KindDepth:
		r = event.Depth(reference[event.SymbolID](t), number[fixedpoint.Qty](t), number[fixedpoint.Qty](t))
	case event.KindOrderFill:
		r = event.OrderFill(ident[event.OrderID](t), number[fixedpoint.Qty](t), number[fixedpoint.Price](t))
	case event.KindOrderDone:
		r = event.OrderDone(ident[event.OrderID](t), code[event.DoneReason](t, doneWords))
	case event.KindHalt:
		r = event.Halt(reference[event.SymbolID](t))
	case event.KindResume:
		r = event.Resume(reference[event.SymbolID](t))
	case event.KindTime:
		r = event.Time(rapid.Int64().Draw(t, "t"))
	case event.KindAck:
		r = event.Ack(ident[uint64](t), rapid.Uint32().Draw(t, "i"))
	default:
		t.Fatalf("no generator for %v", kind)
	}
	return event.Event{r}
}

func someSettings(t *rapid.T) *event.SymbolSettings {
	s := &event.SymbolSettings{
		ID: ident[event.SymbolID](t) / 2, Name: someName(t),
		Set: event.SymbolFields(rapid.Uint32Range(0, uint32(event.SetSlippage)<<1-1).Draw(t, "set")),
	}
	const offloadFields = event.SetInterval | event.SetFraction | event.SetFullSize | event.SetMaxDepthFraction | event.SetSlippage
	if s.OffloadOff = s.Set&event.SetOffload != 0 && flip(t); s.OffloadOff {
		s.Set &^= offloadFields
	} else if s.Set&offloadFields != 0 {
		s.Set |= event.SetOffload
	}
	nanos := func(t *rapid.T) int64 { return rapid.Int64Range(0, math.MaxInt64).Draw(t, "nanos") }
	set := func(f event.SymbolFields) bool { return s.Set&f != 0 }
	s.Fund = pick(t, set(event.SetFund), reference[event.FundID])
	s.Tick = pick(t, set(event.SetTick), number[fixedpoint.Price])
	s.Lot = pick(t, set(event.SetLot), number[fixedpoint.Qty])
	s.LiqFee = pick(t, set(event.SetLiqFee), number[fixedpoint.Rate])
	s.Full = pick(t, set(event.SetLiquidation), flip)
	s.LiqAttempts = uint32(pick(t, set(event.SetLiqAttempts), ident[uint64]))
	s.OrderTimeout = pick(t, set(event.SetOrderTimeout), nanos)
	s.TryMarket = pick(t, set(event.SetTryMarket), flip)
	s.Whole = pick(t, set(event.SetTakeover), flip)
	s.CapShare = pick(t, set(event.SetCapShare), number[fixedpoint.Rate])
	s.MaxDeviation = pick(t, set(event.SetMaxDeviation), number[fixedpoint.Rate])
	s.MaxAge = pick(t, set(event.SetMaxAge), nanos)
	s.MaxJump = pick(t, set(event.SetMaxJump), number[fixedpoint.Rate])
	s.MaxHold = pick(t, set(event.SetMaxHold), nanos)
	if set(event.SetTiers) {
		s.Tiers = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event.Tier {
			return event.Tier{
				Floor: number[fixedpoint.Amount](t), Cap: number[fixedpoint.Amount](t), MMR: number[fixedpoint.Rate](t),
				Cum: number[fixedpoint.Amount](t), MaxLeverage: number[fixedpoint.Rate](t),
			}
		}), 0, event.MaxTiers).Draw(t, "tiers")
	}
	if set(event.SetPolicy) {
		s.Policy = code[event.Policy](t, policyWords)
	}
	if set(event.SetScore) {
		s.Score = code[event.Score](t, scoreWords)
	}
	s.MaxCounterparties = uint32(pick(t, set(event.SetMaxCounterparties), ident[uint64]))
	s.Interval = pick(t, set(event.SetInterval), nanos)
	s.Fraction = pick(t, set(event.SetFraction), number[fixedpoint.Rate])
	s.FullSize = pick(t, set(event.SetFullSize), number[fixedpoint.Qty])
	s.MaxDepthFraction = pick(t, set(event.SetMaxDepthFraction), number[fixedpoint.Rate])
	s.Slippage = pick(t, set(event.SetSlippage), number[fixedpoint.Rate])
	return s
}

func someState(t *rapid.T) event.Event {
	a := event.AccountReplacement{
		Account: ident[event.AccountID](t), HasOwner: flip(t), HasMode: flip(t), Wallet: number[fixedpoint.Amount](t),
	}
	a.Owner = pick(t, a.HasOwner, ident[event.AccountID])
	if a.HasMode {
		a.Mode = code[event.AccountMode](t, accountModeWords)
	}
	positions := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event.PositionState {
		return event.PositionState{
			Symbol: reference[event.SymbolID](t), Side: code[event.PositionSide](t, sideWords),
			Qty: number[fixedpoint.Qty](t), ByEntry: flip(t), Value: number[int64](t),
		}
	}), 0, 5).Draw(t, "positions")
	return event.AppendAccountState(nil, a, positions)
}

// Decode(AppendEvent(e)) is e, for every kind and every value a field can have.
func TestRoundTrip(t *testing.T) {
	names := bound(t)
	for i, word := range eventWords {
		t.Run(word, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				e := someEvent(t, event.Kind(i+1))
				if flip(t) {
					e[0].SetTime(rapid.Int64().Draw(t, "t"))
				}
				if flip(t) {
					s := event.Source{Number: ident[uint64](t)}
					if flip(t) {
						s = event.Source{Name: someName(t)}
					}
					e = e.WithSource(s, ident[uint64](t))
				}
				if err := e.Validate(); err != nil {
					t.Fatalf("the generator made no event: %v", err)
				}
				line := AppendEvent(nil, names, e)
				back, err := NewDecoder(names).Decode(line, nil)
				if err != nil {
					t.Fatalf("%s\n%v", line, err)
				}
				if !slices.Equal(e, back) {
					t.Fatalf("%s\nwritten %x\nread    %x", line, e, back)
				}
			})
		})
	}
}

// What decodes is one JSON object whose keys differ, says the standard library,
// and is written so that it decodes to the same event.
func FuzzDecode(f *testing.F) {
	for _, line := range hotLines {
		f.Add([]byte(line))
	}
	for _, line := range []string{
		`{"e":"symbol","symbol":"ETHUSDT","fund":"USDT","max_age":"5s","tiers":[{"floor":"0","mmr":"0.004","cum":"0"}],"adl":{"policy":"queue"},"offload":{"slippage":"0.01"}}`,
		`{"e":"account_state","account":7,"wallet":"-0.5","positions":[{"symbol":"#9","position_side":"long","qty":"1","entry":"1000"},{"symbol":"BTCUSDT","qty":"0","cost":"-1"}]}`,
		`{"\u0065":"fund","fund":"A","cap":1.5,"adl_only":true,"src":70000,"sseq":"2"}`,
		`{"e":"tick","symbol":"NONE","mark":1e400}`,
		`{"e":"time","t":-9223372036854775808}`,
		``, `{`, `[]`, "{\"e\":\"\xff\"}",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		names := bound(t)
		e, err := NewDecoder(names).Decode(line, nil)
		if err != nil {
			s, ok := errors.AsType[*SyntaxError](err)
			if !ok || s.Line != 1 || s.Column < 1 || s.Column > len(line)+1 || s.What == "" {
				t.Fatalf("%q: error %#v points nowhere", line, err)
			}
			return
		}
		if e == nil {
			if len(bytes.TrimSpace(line)) != 0 {
				t.Fatalf("%q counts as blank", line)
			}
			return
		}
		if err := e.Validate(); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		checkObject(t, line)
		written := AppendEvent(nil, names, e)
		checkObject(t, written)
		back, err := NewDecoder(names).Decode(written, nil)
		if err != nil || !slices.Equal(e, back) {
			t.Fatalf("%q is written %s and read %x, %v; was %x", line, written, back, err, e)
		}
	})
}

// checkObject lets encoding/json judge a line: one object, no key twice.
func checkObject(t *testing.T, line []byte) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(line))
	if err := uniqueKeys(d); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Fatalf("%q: more than one value: %v", line, err)
	}
}

// uniqueKeys reads one value and refuses a key that occurs twice in an object.
func uniqueKeys(d *json.Decoder) error {
	start, err := d.Token()
	if err != nil {
		return err
	}
	switch start {
	case json.Delim('{'):
		seen := map[json.Token]bool{}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return err
			}
			if seen[k] {
				return errors.New("key given twice")
			}
			seen[k] = true
			if err := uniqueKeys(d); err != nil {
				return err
			}
		}
	case json.Delim('['):
		for d.More() {
			if err := uniqueKeys(d); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	_, err = d.Token()
	return err
}
