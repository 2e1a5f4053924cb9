package simdisk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func must(t interface {
	Helper()
	Fatal(...any)
}, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// written is a disk with a file that was synced as "old" over n bytes, and then
// overwritten by "new" ones.
func written(t *testing.T, n int, grow int) (*Disk, *File) {
	t.Helper()
	d := new(Disk)
	f, err := d.Create("f")
	must(t, err)
	_, err = f.WriteAt(bytes.Repeat([]byte{'o'}, n), 0)
	must(t, err, f.Sync(), d.SyncDir("."))
	_, err = f.WriteAt(bytes.Repeat([]byte{'n'}, n+grow), 0)
	must(t, err)
	return d, f
}

// What a loss of power leaves of one unsynced file is everything it may leave, over
// the seeds, and nothing else.
func TestUnsyncedSectors(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(2000) {
		d, _ := written(t, 2*Sector, 0)
		b := d.Restart(rand.New(rand.NewPCG(seed, 1))).Bytes("f")
		if len(b) != 2*Sector {
			t.Fatalf("seed %d: %d bytes, want %d: the length was synced", seed, len(b), 2*Sector)
		}
		for s := range 2 {
			part := b[s*Sector : (s+1)*Sector]
			old, fresh, zero := bytes.Count(part, []byte("o")), bytes.Count(part, []byte("n")), bytes.Count(part, []byte{0})
			switch {
			case old == Sector:
				seen["old"]++
			case fresh == Sector:
				seen["new"]++
			case zero == Sector:
				seen["zero"]++
			case old+fresh == Sector && bytes.HasPrefix(part, bytes.Repeat([]byte("n"), fresh)):
				seen["torn"]++
			default:
				seen["garbage"]++
			}
		}
	}
	for _, what := range []string{"old", "new", "zero", "torn", "garbage"} {
		if seen[what] < 50 {
			t.Errorf("%d of 4000 sectors are %s: %v", seen[what], what, seen)
		}
	}
}

func TestUnsyncedLength(t *testing.T) {
	sizes := map[int]bool{}
	for seed := range uint64(2000) {
		d, _ := written(t, Sector, 40)
		sizes[len(d.Restart(rand.New(rand.NewPCG(seed, 1))).Bytes("f"))] = true
	}
	for n := range 41 {
		if !sizes[Sector+n] {
			t.Errorf("the file never had %d bytes", Sector+n)
		}
		delete(sizes, Sector+n)
	}
	if len(sizes) > 0 {
		t.Errorf("and it had %v", sizes)
	}
}

// A sync that failed is not made good by the next.
func TestFailedSyncIsFinal(t *testing.T) {
	lost := 0
	for seed := range uint64(100) {
		d, f := written(t, Sector, 0)
		eio := errors.New("eio")
		d.Fault = FailAt(d.Ops(), eio)
		if err := f.Sync(); err != eio {
			t.Fatal(err)
		}
		must(t, f.Sync())
		if b := d.Restart(rand.New(rand.NewPCG(seed, 1))).Bytes("f"); b[0] != 'n' {
			lost++
		}
		_, err := f.WriteAt([]byte("m"), 0) // written again, the next sync reaches it
		must(t, err, f.Sync())
		if b := d.Restart(rand.New(rand.NewPCG(seed, 1))).Bytes("f"); b[0] != 'm' || b[Sector-1] != 'n' {
			t.Fatalf("seed %d: %q after a write and a sync", seed, b)
		}
	}
	if lost < 20 {
		t.Errorf("after a failed sync and a good one, %d of 100 were lost", lost)
	}
}

// Names whose folder was not synced come, go, or both; a file of a lost folder is
// lost; a rename keeps a name of the two.
func TestUnsyncedNames(t *testing.T) {
	outcomes := map[string]int{}
	for seed := range uint64(500) {
		d := new(Disk)
		_, err := d.Create("kept")
		must(t, err, d.SyncDir("."))
		_, err = d.Create("temp")
		must(t, err, d.Rename("temp", "named"), d.Remove("kept"), d.Mkdir("dir"))
		_, err = d.Create("dir/file")
		must(t, err, d.SyncDir("dir"))
		after := d.Restart(rand.New(rand.NewPCG(seed, 1)))
		outcomes[fmt.Sprint(after.Names())]++
		if slices.Contains(after.Names(), "dir/file") != (after.names["dir"] != nil) {
			t.Fatalf("seed %d: a file without its folder: %v", seed, after.Names())
		}
	}
	for _, want := range []string{"[dir/file named]", "[kept]", "[kept named]", "[]", "[kept temp]", "[dir/file]"} {
		if outcomes[want] == 0 {
			t.Errorf("never %s: %v", want, outcomes)
		}
	}
	for what := range outcomes {
		if what == "[dir/file named temp]" || what == "[named temp]" {
			t.Errorf("a rename left both names: %v", outcomes)
		}
	}
}

// The same calls and the same seed leave the same bytes, a clone's as well, and
// what was synced is always there.
func TestRestartAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := new(Disk)
		f, err := d.Create("f")
		must(t, err, d.SyncDir("."))
		var now, synced []byte
		for range rapid.IntRange(0, 12).Draw(t, "operations") {
			switch rapid.IntRange(0, 4).Draw(t, "operation") {
			case 0:
				must(t, f.Sync())
				synced = bytes.Clone(now)
			case 1:
				n := rapid.IntRange(0, 3*Sector).Draw(t, "size")
				must(t, f.Truncate(int64(n)))
				now = append(now[:min(n, len(now))], make([]byte, max(0, n-len(now)))...)
			default:
				p := bytes.Repeat([]byte{byte(rapid.IntRange(1, 255).Draw(t, "byte"))}, rapid.IntRange(0, Sector+9).Draw(t, "length"))
				at := rapid.IntRange(0, 2*Sector).Draw(t, "offset")
				_, err := f.WriteAt(p, int64(at))
				must(t, err)
				if len(p) > 0 {
					now = append(now, make([]byte, max(0, at+len(p)-len(now)))...)
					copy(now[at:], p)
				}
			}
			if !bytes.Equal(d.Bytes("f"), now) {
				t.Fatalf("the file reads otherwise than written")
			}
		}
		seed := rapid.Uint64().Draw(t, "seed")
		restart := func(d *Disk) []byte { return d.Restart(rand.New(rand.NewPCG(seed, 2))).Bytes("f") }
		after := restart(d)
		if !bytes.Equal(after, restart(d)) || !bytes.Equal(after, restart(d.Clone())) {
			t.Fatalf("the same seed, another outcome")
		}
		if lo, hi := min(len(now), len(synced)), max(len(now), len(synced)); len(after) < lo || len(after) > hi {
			t.Fatalf("%d bytes left, want %d to %d", len(after), lo, hi)
		}
		if bytes.Equal(now, synced) && !bytes.Equal(after, now) {
			t.Fatalf("synced, and not there")
		}
		must(t, f.Sync())
		if !bytes.Equal(restart(d), now) {
			t.Fatalf("synced in the end, and not there")
		}
	})
}

