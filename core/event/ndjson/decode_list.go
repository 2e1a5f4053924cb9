package ndjson

import "github.com/backstop-fund/backstop/core/event"

// symbol builds a symbol event. Only what is given is set: the machine owns the
// defaults of a new contract.
func (d *Decoder) symbol(dst []event.Record) event.Event {
	o := &d.top
	name, id := o.creation(keySymbol, &d.names.symbols)
	s := &d.settings
	*s = event.SymbolSettings{ID: event.SymbolID(id), Name: name, Tiers: s.Tiers[:0]}
	for _, k := range o.order {
		switch k {
		case keyFund:
			s.Set |= event.SetFund
			s.Fund = o.fund(k)
		case keyTick:
			s.Set |= event.SetTick
			s.Tick = o.price(k)
		case keyLot:
			s.Set |= event.SetLot
			s.Lot = o.qty(k)
		case keyLiqFee:
			s.Set |= event.SetLiqFee
			s.LiqFee = o.rate(k)
		case keyLiquidation:
			s.Set |= event.SetLiquidation
			s.Full = o.word(k, liquidationWords) == 1
		case keyLiqAttempts:
			s.Set |= event.SetLiqAttempts
			s.LiqAttempts = o.count(k)
		case keyOrderTimeout:
			s.Set |= event.SetOrderTimeout
			s.OrderTimeout = o.duration(k)
		case keyTryMarket:
			s.Set |= event.SetTryMarket
			s.TryMarket = o.bool(k)
		case keyTakeover:
			s.Set |= event.SetTakeover
			s.Whole = o.word(k, takeoverWords) == 1
		case keyCapShare:
			s.Set |= event.SetCapShare
			s.CapShare = o.rate(k)
		case keyMaxDeviation:
			s.Set |= event.SetMaxDeviation
			s.MaxDeviation = o.rate(k)
		case keyMaxAge:
			s.Set |= event.SetMaxAge
			s.MaxAge = o.duration(k)
		case keyMaxJump:
			s.Set |= event.SetMaxJump
			s.MaxJump = o.rate(k)
		case keyMaxHold:
			s.Set |= event.SetMaxHold
			s.MaxHold = o.duration(k)
		case keyTiers:
			s.Set |= event.SetTiers
			d.tiers()
		case keyADL:
			d.adl()
		case keyOffload:
			d.offload()
		}
	}
	if d.err != nil {
		return nil
	}
	return event.AppendSymbol(dst, s)
}

func (d *Decoder) tiers() {
	s := &d.settings
	capless := -1 // offset of the tier before, if it names no cap
	d.list(keyTiers, event.MaxTiers, func(o *object) {
		if !o.fits("a tier", &tierShape) {
			return
		}
		if capless >= 0 {
			d.fail(capless, `a tier without "cap": only the last may leave it out`)
		}
		if !o.seen.has(keyCap) {
			capless = o.at
		}
		s.Tiers = append(s.Tiers, event.Tier{
			Floor: o.amount(keyFloor), Cap: o.amount(keyCap), MMR: o.rate(keyMMR),
			Cum: o.amount(keyCum), MaxLeverage: o.rate(keyMaxLeverage),
		})
	})
}

func (d *Decoder) adl() {
	s := &d.settings
	o := d.only(keyADL, "an object", &adlShape)
	if o == nil {
		return
	}
	for _, k := range o.order {
		switch k {
		case keyPolicy:
			s.Set |= event.SetPolicy
			s.Policy = event.Policy(o.word(k, policyWords))
		case keyScore:
			s.Set |= event.SetScore
			s.Score = event.Score(o.word(k, scoreWords))
		case keyMaxCounterparties:
			s.Set |= event.SetMaxCounterparties
			s.MaxCounterparties = o.count(k)
		}
	}
}

// offload reads "off", or an object, which also switches the offloader on.
func (d *Decoder) offload() {
	s := &d.settings
	s.Set |= event.SetOffload
	t := &d.top.toks[keyOffload]
	if s.OffloadOff = string(d.line[t.at:t.end]) == `"off"`; s.OffloadOff {
		return
	}
	o := d.only(keyOffload, `"off" or an object`, &offloadShape)
	if o == nil {
		return
	}
	for _, k := range o.order {
		switch k {
		case keyInterval:
			s.Set |= event.SetInterval
			s.Interval = o.duration(k)
		case keyFraction:
			s.Set |= event.SetFraction
			s.Fraction = o.rate(k)
		case keyFullSize:
			s.Set |= event.SetFullSize
			s.FullSize = o.qty(k)
		case keyMaxDepthFraction:
			s.Set |= event.SetMaxDepthFraction
			s.MaxDepthFraction = o.rate(k)
		case keySlippage:
			s.Set |= event.SetSlippage
			s.Slippage = o.rate(k)
		}
	}
}

// maxPositions leaves room for the head and a source record.
const maxPositions = 2 * (event.MaxRecords - 2)

func (d *Decoder) accountState(dst []event.Record) event.Event {
	o := &d.top
	d.positions = d.positions[:0]
	d.list(keyPositions, maxPositions, d.position)
	return event.AppendAccountState(dst, event.AccountReplacement{
		Account: o.account(keyAccount),
		Owner:   o.account(keyOwner), HasOwner: o.seen.has(keyOwner),
		Mode: event.AccountMode(o.word(keyMode, accountModeWords)), HasMode: o.seen.has(keyMode),
		Wallet: o.amount(keyWallet),
	}, d.positions)
}

func (d *Decoder) position(o *object) {
	if !o.fits("a position", &positionShape) {
		return
	}
	p := event.PositionState{
		Symbol: o.symbol(keySymbol), Side: o.side(keyPositionSide), Qty: o.qty(keyQty),
		ByEntry: o.seen.has(keyEntry), Value: int64(o.amount(keyCost)),
	}
	if p.ByEntry == o.seen.has(keyCost) {
		d.fail(o.at, `a position has either "entry" or "cost"`)
	}
	if p.ByEntry {
		p.Value = int64(o.price(keyEntry))
	}
	d.positions = append(d.positions, p)
}

// only reads the object that is the value of k, nil after a fault.
func (d *Decoder) only(k key, what string, s *shape) *object {
	at := d.top.toks[k].at
	if d.err == nil && d.line[at] != '{' {
		d.top.want(k, what)
	}
	if d.err != nil {
		return nil
	}
	d.object(&d.inner, at)
	if d.err != nil || !d.inner.fits(k.String(), s) {
		return nil
	}
	return &d.inner
}

// list calls each for the objects in the array that is the value of k.
func (d *Decoder) list(k key, limit int, each func(*object)) {
	at := d.top.toks[k].at
	if d.err != nil {
		return
	}
	if d.line[at] != '[' {
		d.top.want(k, "an array")
		return
	}
	at = d.space(at + 1)
	if d.peek(at) == ']' {
		return
	}
	for n := 1; ; n++ {
		switch {
		case d.peek(at) != '{':
			d.fail(at, "%s: want an object, found %s", k, d.found(at))
		case n > limit:
			d.fail(at, "%s: more than %d", k, limit)
		default:
			at = d.space(d.object(&d.inner, at))
			if d.err == nil {
				each(&d.inner)
			}
		}
		if d.err != nil || d.peek(at) == ']' {
			return
		}
		if d.peek(at) != ',' {
			d.fail(at, "%s: want ',' or ']' after an object, found %s", k, d.found(at))
			return
		}
		at = d.space(at + 1)
	}
}
