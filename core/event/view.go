package event

import "github.com/backstop-fund/backstop/fixedpoint"

// Status says how an account stands.
type Status uint8

// The states of an account.
const (
	Healthy Status = iota
	Liquidating
	Bankrupt
	OutOfSync
	Unassessed // it holds a contract without a first mark
)

var statusNames = [...]string{"healthy", "liquidating", "bankrupt", "out_of_sync", "unassessed"}

// String returns the status's name in EVENTS.md.
func (s Status) String() string { return nameOf(statusNames[:], uint8(s)) }

// AccountView is an account as shown to people: rounded half-even.
type AccountView struct {
	Account    AccountID
	Owner      AccountID
	Mode       AccountMode
	Status     Status
	Wallet     fixedpoint.Amount
	PendingFee fixedpoint.Amount
	Equity     fixedpoint.Int128 // of the positions that have a mark
	MM         fixedpoint.Int128
	Positions  []PositionView // by symbol name, long before short
}

// PositionView is a position as shown to people. Prices that do not exist are 0.
type PositionView struct {
	Symbol           SymbolID
	Side             PositionSide
	Qty              fixedpoint.Qty
	Cost             fixedpoint.Amount
	Entry            fixedpoint.Price
	Mark             fixedpoint.Price
	PnL              fixedpoint.Int128
	LiquidationBelow fixedpoint.Price
	LiquidationAbove fixedpoint.Price
	BankruptcyPrice  fixedpoint.Price
	Quantile         int8 // 0 to 4, 4 is deleveraged first; -1 for no candidate
}

// FundView is a fund as shown to people.
type FundView struct {
	Fund        FundID
	Cash        fixedpoint.Amount
	Equity      fixedpoint.Int128
	NetNotional fixedpoint.Int128
	CapNotional fixedpoint.Int128
	ADLOnly     bool
	Inventory   []InventoryView // by symbol name
}

// InventoryView is what a fund holds of one contract.
type InventoryView struct {
	Symbol SymbolID
	Qty    fixedpoint.Qty
	Cost   fixedpoint.Amount
}
