package coretest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/internal/invariant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var adversaryEvents = flag.Int("adversary-events", 0, "events of adversaries to compare index and scan on; 0 for as many as take a few seconds")

// world is how many events an adversary has: then another, of another temper, begins.
const world = 10_000

// enough is how many events reach every point.
const enough = 40 * world

func campaign() int {
	switch {
	case *adversaryEvents > 0:
		return *adversaryEvents
	case raceEnabled, invariant.Enabled:
		return 2 * world
	case testing.Short():
		return enough / 4
	}
	return enough
}

// duel is one adversary against index and scan.
type duel struct {
	*lockstep
	adversary *Adversary
	reach     Reach
	kept      *chronicle // if not nil
}

func newDuel(seed uint64) (*duel, error) {
	d := new(duel)
	d.adversary = NewAdversary(rand.New(rand.NewPCG(seed, 9)).IntN, &d.reach)
	var err error
	d.lockstep, err = newLockstep(d.adversary.Limits())
	return d, err
}

// play plays n events, and compares the states now and then. A panic is a finding
// like any other.
func (d *duel) play(n int) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	for i := range n {
		e := d.adversary.Next(d.scan)
		if d.kept != nil {
			d.kept.append(e)
		}
		if err := d.step(e); err != nil {
			return err
		}
		d.adversary.Answer(d.want.All())
		if d.kept != nil {
			d.kept.sent(d.want.All())
		}
		switch {
		case i%3331 == 3330:
			err = d.restore()
		case i%997 == 996:
			err = d.same()
		}
		if err != nil {
			return err
		}
	}
	return d.same()
}

// explain plays a failed world again and returns what reproduces the failure.
func explain(seed uint64, err error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %v\n\ngo test ./core/coretest -run 'TestAdversary$' -first-seed %d -adversary-events 1\n", seed, err, seed)
	d, fault := newDuel(seed)
	if fault != nil {
		return b.String()
	}
	d.kept = newChronicle(d.limits)
	if d.play(world) == nil {
		b.WriteString("\nplayed again, index and scan agree\n")
		return b.String()
	}
	short, err := d.kept.shortest()
	if err == nil {
		b.WriteString("\nwithout the restores, index and scan agree\n")
		return b.String()
	}
	fmt.Fprintf(&b, "\nof %d events these %d are enough, with limits %+v:\n\n", len(d.kept.events), len(short), d.limits)
	asText(&b, short)
	fmt.Fprintf(&b, "\n%v\n", err)
	return b.String()
}

// TestAdversary compares index and scan, effect by effect, on events made to part
// them, and checks that these reach what they mean to. A campaign:
//
//	go test ./core/coretest -run 'TestAdversary$' -adversary-events 100000000 -timeout 1h -v
func TestAdversary(t *testing.T) {
	worlds := uint64(campaign()+world-1) / world
	c := adversaries{next: *firstSeed, end: *firstSeed + worlds, begun: time.Now()}
	c.shown = c.begun
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(c.work)
	}
	workers.Wait()
	if c.failed != nil {
		t.Fatal(explain(c.failedSeed, c.failed))
	}
	t.Logf("%d worlds from seed %d, %d events, %d restores, %.0f events/s", worlds, *firstSeed, c.events, c.restores,
		float64(c.events)/time.Since(c.begun).Seconds())
	if c.events >= enough {
		c.reach.check(t)
	}
}

// adversaries are worlds shared out among workers.
type adversaries struct {
	sync.Mutex
	next, end  uint64
	begun      time.Time
	shown      time.Time
	reach      Reach
	events     int
	restores   int
	failed     error
	failedSeed uint64
}

func (c *adversaries) work() {
	for {
		c.Lock()
		seed := c.next
		c.next++
		stop := seed >= c.end || c.failed != nil
		c.Unlock()
		if stop {
			return
		}
		d, err := newDuel(seed)
		if err == nil {
			err = d.play(world)
		}
		c.done(seed, d, err)
	}
}

func (c *adversaries) done(seed uint64, d *duel, err error) {
	c.Lock()
	defer c.Unlock()
	if err != nil && (c.failed == nil || seed < c.failedSeed) {
		c.failed, c.failedSeed = err, seed
		return
	}
	c.reach.Add(&d.reach)
	c.events += d.events
	c.restores += d.restores
	c.progress()
}

// progress tells how far a campaign is, every few seconds, where somebody asked to
// see it.
func (c *adversaries) progress() {
	if !testing.Verbose() || time.Since(c.shown) < 5*time.Second {
		return
	}
	c.shown = time.Now()
	total := (c.end - *firstSeed) * world
	rate := float64(c.events) / time.Since(c.begun).Seconds()
	left := time.Duration(float64(total-uint64(c.events)) / rate * 1e9).Round(time.Second)
	fmt.Printf("%3d %%  %d of %d events, %.0f/s, %v left\n", uint64(c.events)*100/total, c.events, total, rate, left)
}

// check finds points that adversaries never reach.
func (r *Reach) check(t *testing.T) {
	t.Helper()
	for p, n := range r.Points {
		if n == 0 {
			t.Errorf("adversaries never reach %q", Point(p))
		}
		t.Logf("%9d %s", n, Point(p))
	}
	reached := coverage{}
	for kind := range r.Effects {
		for reason, n := range r.Effects[kind] {
			if n > 0 {
				reached[what(&event.Effect{Kind: event.EffectKind(kind), Reason: uint8(reason)})] += int(n)
			}
		}
	}
	for _, w := range troubles {
		if reached[w] == 0 {
			t.Errorf("adversaries never reach %q", w)
		}
	}
	for _, w := range everything() {
		t.Logf("%9d %s", reached[w], w)
	}
}

// troubles are what has to come of the marks adversaries park on.
var troubles = []string{
	"liquidate", "recovered", "bankrupt equity", "bankrupt unable", "bankrupt deficit", "netted", "deleverage",
	"receipt queue", "receipt pro_rata", "receipt drain", "receipt min_max", "takeover", "cover", "surplus", "fee",
	"rejected overflow", "rejected capacity", "rejected margin", "alarm out_of_sync", "alarm mark_held", "alarm order_timeout",
	"alarm cap_exceeded", "alarm fund_deficit", "alarm bound_lifted",
}
