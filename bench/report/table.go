package main

import (
	"fmt"
	"strings"
)

// row is a goal with what was measured. Times are in nanoseconds.
type row struct {
	What      string  `json:"what"`
	Benchmark string  `json:"benchmark"`
	Unit      string  `json:"unit"`
	Value     float64 `json:"value"`          // the median of rounds
	Best      float64 `json:"best,omitempty"` // of rounds, where there are some
	Most      float64 `json:"goal,omitempty"`
	Met       bool    `json:"met"` // the goal, and every bound of what stands beside it
	Skipped   string  `json:"skipped,omitempty"`
	Beside    []next  `json:"beside,omitempty"`
}

// next is what stands beside a row.
type next struct {
	Label string  `json:"label"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	// Ratio is how often the smaller of the two goes into it, of a peer the median,
	// the least and the largest of pairs of rounds; 0 where both are not of a kind.
	Ratio float64 `json:"ratio,omitempty"`
	Low   float64 `json:"low,omitempty"`
	High  float64 `json:"high,omitempty"`
	Bound string  `json:"bound,omitempty"`
	Met   bool    `json:"met"`
}

// fill looks up every goal. The error names the figures that are missing.
func fill(goals []goal, r results) (rows []row, err error) {
	var missing []string
	for _, g := range goals {
		w := row{What: g.what, Benchmark: g.bench, Unit: g.unit, Most: g.most}
		v, ok := r.median(g.bench, g.unit)
		switch at := r[g.bench]; {
		case ok:
			w.Value = v
			w.Best, _ = r.median(g.bench, "best-"+g.unit)
		case at != nil && at.skipped != "":
			w.Skipped = at.skipped
			rows = append(rows, w)
			continue
		default:
			missing = append(missing, fmt.Sprintf("%s (%s)", g.bench, g.unit))
			continue
		}
		w.Met = g.most == 0 || v <= g.most
		for _, b := range g.beside {
			n, ok := b.of(&g, v, r)
			if ok {
				w.Beside = append(w.Beside, n)
				w.Met = w.Met && n.Met
			} else if !b.optional {
				missing = append(missing, fmt.Sprintf("%s (beside %s)", b.where(&g), g.bench))
			}
		}
		rows = append(rows, w)
	}
	if missing != nil {
		return nil, fmt.Errorf("nothing was measured of\n\t%s", strings.Join(missing, "\n\t"))
	}
	return rows, nil
}

func (b *beside) isPeer() bool { return strings.Contains(b.bench, "/peer=") }

// where is the benchmark that has the figure.
func (b *beside) where(g *goal) string {
	switch {
	case b.optional:
		return lab + g.bench
	case b.bench != "":
		return b.bench
	}
	return g.bench
}

// of looks up what stands beside a row of value v.
func (b *beside) of(g *goal, v float64, r results) (n next, ok bool) {
	n = next{Label: b.label, Unit: b.unit, Met: true}
	if n.Unit == "" {
		n.Unit = g.unit
	}
	name := b.where(g)
	if b.isPeer() {
		n.Value, ok = r.median(name, "peer-"+g.unit)
		n.Ratio, _ = r.median(name, "ratio")
		n.Low, _ = r.median(name, "min-ratio")
		n.High, _ = r.median(name, "max-ratio")
	} else {
		n.Value, ok = r.median(name, n.Unit)
		if (n.Unit == g.unit || b.atMost != 0) && v > 0 {
			n.Ratio = n.Value / v
		}
	}
	switch {
	case b.atLeast != 0:
		n.Bound = fmt.Sprintf("≥ %gx", b.atLeast)
		n.Met = n.Ratio >= b.atLeast
	case b.atMost != 0:
		n.Bound = fmt.Sprintf("≥ %.2gx", 1/b.atMost)
		n.Met = n.Ratio*b.atMost >= 1
	}
	return n, ok
}

// markdown is the table of the README.
func markdown(rows []row) string {
	var s strings.Builder
	s.WriteString("| what | goal | measured | beside it | benchmark |\n|---|---|---|---|---|\n")
	for i := range rows {
		w := &rows[i]
		goal, value := "", number(w.Value, w.Unit)
		if w.Best != 0 {
			value += ", best " + number(w.Best, w.Unit)
		}
		if w.Most != 0 {
			goal = "≤ " + number(w.Most, w.Unit)
			switch {
			case w.Value <= w.Most:
			case 0 < w.Best && w.Best <= w.Most:
				value += ": missed but for the best"
			default:
				value += ": missed"
			}
		}
		if w.Skipped != "" {
			value = "skipped: " + w.Skipped
		}
		var beside []string
		for _, n := range w.Beside {
			beside = append(beside, n.String())
		}
		fmt.Fprintf(&s, "| %s | %s | %s | %s | `%s` |\n", w.What, goal, value, strings.Join(beside, "; "), w.Benchmark)
	}
	return s.String()
}

func (n next) String() string {
	s := n.Label + " " + number(n.Value, n.Unit)
	switch {
	case n.High != 0:
		s += fmt.Sprintf(", %sx (%s to %s)", digits(n.Ratio), digits(n.Low), digits(n.High))
	case n.Ratio != 0:
		s += fmt.Sprintf(", %sx", digits(n.Ratio))
	}
	if n.Bound != "" {
		s += ", goal " + n.Bound
		if !n.Met {
			s += ", missed"
		}
	}
	return s
}

// number writes a figure with its unit: times in what suits their size, bytes, and
// counts.
func number(v float64, unit string) string {
	switch {
	case !strings.Contains(unit, "ns"):
		if thing, _, _ := strings.Cut(unit, "/"); thing == "B" {
			return digits(v) + " B"
		}
		return digits(v)
	case v >= sec:
		return digits(v/sec) + " s"
	case v >= ms:
		return digits(v/ms) + " ms"
	case v >= us:
		return digits(v/us) + " us"
	}
	return digits(v) + " ns"
}

// digits writes two significant digits, or all that stand before the point.
func digits(v float64) string {
	switch {
	case v >= 10 || v == 0:
		return thousands(fmt.Sprintf("%.0f", v))
	case v >= 1:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

func thousands(s string) string {
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
