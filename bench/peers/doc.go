// Package peers measures parts of Backstop beside what else one could take: queues
// and channels, sorted trees and heaps, decimal libraries. It is a module of its
// own, so that nobody who uses Backstop depends on them.
//
// A benchmark is named after the shape and the peer, RingSPSC/batch=1/peer=channel.
// It times both in turn, round by round in one process, so that what else the
// machine does falls on both, and reports the median of each and the ratio between
// the two rounds of a pair: its median, its least and its largest.
//
//	cd bench/peers && go test -bench . -run '^$'
package peers
