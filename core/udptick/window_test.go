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
			jump := rapid.SampledFrom([]int{1, 2, 70, windowReach - 1, windowReach, windowReach + 1}).Draw(t, "jump")
			if room := int(min(1<<64-1-next, 1<<20)); jump >= room {
				continue
			}
			back := rapid.SampledFrom([]int{1, 2, 63, 64, 65, windowReach - 1, windowReach, windowReach + 1}).Draw(t, "back")
			seq := next - min(uint64(rapid.IntRange(0, back).Draw(t, "at")), next)
			if rapid.Bool().Draw(t, "forward") {
				seq = next + uint64(rapid.IntRange(0, jump).Draw(t, "at"))
			}
			w.skip(seq)
			next = max(next, seq)
			want := !arrived[seq] && seq >= first && next-seq <= windowReach
			if got := w.take(seq); got != want {
				t.Fatalf("take(%d) with next %d: %v, want %v", seq, next, got, want)
			}
			arrived[seq] = true
			if seq == next {
				next++
			}
		}
	})
}
