// Package arena makes the memory that is preallocated: one block of fixed-size
// values without pointers, all of it touched.
package arena

import "unsafe"

// New returns n zero values in memory whose pages are there. Fresh memory costs 2 s
// a GiB at first touch, which is better paid before the first event.
func New[T any](n int) []T {
	s := make([]T, n)
	for b := Of(s); len(b) > 0; b = b[min(page, len(b)):] {
		b[0] = 0
	}
	return s
}

// page is the smallest there is.
const page = 4 << 10

// Empty returns a slice without elements and with room for n, likewise.
func Empty[T any](n int) []T { return New[T](n)[:0] }

// Of returns the memory of s, to its capacity, as bytes. They are for counting, and
// for telling the system about the memory; nobody reads or writes them.
func Of[T any](s []T) []byte {
	var t T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), uintptr(cap(s))*unsafe.Sizeof(t))
}
