package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func report(t *testing.T, in string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(args, strings.NewReader(in), &out)
	return out.String(), err
}

func load(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A run of everything makes this table, and this JSON. From files or standard
// input, it is the same.
func TestGolden(t *testing.T) {
	in := load(t, "testdata/run.txt")
	for golden, args := range map[string][]string{"testdata/run.md": nil, "testdata/run.json": {"-json"}} {
		got, err := report(t, in, args...)
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want := load(t, golden); got != want {
			t.Errorf("%s: got\n%s", golden, got)
		}
		if again, err := report(t, "", append(args, "testdata/run.txt")...); again != got || err != nil {
			t.Errorf("from a file it is another: %v", err)
		}
	}
}

// Without any one of its benchmarks or peers there is no table, and the error names
// it. Without the prototypes there is.
func TestMissing(t *testing.T) {
	in := load(t, "testdata/run.txt")
	without := func(name string) string {
		var kept strings.Builder
		for line := range strings.Lines(in) {
			if !strings.HasPrefix(line, "Benchmark"+name+"-") {
				kept.WriteString(line)
			}
		}
		return kept.String()
	}
	names := map[string]bool{}
	for _, g := range goals {
		names[g.bench] = true
		for _, b := range g.beside {
			if !b.optional {
				names[b.where(&g)] = true
			}
		}
	}
	if len(names) < 30 {
		t.Fatalf("%d benchmarks and peers: some are not looked for", len(names))
	}
	for name := range names {
		if out, err := report(t, without(name)); out != "" || err == nil || !strings.Contains(err.Error(), "\t"+name+" (") {
			t.Errorf("without %s: table %q, error %v", name, out, err)
		}
	}
	bare := ""
	for line := range strings.Lines(in) {
		if strings.HasPrefix(line, "Benchmark") {
			bare += line
		}
	}
	out, err := report(t, bare)
	if err != nil || strings.Contains(out, "prototype") || strings.Count(out, "\n") != len(goals)+2 {
		t.Errorf("without prototypes: error %v and\n%s", err, out)
	}
}

// What fails is no figure, and what is skipped is one that says why.
func TestFailedAndSkipped(t *testing.T) {
	in := load(t, "testdata/run.txt")
	if _, err := report(t, in+"--- FAIL: BenchmarkPipe/accounts=1e6\n"); err == nil || !strings.Contains(err.Error(), "BenchmarkPipe/accounts=1e6 failed") {
		t.Errorf("a benchmark failed: error %v", err)
	}
	kept := ""
	for line := range strings.Lines(in) {
		if !strings.HasPrefix(line, "BenchmarkPipe/accounts=1e6-") {
			kept += line
		}
	}
	out, err := report(t, kept+"    pipe_test.go:70: 2 busy threads need as many CPUs, here are 1\n--- SKIP: BenchmarkPipe/accounts=1e6\n")
	if err != nil || !strings.Contains(out, "| skipped: 2 busy threads need as many CPUs, here are 1 |  | `Pipe/accounts=1e6` |") {
		t.Errorf("a benchmark was skipped: error %v and\n%s", err, out)
	}
	if _, err := report(t, in+"BenchmarkX-2 1 2\n"); err == nil {
		t.Error("a line of half a pair is taken")
	}
}

// Runs of one name count by their median.
func TestMedian(t *testing.T) {
	r := results{}
	if err := r.read(strings.NewReader("BenchmarkX-2 1 3 ns/op\nBenchmarkX-2 1 1 ns/op\nBenchmarkX 1 2 ns/op\n")); err != nil {
		t.Fatal(err)
	}
	if v, ok := r.median("X", "ns/op"); v != 2 || !ok {
		t.Errorf("median %v %v, want 2", v, ok)
	}
}

// -readme changes what is between the comments and nothing else.
func TestReadme(t *testing.T) {
	file := filepath.Join(t.TempDir(), "README.md")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("before\n" + begin + "old\n" + end + "after\n")
	if _, err := report(t, "", "-readme", file, "testdata/run.txt"); err != nil {
		t.Fatal(err)
	}
	if got, want := load(t, file), "before\n"+begin+load(t, "testdata/run.md")+end+"after\n"; got != want {
		t.Errorf("got\n%s", got)
	}
	write("no comments")
	if _, err := report(t, "", "-readme", file, "testdata/run.txt"); err == nil {
		t.Error("a page without the comments is taken")
	}
}

// The README has every row of the goals, in their order, with its benchmark, those of
// benchmarks behind a flag too.
func TestReadmeHasEveryRow(t *testing.T) {
	_, table, _, ok := between(load(t, "../../README.md"))
	if !ok {
		t.Fatal("README.md has no table between the comments")
	}
	lines := strings.Split(strings.TrimSpace(table), "\n")[2:]
	goals := slices.Concat(goals, flagged)
	if len(lines) != len(goals) {
		t.Fatalf("%d rows in README.md, want %d", len(lines), len(goals))
	}
	for i, line := range lines {
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		if len(cells) != 5 || strings.TrimSpace(cells[0]) != goals[i].what || strings.Trim(cells[4], "` ") != goals[i].bench {
			t.Errorf("row %d of README.md is %q, want %q by %s", i+1, line, goals[i].what, goals[i].bench)
		}
	}
}