func TestFaults(t *testing.T) {
	d, f := written(t, 4, 0)
	var ops []Op
	d.Fault = Record(&ops)
	from := d.Ops()
	_, err := f.WriteAt([]byte("abcd"), 0)
	must(t, err, f.Sync(), f.Close())
	if fmt.Sprint(ops) != fmt.Sprintf("[%d write f %d sync f %d close f]", from, from+1, from+2) {
		t.Errorf("recorded %v", ops)
	}
	d.Fault = FailAt(d.Ops(), ErrShort)
	if n, err := f.WriteAt([]byte("efgh"), 0); n != 2 || err != io.ErrShortWrite || string(d.Bytes("f")) != "efcd" {
		t.Errorf("a short write: %d, %v, %q", n, err, d.Bytes("f"))
	}
	d.Fault = FailAt(d.Ops(), ErrShort)
	if n, err := f.Write([]byte("xy")); n != 1 || err != nil || string(d.Bytes("f")) != "xfcd" {
		t.Errorf("a short write that keeps quiet: %d, %v, %q", n, err, d.Bytes("f"))
	}
	d.Fault = FailAt(d.Ops(), ErrShort)
	if n, err := f.ReadAt(make([]byte, 4), 0); n != 2 || err != io.EOF {
		t.Errorf("a short read: %d, %v", n, err)
	}
	d.Fault = CutAt(d.Ops())
	if n, err := f.WriteAt([]byte("ijkl"), 0); n != 0 || err != ErrPower || string(d.Bytes("f")) != "xfcd" {
		t.Errorf("a write without power: %d, %v, %q", n, err, d.Bytes("f"))
	}
	if err := f.Sync(); err != ErrPower {
		t.Errorf("a sync without power: %v", err)
	}
}

func TestMissingAndLocked(t *testing.T) {
	d := new(Disk)
	_, opened := d.Open("f")
	for _, err := range []error{opened, d.Rename("f", "g"), d.Remove("f"), d.List("dir", nil)} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v, want %v", err, fs.ErrNotExist)
		}
	}
	must(t, d.Mkdir("dir"))
	if err := d.Mkdir("dir"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v, want %v", err, fs.ErrExist)
	}
	d.Put("f", []byte("x"))
	f, err := d.Open("f")
	must(t, err)
	if _, err := f.Write([]byte("y")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v, want %v", err, fs.ErrPermission)
	}
	l, err := d.Lock("lock")
	must(t, err)
	if _, err := d.Lock("lock"); !errors.Is(err, ErrLocked) {
		t.Errorf("%v, want %v", err, ErrLocked)
	}
	must(t, l.Close())
	edited, err := d.Edit("f")
	must(t, err)
	_, err = edited.WriteAt([]byte("y"), 1)
	must(t, err)
	absent, err := d.Edit("g")
	must(t, err)
	_, err = absent.WriteAt([]byte("z"), 0)
	must(t, err)
	if string(d.Bytes("f")) != "xy" || string(d.Bytes("g")) != "z" {
		t.Errorf("edited: %q and %q", d.Bytes("f"), d.Bytes("g"))
	}
	_, err = d.Lock("lock")
	must(t, err)
	if _, err := d.Restart(rand.New(rand.NewPCG(1, 1))).Lock("lock"); err != nil {
		t.Errorf("locked after a restart: %v", err)
	}
}
