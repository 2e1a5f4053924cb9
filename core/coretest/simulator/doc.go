// Package simulator runs the whole engine on one goroutine, over a simulated disk,
// and decides whether it keeps what it promises: machine, journal, output gate,
// follower, snapshots and recovery are those of package core, stepped by hand.
//
//	no effect is lost               what has left comes from events that are still there
//	none comes under another id     effect by effect as a machine decides that never crashed
//	none is contradicted            after every restart the state is that machine's, bit for bit
//	none comes again                that was acknowledged, once the acknowledgement is durable
//	nothing is invented             the journal is, event by event, what was sent
//	no snapshot is ahead            of what is durable, or not what leads to it
//
// The follower may live in a process of its own, and an operator may prune beside
// both.
//
// A [Plan] is drawn from a seed: what the senders, the consumer, the timers and the
// disk do, in which order, and where the power goes. The same plan gives the same
// trace, so a seed is a reproduction, and [Plan.Shrink] makes it short.
package simulator
