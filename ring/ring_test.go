package ring

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mustNew[T any](t testing.TB, c Config) *Ring[T] {
	t.Helper()
	r, err := New[T](c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustProcessor[T any](t testing.TB, r *Ring[T], h Handler[T], after ...*Processor[T]) *Processor[T] {
	t.Helper()
	p, err := r.NewProcessor(h, after...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// within fails the test if f hangs, which is how a lost wake-up shows. It waits
// long enough for a starved machine.
func within(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		panic("hangs: see the goroutines below for who waits for whom")
	}
}

func panicOf(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

func TestNewRefuses(t *testing.T) {
	type nested struct {
		Count int64
		Legs  [2]struct{ Name string }
	}
	newOf := func(c Config) error { _, err := New[int64](c); return err }
	for _, row := range []struct {
		name string
		err  error
		want string
	}{
		{"size 0", newOf(Config{}), "size 0: want a power of two"},
		{"size below 0", newOf(Config{Size: -8}), "size -8"},
		{"size one below a power", newOf(Config{Size: 7}), "size 7"},
		{"size beyond the bound", newOf(Config{Size: MaxSize + 1}), "size 1073741825"},
		{"unknown mode", newOf(Config{Size: 8, Producers: 2}), "producers Mode(2)"},
		{"unknown strategy", newOf(Config{Size: 8, Wait: 3}), "wait strategy WaitStrategy(3)"},
		{"empty record", func() error { _, err := New[struct{}](Config{Size: 8}); return err }(), "is empty"},
		{"pointer", func() error { _, err := New[*int](Config{Size: 8}); return err }(), "(*int)"},
		{"pointer deep down", func() error { _, err := New[nested](Config{Size: 8}); return err }(), ".Legs[0].Name (string)"},
	} {
		if !errors.Is(row.err, ErrConfig) || !strings.Contains(row.err.Error(), row.want) {
			t.Errorf("%s: error %v, want ErrConfig with %q", row.name, row.err, row.want)
		}
	}
	if _, err := New[struct {
		Count int64
		None  [0]*int
	}](Config{Size: 1}); err != nil {
		t.Errorf("an array of no pointers was refused: %v", err)
	}
}

func TestProcessorsComeFirst(t *testing.T) {
	r, other := mustNew[int64](t, Config{Size: 4}), mustNew[int64](t, Config{Size: 4})
	p := r.Producer()
	if _, err := p.Claim(1); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "without a processor") {
		t.Errorf("claim without a processor: %v", err)
	}
	if _, err := r.NewProcessor(nil, mustProcessor(t, other, nil)); !errors.Is(err, ErrConfig) {
		t.Errorf("dependency of another ring: %v", err)
	}
	if _, err := r.NewProcessor(nil, nil); !errors.Is(err, ErrConfig) {
		t.Errorf("nil dependency: %v", err)
	}
	c := mustProcessor(t, r, nil)
	if _, err := p.Claim(1); err != nil {
		t.Fatal(err)
	}
	if _, err := r.NewProcessor(nil, c); !errors.Is(err, ErrConfig) {
		t.Errorf("processor after the first claim: %v", err)
	}
	if err := c.Run(); !errors.Is(err, ErrConfig) {
		t.Errorf("Run without a handler: %v", err)
	}
	if _, err := c.Poll(); !errors.Is(err, ErrConfig) {
		t.Errorf("Poll without a handler: %v", err)
	}
	if v := panicOf(func() { r.Producer() }); v == nil {
		t.Error("a SingleProducer ring gave out a second Producer")
	}
}

func TestFullRing(t *testing.T) {
	for _, mode := range []Mode{SingleProducer, MultiProducer} {
		r := mustNew[int64](t, Config{Size: 4, Producers: mode})
		c, p := mustProcessor(t, r, nil), r.Producer()
		for i := range 2 {
			lo, err := p.TryClaim(2)
			if err != nil || lo != Sequence(2*i) {
				t.Fatalf("%v: claim %d: %d, %v", mode, i, lo, err)
			}
			p.Publish(lo, 2)
		}
		for range 3 {
			if _, err := p.TryClaim(1); err != ErrFull {
				t.Fatalf("%v: claim of a full ring: %v", mode, err)
			}
		}
		if got, want := r.Stats(), (Stats{Capacity: 4, Cursor: 4}); got != want {
			t.Errorf("%v: stats when full: %+v, want %+v", mode, got, want)
		}
		if lo, hi, err := c.TryNext(); lo != 0 || hi != 4 || err != nil {
			t.Fatalf("%v: read [%d, %d) %v", mode, lo, hi, err)
		}
		c.Release(1)
		if _, err := p.TryClaim(2); err != ErrFull {
			t.Errorf("%v: claim of 2 with room for 1: %v", mode, err)
		}
		if lo, err := p.TryClaim(1); lo != 4 || err != nil {
			t.Errorf("%v: claim after a release: %d, %v: refused claims must reserve nothing", mode, lo, err)
		}
		for _, n := range []int{math.MinInt, -1, 0, 5, math.MaxInt} {
			if _, err := p.Claim(n); !errors.Is(err, ErrClaim) {
				t.Errorf("%v: claim of %d: %v", mode, n, err)
			}
		}
	}
}

func TestMisuseIsFoundBeforeItHarms(t *testing.T) {
	for _, c := range []Config{
		{Producers: SingleProducer, Wait: Yield},
		{Producers: MultiProducer, Wait: Yield},
		{Producers: SingleProducer, Wait: Park},
		{Producers: MultiProducer, Wait: Park},
	} {
		c.Size = 8
		mode := c.Producers
		r := mustNew[int64](t, c)
		c, p := mustProcessor(t, r, nil), r.Producer()
		lo, err := p.Claim(4)
		if err != nil {
			t.Fatal(err)
		}
		p.Publish(lo, 1)
		for _, row := range []struct {
			name string
			f    func()
		}{
			{"publish twice", func() { p.Publish(lo, 1) }},
			{"publish beyond the claim", func() { p.Publish(lo+1, 4) }},
			{"publish before the first", func() { p.Publish(-1, 1) }},
			{"publish beyond all", func() { p.Publish(closedAt, 1) }},
			{"publish of a wrapped range", func() { p.Publish(math.MaxInt64, 4) }},
			{"publish of nothing", func() { p.Publish(lo+1, 0) }},
			{"publish of less", func() { p.Publish(lo+1, -1) }},
			{"abandon what is published", func() { p.Abandon(lo, 1) }},
			{"abandon beyond the claim", func() { p.Abandon(lo+1, 4) }},
			{"release of the unread", func() { c.Release(1) }},
			{"release backwards", func() { c.Release(-1) }},
		} {
			if v, ok := panicOf(row.f).(string); !ok || !strings.HasPrefix(v, "ring: ") {
				t.Errorf("%v: %s: panic %q, want one of the ring's", mode, row.name, v)
			}
		}
		if mode == SingleProducer {
			if v := panicOf(func() { p.Publish(lo+2, 1) }); v != "ring: publish from sequence 2: 1 is next" {
				t.Errorf("publish out of order: %v", v)
			}
		}
		p.Publish(lo+1, 3)
		if lo, hi, err := c.TryNext(); lo != 0 || hi != 4 || err != nil {
			t.Errorf("%v: after refused calls: [%d, %d) %v, want [0, 4)", mode, lo, hi, err)
		}
	}
}

func TestSharedWordsAreApart(t *testing.T) {
	var r Ring[int64]
	var p Processor[int64]
	words := map[string]uintptr{
		"voidEnd": unsafe.Offsetof(r.voidEnd),
		"cursor":  unsafe.Offsetof(r.cursor) + unsafe.Offsetof(r.cursor.at),
		"claimed": unsafe.Offsetof(r.claimed) + unsafe.Offsetof(r.claimed.at),
		"readers": unsafe.Offsetof(r.readers) + unsafe.Offsetof(r.readers.sleepers),
		"writers": unsafe.Offsetof(r.writers) + unsafe.Offsetof(r.writers.sleepers),
	}
	for a, i := range words {
		for b, j := range words {
			if a < b && max(i, j)-min(i, j) < padBytes {
				t.Errorf("%s and %s are %d bytes apart, want %d", a, b, max(i, j)-min(i, j), padBytes)
			}
		}
	}
	at := unsafe.Offsetof(p.released) + unsafe.Offsetof(p.released.at)
	if at-unsafe.Offsetof(p.running) < padBytes-8 || unsafe.Sizeof(p)-at < padBytes {
		t.Errorf("released at %d of %d: too near its neighbours", at, unsafe.Sizeof(p))
	}
}

func TestHotPathAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, mode := range []Mode{SingleProducer, MultiProducer} {
		for _, wait := range []WaitStrategy{Park, Yield, Spin} {
			r := mustNew[rec64](t, Config{Size: 16, Producers: mode, Wait: wait})
			sum := int64(0)
			a := mustProcessor(t, r, HandlerFunc[rec64](func(rec *rec64, _ Sequence, _ bool) { sum += rec.a[0] }))
			b := mustProcessor(t, r, nil, a)
			p := r.Producer()
			allocs := testing.AllocsPerRun(200, func() {
				lo, err := p.Claim(3)
				if err != nil {
					t.Fatal(err)
				}
				p.At(lo).a[0], p.At(lo + 2).a[0] = 1, 2
				p.Publish(lo, 1)
				p.Abandon(lo+1, 1)
				p.Publish(lo+2, 1)
				if _, err := p.TryClaim(16); err != ErrFull {
					t.Fatal(err)
				}
				if n, err := a.Poll(); n != 2 || err != nil {
					t.Fatal(n, err)
				}
				for range 2 {
					_, hi, err := b.Next()
					if err != nil {
						t.Fatal(err)
					}
					b.Release(hi)
				}
				if s := r.Stats(); s.Closed {
					t.Fatal(s)
				}
			})
			if allocs != 0 {
				t.Errorf("%v, %v: %v allocations a round", mode, wait, allocs)
			}
		}
	}
}
