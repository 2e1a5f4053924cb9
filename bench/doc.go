// Package bench measures the whole way of an event, and holds the budget of
// allocations: none.
//
//	datagram ──► udptick.Feed ──► input ring ──► machine ──► effects ring ──► consumer
//
// Small parts have their benchmarks beside them, the ring in ring, arithmetic in
// fixedpoint and core/margin, framing in udptick, snapshots in snapshot. Here is
// what only the parts together show: what an event costs a machine with so many
// accounts, the worst of them, throughput, and the time from when a tick was due to
// when its decision is in the consumer's hands. The name of a benchmark says its
// shape.
//
// # The workload
//
// A [Market] is the same at every run: accounts of random sizes and leverages in
// contracts whose marks walk about. Its stream is nine fills, a tick, and over
// again. For throughput and latency it has contracts in distress: one account
// there is below its maintenance margin and stays there, because the venue rejects
// every order for it. So each tick of such a contract causes exactly one decision,
// a liquidation order whose id is known beforehand: a tick without its decision, or
// a decision without its tick, ends the measurement with an error instead of a
// wrong figure.
//
// # How latency is taken
//
// Open loop: events are due at a fixed rate whatever the engine does, and a late
// one is counted from when it was due. So a pause shows in all events that had
// to wait for it. Beside it stands the same schedule with nothing to do, which
// tells how much of the tail belongs to the machine it runs on.
//
// # All figures
//
// On a quiet machine, at the top of the checkout, with -lab where the prototypes
// are:
//
//	(go test -v -run '^$' -bench . ./bench ./ring ./core/margin ./core/journal; go test -v -run '^$' -bench Recovery ./bench -recovery
//	cd bench/peers; go test -v -run '^$' -bench .) | go run ./bench/report -readme README.md -lab ../shared/lab
//
// # Profile
//
// The go command compiles the program by cmd/backstop/default.pgo, which is
//
//	go test -run '^$' -bench 'Pipe/accounts=1e6|ApplyTick/(1bp|decides)|Apply(Fill|Transfer)/ahead/accounts=1e6|Worst' -cpuprofile cmd/backstop/default.pgo ./bench
//
// Of test binaries without and with it, five rounds each in turn, the best: a tick that
// crosses nothing 18.2 and 16.1 ns, a fill 120 and 114, a transfer 95 and 90, the whole
// path at 1e4 accounts 161 and 134; a tick that liquidates 944 and 956.
package bench
