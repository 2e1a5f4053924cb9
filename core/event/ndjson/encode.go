package ndjson

import (
	"time"

	"github.com/backstop-fund/backstop/core/event"
)

// AppendEvent appends the line of e, without line end, to dst. It writes what
// [Decoder.Decode] reads back to the same records; keys with the value they
// have when absent are left out. e is one that Validate accepts.
func AppendEvent(dst []byte, names *Names, e event.Event) []byte {
	l := &line{append(dst, `{"e":"`...), names}
	h := &e[0]
	l.b = append(l.b, h.Kind().String()...)
	l.b = append(l.b, '"')
	switch h.Kind() {
	case event.KindFund:
		l.fundEvent(e.FundSettings())
	case event.KindSymbol:
		l.symbolEvent(e)
	case event.KindAccountState:
		l.accountState(e)
	case event.KindTrade:
		l.trade(e)
	default:
		l.head(h)
	}
	if h.Has(event.FlagTime) {
		l.int("t", h.Time())
	}
	if h.Has(event.FlagSource) {
		l.source(e)
	}
	return append(l.b, '}')
}

func (l *line) source(e event.Event) {
	if s := e.Source(); s.Name != (event.Name{}) {
		l.name("src", s.Name.String())
	} else {
		l.uint("src", s.Number)
	}
	l.uint("sseq", e[0].SourceSequence())
}

// head writes the kinds that are a head alone.
func (l *line) head(h *event.Record) {
	switch h.Kind() {
	case event.KindTick:
		l.tick(h)
	case event.KindFill:
		l.account("account", h.Account())
		l.symbol("symbol", h.Symbol())
		l.sideIf("position_side", h.Side())
		l.qty("qty", h.Qty())
		l.price("price", h.Price())
		if h.Fee() != 0 {
			l.amount("fee", h.Fee())
		}
	case event.KindTransfer:
		l.account("account", h.Account())
		l.amount("amount", h.Amount())
		l.word("reason", event.TransferReason(h.Code()).String())
	case event.KindFundTransfer:
		l.fund("fund", h.Fund())
		l.amount("amount", h.Amount())
		l.word("reason", event.FundReason(h.Code()).String())
	case event.KindFundFill:
		l.fund("fund", h.Fund())
		l.symbol("symbol", h.Symbol())
		l.qty("qty", h.Qty())
		l.price("price", h.Price())
	case event.KindAccount:
		l.account("account", h.Account())
		l.account("owner", h.Owner())
		l.word("mode", event.AccountMode(h.Code()).String())
	case event.KindAccountClose:
		l.account("account", h.Account())
	case event.KindMode:
		l.word("mode", event.EngineMode(h.Code()).String())
	case event.KindDepth:
		l.symbol("symbol", h.Symbol())
		l.qty("bid_qty", h.Bid())
		l.qty("ask_qty", h.Ask())
	case event.KindOrderFill:
		l.uint("order", uint64(h.Order()))
		l.qty("qty", h.Qty())
		l.price("price", h.Price())
	case event.KindOrderDone:
		l.uint("order", uint64(h.Order()))
		l.word("reason", event.DoneReason(h.Code()).String())
	case event.KindHalt, event.KindResume:
		l.symbol("symbol", h.Symbol())
	case event.KindAck:
		l.uint("seq", h.AckSequence())
		l.uint("i", uint64(h.AckIndex()))
	}
}

func (l *line) tick(h *event.Record) {
	l.symbol("symbol", h.Symbol())
	l.price("mark", h.Mark())
	if h.Has(event.FlagIndex) {
		l.price("index", h.Index())
	}
	if h.Has(event.FlagMarkTime) {
		l.int("mt", h.MarkTime())
	}
	if h.Has(event.FlagSuspect) {
		l.word("flags", "suspect")
	}
}

func (l *line) trade(e event.Event) {
	h := &e[0]
	l.symbol("symbol", h.Symbol())
	l.qty("qty", h.Qty())
	l.price("price", h.Price())
	l.account("buyer", h.Buyer())
	l.account("seller", h.Seller())
	l.sideIf("buyer_side", h.Side())
	l.sideIf("seller_side", h.SellerSide())
	if buyer, seller := e.Fees(); buyer != 0 || seller != 0 {
		l.amount("buyer_fee", buyer)
		l.amount("seller_fee", seller)
	}
}

// sideIf leaves out the side of one-way mode.
func (l *line) sideIf(k string, s event.PositionSide) {
	if s != event.Both {
		l.word(k, s.String())
	}
}

func (l *line) fundEvent(s event.FundSettings) {
	l.name("fund", s.Name.String())
	l.uint("id", uint64(s.ID))
	if s.HasCap {
		l.rate("cap", s.Cap)
	}
	if s.HasADLOnly {
		l.bool("adl_only", s.ADLOnly)
	}
}

