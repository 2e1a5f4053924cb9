package event

import "github.com/backstop-fund/backstop/fixedpoint"

// head is word 0 of an event of one record.
func head(k Kind, code uint8) uint64 { return uint64(k) | uint64(code)<<8 }

// Tick is a new mark price, as of the event's own time. SetIndex, SetMarkTime,
// SetSuspect and SetTime add the rest: through a pointer, best to the record's
// place in the ring, as passing 64 bytes on by value costs more than to set them.
func Tick(symbol SymbolID, mark fixedpoint.Price) Record {
	return Record{head(KindTick, 0), 3: uint64(symbol), uint64(mark)}
}

// SetIndex adds the index price to a tick.
func (r *Record) SetIndex(p fixedpoint.Price) {
	r.setFlag(FlagIndex)
	r[5] = uint64(p)
}

// SetMarkTime adds the tick's own time.
func (r *Record) SetMarkTime(t int64) {
	r.setFlag(FlagMarkTime)
	r[6] = uint64(t)
}

// SetSuspect flags a tick as one that must not become the mark.
func (r *Record) SetSuspect() { r.setFlag(FlagSuspect) }

// At returns r stamped with the sequencer's time: SetTime for a record that is
// written down as an expression.
func (r Record) At(t int64) Record {
	r.SetTime(t)
	return r
}

// Fill books qty at price on an account's position, and its fee.
func Fill(account AccountID, symbol SymbolID, side PositionSide, qty fixedpoint.Qty, price fixedpoint.Price, fee fixedpoint.Amount) Record {
	return Record{head(KindFill, uint8(side)), 3: uint64(account), uint64(symbol), uint64(qty), uint64(price), uint64(fee)}
}

// TradeLegs is a trade between two of the venue's accounts.
type TradeLegs struct {
	Symbol              SymbolID
	Qty                 fixedpoint.Qty // positive
	Price               fixedpoint.Price
	Buyer, Seller       AccountID
	BuyerSide           PositionSide
	SellerSide          PositionSide
	BuyerFee, SellerFee fixedpoint.Amount
}

// AppendTrade appends a trade; both legs are booked before anyone is assessed.
func AppendTrade(dst []Record, t TradeLegs) Event {
	h := Record{head(KindTrade, uint8(t.BuyerSide)|uint8(t.SellerSide)<<4),
		3: uint64(t.Symbol), uint64(t.Qty), uint64(t.Price), uint64(t.Buyer), uint64(t.Seller)}
	if t.BuyerFee == 0 && t.SellerFee == 0 {
		return append(dst, h)
	}
	h.setMore(1)
	return append(dst, h, Record{uint64(t.BuyerFee), uint64(t.SellerFee)})
}

// Transfer changes a wallet from outside; only a withdrawal may be refused for margin.
func Transfer(account AccountID, amount fixedpoint.Amount, reason TransferReason) Record {
	return Record{head(KindTransfer, uint8(reason)), 3: uint64(account), uint64(amount)}
}

// OpenAccount opens a margin account, or changes its owner or mode while it may.
func OpenAccount(account, owner AccountID, mode AccountMode) Record {
	r := Record{head(KindAccount, uint8(mode)), 3: uint64(account), uint64(owner)}
	r.setFlag(FlagOwner | FlagMode)
	return r
}

// CloseAccount forgets a flat account with an empty wallet.
func CloseAccount(account AccountID) Record {
	return Record{head(KindAccountClose, 0), 3: uint64(account)}
}

// SetMode switches assessment off (Loading) and on (Live).
func SetMode(mode EngineMode) Record { return Record{head(KindMode, uint8(mode))} }

// Depth is the resting volume inside the offloader's slippage bound.
func Depth(symbol SymbolID, bid, ask fixedpoint.Qty) Record {
	return Record{head(KindDepth, 0), 3: uint64(symbol), uint64(bid), uint64(ask)}
}

// OrderFill is the venue's answer to one of our orders; qty is unsigned.
func OrderFill(order OrderID, qty fixedpoint.Qty, price fixedpoint.Price) Record {
	return Record{head(KindOrderFill, 0), 3: uint64(order), uint64(qty), uint64(price)}
}

// OrderDone says that nothing more will fill of an order.
func OrderDone(order OrderID, reason DoneReason) Record {
	return Record{head(KindOrderDone, uint8(reason)), 3: uint64(order)}
}

// Halt blocks the mark of a contract until Resume.
func Halt(symbol SymbolID) Record { return Record{head(KindHalt, 0), 3: uint64(symbol)} }

// Resume ends a halt.
func Resume(symbol SymbolID) Record { return Record{head(KindResume, 0), 3: uint64(symbol)} }

