package oracle

import "testing"

// BenchmarkStream is what one comparison stream of about 200 events costs.
func BenchmarkStream(b *testing.B) {
	s := newStream(5)
	lines := s.setup()
	for range 200 {
		lines = append(lines, s.next())
	}
	for b.Loop() {
		e := New()
		for _, line := range lines {
			if _, err := e.Apply([]byte(line)); err != nil {
				b.Fatal(err)
			}
		}
		if len(e.State()) == 0 {
			b.Fatal("an empty state after a stream with accounts")
		}
	}
}
