package event

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/backstop-fund/backstop/fixedpoint"
)

// The byte form: records are their words, little endian, in order. Effects are
// EffectSize bytes, their fields in declaration order.

func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

func putLE64(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }

// ErrEvent marks bytes that are not an event.
var ErrEvent = errors.New("event: malformed")

// AppendBinary appends the byte form of e.
func (e Event) AppendBinary(dst []byte) ([]byte, error) {
	for i := range e {
		for _, w := range e[i] {
			dst = binary.LittleEndian.AppendUint64(dst, w)
		}
	}
	return dst, nil
}

// Decode appends the event at the start of b to dst and returns it with the
// number of bytes read.
func Decode(dst []Record, b []byte) (Event, int, error) {
	if len(b) < RecordSize {
		return nil, 0, fmt.Errorf("%w: %d bytes, a record has %d", ErrEvent, len(b), RecordSize)
	}
	h := Record{le64(b)}
	n := (1 + h.More()) * RecordSize
	if n > len(b) {
		return nil, 0, fmt.Errorf("%w: head of %v announces %d bytes, %d are there", ErrEvent, h.Kind(), n, len(b))
	}
	start := len(dst)
	for at := 0; at < n; at += RecordSize {
		var r Record
		for i := range r {
			r[i] = le64(b[at+8*i:])
		}
		dst = append(dst, r)
	}
	e := Event(dst[start:])
	if err := e.Validate(); err != nil {
		return nil, 0, err
	}
	return e, n, nil
}

// The legal codes of each kind and the flags it may carry, beside those of all.
var shapes = [kindEnd]struct {
	codes uint8
	flags Flags
}{
	KindFund:         {1, FlagCap | FlagADLOnly | FlagADLOnlyTrue},
	KindFundTransfer: {uint8(len(fundReasonNames)), 0},
	KindFundFill:     {1, 0},
	KindSymbol:       {1, 0},
	KindAccount:      {uint8(len(accountModeNames)), FlagOwner | FlagMode},
	KindAccountClose: {1, 0},
	KindAccountState: {uint8(len(accountModeNames)), FlagOwner | FlagMode},
	KindMode:         {uint8(len(engineModeNames)), 0},
	KindTransfer:     {uint8(len(transferNames)), 0},
	KindFill:         {uint8(len(sideNames)), 0},
	KindTrade:        {0, 0}, // two sides, checked apart
	KindTick:         {1, FlagIndex | FlagMarkTime | FlagSuspect},
	KindDepth:        {1, 0},
	KindOrderFill:    {1, 0},
	KindOrderDone:    {uint8(len(doneNames)), 0},
	KindHalt:         {1, 0},
	KindResume:       {1, 0},
	KindTime:         {1, 0},
	KindAck:          {1, 0},
}

// Validate checks that e has the shape of its kind, so that its accessors are
// safe and its texts printable: known kind, codes and flags, and exactly the
// records the kind needs. It says nothing about whether the rules accept it.
func (e Event) Validate() error {
	if len(e) == 0 || len(e) != 1+e[0].More() || len(e) > MaxRecords {
		return fmt.Errorf("%w: %d records do not make an event", ErrEvent, len(e))
	}
	h := &e[0]
	k := h.Kind()
	if k == KindNone || k >= kindEnd {
		return fmt.Errorf("%w: kind %d is not known", ErrEvent, uint8(k))
	}
	if h.Flags()&^(shapes[k].flags|FlagTime|FlagSource|FlagSourceRecord) != 0 {
		return fmt.Errorf("%w: flags %#x do not belong to %v", ErrEvent, uint16(h.Flags()), k)
	}
	if h.Has(FlagSourceRecord) && (!h.Has(FlagSource) || len(e) < 2) {
		return fmt.Errorf("%w: %v has a source record but no source", ErrEvent, k)
	}
	code := h.Code()
	legal := code < shapes[k].codes
	if k == KindTrade {
		legal = code&15 < uint8(len(sideNames)) && code>>4 < uint8(len(sideNames))
	}
	if !legal {
		return fmt.Errorf("%w: %v has no code %d", ErrEvent, k, code)
	}
	if got := len(e.body()); !e.bodyFits(got) {
		return fmt.Errorf("%w: %v cannot have %d records after its head", ErrEvent, k, got)
	}
	if h.Has(FlagSourceRecord) {
		if err := e.Source().Name.validate(k, "source"); err != nil {
			return err
		}
	}
	return e.validateBody()
}

// plain lists the legal codes and flags of each kind that is a single record,
// whatever its words say.
var plain = func() (list [kindEnd]struct {
	codes uint8
	flags Flags
}) {
	for k := range list {
		switch k := Kind(k); k {
		case KindNone, KindFund, KindSymbol, KindAccountState, KindTrade:
		default:
			list[k].codes, list[k].flags = shapes[k].codes, shapes[k].flags|FlagTime|FlagSource
		}
	}
	return list
}()

// Plain reports whether e is a single record that [Event.Validate] accepts. It runs
// for every event; where it says no, Validate has the last word.
func (e Event) Plain() bool {
	h := &e[0]
	k := h.Kind()
	return len(e) == 1 && k < kindEnd && h.Code() < plain[k].codes && h.Flags()&^plain[k].flags == 0 && h.More() == 0
}

