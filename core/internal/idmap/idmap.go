// Package idmap maps the venue's 64-bit ids to dense slots by open addressing:
// preallocated, pointer-free, without chance in its layout.
package idmap

import "math/bits"

// None is what a lookup of an absent id returns.
const None int32 = -1

type entry struct {
	id   uint64
	slot int32
	used bool
}

// Map is a set of id -> slot pairs of bounded size. It never grows.
type Map struct {
	entries []entry
	shift   uint
	n       int
	limit   int
}

// New returns a map for at most limit ids. It keeps at least half its places
// free, so that probes stay short.
func New(limit int) *Map {
	size := 8
	for size < 2*limit {
		size *= 2
	}
	return &Map{entries: make([]entry, size), shift: uint(64 - bits.Len(uint(size-1))), limit: limit}
}

// Len returns how many ids are in the map.
func (m *Map) Len() int { return m.n }

// Fibonacci hashing: consecutive ids, the usual case, land far apart.
func (m *Map) home(id uint64) int { return int(id * 0x9e3779b97f4a7c15 >> m.shift) }

// Find returns the slot of id, or None.
func (m *Map) Find(id uint64) int32 {
	mask := len(m.entries) - 1
	for i := m.home(id); ; i = (i + 1) & mask {
		e := &m.entries[i]
		if !e.used {
			return None
		}
		if e.id == id {
			return e.slot
		}
	}
}

// Put adds id, which must be absent. It reports false when the map is full.
func (m *Map) Put(id uint64, slot int32) bool {
	if m.n == m.limit {
		return false
	}
	mask := len(m.entries) - 1
	i := m.home(id)
	for m.entries[i].used {
		i = (i + 1) & mask
	}
	m.entries[i] = entry{id: id, slot: slot, used: true}
	m.n++
	return true
}

// Delete removes id if it is there, and closes the gap so that no tombstone
// lengthens later probes.
func (m *Map) Delete(id uint64) {
	mask := len(m.entries) - 1
	i := m.home(id)
	for ; m.entries[i].id != id || !m.entries[i].used; i = (i + 1) & mask {
		if !m.entries[i].used {
			return
		}
	}
	m.n--
	for j := (i + 1) & mask; m.entries[j].used; j = (j + 1) & mask {
		// The entry at j may move back to i unless its home lies after i.
		if (j-m.home(m.entries[j].id))&mask >= (j-i)&mask {
			m.entries[i] = m.entries[j]
			i = j
		}
	}
	m.entries[i] = entry{}
}
