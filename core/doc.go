// Package core is the engine one links: an input ring, the machine on a
// goroutine of its own, an effects ring, a journal that loses nothing, and a
// follower that takes the snapshots.
//
//	producers ──► input ring ─┬─► core: machine.Apply ──► effects ring ──► gate ──► consumer
//	                          │                                             ▲         │
//	                          └─► recorder: journal ────────── durable ─────┘         │
//	                                 │                          Effects.Ack ◄─────────┘
//	                                 └──► follower: a second machine ──► snapshots, views
//
// [Open] restores the newest good snapshot, replays the journal behind it, and
// starts the goroutines: the core's, and with a journal the recorder's, one that
// prepares its files, and the follower's. Each goroutine that feeds has a
// [Producer]; one goroutine reads the [Effects] and acknowledges them. The library
// logs nothing: what there is to say is in [Engine.Recovery], [Engine.Thread],
// [Engine.Stats], [Engine.Err] and the errors. [OpenManual] is the same engine
// without any goroutine.
//
// A process that has a thread and a log of its own can drive the machine
// alone: [machine.Machine.Apply] takes one event, synchronously, with neither
// ring nor goroutine, and gives the same effects under the same ids.
//
// # Full rings
//
// Nothing is dropped. A full input ring makes [Producer.Send] wait and
// [Producer.TrySend] return [ErrFull]. The effects ring keeps an effect until it
// is acknowledged, so its size is how far a consumer may lag; while it is full
// the core waits, and behind it, in time, the producers. One event may have more
// effects than the ring: a consumer acknowledges what it has, in the middle of
// an event too.
//
// No arrangement of full rings deadlocks as long as the goroutine that reads the
// effects never waits for the core. Reading and acknowledging never do. Send,
// View, LastApplied and Snapshot do: whoever reads the effects feeds by TrySend,
// reads on at ErrFull, and gives the others a context that ends.
//
// # Acknowledgement
//
// [Effects.Ack] frees the ring at once, and tells the machine by an ack event
// through the input ring, so that the state, a log of the input and its replay
// know it too. An ack that finds the input ring full is sent by a later call, or
// overtaken by a newer one: acks are cumulative. The next Open delivers again what
// is not acknowledged, under the old ids (sequence, index): a snapshot carries
// what was before it, and the replay makes what came after. Acknowledged ones
// never come again.
//
// With [Config.AutoAck] reading acknowledges: no ack event, nothing delivered
// again.
//
// # Durability
//
// With a [Config.Dir] the recorder, a consumer of the input ring beside the core,
// writes every event to a journal (package journal): what has come in while it
// waited for the disk is its next group, with one write and one fdatasync. The core
// does not wait for it. Effects do: none leaves before its event is durable, or,
// with [JournalAsync], written. So an effect that has left is never lost, never
// comes again under another id, and is never contradicted after a crash.
//
// A disk slower than the input fills the ring, and producers wait. A write or
// fdatasync that fails is the end of the engine, with a [*Fault] that wraps
// journal.ErrFailed: nothing more leaves, and the next Open finds all that did.
//
// The follower is a second machine that reads the journal's files behind the
// recorder. It takes the snapshots, so the core never pauses; it compares the hash
// of all effects with the core's before each, so a snapshot is also the proof that
// the journal gives what left; and it is what [Engine.View] looks at. The price is
// the state twice, and a CPU now and then. [Config.FollowElsewhere] and
// [OpenFollower] have another process do it. It holds up nobody: it reads files.
//
// [Verify] finds out whether each snapshot is what the one before it and the journal
// lead to, and [Prune] removes what of the journal nobody needs then. Both are for
// whoever keeps the folder: the engine calls neither.
//
// # Threads
//
// A core of the zero [Config] is an ordinary goroutine that parks: right where it
// shares its CPUs, and tens of microseconds slower when it has slept. With CPUs to
// spare, [Config.Thread] gives it one:
//
//	core.Config{Thread: core.Thread{Spin: true, Pin: true, CPU: 3, FIFO: 50}}
//
// Spin is what makes it fast, Pin keeps its caches, FIFO keeps other work off the
// CPU. The CPU should be one that the rest of the process and the system leave
// alone: isolcpus= or an isolated cpuset for the system, taskset on other CPUs for
// the process (the core moves itself), and GOMAXPROCS at least one more than there
// are goroutines that spin. The CPU's sibling hyperthread is better left idle.
//
// A core that spins under SCHED_FIFO never lets anything of lower priority onto
// its CPU: not producers or the consumer, not the kernel's own threads there. On a
// machine without a spare CPU that stops all the rest. The kernel's throttle, if
// left on, takes such a thread off its CPU for 50 ms of each second
// (kernel.sched_rt_runtime_us; -1 switches it off); newer kernels do it only while
// something else waits for that CPU. Both are signs that the CPU was not spare.
//
// Rights: CAP_SYS_NICE (systemd: AmbientCapabilities=CAP_SYS_NICE) or a limit of
// the priority asked for (LimitRTPRIO=50, ulimit -r 50). Without them Open says so.
//
// # The garbage collector
//
// Its settings belong to the process, so this library never touches them. The
// engine allocates nothing after Open and its state has no pointers to follow, but
// a cycle that the rest of the process causes stalls a core even on a CPU of its
// own: it must reach a safe point twice, and the collector's workers want its
// caches and a quarter of all CPUs. A loop pinned to a CPU lost up to 0.4 ms at a
// time to forced cycles over 128 MiB without pointers, and 3.5 ms at p99 over a
// million objects with some, which the process around an engine may well have. So
// who minds the tail of the latencies does as backstop serve does, once the engine
// is open, and leaves the memory limit as the net:
//
//	runtime.GC()                    // what Open left behind, while nobody feeds
//	debug.SetGCPercent(-1)          // no cycle because the heap has grown
//	debug.SetMemoryLimit(live * 2)  // but before memory runs out
//
// With GOGC off there is no cycle every two minutes either. A limit that the live
// memory nearly fills is worse than any setting: cycle follows cycle.
//
// # The end
//
// [Engine.Close] takes no more input, applies and records what was published, has
// a snapshot taken and ends the goroutines. It never waits for the consumer: effects that
// find no room are kept in memory, the consumer reads them after those in the
// ring, and then sees [ErrClosed].
//
// A panic in the machine stops the engine where it is: its state can no longer
// be trusted, so no snapshot is taken, and all calls return a [*Fault] that
// names the event. That event is in the journal, and a machine that panics at it
// again is an error of Open: an engine whose machine is mended replays it.
package core
