package simulator

import (
	"slices"
	"time"
)

// Shrink returns a shorter plan that fails too, found by leaving out ever smaller
// runs of actions until none can be spared or the time is up. Every action has its
// own chance, so those that are left do what they did.
func (p *Plan) Shrink(within time.Duration) *Plan {
	deadline := time.Now().Add(within)
	fails := func(actions []Action) bool {
		q := *p
		q.Actions = actions
		_, err := q.Run()
		return err != nil
	}
	some := p.Actions
	for shorter := true; shorter; {
		shorter = false
		for run := (len(some) + 1) / 2; run > 0; run /= 2 {
			for at := len(some) - run; at >= 0; at = min(at-run, len(some)-run) {
				if time.Now().After(deadline) {
					return p.with(some)
				}
				if less := slices.Delete(slices.Clone(some), at, at+run); fails(less) {
					some, shorter = less, true
				}
			}
		}
	}
	return p.with(some)
}

func (p *Plan) with(actions []Action) *Plan {
	q := *p
	q.Actions = actions
	return &q
}
