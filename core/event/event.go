// Package event is the vocabulary of the engine: what comes in ([Event]), what
// must happen outside because of it ([Effect]), and why an input was refused
// ([Reject]).
//
// # Events are runs of records
//
// An event is one or more 64-byte [Record]s. The first, the head, says what
// happened and how many records follow; most events are a head alone. The same
// bytes travel through the ring and lie in the journal, so there is no
// conversion between what was decided on and what was written down.
//
//	word  head of every event
//	0     kind u8 | code u8 | flags u16 | records that follow u16 | source u16
//	1     t: the sequencer's stamp, nanoseconds since 1970, if FlagTime
//	2     the source's own sequence, if FlagSource
//	3..7  by kind
//
//	kind           3        4        5        6        7         code
//	fund           fund     cap                                            name follows
//	fund_transfer  fund     amount                               reason
//	fund_fill      fund     symbol   qty      price
//	symbol         symbol                                                  settings follow
//	account        account  owner                                mode
//	account_close  account
//	account_state  account  owner    wallet   positions          mode      positions follow
//	mode                                                         mode
//	transfer       account  amount                               reason
//	fill           account  symbol   qty      price    fee       side
//	trade          symbol   qty      price    buyer    seller    sides     fees follow, if any
//	tick           symbol   mark     index    mt
//	depth          symbol   bid      ask
//	order_fill     order    qty      price
//	order_done     order                                         reason
//	halt, resume   symbol
//	time
//	ack            seq      i
//
// A source known by name, or by a number above 65,535, takes one more record
// at the end ([FlagSourceRecord]).
//
// Decimals are scaled int64 (package fixedpoint), times nanoseconds since 1970,
// quantities signed with long positive.
package event

import "github.com/backstop-fund/backstop/fixedpoint"

// The identifiers of the venue's things. All are the venue's own numbers.
type (
	AccountID uint64 // a margin account
	SymbolID  uint64 // a contract; the tie-breaker wherever positions are ordered
	FundID    uint64 // an insurance fund
	OrderID   uint64 // an order of ours, counted from 1
)

// Record is the fixed-size unit of events; see the package doc for its words.
type Record [8]uint64

// RecordSize is the size of a Record in bytes.
const RecordSize = 64

// Event is the run of records of one event, head first.
type Event []Record

// MaxRecords bounds the records of one event.
const MaxRecords = 1 << 10

// Kind says what happened.
type Kind uint8

// The events of EVENTS.md.
const (
	KindNone Kind = iota
	KindFund
	KindFundTransfer
	KindFundFill
	KindSymbol
	KindAccount
	KindAccountClose
	KindAccountState
	KindMode
	KindTransfer
	KindFill
	KindTrade
	KindTick
	KindDepth
	KindOrderFill
	KindOrderDone
	KindHalt
	KindResume
	KindTime
	KindAck
	kindEnd
)

var kindNames = [kindEnd]string{
	KindNone: "none", KindFund: "fund", KindFundTransfer: "fund_transfer", KindFundFill: "fund_fill",
	KindSymbol: "symbol", KindAccount: "account", KindAccountClose: "account_close",
	KindAccountState: "account_state", KindMode: "mode", KindTransfer: "transfer", KindFill: "fill",
	KindTrade: "trade", KindTick: "tick", KindDepth: "depth", KindOrderFill: "order_fill",
	KindOrderDone: "order_done", KindHalt: "halt", KindResume: "resume", KindTime: "time", KindAck: "ack",
}

// String returns the kind's name in EVENTS.md.
func (k Kind) String() string { return nameOf(kindNames[:], uint8(k)) }

// Flags say which optional parts an event carries.
type Flags uint16

