package adl_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/backstop-fund/backstop/core/adl"
	"github.com/backstop-fund/backstop/core/event"
	"pgregory.net/rapid"
)

// orderTwin is a full sort by Compare.
func orderTwin(kind event.Score, members []adl.Member) []int32 {
	order := make([]int32, len(members))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(i, j int32) int { return adl.Compare(kind, &members[i], &members[j]) })
	return order
}

// Order is a full sort, however close the scores are: half of the members are a step
// of one input away from another, or share its score.
func orderAgainstSort(t *rapid.T) {
	var members []adl.Member
	for range rapid.IntRange(0, 40).Draw(t, "members") {
		m := anyMember(t)
		if n := len(members); n > 0 && rapid.Bool().Draw(t, "close") {
			m = neighbour(t, members[rapid.IntRange(0, n-1).Draw(t, "to")])
		}
		m.Account = event.AccountID(len(members) * 7 % 41) // no two are the same
		members = append(members, m)
	}
	var r adl.Ranker
	for _, kind := range kinds {
		if got, want := r.Order(kind, members), orderTwin(kind, members); !slices.Equal(got, want) {
			t.Fatalf("%v: Order = %v, want %v\n%+v", kind, got, want, members)
		}
	}
}

func TestOrderAgainstSort(t *testing.T) { rapid.Check(t, orderAgainstSort) }
func FuzzOrder(f *testing.F)            { f.Fuzz(rapid.MakeFuzz(orderAgainstSort)) }

// What codes say is right, and they say something of most pairs.
func TestCodes(t *testing.T) {
	said, pairs := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		a := anyMember(t)
		b := anyMember(t)
		if rapid.Bool().Draw(t, "close") {
			b = neighbour(t, a)
		}
		for _, kind := range kinds {
			x, y := adl.Code(kind, &a), adl.Code(kind, &b)
			pairs++
			if d := y - x; d >= adl.Apart || d <= -adl.Apart {
				said++
				if got, want := cmp.Compare(d, 0), compareTwin(kind, &a, &b); got != want {
					t.Fatalf("%v: codes %x and %x say %d, fractions %d\n%+v\n%+v", kind, x, y, got, want, a, b)
				}
			}
		}
	})
	if said < pairs/3 || said == pairs {
		t.Errorf("codes told %d of %d pairs: the draws are not what the test is for", said, pairs)
	}
}
