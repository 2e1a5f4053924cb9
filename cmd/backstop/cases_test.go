package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
)

// sharedFolder finds a folder of the data beside the checkout, by walking up to a
// folder called shared. It skips the test if there is none.
func sharedFolder(t testing.TB, names ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(append([]string{"shared"}, names...)...)
	for {
		if found := filepath.Join(dir, want); exists(found) {
			return found
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Skipf("absent: %s, in no folder above this one", want)
		}
		dir = parent
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestCases runs the shared cases: results worked out by hand from the rules.
func TestCases(t *testing.T) {
	inputs, err := filepath.Glob(filepath.Join(sharedFolder(t, "cases"), "*.ndjson"))
	if err != nil || len(inputs) == 0 {
		t.Fatalf("%d cases, %v", len(inputs), err)
	}
	for _, input := range inputs {
		stem := strings.TrimSuffix(input, ".ndjson")
		t.Run(filepath.Base(stem), func(t *testing.T) {
			var out, faults bytes.Buffer
			if code := run(t.Context(), []string{"apply", input, "--state"}, nil, &out, &faults); code != exit.OK {
				t.Fatalf("exit code %d: %s", code, &faults)
			}
			expected, err := os.ReadFile(stem + ".expect")
			if err != nil {
				t.Fatal(err)
			}
			if missing := match(t, decodeLines(t, expected), decodeLines(t, out.Bytes())); missing != nil {
				t.Errorf("not as expected: %v, in\n%s", missing, &out)
			}
		})
	}
}

func decodeLines(t *testing.T, text []byte) []any {
	var values []any
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		values = append(values, v)
	}
	return values
}

// match returns the first expectation that is not met, nil if all are. Lines are
// expected in order, unless the first expectation is "unordered"; {"no": line} is
// expected nowhere.
func match(t *testing.T, expected, got []any) any {
	ordered := true
	if len(expected) == 0 {
		t.Fatal("nothing is expected")
	}
	if expected[0] == "unordered" {
		ordered, expected = false, expected[1:]
	}
	from := 0
	for _, want := range expected {
		if no, ok := want.(map[string]any)["no"]; ok {
			if slices.ContainsFunc(got, func(g any) bool { return fits(no, g) }) {
				return want
			}
			continue
		}
		i := slices.IndexFunc(got[from:], func(g any) bool { return fits(want, g) })
		if i < 0 {
			return want
		}
		if ordered {
			from += i + 1
		}
	}
	return nil
}

// fits reports whether got has all that want names. A text that begins with ~ is
// a number rounded to as many decimals as it shows.
func fits(want, got any) bool {
	switch want := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		for k, w := range want {
			v, there := g[k]
			ok = ok && there && fits(w, v)
		}
		return ok
	case []any:
		g, ok := got.([]any)
		return ok && slices.EqualFunc(want, g, fits)
	case string:
		rounded, approximate := strings.CutPrefix(want, "~")
		if g, ok := got.(string); ok && approximate {
			return roundsTo(g, rounded)
		}
	}
	return reflect.DeepEqual(want, got)
}

func roundsTo(got, rounded string) bool {
	g, ok := new(big.Rat).SetString(got)
	w, fine := new(big.Rat).SetString(rounded)
	if !ok || !fine {
		return false
	}
	_, decimals, _ := strings.Cut(rounded, ".")
	half, _ := new(big.Rat).SetString("0." + strings.Repeat("0", len(decimals)) + "5")
	return g.Sub(g, w).Abs(g).Cmp(half) <= 0
}

// The matcher must be able to say no.
func TestFits(t *testing.T) {
	for _, c := range []struct {
		story     string
		want, got string
		fits      bool
	}{
		{"fewer keys", `{"a":"1"}`, `{"a":"1","b":"2"}`, true},
		{"a key more", `{"a":"1","b":"2"}`, `{"a":"1"}`, false},
		{"another value", `{"a":"1"}`, `{"a":"2"}`, false},
		{"null is a value", `{"a":null}`, `{}`, false},
		{"a list", `{"a":[{"b":1}]}`, `{"a":[{"b":1,"c":2}]}`, true},
		{"a longer list", `{"a":[]}`, `{"a":[{}]}`, false},
		{"rounded up", `{"a":"~1.3"}`, `{"a":"1.25"}`, true},
		{"too far away", `{"a":"~1.3"}`, `{"a":"1.24999999"}`, false},
		{"no number", `{"a":"~1.3"}`, `{"a":null}`, false},
	} {
		t.Run(c.story, func(t *testing.T) {
			if got := fits(decodeLines(t, []byte(c.want))[0], decodeLines(t, []byte(c.got))[0]); got != c.fits {
				t.Errorf("%s in %s: %t", c.want, c.got, got)
			}
		})
	}
}
