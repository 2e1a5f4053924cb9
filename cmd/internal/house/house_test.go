package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// root is the module's folder; tests run in the folder of their package.
const root = "../../.."

// One listing serves all tests: the go command takes its time.
var listOnce = sync.OnceValues(func() (Listing, error) { return List(root) })

func listing(t *testing.T) Listing {
	l, err := listOnce()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func report(t *testing.T, findings []Finding) {
	for _, f := range findings {
		t.Error(f)
	}
}

// The house as it stands in this checkout.
func TestHouse(t *testing.T) {
	tree, err := Load(os.DirFS(root), listing(t).Importer())
	if err != nil {
		t.Fatal(err)
	}
	// A walk that found nothing would find no fault either.
	if !slices.ContainsFunc(tree.packages, func(p *pkg) bool { return p.dir == "cmd/internal/house" }) {
		t.Fatalf("this very package is not among the %d found", len(tree.packages))
	}
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) { report(t, rule.find(tree)) })
	}
}

var rules = []struct {
	name string
	find func(*Tree) []Finding
}{
	{"imports", (*Tree).Imports},
	{"purity", (*Tree).Purity},
	{"docs", (*Tree).Docs},
	{"examples", (*Tree).Examples},
	{"names", (*Tree).Names},
}

func TestTopLevel(t *testing.T) {
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		t.Skipf("which files are tracked cannot be asked without .git: %v", err)
	}
	out, err := exec.Command("git", "-C", root, "ls-files", "-z").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	tracked := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(tracked) < 2 {
		t.Fatalf("git tracks %q here: the top level cannot be judged by that", tracked)
	}
	report(t, Layout(tracked))
}

// What one embeds stays light: the ground stones alone, and the whole core.
func TestClosure(t *testing.T) {
	for _, dir := range []string{"fixedpoint", "ring", "snapshot", "core"} {
		t.Run(dir, func(t *testing.T) { report(t, listing(t).Closure(dir)) })
	}
}
