package ndjson

import (
	"bytes"

	"github.com/backstop-fund/backstop/core/event"
)

// Decoder reads events from lines. It belongs to one goroutine.
type Decoder struct {
	names *Names
	lines int    // handed to Decode so far
	line  []byte // the present one, without its line end
	err   *SyntaxError

	top, inner object // the event, and the object inside it that is being read
	settings   event.SymbolSettings
	positions  []event.PositionState
}

// NewDecoder returns a decoder of an input that begins at line 1. It consults
// names and never binds any.
func NewDecoder(names *Names) *Decoder {
	return &Decoder{names: names}
}

// Decode reads the event of one line, with or without its line end. The event
// is built in the storage of dst, which it overwrites, and does not refer to
// line. A blank line is no event: nil without an error. Whatever else is not a
// well-formed event is refused with a [*SyntaxError].
//
// A fund or symbol that a line creates without an id takes the next free one as
// of now: bind it before the next line is decoded.
func (d *Decoder) Decode(line []byte, dst []event.Record) (event.Event, error) {
	d.lines++
	d.line, d.err = bytes.TrimSuffix(line, []byte("\n")), nil
	at := d.space(0)
	if at == len(d.line) {
		return nil, nil
	}
	d.checkText()
	if d.err == nil && d.line[at] != '{' {
		d.fail(at, "want an event, {\"e\":...}, found %s", d.found(at))
	}
	var e event.Event
	if d.err == nil {
		if at = d.space(d.object(&d.top, at)); d.err == nil && at < len(d.line) {
			d.fail(at, "want the end of the line after the event, found %s", d.found(at))
		}
	}
	if d.err == nil {
		e = d.event(dst[:0])
	}
	if d.err != nil {
		return nil, d.err
	}
	return e, nil
}

// event builds the event of what was read.
func (d *Decoder) event(dst []event.Record) event.Event {
	o := &d.top
	if !o.seen.has(keyE) {
		d.fail(o.at, `the event has no "e", which says what it is`)
		return nil
	}
	kind := kindsByWord[string(o.str(keyE, "a word in quotes"))]
	if kind == event.KindNone {
		o.word(keyE, eventWords)
		return nil
	}
	if !o.fits(kind.String(), &eventShapes[kind]) {
		return nil
	}
	e := d.build(kind, dst)
	if d.err != nil {
		return nil
	}
	if o.seen.has(keyT) {
		e[0].SetTime(o.time(keyT))
	}
	if o.seen.has(keySrc) || o.seen.has(keySseq) {
		e = d.source(e)
	}
	return e
}

// fits checks o's keys against its shape.
func (o *object) fits(what string, s *shape) bool {
	for _, k := range o.order {
		if !s.legal.has(k) {
			o.d.fail(o.toks[k].key, "%s has no key %q", what, k)
			return false
		}
	}
	for _, k := range s.required {
		if !o.seen.has(k) {
			o.d.fail(o.at, "%s without %q", what, k)
			return false
		}
	}
	return o.d.err == nil
}

// source reads src and sseq. A src alone is checked and not kept: without a
// sequence there is nothing to compare with what the source sent before.
func (d *Decoder) source(e event.Event) event.Event {
	o := &d.top
	if !o.seen.has(keySrc) {
		d.fail(o.toks[keySseq].key, `"sseq" is a source's own sequence, "src" is missing`)
		return nil
	}
	var s event.Source
	if d.line[o.toks[keySrc].at] == '"' {
		s.Name = o.name(keySrc)
	} else {
		s.Number = o.id(keySrc)
	}
	if !o.seen.has(keySseq) {
		return e
	}
	sequence := o.id(keySseq)
	if d.err != nil {
		return nil
	}
	return e.WithSource(s, sequence)
}

