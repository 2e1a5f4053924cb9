// Package core is the engine one links: an input ring, the machine on a
// goroutine of its own, an effects ring, and snapshots.
//
//	producers ──► input ring ──► core: machine.Apply ──► effects ring ──► consumer
//	                              │                                        │
//	                              └──► snapshots            Effects.Ack ◄──┘
//
// [Open] restores the newest good snapshot and starts the core's goroutine.
// Each goroutine that feeds has a [Producer]; one goroutine reads the [Effects]
// and acknowledges them. The library starts no other goroutine and logs
// nothing: what there is to say is in [Engine.Recovery], [Engine.Stats],
// [Engine.Err] and the errors.
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
// overtaken by a newer one: acks are cumulative. A snapshot carries the effects
// that are not acknowledged, and the next Open delivers them again under their
// old ids (sequence, index); acknowledged ones never come again.
//
// With [Config.AutoAck] reading acknowledges: no ack event, nothing delivered
// again.
//
// # The end
//
// [Engine.Close] takes no more input, applies what was published, takes a
// snapshot and ends the goroutine. It never waits for the consumer: effects that
// find no room are kept in memory, the consumer reads them after those in the
// ring, and then sees [ErrClosed].
//
// A panic in the machine stops the engine where it is: its state can no longer
// be trusted, so no snapshot is taken, and all calls return a [*Fault] that
// names the event.
package core
