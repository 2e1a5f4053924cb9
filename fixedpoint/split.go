package fixedpoint

import (
	"math/bits"
	"slices"
)

// SplitScratch is what [Split] works in. The zero value is ready, grows to the
// largest split it has seen and is good for any number of them, one at a time.
type SplitScratch struct {
	rem   [][4]uint64 // what each floored share left over, unsigned, all shifted alike
	order []int32     // the parties with something left over
}

// Grow makes room for a split among n parties, so that none of that size or
// smaller allocates.
func (s *SplitScratch) Grow(n int) {
	s.rem = slices.Grow(s.rem[:0], n)
	s.order = slices.Grow(s.order[:0], n)
}

// Split divides total among parties in proportion to weights, by largest
// remainder, into out: every share is floored in magnitude, and the units that
// leaves, fewer than there are parties, go one each to the largest remainders,
// ties to the lower index. The shares add up to total and have its sign; a
// weight of 0 gets 0. All of it is exact.
//
// It takes one division per party and, to find the largest remainders, time
// linear in the parties on average and n log n at worst. With a scratch that
// has room it does not allocate; a nil scratch is made for the call.
//
// Requires: as many outs as weights, no weight below 0, and a sum of weights
// above 0 and below 2^255; it panics otherwise.
func Split(total int64, weights []Int256, out []int64, scratch *SplitScratch) {
	if len(out) != len(weights) {
		panic("fixedpoint: Split wants as many outs as weights")
	}
	if scratch == nil {
		scratch = new(SplitScratch)
	}
	scratch.Grow(len(weights))
	units := scratch.floors(magnitude(total), weights, out)
	scratch.selectLargest(units)
	for _, i := range scratch.order[:units] {
		out[i]++
	}
	if total < 0 {
		for i := range out {
			out[i] = -out[i]
		}
	}
}

// floors writes the floored shares and notes what they leave over. It returns
// the units that are missing to total, which are fewer than there are parties
// with something left over: each is short by less than one.
func (s *SplitScratch) floors(total uint64, weights []Int256, out []int64) (units uint64) {
	sum := sumWeights(weights).Words()
	n := limbs(&sum)
	shift := uint(bits.LeadingZeros64(sum[n-1]))
	shiftLeft(sum[:n], shift)

	s.rem, s.order = s.rem[:len(weights)], s.order[:0]
	units = total
	for i := range weights {
		w := weights[i].Words()
		// As w <= sum, shifted it still fits n limbs, and the share fits one.
		shiftLeft(w[:n], shift)
		var scaled [len(w) + 1]uint64
		scaled[n] = addMul(scaled[:n], w[:n], total)
		share := divideStep(scaled[:n+1], sum[:n])
		s.rem[i] = [4]uint64(scaled[:4])
		if !isZero(s.rem[i][:]) {
			s.order = append(s.order, int32(i))
		}
		out[i] = int64(share)
		units -= share
	}
	return units
}

// sumWeights adds them up and panics where [Split] says so.
func sumWeights(weights []Int256) (sum Int256) {
	for i := range weights {
		if weights[i].Sign() < 0 {
			panic("fixedpoint: Split wants no weight below 0")
		}
		sum = sum.Add(weights[i])
		if sum.Sign() < 0 {
			panic("fixedpoint: Split wants weights that add up to less than 2^255")
		}
	}
	if sum.IsZero() {
		panic("fixedpoint: Split wants weights that add up to more than 0")
	}
	return sum
}

// smallSelection is the number of candidates that sorting handles as fast as
// narrowing further; package slices sorts by insertion up to here.
const smallSelection = 12

// selectLargest brings the k parties that come first to the front of order, in
// no particular sequence. It is quickselect, which gives up and sorts once it
// has had twice the rounds a lucky one takes.
func (s *SplitScratch) selectLargest(k uint64) {
	order, want := s.order, int(k)
	for rounds := 2 * bits.Len(uint(len(order))); rounds > 0; rounds-- {
		if want == 0 || want == len(order) || len(order) <= smallSelection {
			break
		}
		switch at := s.partition(order); {
		case want <= at:
			order = order[:at]
		default:
			order, want = order[at+1:], want-at-1
		}
	}
	if want > 0 && want < len(order) {
		slices.SortFunc(order, s.rank)
	}
}

// partition moves the median of three to its place and returns that: whatever
// comes before it stands before it.
func (s *SplitScratch) partition(order []int32) int {
	last := len(order) - 1
	mid := last / 2
	if s.rank(order[mid], order[0]) < 0 {
		order[mid], order[0] = order[0], order[mid]
	}
	if s.rank(order[last], order[0]) < 0 {
		order[last], order[0] = order[0], order[last]
	}
	if s.rank(order[mid], order[last]) < 0 {
		order[mid], order[last] = order[last], order[mid]
	}
	pivot, at := order[last], 0
	for i, candidate := range order[:last] {
		if s.rank(candidate, pivot) < 0 {
			order[i], order[at] = order[at], candidate
			at++
		}
	}
	order[last], order[at] = order[at], pivot
	return at
}

// rank puts the larger remainder first, then the lower index. No two parties
// are equal, so the selection is the same whatever way it is found.
func (s *SplitScratch) rank(i, j int32) int {
	if c := compare(s.rem[j][:], s.rem[i][:]); c != 0 {
		return c
	}
	return int(i - j)
}