// build makes the event without its stamps. After a fault what it returns means
// nothing.
func (d *Decoder) build(kind event.Kind, dst []event.Record) event.Event {
	o := &d.top
	var r event.Record
	switch kind {
	case event.KindFund:
		return d.fund(dst)
	case event.KindSymbol:
		return d.symbol(dst)
	case event.KindAccountState:
		return d.accountState(dst)
	case event.KindTrade:
		return event.AppendTrade(dst, event.TradeLegs{
			Symbol: o.symbol(keySymbol), Qty: o.qty(keyQty), Price: o.price(keyPrice),
			Buyer: o.account(keyBuyer), Seller: o.account(keySeller),
			BuyerSide: o.side(keyBuyerSide), SellerSide: o.side(keySellerSide),
			BuyerFee: o.amount(keyBuyerFee), SellerFee: o.amount(keySellerFee),
		})
	case event.KindTick:
		r = d.tick()
	case event.KindFill:
		r = event.Fill(o.account(keyAccount), o.symbol(keySymbol), o.side(keyPositionSide),
			o.qty(keyQty), o.price(keyPrice), o.amount(keyFee))
	case event.KindTransfer:
		r = event.Transfer(o.account(keyAccount), o.amount(keyAmount), event.TransferReason(o.word(keyReason, transferWords)))
	case event.KindFundTransfer:
		r = d.fundTransfer()
	case event.KindFundFill:
		r = event.FundFill(o.fund(keyFund), o.symbol(keySymbol), o.qty(keyQty), o.price(keyPrice))
	case event.KindAccount:
		owner := o.account(keyAccount)
		if o.seen.has(keyOwner) {
			owner = o.account(keyOwner)
		}
		r = event.OpenAccount(o.account(keyAccount), owner, event.AccountMode(o.word(keyMode, accountModeWords)))
	case event.KindAccountClose:
		r = event.CloseAccount(o.account(keyAccount))
	case event.KindMode:
		r = event.SetMode(event.EngineMode(o.word(keyMode, engineModeWords)))
	case event.KindDepth:
		r = event.Depth(o.symbol(keySymbol), o.qty(keyBidQty), o.qty(keyAskQty))
	case event.KindOrderFill:
		r = event.OrderFill(event.OrderID(o.id(keyOrder)), o.qty(keyQty), o.price(keyPrice))
	case event.KindOrderDone:
		r = event.OrderDone(event.OrderID(o.id(keyOrder)), event.DoneReason(o.word(keyReason, doneWords)))
	case event.KindHalt:
		r = event.Halt(o.symbol(keySymbol))
	case event.KindResume:
		r = event.Resume(o.symbol(keySymbol))
	case event.KindTime:
		r = event.Time(o.time(keyT))
	case event.KindAck:
		r = event.Ack(o.id(keySeq), o.count(keyI))
	}
	return append(dst, r)
}

func (d *Decoder) tick() event.Record {
	o := &d.top
	r := event.Tick(o.symbol(keySymbol), o.price(keyMark))
	if o.seen.has(keyIndex) {
		r.SetIndex(o.price(keyIndex))
	}
	if o.seen.has(keyMT) {
		r.SetMarkTime(o.time(keyMT))
	}
	if o.seen.has(keyFlags) {
		o.word(keyFlags, flagWords)
		r.SetSuspect()
	}
	return r
}

// fundTransfer takes the reason from the sign where none is given: what is paid
// in is a deposit, what is taken out a withdrawal.
func (d *Decoder) fundTransfer() event.Record {
	o := &d.top
	amount := o.amount(keyAmount)
	reason := event.FundReason(o.word(keyReason, fundReasonWords))
	if !o.seen.has(keyReason) && amount < 0 {
		reason = event.FundWithdrawal
	}
	return event.FundTransfer(o.fund(keyFund), amount, reason)
}

func (d *Decoder) fund(dst []event.Record) event.Event {
	o := &d.top
	name, id := o.creation(keyFund, &d.names.funds)
	return event.AppendFund(dst, event.FundSettings{
		ID: event.FundID(id), Name: name,
		Cap: o.rate(keyCap), HasCap: o.seen.has(keyCap),
		ADLOnly: o.bool(keyADLOnly), HasADLOnly: o.seen.has(keyADLOnly),
	})
}
