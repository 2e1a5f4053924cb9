package core

import "iter"

// HugePages asks the system to keep a machine's memory in huge pages, as Open does,
// and returns how many bytes there are and how many of them are in huge pages now.
// It is for who drives a machine alone: HugePages(m.Arenas).
//
// A check reads a few lines anywhere in hundreds of megabytes, and with pages of 4
// KiB most of those reads walk the page table as well. Where the system has no huge
// pages to give, or none at all, things are as they were.
func HugePages(arenas iter.Seq[[]byte]) (bytes, huge int) {
	for a := range arenas {
		bytes += len(a)
		huge += inHugePages(a)
	}
	return bytes, huge
}
