package event

import "github.com/backstop-fund/backstop/fixedpoint"

// EffectKind says what must happen, or has been decided.
type EffectKind uint8

// The effects of EVENTS.md.
const (
	EffectNone EffectKind = iota
	EffectRejected
	EffectCancelOrders
	EffectLiquidate
	EffectFee
	EffectRecovered
	EffectBankrupt
	EffectNetted
	EffectDeleverage
	EffectReceipt
	EffectTakeover
	EffectCover
	EffectSurplus
	EffectOffload
	EffectLedger
	EffectFund
	EffectAlarm
	effectEnd
)

var effectNames = [effectEnd]string{
	EffectNone: "none", EffectRejected: "rejected", EffectCancelOrders: "cancel_orders",
	EffectLiquidate: "liquidate", EffectFee: "fee", EffectRecovered: "recovered",
	EffectBankrupt: "bankrupt", EffectNetted: "netted", EffectDeleverage: "deleverage",
	EffectReceipt: "receipt", EffectTakeover: "takeover", EffectCover: "cover",
	EffectSurplus: "surplus", EffectOffload: "offload", EffectLedger: "ledger",
	EffectFund: "fund", EffectAlarm: "alarm",
}

// String returns the effect's name in EVENTS.md.
func (k EffectKind) String() string { return nameOf(effectNames[:], uint8(k)) }

// EffectFlags say which optional parts an effect carries.
type EffectFlags uint8

// Zero is a valid id, so presence is told apart.
const (
	HasAccount EffectFlags = 1 << iota
	HasSymbol
	HasFund
	HasOrder
	HasScore      // deleverage: Score is set; receipt: the cutoff in Score is set
	EffectADLOnly // fund: mode is adl_only, else normal
)

// BankruptReason says why an account is resolved.
type BankruptReason uint8

// Reasons of bankrupt: equity below zero, unable to liquidate, or a debt left
// without a position.
const (
	ByEquity BankruptReason = iota
	Unable
	Deficit
)

var bankruptNames = [...]string{"equity", "unable", "deficit"}

// String returns the reason's name in EVENTS.md.
func (r BankruptReason) String() string { return nameOf(bankruptNames[:], uint8(r)) }

// LedgerType types an entry of a fund's ledger.
type LedgerType uint8

// The ledger types of RULES section 7.
const (
	LedgerDeposit LedgerType = iota
	LedgerWithdrawal
	LedgerLiquidationFee
	LedgerCover
	LedgerSurplus
	LedgerTakeover
	LedgerOffloadFill
	LedgerAdjustment
)

var ledgerNames = [...]string{"deposit", "withdrawal", "liquidation_fee", "cover", "surplus", "takeover", "offload_fill", "adjustment"}

// String returns the type's name in EVENTS.md.
func (t LedgerType) String() string { return nameOf(ledgerNames[:], uint8(t)) }

// Alarm is something a person should look at.
type Alarm uint8

// The alarms. None of them changes what was decided.
const (
	AlarmCapExceeded    Alarm = iota // the fund took more than its cap: ADL had no one left
	AlarmFundDeficit                 // a fund's cash fell below 0: adl_only until refilled
	AlarmBoundLifted                 // a price left max_deviation: the fund could not pay the rest
	AlarmOrderTimeout                // a round was not answered within order_timeout
	AlarmWorseThanLimit              // a fill was worse than its order's limit
	AlarmMarkHeld                    // a hold on a mark began, or was forced to end
	AlarmOutOfSync                   // a fact could not be represented, or no side could hold a position
	AlarmDebt                        // an account without contract owes money nobody covers
	AlarmCapacity                    // a fixed capacity is exhausted
)

var alarmNames = [...]string{"cap_exceeded", "fund_deficit", "bound_lifted", "order_timeout", "worse_than_limit", "mark_held", "out_of_sync", "debt", "capacity"}

// String returns the alarm's code in EVENTS.md.
func (a Alarm) String() string { return nameOf(alarmNames[:], uint8(a)) }

