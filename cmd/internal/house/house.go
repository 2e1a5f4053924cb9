// Package house decides whether the source still has the shape it was given:
// who may import whom, what the deterministic floors must not touch, what every
// package owes its reader, and what may lie at the top of the repository.
//
//	floor 7   cmd/backstop, cmd/internal/*    bench
//	floor 6   core/cluster    core/coretest
//	floor 5   core                                         assembly: goroutines, files, clocks
//	floor 4   core/machine                                 one thread, no clock, no I/O
//	floor 3   core/{margin, trigger, fund, adl, offload} | core/udptick, core/journal, core/event/ndjson: edges
//	floor 2   core/account
//	floor 1   core/event
//	floor 0   fixedpoint    ring    snapshot             | core/internal/*: small helpers
//
// Imports point down, never sideways or up; tests are free. floors.go holds this
// as a table, pure.go what determinism forbids, shape.go the rest. The rules
// read source and change nothing. A [Finding] is a question for the author of the
// change, not a table to edit.
//
// testdata holds small houses with one fault each: an alarm that no longer rings
// fails the tests too.
package house

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Module is the module path, which the import paths of its packages begin with.
const Module = "github.com/backstop-fund/backstop"

// Finding is one place where the source broke a rule.
type Finding struct {
	Where string // a file with its line, or a folder, relative to the module
	What  string // what is wrong, and which rule says so
}

func (f Finding) String() string { return f.Where + ": " + f.What }

// Tree is the parsed source of a module, test files included.
type Tree struct {
	packages []*pkg // by folder
	fset     *token.FileSet
	fsys     fs.FS
	imports  types.Importer
}

type pkg struct {
	dir   string
	files []*file // by name
}

type file struct {
	path string
	test bool
	ast  *ast.File
}

// Load parses every Go file under fsys, whatever platform it is for. As the go
// command does, it passes over testdata, vendor, nested modules and folders
// that begin with a dot or an underscore. A file that does not parse is an error.
//
// The importer supplies the types of what the deterministic packages import.
func Load(fsys fs.FS, imports types.Importer) (*Tree, error) {
	t := &Tree{fset: token.NewFileSet(), fsys: fsys, imports: imports}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && passedOver(fsys, name):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		return t.parse(name)
	})
	if err != nil {
		return nil, fmt.Errorf("house: %w", err)
	}
	slices.SortFunc(t.packages, func(a, b *pkg) int { return cmp.Compare(a.dir, b.dir) })
	return t, nil
}

func passedOver(fsys fs.FS, dir string) bool {
	base := path.Base(dir)
	if base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_' {
		return true
	}
	_, err := fs.Stat(fsys, path.Join(dir, "go.mod"))
	return err == nil
}

func (t *Tree) parse(name string) error {
	src, err := fs.ReadFile(t.fsys, name)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(t.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	// The walk is in lexical order, so a folder's files come sorted; other folders
	// may lie between them.
	dir := path.Dir(name)
	i := slices.IndexFunc(t.packages, func(p *pkg) bool { return p.dir == dir })
	if i < 0 {
		i = len(t.packages)
		t.packages = append(t.packages, &pkg{dir: dir})
	}
	t.packages[i].files = append(t.packages[i].files,
		&file{path: name, test: strings.HasSuffix(name, "_test.go"), ast: parsed})
	return nil
}

// sources are the files that end up in a program.
func (p *pkg) sources() []*file {
	return slices.DeleteFunc(slices.Clone(p.files), func(f *file) bool { return f.test })
}

func (t *Tree) at(pos token.Pos) string {
	p := t.fset.Position(pos)
	return p.Filename + ":" + strconv.Itoa(p.Line)
}

// imported is the path an import names.
func imported(spec *ast.ImportSpec) string {
	s, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		panic("house: the parser let through the import " + spec.Path.Value)
	}
	return s
}

// sorted puts findings in the order of their places and drops repetitions, such
// as one line seen in the builds of two platforms.
func sorted(findings []Finding) []Finding {
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Where, b.Where), cmp.Compare(a.What, b.What))
	})
	return slices.Compact(findings)
}
