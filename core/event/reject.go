package event

// Reject is the code of a refused event. A refused event changes nothing but
// takes its sequence number.
type Reject uint8

// The codes of EVENTS.md. Accepted is none of them.
const (
	Accepted Reject = iota
	UnknownFund
	UnknownSymbol
	UnknownAccount
	UnknownOrder
	Duplicate
	Exists
	NotFlat
	Margin
	Cap
	Cash
	NotDivisible
	BadTiers
	Overflow
	Overfill
	Zero
	Sign
	LateTick
	FutureTime
	Capacity
	WrongSymbol
	WrongMode
	Held
	Malformed // records no encoder of ours writes; text cannot produce it
	rejectEnd
)

// RejectCodes is the number of codes, Accepted included.
const RejectCodes = int(rejectEnd)

var rejectNames = [rejectEnd]string{
	Accepted: "accepted", UnknownFund: "unknown_fund", UnknownSymbol: "unknown_symbol",
	UnknownAccount: "unknown_account", UnknownOrder: "unknown_order", Duplicate: "duplicate",
	Exists: "exists", NotFlat: "not_flat", Margin: "margin", Cap: "cap", Cash: "cash",
	NotDivisible: "not_divisible", BadTiers: "tiers", Overflow: "overflow", Overfill: "overfill",
	Zero: "zero", Sign: "sign", LateTick: "late_tick", FutureTime: "future_time",
	Capacity: "capacity", WrongSymbol: "wrong_symbol", WrongMode: "wrong_mode", Held: "held",
	Malformed: "malformed",
}

// String returns the code's name in EVENTS.md.
func (r Reject) String() string { return nameOf(rejectNames[:], uint8(r)) }
