package idmap

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// The dumb twin is a Go map; ids are drawn close together so that probes collide.
func TestMapAgainstGoMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, twin := New(40), map[uint64]int32{}
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			id := rapid.Uint64Range(0, 60).Draw(t, "id") * 0x100000001
			slot, there := twin[id]
			switch got := m.Find(id); {
			case there && got != slot, !there && got != None:
				t.Fatalf("Find(%d) = %d, want %d (%v)", id, got, slot, there)
			}
			switch {
			case there && rapid.Bool().Draw(t, "delete"):
				m.Delete(id)
				delete(twin, id)
			case !there:
				slot := int32(len(twin))
				if ok := m.Put(id, slot); ok != (len(twin) < 40) {
					t.Fatalf("Put with %d of 40 ids: %v", len(twin), ok)
				} else if ok {
					twin[id] = slot
				}
			}
			if m.Len() != len(twin) {
				t.Fatalf("Len = %d, want %d", m.Len(), len(twin))
			}
		}
		m.Delete(1<<63 + 1) // absent: nothing happens
		for id, slot := range twin {
			if got := m.Find(id); got != slot {
				t.Fatalf("Find(%d) = %d, want %d", id, got, slot)
			}
		}
	})
}

func ExampleMap() {
	m := New(100)
	m.Put(7001, 0)
	fmt.Println(m.Find(7001), m.Find(7002) == None)
	// Output: 0 true
}
