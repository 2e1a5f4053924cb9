// Package terminal shows long work and its outcome to a person: progress that
// rewrites one line, and plots of braille characters. Where nobody watches, a
// file or a pipe, progress is a plain line now and then, and nothing is coloured.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// defaultWidth is taken where the system does not say how wide a terminal is.
const defaultWidth = 80

// Width returns the columns of the terminal behind w; 80 for anything else.
func Width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return columns
		}
	}
	return defaultWidth
}

// Watched reports whether w is a terminal.
func Watched(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Coloured reports whether to colour what goes to w: it is a terminal, and
// NO_COLOR is not set.
func Coloured(w io.Writer) bool { return Watched(w) && os.Getenv("NO_COLOR") == "" }

// Intervals between two looks at the progress of work.
const (
	watchedInterval = 100 * time.Millisecond
	plainInterval   = 5 * time.Second
)

// Progress tells how far work has come. It belongs to one goroutine.
type Progress struct {
	w        io.Writer
	watched  bool
	interval time.Duration
	now      func() time.Time
	start    time.Time
	shown    time.Time
	open     bool // the line is to be rewritten
}

// NewProgress returns one that writes to w; io.Discard keeps it silent.
func NewProgress(w io.Writer) *Progress {
	p := &Progress{w: w, watched: Watched(w), interval: plainInterval, now: time.Now}
	if p.watched {
		p.interval = watchedInterval
	}
	p.start = p.now()
	p.shown = p.start
	return p
}

// Begin writes a line that stays, and starts the clock for what follows.
func (p *Progress) Begin(text string) {
	p.End()
	fmt.Fprintln(p.w, text) // nobody depends on it
	p.start = p.now()
	p.shown = p.start
}

// Step tells that done of total parts are done, or of nobody knows how many if
// total is 0; what is asked for the text only when something is written, which is a
// few times a second at most.
func (p *Progress) Step(done, total int, text func() string) {
	now := p.now()
	if now.Sub(p.shown) < p.interval || done <= 0 || total < 0 {
		return
	}
	p.shown = now
	spent := now.Sub(p.start)
	line := fmt.Sprintf("%s  in %v", text(), spent.Round(time.Second))
	if total > 0 {
		left := time.Duration(float64(spent) / float64(done) * float64(total-done)).Round(time.Second)
		line = fmt.Sprintf("%3d %%  %s  %v left", done*100/total, text(), left)
	}
	if !p.watched {
		fmt.Fprintln(p.w, line)
		return
	}
	if total > 0 {
		line = bar(done, total) + " " + line
	}
	if runes := []rune(line); len(runes) >= Width(p.w) {
		line = string(runes[:Width(p.w)-1]) // a wrapped line could not be rewritten
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", line)
	p.open = true
}

// barCells is how many characters a bar has.
const barCells = 20

// bar draws the part that is done, in eighths of a character.
func bar(done, total int) string {
	const eighths = "▏▎▍▌▋▊▉█"
	n := 8 * barCells * min(done, total) / total
	full := strings.Repeat("█", n/8)
	if n%8 > 0 {
		full += string([]rune(eighths)[n%8-1])
	}
	return full + strings.Repeat("░", barCells-(n+7)/8)
}

// End removes the line that is being rewritten.
func (p *Progress) End() {
	if p.open {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.open = false
	}
}
