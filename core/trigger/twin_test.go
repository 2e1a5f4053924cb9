package trigger

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/backstop-fund/backstop/fixedpoint"
)

// price draws what a trigger or a mark may be, close to others and far from them.
func drawPrice(t *rapid.T, label string) fixedpoint.Price {
	p := rapid.Int64Range(1, 40).Draw(t, label) << rapid.IntRange(0, 57).Draw(t, label+" shift")
	p += rapid.Int64Range(-2, 2).Draw(t, label+" step")
	return fixedpoint.Price(min(max(p, 1), math.MaxInt64))
}

// The dumb twin keeps every trigger in a map and looks at all of them. It knows the
// codes: how far the index may round is the subject of TestRounding.
func TestIndexAgainstScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const positions, contracts = 30, 2
		type entry struct {
			contract int32
			side     Side
			key      int32
		}
		x, twin := New(positions, contracts), map[int32]entry{}
		fired := func(what string, got []int32, is func(entry) bool) {
			var want []int32
			for at, e := range twin {
				if is(e) {
					want = append(want, at)
					e.key = idle
					twin[at] = e
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("%s gave %v, want %v", what, got, want)
			}
		}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			at := rapid.Int32Range(0, positions-1).Draw(t, "at")
			contract, side := rapid.Int32Range(0, contracts-1).Draw(t, "contract"), Side(rapid.IntRange(0, 1).Draw(t, "side"))
			e, there := twin[at]
			if !there {
				x.Add(contract, side, at)
				twin[at] = entry{contract, side, idle}
				continue
			}
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				x.Remove(e.contract, e.side, at)
				delete(twin, at)
				continue
			case 1:
				x.Rush(e.contract, e.side, at)
				e.key = eager
			case 2:
				x.Wait(e.contract, e.side, at)
				e.key = waiting
			case 3:
				x.Rest(e.contract, e.side, at)
				e.key = idle
			case 4:
				x.Arm(e.contract, e.side, at, 0)
				e.key = 0
			case 5, 6:
				p := drawPrice(t, "trigger")
				x.Arm(e.contract, e.side, at, p)
				e.key = e.side.key(p)
			case 7:
				fired("Release", x.Release(contract, side, nil), func(o entry) bool {
					return o.contract == contract && o.side == side && o.key == waiting
				})
				continue
			default:
				p := drawPrice(t, "mark")
				fired("Cross", x.Cross(contract, side, p, nil), func(o entry) bool {
					return o.contract == contract && o.side == side && o.key >= side.mark(p)
				})
				continue
			}
			twin[at] = e
			place := Armed
			switch e.key {
			case idle:
				place = Idle
			case waiting:
				place = Waiting
			case eager:
				place = Eager
			}
			if got := x.At(at); got != place {
				t.Fatalf("At(%d) = %v, want %v", at, got, place)
			}
		}
		for c := range int32(contracts) {
			for s := Below; s <= Above; s++ {
				var got, want []int32
				x.Each(c, s, func(at int32) bool { got = append(got, at); return true })
				for at, e := range twin {
					if e.contract == c && e.side == s {
						want = append(want, at)
					}
				}
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) || x.Len(c, s) != len(want) {
					t.Fatalf("holders of %d %d: %v and Len %d, want %v", c, s, got, x.Len(c, s), want)
				}
			}
		}
	})
}

// A trigger fires at its price and beyond, early by at most a part in 2^23, and
// Bound is not reached before.
func TestRounding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trigger, side := drawPrice(t, "trigger"), Side(rapid.IntRange(0, 1).Draw(t, "side"))
		x := New(1, 1)
		x.Add(0, side, 0)
		x.Arm(0, side, 0, trigger)
		bound := x.Bound(side, 0)
		mark := drawPrice(t, "mark")
		if rapid.Bool().Draw(t, "near") {
			mark = fixedpoint.Price(min(max(int64(trigger)+rapid.Int64Range(-3, 3).Draw(t, "steps"), 1), math.MaxInt64))
		}
		if rapid.Bool().Draw(t, "at bound") {
			mark = max(bound, 1)
		}
		fires := len(x.Cross(0, side, mark, nil)) > 0
		reached, beyond := mark <= trigger, mark <= bound
		early := mark - trigger
		if side == Above {
			reached, beyond, early = mark >= trigger, mark >= bound, trigger-mark
		}
		switch {
		case reached && !fires:
			t.Fatalf("side %d: trigger %d does not fire at %d", side, trigger, mark)
		case beyond && !fires:
			t.Fatalf("side %d: trigger %d, bound %d, does not fire at %d", side, trigger, bound, mark)
		case fires && !reached && early > max(trigger, mark)>>23:
			t.Fatalf("side %d: trigger %d fires at %d already", side, trigger, mark)
		}
	})
}