// The flags of all kinds, then those of some.
const (
	FlagTime         Flags = 1 << iota // word 1 is the event's t
	FlagSource                         // source and word 2 are set
	FlagSourceRecord                   // the source is in the last record
	FlagIndex                          // tick: word 5 is the index price
	FlagMarkTime                       // tick: word 6 is mt
	FlagSuspect                        // tick: never to be accepted as the mark
	FlagCap                            // fund: word 4 is the cap
	FlagADLOnly                        // fund: adl_only is given
	FlagADLOnlyTrue                    // fund: and it is true
	FlagOwner                          // account, account_state: word 4 is the owner
	FlagMode                           // account, account_state: code is the mode
)

// PositionSide keys a position within an account and symbol.
type PositionSide uint8

// The position sides: one-way mode uses Both, hedge mode Long and Short.
const (
	Both PositionSide = iota
	Long
	Short
)

var sideNames = [...]string{"both", "long", "short"}

// String returns the side's name in EVENTS.md.
func (s PositionSide) String() string { return nameOf(sideNames[:], uint8(s)) }

// AccountMode says how many contracts an account may hold.
type AccountMode uint8

// Cross accounts hold many contracts, Isolated accounts one.
const (
	Cross AccountMode = iota
	Isolated
)

var accountModeNames = [...]string{"cross", "isolated"}

// String returns the mode's name in EVENTS.md.
func (m AccountMode) String() string { return nameOf(accountModeNames[:], uint8(m)) }

// EngineMode says whether accounts are assessed.
type EngineMode uint8

// Live assesses; Loading only books.
const (
	Live EngineMode = iota
	Loading
)

var engineModeNames = [...]string{"live", "loading"}

// String returns the mode's name in EVENTS.md.
func (m EngineMode) String() string { return nameOf(engineModeNames[:], uint8(m)) }

// TransferReason says why a wallet changes from outside.
type TransferReason uint8

// The reasons of a transfer. Only a Withdrawal is a request.
const (
	TransferDeposit TransferReason = iota
	TransferWithdrawal
	TransferFunding
	TransferFee
	TransferRebate
	TransferOther
)

var transferNames = [...]string{"deposit", "withdrawal", "funding", "fee", "rebate", "other"}

// String returns the reason's name in EVENTS.md.
func (r TransferReason) String() string { return nameOf(transferNames[:], uint8(r)) }

// FundReason says why a fund's cash changes from outside.
type FundReason uint8

// The reasons of a fund transfer.
const (
	FundDeposit FundReason = iota
	FundWithdrawal
	FundAdjustment
)

var fundReasonNames = [...]string{"deposit", "withdrawal", "adjustment"}

// String returns the reason's name in EVENTS.md.
func (r FundReason) String() string { return nameOf(fundReasonNames[:], uint8(r)) }

// DoneReason says why nothing more will fill of an order.
type DoneReason uint8

// The reasons of an order's end; Rejected answers are not counted as attempts.
const (
	Expired DoneReason = iota
	Filled
	Rejected
)

var doneNames = [...]string{"expired", "filled", "rejected"}

// String returns the reason's name in EVENTS.md.
func (r DoneReason) String() string { return nameOf(doneNames[:], uint8(r)) }

func nameOf(names []string, i uint8) string {
	if int(i) < len(names) {
		return names[i]
	}
	return "unknown"
}

// Kind returns what the event headed by r is.
func (r *Record) Kind() Kind { return Kind(r[0]) }

// Code returns the head's small argument: a reason, a mode or position sides.
func (r *Record) Code() uint8 { return uint8(r[0] >> 8) }

// Flags returns which optional parts the event carries.
func (r *Record) Flags() Flags { return Flags(r[0] >> 16) }

// Has reports whether all of f are set.
func (r *Record) Has(f Flags) bool { return r.Flags()&f == f }

// More returns how many records of the event follow the head.
func (r *Record) More() int { return int(uint16(r[0] >> 32)) }

// Time returns the sequencer's stamp; meaningful with FlagTime.
func (r *Record) Time() int64 { return int64(r[1]) }

