package simulator

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/coretest/simdisk"
)

// Do is what an [Action] does.
type Do uint8

// The actions. The first are steps of the engine, those after them what happens to
// it.
const (
	Send         Do = iota // up to N events into the input ring
	Apply                  // up to N turns of the core
	Record                 // a turn of the journal
	Sync                   // its timer, in mode async
	Seal                   // its idle moment
	Prepare                // makes the next segment
	Follow                 // up to N turns of the follower, in the process or elsewhere
	Read                   // the consumer takes up to N effects
	Ack                    // it acknowledges all but N of those it has
	Snapshot               // on command
	Prune                  // an operator removes the segments that no snapshot needs
	Kill                   // the process dies, the system lives on
	Cut                    // the power goes
	CutAt                  // the power goes N operations on the disk from now
	Fail                   // the N-th operation from now fails
	Stop                   // a clean end and a new beginning
	KillFollower           // the process that follows dies, where there is one
	doEnd
)

var doNames = [doEnd]string{"send", "apply", "record", "sync", "seal", "prepare", "follow", "read", "ack",
	"snapshot", "prune", "kill", "cut", "cutat", "fail", "stop", "killfollower"}

func (d Do) String() string { return doNames[d] }

// Action is one thing that happens. Its chance is its own, so that a plan from which
// others are left out still means the same.
type Action struct {
	Do   Do
	N    int
	Seed uint64
}

func (a Action) String() string { return fmt.Sprintf("%v:%d:%d", a.Do, a.N, a.Seed) }

// Plan is a run, all of it: the same plan gives the same trace.
type Plan struct {
	Seed    uint64
	Events  int // that the senders have
	Config  core.Config
	Lies    simdisk.Lies // of its disk: seeded bugs
	Forgets bool         // the consumer: after a restart it does not know what it had
	Actions []Action

	tape *tape // once it is recorded
}

// dir is the folder of every engine on its simulated disk.
const dir = "data"

// NewPlan makes a run of so many events. What it is like is drawn once for all of
// it: some have a journal that starves, some a consumer that does, some fail at
// every turn and some never.
func NewPlan(seed uint64, events int) *Plan {
	r := rand.New(rand.NewPCG(seed, 21))
	p := &Plan{Seed: seed, Events: events, Forgets: r.IntN(2) == 0}
	p.Config = core.Config{
		Dir: dir, InputSize: 1 << (10 + r.IntN(2)), EffectsSize: 1 << (6 + r.IntN(6)),
		SegmentSize: 1 << (17 + r.IntN(2)), Keep: 1 + r.IntN(3), Salt: seed | 1,
		SyncEvery: time.Hour, // of the wall clock, by which nothing may happen here
	}
	if r.IntN(4) > 0 {
		p.Config.SnapshotEvery = uint64(20) << r.IntN(9)
	}
	if r.IntN(3) == 0 {
		p.Config.Journal = core.JournalAsync
	}
	p.Config.FollowElsewhere = r.IntN(3) == 0
	var weights [Prune]int // of the steps
	for d := range weights {
		weights[d] = []int{2, 8, 32}[r.IntN(3)]
	}
	weights[Prepare], weights[Seal] = 2, 2
	weights[Sync] = 1 << r.IntN(4) // of mode async, in which much is not durable for long
	weights[Snapshot] = r.IntN(2)
	disasters := []int{0, 8, 30, 100}[r.IntN(4)] // about so many
	if disasters > 0 && r.IntN(8) == 0 {
		disasters = 600
	}
	prunes := []int{0, 2, 6}[r.IntN(3)] // likewise
	total := 0
	for _, w := range weights {
		total += w
	}
	large := 1 << r.IntN(8)
	actions := max(2, 2*events/(large+1)*total/weights[Send]) // about so many
	for sent := 0; sent < events; {
		d, n := Send, r.IntN(total)
		for n >= weights[d] {
			n -= weights[d]
			d++
		}
		a := Action{Do: d, N: 1 + r.IntN(large)}
		switch d {
		case Send:
			sent += a.N
		case Ack:
			a.N = max(0, r.IntN(20)-10)
		}
		p.Actions = append(p.Actions, a)
		if d == Send && r.IntN(events) < a.N*prunes {
			if disasters > 0 && r.IntN(2) == 0 { // in the midst of it
				p.Actions = append(p.Actions, Action{CutAt + Do(r.IntN(2)), r.IntN(20), r.Uint64() >> 32})
			}
			p.Actions = append(p.Actions, Action{Do: Prune})
		}
		if r.IntN(actions) < disasters {
			d := Kill + Do(r.IntN(int(doEnd-Kill)))
			p.Actions = append(p.Actions, Action{d, r.IntN(40), r.Uint64() >> 32})
		}
	}
	return p
}

// String shows a plan for a failed test.
func (p *Plan) String() string {
	var b strings.Builder
	c := &p.Config
	fmt.Fprintf(&b, "seed %d, %d events, mode %v, rings of %d and %d, segments of %d bytes, a snapshot every %d of which %d stay, follows elsewhere %v, forgets %v\n",
		p.Seed, p.Events, c.Journal, c.InputSize, c.EffectsSize, c.SegmentSize, c.SnapshotEvery, c.Keep, c.FollowElsewhere, p.Forgets)
	for i, a := range p.Actions {
		fmt.Fprintf(&b, "%5d %v\n", i, a)
	}
	return b.String()
}
