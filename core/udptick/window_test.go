package udptick

import (
	"testing"

	"pgregory.net/rapid"
)

// The window says of every sequence what a set of all that ever arrived says.
func TestWindowAgainstSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Near the largest sequence, too: nothing may wrap.
		first := rapid.SampledFrom([]uint64{0, 1, 63, 1 << 40, 1<<64 - 6_000}).Draw(t, "first")
		var w window
		w.start(first)
		next, arrived := first, map[uint64]bool{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			jump := rapid.SampledFrom([]int{1, 2, 70, reach - 1, reach, reach + 1}).Draw(t, "jump")
			if room := int(min(1<<64-1-next, 1<<20)); jump >= room {
				continue
			}
			back := rapid.SampledFrom([]int{1, 2, 63, 64, 65, reach - 1, reach, reach + 1}).Draw(t, "back")
			seq := next - min(uint64(rapid.IntRange(0, back).Draw(t, "at")), next)
			if rapid.Bool().Draw(t, "forward") {
				seq = next + uint64(rapid.IntRange(0, jump).Draw(t, "at"))
			}
			if missing, want := w.skip(seq), max(seq, next)-next; missing != want {
				t.Fatalf("skip to %d from %d: %d missing, want %d", seq, next, missing, want)
			}
			next = max(next, seq)
			want := late
			switch {
			case seq == next:
				want = inOrder
			case seq < first || next-seq > reach:
				want = expired
			case arrived[seq]:
				want = duplicate
			}
			if got := w.take(seq); got != want {
				t.Fatalf("take(%d) with next %d: %d, want %d", seq, next, got, want)
			}
			arrived[seq] = true
			if seq == next {
				next++
			}
		}
	})
}
