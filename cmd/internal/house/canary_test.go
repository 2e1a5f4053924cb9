package house

import (
	"fmt"
	"go/types"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
)

// Every alarm rings, for the fault it is there for and for nothing else.
func TestCanaries(t *testing.T) {
	fixtures, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(fixtures) < 2 {
		t.Fatalf("%d fixtures, %v", len(fixtures), err)
	}
	for _, name := range fixtures {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			files := fstest.MapFS{}
			lay(t, files, "testdata/sound.txtar")
			lay(t, files, name)
			want := ""
			if f := files["want"]; f != nil {
				want = string(f.Data)
				delete(files, "want")
			}
			var got strings.Builder
			for _, f := range everyFinding(t, files) {
				fmt.Fprintln(&got, f)
			}
			if got.String() != want {
				t.Errorf("found\n%s\nwant\n%s", got.String(), want)
			}
		})
	}
}

func lay(t *testing.T, files fstest.MapFS, name string) {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		files[f.Name] = &fstest.MapFile{Data: f.Data}
	}
}

func everyFinding(t *testing.T, files fstest.MapFS) []Finding {
	tree, err := Load(files, fixtureImporter{listing(t).Importer()})
	if err != nil {
		t.Fatal(err)
	}
	findings := Layout(slices.Collect(maps.Keys(files)))
	for _, rule := range rules {
		findings = append(findings, rule.find(tree)...)
	}
	return sorted(findings)
}

// Fixtures import for the sake of importing: what they import is empty, apart
// from the two packages that they call.
type fixtureImporter struct{ std types.Importer }

func (i fixtureImporter) Import(name string) (*types.Package, error) {
	if name == "fmt" || name == "math" {
		return i.std.Import(name)
	}
	p := types.NewPackage(name, path.Base(name))
	p.MarkComplete()
	return p, nil
}

func TestClosureRings(t *testing.T) {
	listed := func(standard bool, module, name string, imports ...string) *Listed {
		p := &Listed{ImportPath: name, Standard: standard, Imports: imports}
		if !standard {
			p.Module = &struct{ Path string }{module}
		}
		return p
	}
	l := Listing{}
	for _, p := range []*Listed{
		listed(false, Module, Module+"/core", Module+"/core/udptick", "fmt", "golang.org/x/sys/unix"),
		listed(false, Module, Module+"/core/udptick", Module+"/core", "net", "example.org/json/fast", "expvar"),
		listed(false, "golang.org/x/sys", "golang.org/x/sys/unix"),
		listed(false, "example.org/json", "example.org/json/fast", "net/http"),
		listed(true, "", "fmt"),
		listed(true, "", "net"),
		listed(true, "", "expvar", "net/http"),
		listed(true, "", "net/http"),
	} {
		l[p.ImportPath] = p
	}
	want := []Finding{
		{"core/udptick", "brings example.org/json/fast into every program that links core"},
		{"core/udptick", "brings expvar into every program that links core"},
	}
	if got := l.Closure("core"); !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	if got := l.Closure("snapshot"); got != nil {
		t.Errorf("found %v for a package that is not listed", got)
	}
}

func TestLoadRefusesWhatDoesNotParse(t *testing.T) {
	_, err := Load(fstest.MapFS{"ring/ring.go": {Data: []byte("package ring\nfunc {")}}, nil)
	if err == nil || !strings.Contains(err.Error(), "ring/ring.go:2:6") {
		t.Errorf("error %v does not tell where", err)
	}
}
