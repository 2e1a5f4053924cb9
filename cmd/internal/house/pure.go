package house

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/types"
	"io"
	"path"
)

// banned is what no deterministic package imports, itself or below. sync/atomic
// goes with sync: on one thread there is nobody to be atomic against.
var banned = map[string]string{
	"time":         "time is a field of the event",
	"os":           "the machine does no I/O",
	"net":          "the machine does no I/O",
	"syscall":      "the machine does no I/O",
	"log":          "what happened is an effect",
	"sync":         "the machine is one thread",
	"math/rand":    "there is no chance",
	"crypto/rand":  "there is no chance",
	"hash/maphash": "there is no chance: its seed differs in every process",
	"maps":         "its iterators walk maps in an order that differs in every run",
}

type platform struct {
	os, arch string
	tags     []string
}

// platforms are the builds whose files are looked at; together they take in
// every file that a supported platform or an invariant check adds.
var platforms = []platform{
	{"linux", "amd64", nil},
	{"linux", "amd64", []string{"invariants", "race"}},
	{"linux", "arm64", nil},
	{"darwin", "arm64", nil},
	{"windows", "amd64", nil},
}

// Purity finds what could make two replays differ. On floors 1 to 4, the edges
// apart, and in the helpers they use: banned imports, goroutines and selects.
// There and in fixedpoint: floating point, and ranging over a map.
func (t *Tree) Purity() []Finding {
	var findings []Finding
	for _, p := range t.packages {
		at := placeOf(p.dir)
		deterministic := at != nil && (at.kind == pure || at.kind == helper)
		if deterministic {
			for _, f := range p.sources() {
				findings = append(findings, t.impure(f)...)
			}
		}
		if deterministic || p.dir == "fixedpoint" {
			findings = append(findings, t.inexact(p)...)
		}
	}
	return sorted(findings)
}

// impure finds in one file what needs no types to be seen.
func (t *Tree) impure(f *file) []Finding {
	var findings []Finding
	for _, spec := range f.ast.Imports {
		name := imported(spec)
		for root := name; root != "."; root = path.Dir(root) {
			if why, ok := banned[root]; ok {
				findings = append(findings, Finding{t.at(spec.Pos()), fmt.Sprintf("imports %s: %s", name, why)})
			}
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.GoStmt:
			findings = append(findings, Finding{t.at(n.Pos()), "starts a goroutine: the machine is one thread"})
		case *ast.SelectStmt:
			findings = append(findings, Finding{t.at(n.Pos()), "selects: which case is ready is chance"})
		}
		return true
	})
	return findings
}

// inexact type-checks a package for every platform and finds floats and walks
// over maps. Only types tell: 1e8 may be an exact integer, and a float needs no
// float64 in sight.
func (t *Tree) inexact(p *pkg) []Finding {
	var findings []Finding
	for _, on := range platforms {
		info := types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
		files, err := t.check(p, on, &info)
		if err != nil {
			where := p.dir
			if fault, ok := errors.AsType[types.Error](err); ok {
				where, err = t.at(fault.Pos), errors.New(fault.Msg)
			}
			findings = append(findings, Finding{where, fmt.Sprintf("does not type-check: %v", err)})
		}
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case ast.Expr:
					if isFloat(info.Types[n].Type) {
						findings = append(findings, Finding{t.at(n.Pos()), "computes in floating point: money and prices are integers"})
					}
				case *ast.RangeStmt:
					if isMap(info.Types[n.X].Type) {
						findings = append(findings, Finding{t.at(n.Pos()), "ranges over a map: the order differs in every run"})
					}
				}
				return true
			})
		}
	}
	return findings
}

// check fills info with the types in one build of a package, and returns the
// files that belong to it.
func (t *Tree) check(p *pkg, on platform, info *types.Info) ([]*ast.File, error) {
	builds := build.Context{
		GOOS: on.os, GOARCH: on.arch, BuildTags: on.tags,
		Compiler: "gc", ReleaseTags: build.Default.ReleaseTags,
		JoinPath: path.Join,
		OpenFile: func(name string) (io.ReadCloser, error) { return t.fsys.Open(name) },
	}
	var files []*ast.File
	for _, f := range p.sources() {
		match, err := builds.MatchFile(p.dir, path.Base(f.path))
		if err != nil {
			return nil, err
		}
		if match {
			files = append(files, f.ast)
		}
	}
	conf := types.Config{Importer: t.imports, Sizes: types.SizesFor("gc", on.arch)}
	_, err := conf.Check(path.Join(Module, p.dir), t.fset, files, info)
	return files, err
}

// isFloat leaves out untyped constants: the compiler folds those exactly.
func isFloat(t types.Type) bool {
	if t == nil {
		return false
	}
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&(types.IsFloat|types.IsComplex) != 0 && b.Info()&types.IsUntyped == 0
}

func isMap(t types.Type) bool {
	if t == nil {
		return false
	}
	_, ok := t.Underlying().(*types.Map)
	return ok
}
