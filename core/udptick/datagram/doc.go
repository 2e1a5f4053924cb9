// Package datagram receives UDP datagrams: from an address of this host, from a
// multicast group, or from one peer. It decides how they are taken from the
// system, and tells what the system granted and what it threw away.
//
//	             Linux, BusyPoll                     else
//	a wait       none: Receive returns at once       in Receive, until one comes, WaitUntil's time or Close
//	taken        up to 32 by one recvmmsg            one by one ReadMsgUDPAddrPort
//	pays         with a CPU that does nothing else   25 us a wake-up
//
// Either way a datagram costs no allocation, and its bytes are good until the
// next Receive. A busy-polled socket is not known to the runtime's poller: a
// datagram that arrives wakes no thread, it is simply there when one looks.
//
// # What the system does silently
//
// A receive buffer is cut down to a limit of the system, datagrams that find it
// full are dropped, and a datagram may wait in it for long. None of that is an
// error anywhere. Here it is in [Status]: the size that was really granted, read
// back, with the setting to change; the datagrams dropped, as the system counts
// them (SO_RXQ_OVFL, on Linux); and the longest wait, from the system's stamp of
// arrival (SO_TIMESTAMPNS, on Linux, if asked for) to Receive.
//
// # Groups
//
// A multicast group is joined for its publishers alone where they are named and
// the system is Linux (source-specific, IGMPv3 and MLDv2), otherwise for
// everybody who sends to it. On Linux nothing else gets in, because the socket is
// bound to the group; elsewhere it is bound to the port, and what was sent to
// this host gets in too. Who may be believed is for the reader to judge by
// [Datagram.From]: an address can be forged.
package datagram