// Time moves the engine's time and nothing else.
func Time(t int64) Record { return Record{head(KindTime, 0)}.At(t) }

// Ack says that the consumer has every effect up to and with (seq, i).
func Ack(seq uint64, i uint32) Record { return Record{head(KindAck, 0), 3: seq, uint64(i)} }

// FundTransfer changes a fund's cash from outside, signed.
func FundTransfer(fund FundID, amount fixedpoint.Amount, reason FundReason) Record {
	return Record{head(KindFundTransfer, uint8(reason)), 3: uint64(fund), uint64(amount)}
}

// FundFill corrects a fund's inventory from outside.
func FundFill(fund FundID, symbol SymbolID, qty fixedpoint.Qty, price fixedpoint.Price) Record {
	return Record{head(KindFundFill, 0), 3: uint64(fund), uint64(symbol), uint64(qty), uint64(price)}
}

// FundSettings creates or updates a fund; what is not set keeps its value.
type FundSettings struct {
	ID         FundID
	Name       Name
	Cap        fixedpoint.Rate
	HasCap     bool
	ADLOnly    bool
	HasADLOnly bool
}

// AppendFund appends a fund event.
func AppendFund(dst []Record, s FundSettings) Event {
	h := Record{head(KindFund, 0), 3: uint64(s.ID), uint64(s.Cap)}
	if s.HasCap {
		h.setFlag(FlagCap)
	}
	if s.HasADLOnly {
		h.setFlag(FlagADLOnly)
	}
	if s.ADLOnly {
		h.setFlag(FlagADLOnlyTrue)
	}
	h.setMore(1)
	var x Record
	s.Name.put(x[:4])
	return append(dst, h, x)
}

// FundSettings returns the settings of a fund event.
func (e Event) FundSettings() FundSettings {
	h := &e[0]
	s := FundSettings{
		ID: h.Fund(), Cap: h.Cap(), HasCap: h.Has(FlagCap),
		HasADLOnly: h.Has(FlagADLOnly), ADLOnly: h.Has(FlagADLOnlyTrue),
	}
	if b := e.body(); len(b) > 0 {
		s.Name = nameFrom(b[0][:4])
	}
	return s
}

// PositionState is a position of an account_state.
type PositionState struct {
	Symbol  SymbolID
	Side    PositionSide
	Qty     fixedpoint.Qty
	ByEntry bool  // Value is the entry price, else the signed cost
	Value   int64 // a fixedpoint.Price or a fixedpoint.Amount
}

// AccountReplacement is what an account_state says of the account itself.
type AccountReplacement struct {
	Account  AccountID
	Owner    AccountID
	HasOwner bool
	Mode     AccountMode
	HasMode  bool
	Wallet   fixedpoint.Amount
}

// AppendAccountState appends an event that replaces an account.
func AppendAccountState(dst []Record, a AccountReplacement, positions []PositionState) Event {
	h := Record{head(KindAccountState, uint8(a.Mode)),
		3: uint64(a.Account), uint64(a.Owner), uint64(a.Wallet), uint64(len(positions))}
	if a.HasOwner {
		h.setFlag(FlagOwner)
	}
	if a.HasMode {
		h.setFlag(FlagMode)
	}
	h.setMore((len(positions) + 1) / 2)
	dst = append(dst, h)
	for i, p := range positions {
		if i%2 == 0 {
			dst = append(dst, Record{})
		}
		w := dst[len(dst)-1][i%2*4:]
		how := uint64(p.Side)
		if p.ByEntry {
			how |= 1 << 8
		}
		w[0], w[1], w[2], w[3] = uint64(p.Symbol), how, uint64(p.Qty), uint64(p.Value)
	}
	return dst
}

// AccountReplacement returns what an account_state says of the account itself.
func (e Event) AccountReplacement() AccountReplacement {
	h := &e[0]
	return AccountReplacement{
		Account: h.Account(), Owner: h.Owner(), HasOwner: h.Has(FlagOwner),
		Mode: AccountMode(h.Code()), HasMode: h.Has(FlagMode), Wallet: h.Wallet(),
	}
}

// Positions returns how many positions an account_state carries.
func (e Event) Positions() int { return int(e[0][6]) }

// Position returns the i-th position of an account_state.
func (e Event) Position(i int) PositionState {
	w := e.body()[i/2][i%2*4:]
	return PositionState{
		Symbol: SymbolID(w[0]), Side: PositionSide(w[1]), ByEntry: w[1]>>8&1 == 1,
		Qty: fixedpoint.Qty(w[2]), Value: int64(w[3]),
	}
}
