// Package crash makes up a market that falls: seeded price paths, and traders
// whose positions sum to zero.
//
// All of it is integer arithmetic on a seeded generator, so a seed gives the
// same prices, trades and deposits on every machine.
package crash

import (
	"math/rand/v2"

	"github.com/backstop-fund/backstop/fixedpoint"
)

// basis is the scale of a Waypoint's level and of the noise around the path.
const basis = 1_000_000

// Waypoint is a level that a path goes through.
type Waypoint struct {
	Second int
	Level  int64 // millionths of the path's first price
}

// Path is a price over time: straight lines between waypoints, and noise around
// them that fades with a memory of a few seconds. Two waypoints a second apart
// are a gap: nobody trades in between.
type Path struct {
	Start     fixedpoint.Price
	Tick      fixedpoint.Price // prices are multiples of it
	Waypoints []Waypoint       // in order of their seconds, the first of second 0
	Noise     int64            // the most a second adds to the noise, in millionths
}

// Seconds returns the length of the path.
func (p *Path) Seconds() int { return p.Waypoints[len(p.Waypoints)-1].Second }

// Prices returns the price of every second from 0 to the last waypoint's. The
// same seed gives the same prices; stream keeps the noise of several paths of
// one seed apart. Requires: Start is at least a Tick, and levels are above 0.
func (p *Path) Prices(seed, stream uint64) []fixedpoint.Price {
	r := rand.New(rand.NewPCG(seed, stream))
	prices := make([]fixedpoint.Price, 0, p.Seconds()+1)
	var noise int64
	for i, w := range p.Waypoints[1:] {
		from := p.Waypoints[i]
		for s := from.Second; s < w.Second; s++ {
			level := from.Level + (w.Level-from.Level)*int64(s-from.Second)/int64(w.Second-from.Second)
			prices = append(prices, p.at(level+noise))
			noise = noise*7/8 + r.Int64N(2*p.Noise+1) - p.Noise
		}
	}
	return append(prices, p.at(p.Waypoints[len(p.Waypoints)-1].Level+noise))
}

// at is the price at a level, at least a tick.
func (p *Path) at(level int64) fixedpoint.Price {
	price, ok := fixedpoint.MulDiv(int64(p.Start), level, basis, fixedpoint.HalfEven)
	if !ok {
		panic("crash: a path that leaves what a price holds")
	}
	return max(p.Tick, fixedpoint.Price(price).Floor(p.Tick))
}

// Bitcoin is a fall by 23 % in a quarter of an hour with four gaps, the widest
// of 4.6 %, and a rebound.
func Bitcoin() Path {
	return Path{
		Start: 61_000 * fixedpoint.One, Tick: fixedpoint.One / 10, Noise: 250,
		Waypoints: []Waypoint{
			{0, 1_000_000}, {240, 990_000}, {420, 965_000}, {421, 948_000},
			{600, 925_000}, {601, 895_000}, {780, 870_000}, {781, 830_000},
			{900, 795_000}, {901, 770_000}, {960, 775_000}, {1080, 815_000},
			{1260, 850_000}, {1500, 865_000},
		},
	}
}

// Ether is a fall by 31 % beside Bitcoin's, with gaps at the same seconds, the
// widest of 7.5 %.
func Ether() Path {
	return Path{
		Start: 2_900 * fixedpoint.One, Tick: fixedpoint.One / 100, Noise: 350,
		Waypoints: []Waypoint{
			{0, 1_000_000}, {240, 985_000}, {420, 945_000}, {421, 920_000},
			{600, 885_000}, {601, 840_000}, {780, 805_000}, {781, 745_000},
			{900, 710_000}, {901, 685_000}, {960, 690_000}, {1080, 745_000},
			{1260, 790_000}, {1500, 805_000},
		},
	}
}
