package adl

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Ranker finds the order of members. It keeps scratch space, 16 bytes a member of
// the largest ranking it has seen.
type Ranker struct {
	keys  []key
	order []int32
}

// key stands for a member where its leading bits say enough.
type key struct {
	code int64
	at   int32
}

// Grow makes room for a ranking of n members, so that none of that size or smaller
// allocates.
func (r *Ranker) Grow(n int) {
	r.keys = slices.Grow(r.keys[:0], n)
	r.order = slices.Grow(r.order[:0], n)
}

// Order returns the indexes of members in the order of [Compare], until the next
// call. Each score is worked out once, to its leading bits; only where two are as
// good as equal in them, Compare decides.
func (r *Ranker) Order(kind event.Score, members []Member) []int32 {
	r.Grow(len(members))
	for i := range members {
		r.keys = append(r.keys, key{members[i].code(kind), int32(i)})
	}
	slices.SortFunc(r.keys, func(a, b key) int {
		switch d := b.code - a.code; {
		case d >= apart, d <= -apart:
			return cmp.Compare(d, 0)
		case a.code == b.code && a.code&^profit == 0: // both scores are 0
			return members[a.at].compareTie(&members[b.at])
		}
		return Compare(kind, &members[a.at], &members[b.at])
	})
	for i := range r.keys {
		r.order = append(r.order, r.keys[i].at)
	}
	return r.order
}

// A code is the score as exponent and leading bits, below 2^60 in magnitude, with
// profit on top of it: it rises with the score, and codes that far apart tell which
// of two is higher. What cutting loses is less than one step of a code.
const (
	profit   = 1 << 61
	codeBits = 48
	codeBias = 1 << 10 // exponents of a quotient of 381 bits by 381 are within
	apart    = 2
)

func (m *Member) code(kind event.Score) int64 {
	f := score(kind, &m.Inputs)
	code := int64(0)
	if sign := f.sign(); sign != 0 {
		l := leading(&f.num).over(leading(&f.den))
		code = int64(sign) * (int64(l.exp+codeBias)<<codeBits | int64(l.top<<1>>(64-codeBits)))
	}
	if m.InProfit {
		code += profit
	}
	return code
}

// lead is a magnitude by its leading bits, top x 2^exp with the highest bit of top
// set, right to a part in 2^58: each of 13 cuts loses less than one in 2^62.
type lead struct {
	top uint64
	exp int
}

// leading returns a product of factors other than 0, cut.
func leading(f *[3]fixedpoint.Int128) lead {
	m := lead{top: 1 << 63, exp: -63}
	for i := range f {
		m.times(f[i])
	}
	return m
}

func (m *lead) times(v fixedpoint.Int128) {
	v = v.Abs()
	hi, lo := uint64(v.Hi), v.Lo
	if hi == 0 {
		hi, lo = lo, 0
		m.exp -= 64
	}
	shift := bits.LeadingZeros64(hi)
	top, rest := bits.Mul64(m.top, hi<<shift|lo>>(64-shift))
	m.exp += 128 - shift
	if top < 1<<63 {
		top = top<<1 | rest>>63
		m.exp--
	}
	m.top = top
}

// over returns the quotient of two products, cut.
func (m lead) over(n lead) lead {
	// m.top/2 < n.top, so the quotient fits; it is more than 2^62.
	q, _ := bits.Div64(m.top>>1, m.top<<63, n.top)
	l := lead{top: q, exp: m.exp - n.exp - 63}
	if q < 1<<63 {
		l.top <<= 1
		l.exp--
	}
	return l
}
