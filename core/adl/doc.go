// Package adl is counterparty-liquidation: who on the other side gives up how
// much when the fund may not carry a bankrupt position, by policy.
//
// The trade calls it auto-deleveraging. A position of the opposite sign is closed
// against the bankrupt one at the resolution price, whole lots only, without a
// fee. Nobody is made liquidatable by it: a candidate gives at most
// floor((equity - maintenance margin) / loss per unit).
//
//	queue     highest score first, each up to what it can give. See [Value].
//	pro_rata  proportional to the position's unrealized profit
//	          (arXiv 2512.01112, pro-rata rule); to notional where nobody has one
//	drain     down to a common leverage L: remaining notional = min(notional,
//	          L x equity) (arXiv 2603.15963)
//	min_max   the smallest h with x = min(limit, h x equity / loss per unit) that
//	          covers the need (arXiv 2512.01112, min-max rule); pro_rata where
//	          closing is no loss
//
// Positions in profit go first, the others only when those are exhausted. Shares
// are solved exactly, floored to lots, and the rest goes one lot each by largest
// remainder.
package adl