// bodyFits reports whether n body records are what e's kind needs.
func (e Event) bodyFits(n int) bool {
	switch e[0].Kind() {
	case KindFund:
		return n == 1
	case KindTrade:
		return n <= 1
	case KindAccountState:
		p := e[0][6]
		return p <= 2*MaxRecords && n == int(p+1)/2
	case KindSymbol:
		if n < settingsWords/8 {
			return false
		}
		tiers := e.body()[0][4] >> 32
		return tiers <= MaxTiers && n == (settingsWords+tierWords*int(tiers)+7)/8
	}
	return n == 0
}

// validateBody checks the codes and names inside a body that bodyFits.
func (e Event) validateBody() error {
	switch e[0].Kind() {
	case KindFund:
		return nameFrom(e.body()[0][:4]).validate(KindFund, "fund")
	case KindAccountState:
		for i := range e.Positions() {
			if w := e.body()[i/2][i%2*4+1]; w&^(1<<8) >= uint64(len(sideNames)) {
				return fmt.Errorf("%w: position %d has no side %d", ErrEvent, i, w)
			}
		}
	case KindSymbol:
		how := e.body()[1][1] // the word after fund, tick, lot and liq_fee
		if how&0xff > 15 || how>>8&0xff >= uint64(len(policyNames)) || how>>16 >= uint64(len(scoreNames)) {
			return fmt.Errorf("%w: symbol settings %#x are not known", ErrEvent, how)
		}
		return nameFrom(e.body()[0][:4]).validate(KindSymbol, "symbol")
	}
	return nil
}

// validate checks that n can be shown as it is. The zero name can: by id alone.
func (n Name) validate(k Kind, what string) error {
	if n.printable() {
		return nil
	}
	return fmt.Errorf("%w: %v whose %s name is %q: not printable ASCII", ErrEvent, k, what, n.String())
}

// effectWords counts the 64-bit words of the byte form of an Effect.
const effectWords = 3 + 6 + 9 + 2*9

// EffectSize is the size of the byte form of an Effect.
const EffectSize = 8 * effectWords

// AppendBinary appends the byte form of x: its fields in order, the small ones
// packed into the second and third word.
func (x *Effect) AppendBinary(dst []byte) ([]byte, error) {
	for _, w := range [...]uint64{
		x.Seq,
		uint64(x.Index) | uint64(x.Kind)<<32 | uint64(x.Flags)<<40 | uint64(x.Reason)<<48 |
			uint64(x.Side)<<56 | uint64(x.CounterSide)<<60,
		uint64(x.Rank) | uint64(x.Candidates)<<32,
		uint64(x.Account), uint64(x.Counterparty), uint64(x.Symbol), uint64(x.Fund), uint64(x.Order), x.RankedAt,
		uint64(x.Qty), uint64(x.Taken), uint64(x.Price), uint64(x.Mark), uint64(x.Entry),
		uint64(x.Quote), uint64(x.Amount), uint64(x.Balance), uint64(x.Cost),
	} {
		dst = binary.LittleEndian.AppendUint64(dst, w)
	}
	for _, v := range [...]fixedpoint.Int128{
		x.Score, x.Equity, x.MM, x.AccountPnL, x.PnL, x.Notional, x.PositionMM, x.Base, x.Room,
	} {
		dst = binary.LittleEndian.AppendUint64(dst, v.Lo)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v.Hi))
	}
	return dst, nil
}

// DecodeEffect reads the byte form of an effect from the start of b.
func DecodeEffect(b []byte) (Effect, error) {
	if len(b) < EffectSize {
		return Effect{}, fmt.Errorf("%w: effect of %d bytes, want %d", ErrEvent, len(b), EffectSize)
	}
	take := func() uint64 { v := le64(b); b = b[8:]; return v }
	wide := func() fixedpoint.Int128 { lo := take(); return fixedpoint.Int128{Lo: lo, Hi: int64(take())} }
	x := Effect{Seq: take()}
	small := take()
	x.Index, x.Kind, x.Flags, x.Reason = uint32(small), EffectKind(small>>32), EffectFlags(small>>40), uint8(small>>48)
	x.Side, x.CounterSide = PositionSide(small>>56&15), PositionSide(small>>60)
	if x.Kind == EffectNone || x.Kind >= effectEnd {
		return Effect{}, fmt.Errorf("%w: effect kind %d is not known", ErrEvent, uint8(x.Kind))
	}
	counts := take()
	x.Rank, x.Candidates = uint32(counts), uint32(counts>>32)
	x.Account, x.Counterparty = AccountID(take()), AccountID(take())
	x.Symbol, x.Fund, x.Order, x.RankedAt = SymbolID(take()), FundID(take()), OrderID(take()), take()
	x.Qty, x.Taken = fixedpoint.Qty(take()), fixedpoint.Qty(take())
	x.Price, x.Mark, x.Entry = fixedpoint.Price(take()), fixedpoint.Price(take()), fixedpoint.Price(take())
	x.Quote, x.Amount = fixedpoint.Amount(take()), fixedpoint.Amount(take())
	x.Balance, x.Cost = fixedpoint.Amount(take()), fixedpoint.Amount(take())
	x.Score, x.Equity, x.MM, x.AccountPnL, x.PnL = wide(), wide(), wide(), wide(), wide()
	x.Notional, x.PositionMM, x.Base, x.Room = wide(), wide(), wide(), wide()
	return x, nil
}
