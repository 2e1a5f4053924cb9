package udptick

import "math"

const (
	// maxGaps is how many gaps are told apart. Beyond, the last one grows.
	maxGaps = 64
	// requestEveryNanos is the least time between two requests, whatever is missing.
	requestEveryNanos = 1_000_000
	never             = math.MaxInt64
)

// gap is a run of skipped sequences. Both of its ends are missing; between, some
// may have arrived.
type gap struct {
	from, to uint64 // to is one past the last
	due      int64  // when it is declared, or may be asked for again
	asked    int    // requests since the last progress
	declared bool   // no line filled it in time
}

// gaps are the open gaps in the order of their sequences, and what is done about
// them: first wait for the other line, then declare it, which makes symbols
// suspect, and ask for what is missing, a number of times and each time less often.
type gaps struct {
	wait     int64 // from the skip until a gap is declared
	tries    int   // requests for one gap without progress; 0 for none
	patience int64 // for the answer to the first of them

	list  []gap
	quiet int64 // no request before
}

func newGaps(c *Config) gaps {
	g := gaps{wait: c.GapNanos, tries: c.RequestTries, patience: c.RequestNanos, list: make([]gap, 0, maxGaps)}
	if g.wait == 0 {
		g.wait = defaultGapNanos
	}
	if g.patience == 0 {
		g.patience = defaultRequestNanos
	}
	return g
}

// open adds a gap.
func (g *gaps) open(from, to uint64, now int64) {
	if n := len(g.list); n == cap(g.list) {
		g.list[n-1].to = to
		return
	}
	g.list = append(g.list, gap{from: from, to: to, due: now + g.wait})
}

// filled notes that seq has arrived, and when it came as an answer that the rest
// is to be asked for at once: answers hold no more than a datagram does.
func (g *gaps) filled(seq uint64, a *arbiter, answered bool, now int64) {
	for i := range g.list {
		if p := &g.list[i]; seq >= p.from && seq < p.to {
			if answered {
				p.asked, p.due = 0, now
			}
			p.trim(a)
			return
		}
	}
}

// trim moves the ends to sequences that are missing.
func (p *gap) trim(a *arbiter) {
	p.from = max(p.from, min(a.low(), p.to))
	for p.from < p.to && a.has(p.from) {
		p.from++
	}
	for p.to > p.from && a.has(p.to-1) {
		p.to--
	}
}

// tend drops gaps that are filled or given up and declares those whose time has
// come. It returns one past the highest sequence of a declared gap, 0 for none.
func (g *gaps) tend(a *arbiter, stats *Stats, now int64) (declared uint64) {
	kept := g.list[:0]
	for _, p := range g.list {
		if p.from < a.low() {
			p.trim(a)
		}
		if p.from == p.to {
			continue
		}
		if now >= p.due {
			switch {
			case !p.declared:
				p.declared = true
			case p.asked > 0 && p.asked == g.tries:
				stats[Unanswered]++
				p.due = never
			}
			if g.tries == 0 {
				p.due = never
			}
		}
		if p.declared {
			declared = p.to
		}
		kept = append(kept, p)
	}
	g.list = kept
	return declared
}

// ask returns the sequences to request now; count is 0 if there are none.
func (g *gaps) ask(most uint64, now int64) (first uint64, count int) {
	if now < g.quiet {
		return 0, 0
	}
	for i := range g.list {
		p := &g.list[i]
		if !p.declared || p.asked == g.tries || now < p.due || p.from == p.to {
			continue
		}
		p.due = now + g.patience<<p.asked
		p.asked++
		g.quiet = now + requestEveryNanos
		return p.from, int(min(p.to-p.from, most))
	}
	return 0, 0
}

// next is when tend or ask has something to do.
func (g *gaps) next() (at int64) {
	at = never
	for i := range g.list {
		p := &g.list[i]
		due := p.due
		if p.declared && p.asked < g.tries {
			due = max(due, g.quiet)
		}
		at = min(at, due)
	}
	return at
}
