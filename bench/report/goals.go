package main

// goal is a row of the table: one figure of a benchmark, and how good it is to be.
type goal struct {
	what   string
	bench  string
	unit   string
	most   float64 // 0 where only what stands beside it counts, or nothing
	beside []beside
}

// beside is a figure next to that of a row.
type beside struct {
	label string
	// bench and unit say where it is found, by default where the row's is. Of a peer,
	// whose bench ends in /peer=..., it is what both took in their own run.
	bench, unit string
	// Bounds of how often the figure goes into it, or it into the figure: a peer is
	// to take atLeast as long, and the row atMost as long as a prototype or another
	// size. 0 bounds nothing.
	atLeast, atMost float64
	optional        bool // prototypes are not everywhere
}

// Units of times.
const (
	us  = 1e3
	ms  = 1e6
	sec = 1e9
)

// prototype is the lab's figure for the same thing.
func prototype(atMost float64) beside {
	return beside{label: "prototype", atMost: atMost, optional: true}
}

func peer(label, bench string, atLeast float64) beside {
	return beside{label: label, bench: bench, atLeast: atLeast}
}

// same is another figure of the row's benchmark.
func same(label, unit string) beside { return beside{label: label, unit: unit} }

// goals are what we aim for, in the order of the table. Rows without a goal are
// there for what stands beside them.
var goals = []goal{
	{"ring, one producer, one consumer, records of 64 bytes, batch 1", "RingSPSC/batch=1", "ns/event", 7, []beside{
		prototype(1.1), peer("Go channel", "RingSPSC/batch=1/peer=channel", 3),
		peer("xsync", "RingSPSC/batch=1/peer=xsync", 0), peer("Workiva", "RingSPSC/batch=1/peer=workiva", 0)}},
	{"the same, batch 16", "RingSPSC/batch=16", "ns/event", 2.7, []beside{
		prototype(1.1), peer("Go channel", "RingSPSC/batch=16/peer=channel", 0)}},
	{"the same, batch 64", "RingSPSC/batch=64", "ns/event", 2.3, []beside{
		prototype(1.1), peer("Go channel", "RingSPSC/batch=64/peer=channel", 0)}},
	{"ring, two producers, batch 1", "RingMPSC/producers=2/batch=1", "ns/event", 23, []beside{
		prototype(1.2), peer("Go channel", "RingMPSC/producers=2/batch=1/peer=channel", 0),
		peer("xsync", "RingMPSC/producers=2/batch=1/peer=xsync", 0), peer("Workiva", "RingMPSC/producers=2/batch=1/peer=workiva", 0)}},
	{"the same, batch 16", "RingMPSC/producers=2/batch=16", "ns/event", 6, []beside{
		prototype(1.2), peer("Go channel", "RingMPSC/producers=2/batch=16/peer=channel", 0)}},

	{"exact margin check of a position, tiers included", "MarginCheck/Tally", "ns/position", 6, []beside{
		peer("apd", "MarginCheck/peer=apd", 40), peer("shopspring", "MarginCheck/peer=shopspring", 0)}},
	{"trigger moved, one of 1e6", "TriggerMove/triggers=1e6/peer=heap", "ns/trigger", 0, []beside{
		peer("4-ary heap", "TriggerMove/triggers=1e6/peer=heap", 0),
		peer("google B-tree", "TriggerMove/triggers=1e6/peer=google-btree", 0),
		peer("tidwall B-tree", "TriggerMove/triggers=1e6/peer=tidwall-btree", 0)}},
	{"trigger fired and armed again, of 1e6", "TriggerCross/triggers=1e6/peer=heap", "ns/trigger", 0, []beside{
		peer("4-ary heap", "TriggerCross/triggers=1e6/peer=heap", 0),
		peer("google B-tree", "TriggerCross/triggers=1e6/peer=google-btree", 0),
		peer("tidwall B-tree", "TriggerCross/triggers=1e6/peer=tidwall-btree", 0)}},

	{"tick that crosses nothing, 1e4 accounts with 3 positions in 50 contracts", "ApplyTick/crossed=0/accounts=1e4", "ns/tick", 20, nil},
	{"the same, 1e6 accounts", "ApplyTick/crossed=0/accounts=1e6", "ns/tick", 20, []beside{
		{label: "1e4 accounts", bench: "ApplyTick/crossed=0/accounts=1e4", atMost: 1.3}}},
	{"tick that liquidates an account", "ApplyTick/decides/accounts=1e4", "ns/tick", 0, nil},
	{"tick of a walk of 1 bp, 1e6 accounts", "ApplyTick/1bp/accounts=1e6", "ns/tick", 250, []beside{
		prototype(0), same("accounts looked at", "looked/tick"),
		{label: "scan of 1e5 accounts", bench: "ApplyTick/1bp/scan/accounts=1e5"}}},
	{"fill, 1e6 accounts", "ApplyFill/accounts=1e6", "ns/fill", 300, []beside{
		prototype(0), {label: "with a look ahead, as in the engine", bench: "ApplyFill/ahead/accounts=1e6"}}},
	{"transfer, 1e6 accounts", "ApplyTransfer/accounts=1e6", "ns/transfer", 300, []beside{
		{label: "with a look ahead, as in the engine", bench: "ApplyTransfer/ahead/accounts=1e6"}}},

	{"worst: a contract of 1e6 accounts falls by 5 %", "Worst/gap5pct/accounts=1e6", "ns/event", 20 * ms, []beside{
		prototype(0), same("accounts looked at", "looked/event"), same("orders", "orders/event"), same("longest", "max-ns/event")}},
	{"worst: a contract 1e6 hold is resumed after a rise of 2.5 %", "Worst/resume", "ns/event", 20 * ms, []beside{
		same("accounts looked at", "looked/event"), same("orders", "orders/event"), same("longest", "max-ns/event")}},
	{"worst: other tiers of a contract 1e6 hold", "Worst/tiers", "ns/event", 300 * ms, []beside{same("longest", "max-ns/event")}},
	{"worst: 1e6 accounts go live", "Worst/live", "ns/event", 0, []beside{same("longest", "max-ns/event")}},
	{"worst: counterparty-liquidation of 11,279 fills", "Worst/adl11279", "ns/event", 10 * ms, []beside{same("longest", "max-ns/event")}},
	{"ADL queue of 1e6 opposite holders, ranked after a new mark", "ADLRank/holders=1e6", "ns/rank", 40 * ms, []beside{same("longest", "max-ns/rank")}},
	{"each counterparty-liquidation after it, in one event", "ADLRank/holders=1e6", "ns/after", 5 * us, []beside{
		same("as an event of its own", "ns/next")}},

	{"whole path, ring to core to ring, 1e4 accounts", "Pipe/accounts=1e4", "ns/event", 0, []beside{prototype(2)}},
	{"the same, 1e6 accounts", "Pipe/accounts=1e6", "ns/event", 0, []beside{prototype(2)}},
	{"tick to decision at 1e6 events/s, 1e6 accounts, p50", "TickToDecision/rate=1e6/accounts=1e6", "p50-ns", 300, []beside{
		prototype(0), same("idle loop", "idle-p50-ns")}},
	{"the same, p90", "TickToDecision/rate=1e6/accounts=1e6", "p90-ns", 500, []beside{
		prototype(0), same("idle loop", "idle-p90-ns")}},
	{"the same, p99", "TickToDecision/rate=1e6/accounts=1e6", "p99-ns", 0, []beside{same("idle loop", "idle-p99-ns")}},
	{"the same, p99.9", "TickToDecision/rate=1e6/accounts=1e6", "p99.9-ns", 0, []beside{same("idle loop", "idle-p99.9-ns")}},
	{"the same, longest", "TickToDecision/rate=1e6/accounts=1e6", "max-ns", 0, []beside{same("idle loop", "idle-max-ns")}},

	{"memory of an account with 3 positions, all in", "Memory/accounts=1e6", "B/account", 256, nil},

	{"journal: a record of 64 bytes written and synced, p50", "JournalWrite/group=1", "p50-ns", 0, []beside{prototype(1.1), same("p99", "p99-ns")}},
	{"the same, groups of 64", "JournalWrite/group=64", "p50-ns", 0, []beside{prototype(1.1), same("p99", "p99-ns"), same("records a second", "records/s")}},
	{"the same, groups of 512", "JournalWrite/group=512", "p50-ns", 0, []beside{prototype(1.1), same("p99", "p99-ns"), same("records a second", "records/s")}},
	{"the same, groups of 4096", "JournalWrite/group=4096", "p50-ns", 0, []beside{prototype(1.1), same("p99", "p99-ns"), same("records a second", "records/s")}},
	{"durable effect, from when its event was due to when it was read, idle, p50", "DurableEffect/rate=idle", "p50-ns", 150 * us, []beside{
		{label: "write and sync alone", unit: "bare-p50-ns", atMost: 1.5}, same("p99", "p99-ns")}},
	{"the same at 1e5 events/s", "DurableEffect/rate=1e5", "p50-ns", 0, []beside{same("p99", "p99-ns")}},
	{"the same at 1e6 events/s", "DurableEffect/rate=1e6", "p50-ns", 250 * us, []beside{same("p99", "p99-ns")}},
	{"step of the core while the follower takes a snapshot, p50", "FollowerSnapshot/accounts=1e6", "during-p50-ns", 0, []beside{
		{label: "before", unit: "before-p50-ns", atMost: 1.1}, same("a snapshot", "ns/snapshot")}},
	{"the same, p99", "FollowerSnapshot/accounts=1e6", "during-p99-ns", 0, []beside{
		{label: "before", unit: "before-p99-ns", atMost: 1.1}}},
	{"recovery, 1e5 accounts and 1e6 events", "Recovery/accounts=1e5/events=1e6", "ns/recovery", 1 * sec, nil},
}

// flagged are rows of benchmarks that run behind a flag, left out where they did not.
var flagged = []goal{
	{"recovery, 1e6 accounts and 1e7 events", "Recovery/accounts=1e6/events=1e7", "ns/recovery", 10 * sec, nil},
}