// Effect is one consequence of an event. It is a flat record without pointers;
// which fields mean something depends on Kind:
//
//	rejected       Reason (a Reject), and what it refers to in the other fields
//	cancel_orders  Account, Symbol if HasSymbol
//	liquidate      Order, Account, Symbol, Side, Qty, Price (limit)
//	fee            Account, Fund, Symbol, Amount
//	recovered      Account
//	bankrupt       Account, Equity, Reason (a BankruptReason)
//	netted         Account, Symbol, Qty, Price
//	deleverage     Account, Counterparty, Symbol, Side, CounterSide, Qty, Price, Quote, Rank, Score if
//	               HasScore, Balance (wallet), Equity, MM, AccountPnL, PnL, Notional, Entry, Cost,
//	               PositionMM, Amount (realized)
//	receipt        Account, Symbol, Qty (needed), Taken, Price, Mark, Reason (a Policy), Candidates,
//	               Score (cutoff) if HasScore, RankedAt, Base, Room
//	takeover       Account, Fund, Symbol, Side, Qty, Price, Quote, PnL (minus the mark loss)
//	cover, surplus Account, Fund, Symbol, Amount
//	offload        Order, Fund, Symbol, Qty, Price (limit)
//	ledger         Fund, Symbol if HasSymbol, Reason (a LedgerType), Amount, Balance (cash)
//	fund           Fund, Balance (cash), Equity, Notional (net), Room (cap notional), EffectADLOnly
//	alarm          Reason (an Alarm), Account, Symbol, Fund, Order by flags, and evidence
type Effect struct {
	Seq         uint64 // of the event that caused it
	Index       uint32 // within that event, from 0
	Kind        EffectKind
	Flags       EffectFlags
	Reason      uint8
	Side        PositionSide
	CounterSide PositionSide
	Rank        uint32
	Candidates  uint32

	Account      AccountID
	Counterparty AccountID
	Symbol       SymbolID
	Fund         FundID
	Order        OrderID
	RankedAt     uint64

	Qty     fixedpoint.Qty
	Taken   fixedpoint.Qty
	Price   fixedpoint.Price
	Mark    fixedpoint.Price
	Entry   fixedpoint.Price
	Quote   fixedpoint.Amount
	Amount  fixedpoint.Amount
	Balance fixedpoint.Amount
	Cost    fixedpoint.Amount

	// Sums that need not fit an Amount, at scale 1e-8.
	Score      fixedpoint.Int128
	Equity     fixedpoint.Int128
	MM         fixedpoint.Int128
	AccountPnL fixedpoint.Int128
	PnL        fixedpoint.Int128
	Notional   fixedpoint.Int128
	PositionMM fixedpoint.Int128
	Base       fixedpoint.Int128
	Room       fixedpoint.Int128
}

// Sink receives effects in order. The slice is only valid during the call.
type Sink interface {
	Effects(batch []Effect)
}

// Effects collects the effects of events. With a [Sink] it has a fixed size and
// hands over its content whenever it is full, so it never allocates; without
// one it grows.
type Effects struct {
	buf  []Effect
	sink Sink
	seq  uint64
	next uint32
	n    uint64
}

// NewEffects returns a collector with room for size effects, one at least. sink
// may be nil.
func NewEffects(size int, sink Sink) *Effects {
	return &Effects{buf: make([]Effect, 0, max(size, 1)), sink: sink}
}

// Begin starts the effects of the event with sequence seq.
func (x *Effects) Begin(seq uint64) { x.seq, x.next = seq, 0 }

// Append adds an effect under the next index of its event.
func (x *Effects) Append(e Effect) {
	e.Seq, e.Index = x.seq, x.next
	x.next++
	x.n++
	if x.sink != nil && len(x.buf) == cap(x.buf) {
		x.Flush()
	}
	x.buf = append(x.buf, e)
}

// Flush hands what is collected to the sink. Without one it does nothing.
func (x *Effects) Flush() {
	if x.sink != nil && len(x.buf) > 0 {
		x.sink.Effects(x.buf)
		x.buf = x.buf[:0]
	}
}

// All returns what is collected and not handed over, valid until Reset or the
// next Append.
func (x *Effects) All() []Effect { return x.buf }

// Reset forgets what is collected.
func (x *Effects) Reset() { x.buf = x.buf[:0] }

// Count returns how many effects were appended since New.
func (x *Effects) Count() uint64 { return x.n }