func (l *line) accountState(e event.Event) {
	a := e.AccountReplacement()
	l.account("account", a.Account)
	if a.HasOwner {
		l.account("owner", a.Owner)
	}
	if a.HasMode {
		l.word("mode", a.Mode.String())
	}
	l.amount("wallet", a.Wallet)
	l.member("positions")
	l.b = append(l.b, '[')
	for i := range e.Positions() {
		p := e.Position(i)
		start := l.open(i)
		l.symbol("symbol", p.Symbol)
		l.sideIf("position_side", p.Side)
		l.qty("qty", p.Qty)
		if p.ByEntry {
			l.decimal("entry", p.Value)
		} else {
			l.decimal("cost", p.Value)
		}
		l.close(start)
	}
	l.b = append(l.b, ']')
}

// open begins the i-th object of an array and returns where; close ends it.
// Members begin with a comma: close puts the brace in place of the first.
func (l *line) open(i int) int {
	if i > 0 {
		l.b = append(l.b, ',')
	}
	return len(l.b)
}

func (l *line) close(start int) {
	if len(l.b) == start {
		l.b = append(l.b, '{')
	}
	l.b[start] = '{'
	l.b = append(l.b, '}')
}

func (l *line) symbolEvent(e event.Event) {
	var tiers [event.MaxTiers]event.Tier
	s := event.SymbolSettings{Tiers: tiers[:0]}
	e.SymbolSettings(&s)
	set := func(f event.SymbolFields) bool { return s.Set&f != 0 }
	l.name("symbol", s.Name.String())
	l.uint("id", uint64(s.ID))
	if set(event.SetFund) {
		l.fund("fund", s.Fund)
	}
	if set(event.SetTick) {
		l.price("tick", s.Tick)
	}
	if set(event.SetLot) {
		l.qty("lot", s.Lot)
	}
	if set(event.SetLiqFee) {
		l.rate("liq_fee", s.LiqFee)
	}
	if set(event.SetLiquidation) {
		l.word("liquidation", liquidationWords[boolInt(s.Full)])
	}
	if set(event.SetLiqAttempts) {
		l.uint("liq_attempts", uint64(s.LiqAttempts))
	}
	if set(event.SetOrderTimeout) {
		l.duration("order_timeout", s.OrderTimeout)
	}
	if set(event.SetTryMarket) {
		l.bool("try_market", s.TryMarket)
	}
	if set(event.SetTakeover) {
		l.word("takeover", takeoverWords[boolInt(s.Whole)])
	}
	if set(event.SetCapShare) {
		l.rate("cap_share", s.CapShare)
	}
	if set(event.SetMaxDeviation) {
		l.rate("max_deviation", s.MaxDeviation)
	}
	if set(event.SetMaxAge) {
		l.duration("max_age", s.MaxAge)
	}
	if set(event.SetMaxJump) {
		l.rate("max_jump", s.MaxJump)
	}
	if set(event.SetMaxHold) {
		l.duration("max_hold", s.MaxHold)
	}
	if set(event.SetTiers) {
		l.tiers(s.Tiers)
	}
	if set(event.SetPolicy | event.SetScore | event.SetMaxCounterparties) {
		l.adl(&s)
	}
	if set(event.SetOffload) {
		l.offload(&s)
	}
}

// tiers leaves out the cap of a last tier that is open, which it is with 0.
func (l *line) tiers(tiers []event.Tier) {
	l.member("tiers")
	l.b = append(l.b, '[')
	for i, t := range tiers {
		start := l.open(i)
		l.amount("floor", t.Floor)
		if t.Cap != 0 || i < len(tiers)-1 {
			l.amount("cap", t.Cap)
		}
		l.rate("mmr", t.MMR)
		l.amount("cum", t.Cum)
		if t.MaxLeverage != 0 {
			l.rate("max_leverage", t.MaxLeverage)
		}
		l.close(start)
	}
	l.b = append(l.b, ']')
}

func (l *line) adl(s *event.SymbolSettings) {
	l.member("adl")
	start := l.open(0)
	if s.Set&event.SetPolicy != 0 {
		l.word("policy", s.Policy.String())
	}
	if s.Set&event.SetScore != 0 {
		l.word("score", s.Score.String())
	}
	if s.Set&event.SetMaxCounterparties != 0 {
		l.uint("max_counterparties", uint64(s.MaxCounterparties))
	}
	l.close(start)
}

func (l *line) offload(s *event.SymbolSettings) {
	if s.OffloadOff {
		l.word("offload", "off")
		return
	}
	l.member("offload")
	start := l.open(0)
	if s.Set&event.SetInterval != 0 {
		l.duration("interval", s.Interval)
	}
	if s.Set&event.SetFraction != 0 {
		l.rate("fraction", s.Fraction)
	}
	if s.Set&event.SetFullSize != 0 {
		l.qty("full_size", s.FullSize)
	}
	if s.Set&event.SetMaxDepthFraction != 0 {
		l.rate("max_depth_fraction", s.MaxDepthFraction)
	}
	if s.Set&event.SetSlippage != 0 {
		l.rate("slippage", s.Slippage)
	}
	l.close(start)
}

func (l *line) duration(k string, nanos int64) { l.word(k, time.Duration(nanos).String()) }

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
