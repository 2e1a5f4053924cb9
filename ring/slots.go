package ring

import (
	"fmt"
	"reflect"
	"sync/atomic"
	"unsafe"
)

// memory is where the records are, without their type: the address of the first
// and the distance to the next. Each producer and processor keeps a copy beside
// its own state, so that finding a record touches no shared line.
type memory struct {
	base   unsafe.Pointer
	stride uintptr
	mask   Sequence
}

// at is the address of a sequence's record. The mask keeps it inside the ring
// whatever the sequence.
func (m *memory) at(s Sequence) unsafe.Pointer {
	return unsafe.Add(m.base, uintptr(s&m.mask)*m.stride)
}

// tag is the sequence word of a record made by newTagged: it holds the sequence
// last published in this slot.
func (m *memory) tag(s Sequence) *atomic.Int64 {
	return (*atomic.Int64)(unsafe.Add(m.at(s), -tagBytes))
}

// tagBytes is how far before its record a sequence word lies.
const tagBytes = 8

// tagged is a slot of a ring with several producers.
type tagged[T any] struct {
	tag    atomic.Int64
	record T
}

// newPlain lays the records out one after another. Clearing touches every page
// now, not at the first lap: fresh memory costs 2 s per GiB at first touch.
func newPlain[T any](size int) memory {
	records := make([]T, size)
	clear(records)
	return memory{unsafe.Pointer(&records[0]), unsafe.Sizeof(records[0]), Sequence(size - 1)}
}

// newTagged lays out records with a sequence word before each.
func newTagged[T any](size int) memory {
	slots := make([]tagged[T], size)
	for i := range slots {
		slots[i].tag.Store(-1)
	}
	if unsafe.Offsetof(slots[0].record) != tagBytes {
		panic("ring: the record does not lie right behind its sequence word")
	}
	return memory{unsafe.Pointer(&slots[0].record), unsafe.Sizeof(slots[0]), Sequence(size - 1)}
}

// pointerIn is the place of the first pointer in a type, as a path from the
// record, or "" if there is none.
func pointerIn(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			field := t.Field(i)
			if at := pointerIn(field.Type); at != "" {
				return "." + field.Name + at
			}
		}
		return ""
	case reflect.Array:
		if t.Len() == 0 {
			return ""
		}
		if at := pointerIn(t.Elem()); at != "" {
			return "[0]" + at
		}
		return ""
	case reflect.Pointer, reflect.UnsafePointer, reflect.Map, reflect.Slice,
		reflect.String, reflect.Interface, reflect.Func, reflect.Chan:
		return fmt.Sprintf(" (%v)", t)
	}
	return ""
}
