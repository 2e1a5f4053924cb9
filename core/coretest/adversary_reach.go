package coretest

import (
	"github.com/backstop-fund/backstop/core/event"
)

// Point is something an adversary means to reach.
type Point uint8

// The points. Those of a price count ticks that were accepted there, unless they say
// otherwise.
const (
	Anywhere      Point = iota
	LastHealthy         // the last price at which an account is healthy: it is left alone
	FirstBreach         // 1e-8 beyond it, in the next event: it is acted on
	GapBreach           // the same price, reached from further away
	Squeezed            // acted on 1e-8 beyond, after marks of other contracts took most of its surplus
	NearCode            // a number of 24 leading bits near such a price, or a step beside it
	BucketBorder        // a number of 13 leading bits, or a step beside it
	OctaveBorder        // a power of two, or a step beside it
	TierEdge            // where a position's notional is a tier's cap, or a step beside it
	LeastPrice          // 1e-8
	MostPrice           // the largest price at which every mark value fits
	BeyondMost          // one step more is refused
	FarJump             // a thousand times the mark, or more, or as much less
	SlowDrift           // one of many small steps through octaves
	SamePrice           // the mark once more
	ExactMargin         // a transfer leaves a surplus below 1e-8: the account is left alone
	BelowMargin         // 1e-8 less, in the next event: it is acted on
	StepAtMargin        // from exactly its margin, a mark 1e-8 worse: it is acted on
	WokenByResume       // a halt ended, and somebody was acted on
	WokenBySame         // the same mark ended staleness or a suspect mark, and somebody was acted on
	WokenByExpiry       // time ended a hold, and somebody was acted on
	WokenByLive         // going live, somebody was acted on
	WokenByTiers        // a change of tiers, and somebody was acted on
	WokenByFirst        // a contract's first mark, and somebody was acted on
	BroadBreach         // an account of more than 32 positions is acted on at such a price
	Flip                // a fill through zero
	Replaced            // an account_state
	Closed              // an account closed, its slot free for another
	LateFill            // a fill of an order that was done
	pointEnd
)

// Points is how many points there are.
const Points = int(pointEnd)

var pointNames = [Points]string{
	"anywhere", "last healthy price", "first breach", "gap breach", "squeezed", "near a code", "bucket border",
	"octave border", "tier edge", "least price", "most price", "beyond the most", "far jump", "slow drift",
	"same price", "exact margin", "below margin", "step at margin", "woken by resume", "woken by the same mark",
	"woken by expiry", "woken by live", "woken by tiers", "woken by a first mark", "broad breach", "flip",
	"replaced", "closed", "late fill",
}

// String returns the point in words.
func (p Point) String() string { return pointNames[p] }

// Reach counts what adversaries have reached: a generator that has gone blind finds
// nothing, and looks as if there were nothing to find.
type Reach struct {
	Points  [Points]uint64
	Effects [event.EffectAlarm + 1][event.RejectCodes]uint64 // by kind and reason
}

// Add adds what others have reached.
func (r *Reach) Add(o *Reach) {
	for i := range r.Points {
		r.Points[i] += o.Points[i]
	}
	for k := range r.Effects {
		for i := range r.Effects[k] {
			r.Effects[k][i] += o.Effects[k][i]
		}
	}
}

// refused counts an event that was.
func (r *Reach) refused(a *Adversary, x *event.Effect) {
	if a.sent.kind == BeyondMost && event.Reject(x.Reason) == event.Overflow {
		r.Points[BeyondMost]++
	}
}

// count counts an accepted event; hit tells whether its target was acted on, any
// whether anybody was.
func (r *Reach) count(a *Adversary, hit, any bool) {
	s := &a.sent
	next := s.beforeCalm && s.target != 0 && s.target == s.beforeTarget
	step := s.price-s.before == 1 || s.before-s.price == 1
	switch s.kind {
	case BeyondMost:
	case LastHealthy, ExactMargin:
		r.add(s.kind, !hit)
	case FirstBreach, Squeezed:
		r.add(s.kind, hit && next && step)
		r.add(GapBreach, hit && !(next && step))
		r.add(BroadBreach, hit && len(a.view.Positions) > 32)
	case BelowMargin:
		r.add(s.kind, hit && next)
	case StepAtMargin:
		r.add(s.kind, hit)
	case WokenByResume, WokenBySame, WokenByExpiry, WokenByLive, WokenByTiers, WokenByFirst:
		r.add(s.kind, any)
	default:
		r.Points[s.kind]++
	}
}

func (r *Reach) add(p Point, reached bool) {
	if reached {
		r.Points[p]++
	}
}
