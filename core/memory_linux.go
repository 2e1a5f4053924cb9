package core

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size of a huge page where there are any: amd64, and arm64 with
// pages of 4 KiB.
const hugePage = 2 << 20

// collapse is MADV_COLLAPSE, of Linux 6.1.
const collapse = 25

// inHugePages asks the system to keep an arena in huge pages, and returns how much of
// it is now. Advice alone would be for pages not touched yet.
func inHugePages(arena []byte) (huge int) {
	if len(arena) < 2*hugePage {
		return 0
	}
	start := -uintptr(unsafe.Pointer(unsafe.SliceData(arena))) % hugePage
	arena = arena[start:]
	for page := arena[:len(arena)/hugePage*hugePage]; len(page) > 0; page = page[hugePage:] {
		if unix.Madvise(page[:hugePage], unix.MADV_HUGEPAGE) == nil && unix.Madvise(page[:hugePage], collapse) == nil {
			huge += hugePage
		}
	}
	return huge
}