// SetTime stamps the event.
func (r *Record) SetTime(t int64) { r.setFlag(FlagTime); r[1] = uint64(t) }

// SetSource names a source by a small number and gives its own sequence.
func (r *Record) SetSource(source uint16, sequence uint64) {
	r.setFlag(FlagSource)
	r[0] = r[0]&^(uint64(0xffff)<<48) | uint64(source)<<48
	r[2] = sequence
}

// SourceSequence returns the source's own sequence; meaningful with FlagSource.
func (r *Record) SourceSequence() uint64 { return r[2] }

func (r *Record) setFlag(f Flags) { r[0] |= uint64(f) << 16 }

func (r *Record) setMore(n int) { r[0] = r[0]&^(uint64(0xffff)<<32) | uint64(uint16(n))<<32 }

// Source identifies who sent an event: a number, or a name.
type Source struct {
	Number uint64
	Name   Name // zero for a numbered source
}

// Source returns the sender of e; meaningful with FlagSource.
func (e Event) Source() Source {
	h := &e[0]
	if !h.Has(FlagSourceRecord) {
		return Source{Number: h[0] >> 48}
	}
	x := &e[len(e)-1]
	return Source{Number: x[0], Name: nameFrom(x[1:5])}
}

// WithSource returns e sent by source under its own sequence. A source that the
// head has no room for is appended as a record.
func (e Event) WithSource(source Source, sequence uint64) Event {
	h := &e[0]
	if source.Name == (Name{}) && source.Number < 1<<16 {
		h.SetSource(uint16(source.Number), sequence)
		return e
	}
	h.setFlag(FlagSource | FlagSourceRecord)
	h[2] = sequence
	h.setMore(h.More() + 1)
	x := Record{source.Number}
	source.Name.put(x[1:5])
	return append(e, x)
}

// body returns the records between the head and a source record.
func (e Event) body() []Record {
	if e[0].Has(FlagSourceRecord) {
		return e[1 : len(e)-1]
	}
	return e[1:]
}

// NameSize bounds the names of funds, symbols and sources, in bytes.
const NameSize = 32

// Name is the text by which people know a fund, a symbol or a source.
type Name [NameSize]byte

// MakeName returns s as a Name; false if s is empty, longer than NameSize, or
// not printable ASCII without quote, backslash and space: names appear
// unescaped in logs and tables.
func MakeName(s string) (Name, bool) {
	var n Name
	if len(s) == 0 || len(s) > NameSize {
		return n, false
	}
	copy(n[:], s)
	if n.Len() != len(s) || !n.printable() {
		return Name{}, false
	}
	return n, true
}

// printable reports whether n is what MakeName makes, or zero: the text, and
// nothing behind it.
func (n *Name) printable() bool {
	text := n.Len()
	for i, c := range n {
		switch {
		case i >= text && c != 0:
			return false
		case i < text && (c <= ' ' || c > '~' || c == '"' || c == '\\'):
			return false
		}
	}
	return true
}

// String returns the text.
func (n Name) String() string { return string(n[:n.Len()]) }

// Len returns the length of the text in bytes.
func (n *Name) Len() int {
	for i, c := range n {
		if c == 0 {
			return i
		}
	}
	return NameSize
}

func (n Name) put(w []uint64) {
	for i := range w {
		w[i] = le64(n[i*8:])
	}
}

func nameFrom(w []uint64) (n Name) {
	for i, v := range w {
		putLE64(n[i*8:], v)
	}
	return n
}

// Accounts appends the accounts the event headed by r is about, as far as the head
// names them. It is for looking ahead, and safe for a record that is no head.
func (r *Record) Accounts(dst []AccountID) []AccountID {
	switch r.Kind() {
	case KindFill, KindTransfer, KindAccountState:
		return append(dst, r.Account())
	case KindTrade:
		return append(dst, r.Buyer(), r.Seller())
	}
	return dst
}

