// Package bench measures the whole way of an event, and holds the budget of
// allocations: none.
//
//	datagram ──► udptick.Feed ──► input ring ──► machine ──► effects ring ──► consumer
//
// Parts have their benchmarks beside them, the ring in ring, arithmetic in
// fixedpoint, framing in udptick, snapshots in snapshot. Here is what only the
// parts together show: throughput, and the time from when a tick was due to when
// its decision is in the consumer's hands.
//
// # The workload
//
// A [Market] is the same at every run. Its stream repeats a cycle of eleven
// events: nine fills, a tick, and the venue's answer to what the tick caused. In
// a distressed market each contract has one account that is below its
// maintenance margin and stays there, because the venue rejects every order for
// it. So each tick causes exactly one decision, a liquidation order whose id is
// known beforehand: a tick without its decision, or a decision without its tick,
// ends the measurement with an error instead of a wrong figure.
//
// # How latency is taken
//
// Open loop: events are due at a fixed rate whatever the engine does, and a late
// one is counted from when it was due. So a pause shows in all events that had
// to wait for it. Beside it stands the same schedule with nothing to do, which
// tells how much of the tail belongs to the machine it runs on.
package bench
