package house

import (
	"encoding/json"
	"go/format"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block is a fenced part of a page: what is said of its language, and its lines.
type block struct{ info, text string }

func blocks(page string) (all []block) {
	lines := strings.SplitAfter(page, "\n")
	for i := 0; i < len(lines); i++ {
		info, fence := strings.CutPrefix(lines[i], "```")
		if !fence {
			continue
		}
		b := block{info: strings.TrimSpace(info)}
		for i++; i < len(lines) && !strings.HasPrefix(lines[i], "```"); i++ {
			b.text += lines[i]
		}
		all = append(all, b)
	}
	return all
}

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every command of the README does what it says. A block of "sh run" runs as it
// stands. It prints exactly the block of "json" that follows, or has every row of
// the one of "text". Other commands are those that .ci/run runs, and benchmarks,
// which run once.
func TestReadmeCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs programs; not with -short")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skipf("the commands are for a shell: %v", err)
	}
	all, ran := blocks(page(t, "README.md")), 0
	for i, b := range all {
		switch {
		case b.info == "sh run":
			ran++
			got, next := shell(t, b.text), block{}
			if i+1 < len(all) {
				next = all[i+1]
			}
			if next.info == "json" && got != next.text {
				t.Errorf("%s\nprints\n%s\nand README.md says\n%s", b.text, got, next.text)
			}
			if row := missingRow(got, next.text); next.info == "text" && row != "" {
				t.Errorf("%s\nprints\n%s\nwithout the row %q of README.md", b.text, got, row)
			}
		case strings.HasPrefix(b.info, "sh"):
			for line := range strings.Lines(b.text) {
				elsewhere(t, strings.TrimSpace(line))
			}
		}
	}
	if ran < 2 {
		t.Errorf("%d blocks of \"sh run\", want the demo and apply", ran)
	}
}

// missingRow returns a row of want that is none of got, or nothing. Blanks at the
// end of a row do not count.
func missingRow(got, want string) string {
	rows := map[string]bool{}
	for row := range strings.Lines(got) {
		rows[strings.TrimRight(row, " \n")] = true
	}
	for row := range strings.Lines(want) {
		if row = strings.TrimRight(row, " \n"); !rows[row] {
			return row
		}
	}
	return ""
}

// ci is what .ci/run has for commands of the README that take long.
var ci = map[string]string{
	"go test ./...":              "readme_tests",
	"go run ./cmd/backstop demo": "go run ./cmd/backstop demo",
	"(go test -v -run '^$' -bench . ./bench ./ring ./core/margin ./core/journal; cd bench/peers; go test -v -run '^$' -bench .) | go run ./bench/report": "go run ./bench/report",
}

// elsewhere checks a command that does not run here as it stands.
func elsewhere(t *testing.T, command string) {
	if part, ok := ci[command]; ok {
		if !strings.Contains(page(t, ".ci/run"), part) {
			t.Errorf("%s: .ci/run does not run it any more", command)
		}
		return
	}
	// A line of figures has its benchmark, and a benchmark is cheap once.
	if !strings.HasPrefix(command, "go test -run '^$' -bench ") {
		t.Errorf("%q is run neither here nor by .ci/run, and is no benchmark", command)
		return
	}
	if out := shell(t, command+" -benchtime 1x"); !strings.Contains(out, "\nBenchmark") {
		t.Errorf("%s ran no benchmark:\n%s", command, out)
	}
}

// shell runs lines at the top of the checkout and returns what they print.
func shell(t *testing.T, lines string) string {
	t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", lines)
	cmd.Dir = root
	var faults strings.Builder
	cmd.Stderr = &faults
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s\n%v\n%s%s", lines, err, out, faults.String())
	}
	return string(out)
}

// The program of the README is formatted, builds against this checkout and prints
// what stands below it.
func TestReadmeProgram(t *testing.T) {
	all := blocks(page(t, "README.md"))
	ran := 0
	for i, b := range all {
		if b.info != "go" {
			continue
		}
		ran++
		if formatted, err := format.Source([]byte(b.text)); err != nil || string(formatted) != b.text {
			t.Errorf("gofmt would change the program, or cannot read it: %v", err)
		}
		if got := runProgram(t, b.text); i+1 == len(all) || got != all[i+1].text {
			t.Errorf("the program prints\n%sand README.md says otherwise", got)
		}
	}
	if ran != 1 {
		t.Errorf("%d programs, want 1", ran)
	}
}

// runProgram runs a main.go as if it lay in the module, where nothing lies.
func runProgram(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	file, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json")
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(top, "cmd", "readme", "main.go"): file}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{file: []byte(source), overlay: replace} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "run", "-overlay", overlay, "./cmd/readme")
	cmd.Dir = top
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	return string(out)
}

var (
	benchmarkName = regexp.MustCompile(`\bBenchmark\w+`)
	benchmarkFunc = regexp.MustCompile(`(?m)^func (Benchmark\w+)\(b \*testing\.B\)`)
	relativeLink  = regexp.MustCompile(`\]\(([^)#:]+)\)`)
)

// What the pages point at is there: benchmarks by name, files by link.
func TestPagesPointAtWhatIsThere(t *testing.T) {
	known := map[string]bool{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		for _, found := range benchmarkFunc.FindAllStringSubmatch(page(t, name), -1) {
			known[found[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	pages := []string{"README.md", "core/RATIONALE.md"}
	for _, name := range pages {
		text := page(t, name)
		for _, benchmark := range benchmarkName.FindAllString(text, -1) {
			if !known[benchmark] {
				t.Errorf("%s: there is no %s", name, benchmark)
			}
		}
		for _, link := range relativeLink.FindAllStringSubmatch(text, -1) {
			to := filepath.Join(root, filepath.Dir(filepath.FromSlash(name)), filepath.FromSlash(link[1]))
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: a link leads nowhere: %v", name, err)
			}
		}
	}
}

// The alarms of this file ring too.
func TestBlocks(t *testing.T) {
	got := blocks("text\n```sh run\na\n\nb\n```\n```\nplain\n```\nend")
	want := []block{{"sh run", "a\n\nb\n"}, {"", "plain\n"}}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("found %q, want %q", got, want)
	}
	if missingRow("a b  1  \nc  2\n", "c  2\n\na b  1\n") != "" || missingRow("a b  1\n", "a b  2\n") != "a b  2" {
		t.Error("rows are taken for others than they are")
	}
	if benchmarkFunc.FindString("func BenchmarkX(b *testing.B) {") == "" || relativeLink.FindString("[a](b/c.md)") == "" {
		t.Error("a pattern does not find what it is for")
	}
}
