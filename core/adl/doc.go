// Package adl is counterparty-liquidation: who on the other side gives up how
// much when the fund may not carry a bankrupt position, by policy.
//
// The trade calls it auto-deleveraging. A position of the opposite sign is closed
// against the bankrupt one at the resolution price, whole lots only, without a
// fee. Nobody is made liquidatable by it: a candidate gives at most
// floor((equity - maintenance margin) / loss per unit). Positions in profit go
// first, the others only when those are exhausted.
//
// # Policies
//
//	queue     highest score first, each up to what it can give. See [Value].
//	pro_rata  proportional to the position's unrealized profit; to its notional
//	          among those who have none
//	drain     down to a common leverage L:
//	          remaining notional = min(notional, L x equity)
//	min_max   the smallest h with x = min(limit, h x equity / loss per unit) that
//	          covers the need; pro_rata where closing is no loss
//
// pro_rata and min_max are two of the policies weighed against the queue in
// T. Chitra, "Autodeleveraging: Impossibilities and Optimization"
// (arXiv 2512.01112). drain is the water-filling, or leverage-draining, rule of
// S. Campbell, N. Hey, C. Moallemi and M. Nutz, "Risk-Based Auto-Deleveraging"
// (arXiv 2603.15963): of all policies it leaves the smallest maximum leverage.
// Shares are solved exactly, floored to lots, and the rest goes one lot each by
// largest remainder among those below their limit.
//
// # Scores
//
// A queue ranks by the score of a venue:
//
//	binance      "What Is Auto-Deleveraging (ADL) and How Does It Work?": unrealized
//	             PnL / collateral x margin ratio, over the account
//	bitmex       "What is Auto-Deleveraging?": PnL percentage x effective leverage
//	             where it is above 0, else PnL percentage / effective leverage
//	hyperliquid  docs, "Auto-deleveraging": mark / entry x notional / account value
//
// They are compared by cross-multiplication of the integers a receipt prints, and
// never rounded for it.
package adl