// The payload of heads, by the name most kinds know it under.

// Account returns word 3 of account, account_close, account_state, transfer and fill.
func (r *Record) Account() AccountID { return AccountID(r[3]) }

// Owner returns the owner of account and account_state; meaningful with FlagOwner.
func (r *Record) Owner() AccountID { return AccountID(r[4]) }

// Wallet returns the wallet of account_state.
func (r *Record) Wallet() fixedpoint.Amount { return fixedpoint.Amount(r[5]) }

// Fund returns word 3 of fund, fund_transfer and fund_fill.
func (r *Record) Fund() FundID { return FundID(r[3]) }

// Order returns word 3 of order_fill and order_done.
func (r *Record) Order() OrderID { return OrderID(r[3]) }

// Amount returns the amount of transfer and fund_transfer.
func (r *Record) Amount() fixedpoint.Amount { return fixedpoint.Amount(r[4]) }

// Cap returns the cap of fund; meaningful with FlagCap.
func (r *Record) Cap() fixedpoint.Rate { return fixedpoint.Rate(r[4]) }

// Symbol returns the symbol of any kind that has one.
func (r *Record) Symbol() SymbolID {
	switch r.Kind() {
	case KindFill, KindFundFill:
		return SymbolID(r[4])
	}
	return SymbolID(r[3])
}

// Qty returns the quantity of fill, fund_fill, trade and order_fill.
func (r *Record) Qty() fixedpoint.Qty {
	switch r.Kind() {
	case KindFill, KindFundFill:
		return fixedpoint.Qty(r[5])
	}
	return fixedpoint.Qty(r[4])
}

// Price returns the price of fill, fund_fill, trade and order_fill.
func (r *Record) Price() fixedpoint.Price {
	switch r.Kind() {
	case KindFill, KindFundFill:
		return fixedpoint.Price(r[6])
	}
	return fixedpoint.Price(r[5])
}

// Fee returns the fee of fill.
func (r *Record) Fee() fixedpoint.Amount { return fixedpoint.Amount(r[7]) }

// Side returns the position side of fill, and the buyer's of trade.
func (r *Record) Side() PositionSide { return PositionSide(r.Code() & 15) }

// SellerSide returns the seller's position side of trade.
func (r *Record) SellerSide() PositionSide { return PositionSide(r.Code() >> 4) }

// Buyer returns the buying account of trade.
func (r *Record) Buyer() AccountID { return AccountID(r[6]) }

// Seller returns the selling account of trade.
func (r *Record) Seller() AccountID { return AccountID(r[7]) }

// Fees returns the buyer's and the seller's fee of a trade.
func (e Event) Fees() (buyer, seller fixedpoint.Amount) {
	if b := e.body(); len(b) > 0 {
		return fixedpoint.Amount(b[0][0]), fixedpoint.Amount(b[0][1])
	}
	return 0, 0
}

// Mark returns the mark price of tick.
func (r *Record) Mark() fixedpoint.Price { return fixedpoint.Price(r[4]) }

// Index returns the index price of tick; meaningful with FlagIndex.
func (r *Record) Index() fixedpoint.Price { return fixedpoint.Price(r[5]) }

// MarkTime returns mt of tick; meaningful with FlagMarkTime.
func (r *Record) MarkTime() int64 { return int64(r[6]) }

// Bid returns the resting volume a seller may hit, of depth.
func (r *Record) Bid() fixedpoint.Qty { return fixedpoint.Qty(r[4]) }

// Ask returns the resting volume a buyer may lift, of depth.
func (r *Record) Ask() fixedpoint.Qty { return fixedpoint.Qty(r[5]) }

// AckSequence and AckIndex name the last effect the consumer has, of ack.
func (r *Record) AckSequence() uint64 { return r[3] }

// AckIndex is the index of that effect within its event.
func (r *Record) AckIndex() uint32 { return uint32(r[4]) }
