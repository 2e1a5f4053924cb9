package coretest

import (
	"encoding/json"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/coretest/oracle"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestCases runs the cases of testdata/cases, each worked out by hand from the
// rules, against the machine and against the oracle. The lines of NAME.expect
// occur in what NAME.ndjson gives, effects and then the state, in this order
// (first line "unordered": in any); a line {"no":{...}} occurs nowhere. A line
// names only the keys that matter; "~1.23" is a number that rounds to 1.23.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in testdata/cases: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(archive.Files)%2 != 0 {
			t.Fatalf("%s: a case is two files, found %d", file, len(archive.Files))
		}
		for pair := range slices.Chunk(archive.Files, 2) {
			name, isInput := strings.CutSuffix(pair[0].Name, ".ndjson")
			if !isInput || pair[1].Name != name+".expect" {
				t.Fatalf("%s: %s, %s are no case", file, pair[0].Name, pair[1].Name)
			}
			input := strings.Split(strings.TrimSpace(string(pair[0].Data)), "\n")
			t.Run(name, func(t *testing.T) {
				want := parseLines(t, strings.Split(strings.TrimSpace(string(pair[1].Data)), "\n"))
				t.Run("machine", func(t *testing.T) { expect(t, parseLines(t, driven(t, input)), want) })
				t.Run("oracle", func(t *testing.T) { expect(t, parseLines(t, foretold(t, input)), want) })
			})
		}
	}
}

// driven is what the machine makes of the lines.
func driven(t *testing.T, input []string) (all []string) {
	d, err := NewDriver(SmallLimits)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range input {
		out, err := d.Apply(line)
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		all = append(all, out...)
	}
	return append(all, d.State()...)
}

// foretold is what the oracle makes of them.
func foretold(t *testing.T, input []string) (all []string) {
	e := oracle.New()
	for i, line := range input {
		out, err := e.Apply([]byte(line))
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		all = append(all, out...)
	}
	return append(all, e.State()...)
}

func parseLines(t *testing.T, lines []string) []any {
	parsed := make([]any, len(lines))
	for i, line := range lines {
		if err := json.Unmarshal([]byte(line), &parsed[i]); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return parsed
}

func expect(t *testing.T, got, want []any) {
	t.Helper()
	anyOrder := len(want) > 0 && want[0] == "unordered"
	if anyOrder {
		want = want[1:]
	}
	from := 0
	for _, w := range want {
		m, _ := w.(map[string]any)
		if nowhere, ok := m["no"]; ok {
			if slices.ContainsFunc(got, func(g any) bool { return matches(nowhere, g) }) {
				t.Errorf("there is a line like %v", nowhere)
			}
			continue
		}
		i := slices.IndexFunc(got[from:], func(g any) bool { return matches(w, g) })
		if i < 0 {
			t.Fatalf("no line like %v among\n%s", w, show(got[from:]))
		}
		if !anyOrder {
			from += i + 1
		}
	}
}

func show(lines []any) string {
	var b strings.Builder
	for _, l := range lines {
		text, _ := json.Marshal(l) // it was read from JSON
		b.Write(append(text, '\n'))
	}
	return b.String()
}

// matches reports whether got has every key of want with its value.
func matches(want, got any) bool {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		for k, v := range w {
			value, has := g[k]
			ok = ok && has && matches(v, value)
		}
		return ok
	case []any:
		g, ok := got.([]any)
		return ok && slices.EqualFunc(w, g, matches)
	case string:
		if rounded, ok := strings.CutPrefix(w, "~"); ok {
			g, isText := got.(string)
			return isText && roundsTo(g, rounded)
		}
	}
	return want == got
}

// roundsTo reports whether a is within half a unit of b's last decimal.
func roundsTo(a, b string) bool {
	x, ok1 := new(big.Rat).SetString(a)
	y, ok2 := new(big.Rat).SetString(b)
	_, decimals, _ := strings.Cut(b, ".")
	half, ok3 := new(big.Rat).SetString("0." + strings.Repeat("0", len(decimals)) + "5")
	return ok1 && ok2 && ok3 && x.Sub(x, y).Abs(x).Cmp(half) <= 0
}

// A wrong expectation is found: the cases are no tests otherwise.
func TestCasesCanFail(t *testing.T) {
	got := parseLines(t, []string{`{"a":"1","b":["1.26342"]}`, `{"a":"2"}`})
	for _, c := range []struct {
		want string
		ok   bool
	}{
		{`{"a":"1"}`, true}, {`{"a":"3"}`, false}, {`{"c":null}`, false},
		{`{"b":["~1.26"]}`, true}, {`{"b":["~1.27"]}`, false}, {`{"b":[]}`, false},
	} {
		want := parseLines(t, []string{c.want})[0]
		if ok := slices.ContainsFunc(got, func(g any) bool { return matches(want, g) }); ok != c.ok {
			t.Errorf("%s found: %v, want %v", c.want, ok, c.ok)
		}
	}
}
