package terminal

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPlotShowsEveryValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), 0, 300).Draw(t, "values")
		width, height := rapid.IntRange(1, 90).Draw(t, "width"), rapid.IntRange(1, 8).Draw(t, "height")
		rows := Plot(values, width, height)
		if len(rows) != height {
			t.Fatalf("%d rows, want %d", len(rows), height)
		}
		for _, row := range rows {
			if n := len([]rune(row)); n != width {
				t.Fatalf("a row of %d characters, want %d", n, width)
			}
		}
		for i := range values {
			// Some dot is set in the value's column.
			x := i * (2*width - 1) / max(1, len(values)-1)
			column := dots[0][x%2] | dots[1][x%2] | dots[2][x%2] | dots[3][x%2]
			if !slices.ContainsFunc(rows, func(row string) bool { return []rune(row)[x/2]&column != 0 }) {
				t.Fatalf("value %d of %d is not in column %d", i, len(values), x)
			}
		}
	})
}

func TestProgressOfAFile(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(&b)
	at := time.Unix(1000, 0)
	p.now = func() time.Time { return at }
	p.Begin("working")
	for i := range 20 {
		at = at.Add(time.Second)
		p.Step(i+1, 20, func() string { return "so far" })
	}
	p.End()
	want := "working\n 25 %  so far  15s left\n 50 %  so far  10s left\n 75 %  so far  5s left\n100 %  so far  0s left\n"
	if b.String() != want {
		t.Errorf("wrote %q, want %q", b.String(), want)
	}
}

// Of what has no end that anybody knows, there is no part and no time left.
func TestProgressWithoutTotal(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(&b)
	at := time.Unix(1000, 0)
	p.now = func() time.Time { return at }
	p.Begin("working")
	for i := range 12 {
		at = at.Add(time.Second)
		p.Step(i+1, 0, func() string { return "so far" })
	}
	if want := "working\nso far  in 5s\nso far  in 10s\n"; b.String() != want {
		t.Errorf("wrote %q, want %q", b.String(), want)
	}
}

func TestProgressOfATerminal(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(&b)
	p.watched, p.interval = true, watchedInterval
	at := time.Unix(1000, 0)
	p.now = func() time.Time { return at }
	p.Begin("working")
	for i := range 2 {
		at = at.Add(time.Second)
		p.Step(i+1, 4, func() string { return strings.Repeat("x", 200) })
	}
	p.Step(3, 4, func() string { t.Error("asked again at once"); return "" })
	p.End()
	p.End()
	if n := strings.Count(b.String(), "\r\x1b[K"); n != 3 {
		t.Errorf("the line was cleared %d times in %q, want 3: two steps and the end", n, b.String())
	}
	if line, _, _ := strings.Cut(strings.TrimPrefix(b.String(), "working\n\r\x1b[K"), "\r"); len([]rune(line)) != defaultWidth-1 || !strings.HasPrefix(line, "█████░░░░░░░░░░░░░░░  25 %  xx") {
		t.Errorf("a line of %d columns would wrap, is cut short or has no bar: want %d: %q", len([]rune(line)), defaultWidth-1, line)
	}
}

// A bar has one width, however much of it is full, and only ever gets fuller.
func TestBar(t *testing.T) {
	before := 0
	for done := range 1001 {
		line := bar(done, 1000)
		full := strings.Count(line, "█")
		if len([]rune(line)) != barCells || full < before {
			t.Fatalf("%d of 1000: %q", done, line)
		}
		before = full
	}
	for done, want := range map[int]string{
		0: strings.Repeat("░", barCells), 1000: strings.Repeat("█", barCells), 2000: strings.Repeat("█", barCells),
		25: "▌" + strings.Repeat("░", barCells-1), 525: strings.Repeat("█", 10) + "▌" + strings.Repeat("░", 9),
	} {
		if got := bar(done, 1000); got != want {
			t.Errorf("%d of 1000: %q, want %q", done, got, want)
		}
	}
}

func TestNobodyWatches(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // removed with the folder
	for name, w := range map[string]io.Writer{"buffer": new(bytes.Buffer), "file": f} {
		if Watched(w) || Coloured(w) || Width(w) != 80 {
			t.Errorf("a %s is taken for a terminal", name)
		}
	}
}

// A fall and half a recovery, two rows high.
func ExamplePlot() {
	for _, row := range Plot([]float64{9, 8, 7, 6, 5, 4, 3, 2, 1, 2, 3, 4}, 6, 2) {
		fmt.Printf("|%s|\n", row)
	}
	// Output:
	// |⠙⢦⡀⠀⠀⠀|
	// |⠀⠀⠉⠳⣤⠞|
}
