package oracle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// casesDir is the folder of hand-worked cases beside the checkout.
func casesDir(t testing.TB) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if found := filepath.Join(dir, "shared", "cases"); isDir(found) {
			return found
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Skip("absent: a folder shared/cases beside the checkout, with the hand-worked cases")
		}
		dir = up
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// run applies every line, recounting the invariants after each, and returns all
// effects and the final state.
func run(t testing.TB, e *Engine, input []byte) []string {
	t.Helper()
	var lines []string
	for i, line := range bytes.Split(bytes.TrimSpace(input), []byte("\n")) {
		out, err := e.Apply(line)
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		lines = append(lines, out...)
		if err := e.Check(); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
	}
	return append(lines, e.State()...)
}

func parse(t testing.TB, line string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(line), &v); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return v
}

// matches says whether got has every key of want; "~1.23" stands for a number
// that rounds to it.
func matches(want, got any) bool {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		for k, v := range w {
			if ok = ok && matches(v, g[k]); !ok {
				return false
			}
		}
		return ok
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !matches(w[i], g[i]) {
				return false
			}
		}
		return true
	case string:
		if g, ok := got.(string); ok && strings.HasPrefix(w, "~") {
			return near(w[1:], g)
		}
	}
	return fmt.Sprint(want) == fmt.Sprint(got)
}

func near(want, got string) bool {
	w, ok := new(big.Rat).SetString(want)
	g, ok2 := new(big.Rat).SetString(got)
	if !ok || !ok2 {
		return false
	}
	_, fraction, _ := strings.Cut(want, ".")
	tolerance := big.NewRat(1, 2)
	for range fraction {
		tolerance.Quo(tolerance, big.NewRat(10, 1))
	}
	g.Sub(g, w)
	return g.Abs(g).Cmp(tolerance) <= 0
}

// expect looks for the wanted lines in order, or in any after "unordered".
func expect(t testing.TB, wanted []byte, got []string) {
	t.Helper()
	ordered, pos := true, 0
	for _, line := range strings.Split(strings.TrimSpace(string(wanted)), "\n") {
		want := parse(t, line)
		if want == "unordered" {
			ordered = false
			continue
		}
		from := pos
		if !ordered {
			from = 0
		}
		refused := false
		if m, ok := want.(map[string]any); ok && m["no"] != nil {
			want, refused, from = m["no"], true, 0
		}
		at := -1
		for i := from; i < len(got) && at < 0; i++ {
			if matches(want, parse(t, got[i])) {
				at = i
			}
		}
		if refused && at >= 0 || !refused && at < 0 {
			t.Fatalf("want %s, got:\n%s", line, strings.Join(got, "\n"))
		}
		if !refused {
			pos = at + 1
		}
	}
}

// TestCases runs the cases that were worked out by hand from the rules.
func TestCases(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(casesDir(t), "*.ndjson"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases found: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".ndjson"), func(t *testing.T) {
			input, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			wanted, err := os.ReadFile(strings.TrimSuffix(file, ".ndjson") + ".expect")
			if err != nil {
				t.Fatal(err)
			}
			expect(t, wanted, run(t, New(), input))
		})
	}
}
