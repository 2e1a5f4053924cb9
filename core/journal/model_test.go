package journal

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// model is what a journal must be: a list of events, how many of them are
// written and how many durable.
type model struct {
	s                 *story
	o                 Options
	disk              *memFS
	appended, written uint64
	durable           uint64
	tails             []*followed
}

// followed is a tail and how far it has come.
type followed struct {
	*Tail
	last uint64
}

// TestModel drives a journal at random beside the model, through restarts and
// changes of segments, with tails that follow in and outside of the process.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		disk := newMemFS()
		m := &model{o: small(disk), disk: disk}
		m.start(t)
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				for range rapid.IntRange(1, 30).Draw(t, "events") {
					p := payload(m.appended + 1)
					b := m.s.Append(len(p))
					if b == nil {
						m.try(t, m.s.Write)
						m.written = m.appended
						b = m.s.Append(len(p))
					}
					copy(b, p)
					m.appended++
				}
			},
			"write": func(t *rapid.T) {
				m.try(t, m.s.Write)
				m.written = m.appended
			},
			"sync": func(t *rapid.T) {
				m.try(t, m.s.Sync)
				m.durable = m.written
			},
			"commit": func(t *rapid.T) {
				m.try(t, m.s.Commit)
				m.written, m.durable = m.appended, m.appended
			},
			"seal": func(t *rapid.T) {
				m.try(t, m.s.Seal)
				m.written, m.durable = m.appended, m.appended
			},
			"prepare": func(t *rapid.T) { m.try(t, m.s.Prepare) },
			"close": func(t *rapid.T) {
				m.try(t, m.s.Close)
				m.written = m.appended
				m.restart(t)
			},
			"kill": func(t *rapid.T) { m.restart(t) },
			"follow": func(t *rapid.T) {
				f, err := Open("dir", Options{FS: disk, ReadOnly: true})
				if err != nil {
					t.Fatal(err)
				}
				var written func() uint64
				if rapid.Bool().Draw(t, "in the process") {
					written = m.s.Written
				}
				from := rapid.Uint64Range(0, m.appended+1).Draw(t, "from")
				tail, err := NewTail(f, from, written)
				if err != nil {
					t.Fatal(err)
				}
				m.tails = append(m.tails, &followed{Tail: tail})
			},
			"": m.check,
		})
	})
}

func (m *model) try(t *rapid.T, f func() error) {
	if err := f(); err != nil {
		t.Fatal(err)
	}
}

// start opens the journal and reads it from the beginning.
func (m *model) start(t *rapid.T) {
	f, err := Open("dir", m.o)
	if err != nil {
		t.Fatal(err)
	}
	w, last, err := recoverAll(f)
	if err != nil || last != m.written {
		t.Fatalf("recovered up to %d, want %d: %v", last, m.written, err)
	}
	m.s = &story{nil, m.disk, f, w}
	m.appended, m.durable = m.written, m.written
}

func (m *model) restart(t *rapid.T) {
	if err := m.s.folder.Close(); err != nil {
		t.Fatal(err)
	}
	// A tail in the process ends with it; one elsewhere goes on.
	m.tails = slices.DeleteFunc(m.tails, func(f *followed) bool { return f.written != nil })
	m.start(t)
}

func (m *model) check(t *rapid.T) {
	// A full segment is synced before the next one begins.
	m.durable = max(m.durable, min(m.s.segment.First-1, m.written))
	if m.s.Appended() != m.appended || m.s.Written() != m.written || m.s.Durable() != m.durable {
		t.Fatalf("appended %d, written %d, durable %d, want %d, %d, %d",
			m.s.Appended(), m.s.Written(), m.s.Durable(), m.appended, m.written, m.durable)
	}
	for _, f := range m.tails {
		for {
			x, err := f.Next()
			if err == ErrAgain {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := check(x, f.last); err != nil {
				t.Fatal(err)
			}
			f.last = max(f.last, x.Last())
		}
		if f.Sequence() != m.written+1 && !(f.file == nil && errors.Is(f.begin(), ErrAgain)) {
			t.Fatalf("a tail waits for %d, %d are written", f.Sequence(), m.written)
		}
	}
}
