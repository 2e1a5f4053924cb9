package event

// TierFault says what is wrong with a tier table; evidence of a refusal.
type TierFault uint8

// The faults of a tier table.
const (
	TiersFit TierFault = iota
	NoTiers
	FirstFloor    // the first floor is not 0
	FloorGap      // a floor is not the cap before it
	RateFalls     // the margin rate is below the one before
	RateRange     // the margin rate is not between 0 and 1
	WrongCum      // the maintenance amount makes the margin jump
	CapBelowFloor // a cap is not above its floor
	CumTooFine    // no maintenance amount of 8 decimals makes the margin continuous
)

var tierFaultNames = [...]string{"fits", "no tiers", "first floor not 0", "floors do not chain",
	"rate falls", "rate out of range", "wrong cum", "cap not above floor",
	"no cum of 8 decimals makes the margin continuous at its floor"}

// String says it in words.
func (f TierFault) String() string { return nameOf(tierFaultNames[:], uint8(f)) }

// Resource is something there is a fixed number of; evidence of a refusal.
type Resource uint8

// The fixed capacities.
const (
	NoResource Resource = iota
	Accounts
	Positions
	Symbols
	Funds
	Orders
	Sources
)

var resourceNames = [...]string{"none", "accounts", "positions", "symbols", "funds", "open orders", "sources"}

// String says it in words.
func (r Resource) String() string { return nameOf(resourceNames[:], uint8(r)) }
