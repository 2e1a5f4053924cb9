package simdisk

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
)

// inode is a file whatever its names; a folder is one without contents.
type inode struct {
	folder bool
	data   []byte // as a running program reads it
	shared bool   // by another disk: whoever changes the data copies them first
	length int    // as synced
	// dirty are the sectors written since the last sync, and lost those whose sync
	// failed: no later sync reaches them. Each is kept as it was when last durable.
	dirty, lost map[int]*sector
}

type sector [Sector]byte

// blank is one that was not there. Nobody changes a kept sector.
var blank sector

// touch keeps the sectors from one offset to another as they are durable.
func (f *inode) touch(from, to int) {
	for n := from / Sector; n*Sector < to; n++ {
		if f.dirty[n] != nil {
			continue
		}
		old := f.lost[n]
		if old == nil {
			old = &blank
			if end := min(len(f.data), f.length); n*Sector < end {
				old = new(sector)
				copy(old[:], f.data[n*Sector:end])
			}
		}
		delete(f.lost, n)
		if f.dirty == nil {
			f.dirty = map[int]*sector{}
		}
		f.dirty[n] = old
	}
}

func (f *inode) write(p []byte, off int) {
	if len(p) == 0 {
		return
	}
	if off > len(f.data) {
		f.truncate(off)
	}
	f.touch(off, off+len(p))
	f.own()
	if end := off + len(p); end > len(f.data) {
		f.data = append(f.data[:off], p...)
		return
	}
	copy(f.data[off:], p)
}

func (f *inode) truncate(size int) {
	old := len(f.data)
	f.touch(min(size, old), max(size, old))
	if size <= old {
		f.data = f.data[:size]
		return
	}
	f.own()
	f.data = append(f.data, make([]byte, size-old)...)
}

// own makes the data this file's alone.
func (f *inode) own() {
	if f.shared {
		f.data, f.shared = bytes.Clone(f.data), false
	}
}

func (f *inode) sync() {
	f.length = len(f.data)
	clear(f.dirty)
}

// forsake is a sync that failed.
func (f *inode) forsake() {
	if f.lost == nil {
		f.lost = map[int]*sector{}
	}
	maps.Copy(f.lost, f.dirty)
	clear(f.dirty)
}

// A mood is how a loss of power treats what was not synced.
type mood int

const (
	kept  mood = iota // all of it reached the disk
	gone              // none of it did
	mixed             // each sector on its own
	moods
)

// Restart cuts the power, lets what rng lets survive, and starts again, unlocked,
// without faults. The disk itself is as it was and can be restarted again, with
// another outcome.
func (d *Disk) Restart(rng *rand.Rand) *Disk {
	after := &Disk{Lies: d.Lies, names: map[string]*inode{}, durable: maps.Clone(d.durable)}
	if after.durable == nil {
		after.durable = map[string]*inode{}
	}
	names := mood(rng.IntN(int(moods)))
	for _, c := range d.pending {
		if names == kept || names == mixed && rng.IntN(2) == 0 {
			c.apply(after.durable)
		}
	}
	// Not in the map's order, or a seed would not tell.
	survivors := map[*inode]*inode{}
	for _, name := range slices.Sorted(maps.Keys(after.durable)) {
		file := after.durable[name]
		if dir := filepath.Dir(name); !root(dir) && after.durable[dir] == nil {
			delete(after.durable, name)
			continue
		}
		if survivors[file] == nil {
			survivors[file] = file.survive(rng)
		}
		after.durable[name] = survivors[file]
	}
	maps.Copy(after.names, after.durable)
	return after
}

// survive is the file as a loss of power leaves it.
func (f *inode) survive(rng *rand.Rand) *inode {
	if f.folder {
		return &inode{folder: true}
	}
	low, high := min(f.length, len(f.data)), max(f.length, len(f.data))
	how := mood(rng.IntN(int(moods)))
	size := [...]int{len(f.data), f.length, low + rng.IntN(high-low+1)}[how]
	if size == len(f.data) && len(f.dirty)+len(f.lost) == 0 {
		f.shared = true
		return &inode{data: f.data, shared: true, length: size}
	}
	b := make([]byte, size)
	copy(b, f.data)
	unsynced := slices.Sorted(maps.Keys(f.dirty))
	for s := range f.lost {
		unsynced = append(unsynced, s)
	}
	slices.Sort(unsynced)
	for _, s := range unsynced {
		if s*Sector >= size {
			break
		}
		old := f.dirty[s]
		if old == nil {
			old = f.lost[s]
		}
		if part := b[s*Sector : min((s+1)*Sector, size)]; how == gone {
			copy(part, old[:])
		} else if how == mixed {
			tear(part, old[:], rng)
		}
	}
	return &inode{data: b, length: size}
}

// tear makes of a sector as written what is left of it. Bytes that the write did not
// change stay: a disk that loses what lies beside a write would lose every log.
func tear(part, old []byte, rng *rand.Rand) {
	how := rng.IntN(8)
	if how < 3 {
		return
	}
	stop := 0 // where the write has stopped
	if how == 5 {
		stop = rng.IntN(len(part) + 1)
	}
	for i := stop; i < len(part); i++ {
		switch {
		case part[i] == old[i]:
		case how < 6:
			part[i] = old[i]
		case how == 6:
			part[i] = 0
		default:
			part[i] = byte(rng.Uint32())
		}
	}
}

// Clone is the same disk, synced or not as it is and locked as it is, without fault
// and with nothing counted.
func (d *Disk) Clone() *Disk {
	copies := map[*inode]*inode{nil: nil}
	file := func(old *inode) *inode {
		if copies[old] == nil && old != nil {
			copies[old] = old.clone()
		}
		return copies[old]
	}
	c := &Disk{Lies: d.Lies, names: map[string]*inode{}, durable: map[string]*inode{}, locked: maps.Clone(d.locked)}
	for name, old := range d.names {
		c.names[name] = file(old)
	}
	for name, old := range d.durable {
		c.durable[name] = file(old)
	}
	for _, op := range d.pending {
		c.pending = append(c.pending, change{op.name, op.gone, file(op.file)})
	}
	return c
}

// clone shares the data, until one of the two changes them, and the kept sectors,
// which nobody changes.
func (f *inode) clone() *inode {
	f.shared = true
	return &inode{f.folder, f.data, true, f.length, maps.Clone(f.dirty), maps.Clone(f.lost)}
}
