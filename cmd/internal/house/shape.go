package house

import (
	"fmt"
	"go/ast"
	"go/doc"
	"path"
	"regexp"
	"slices"
	"strings"
)

// top is what may lie at the top of the repository, beside dotfiles.
var top = []string{
	"go.mod", "go.sum", "README.md", "LICENSE",
	"bench", "cmd", "core", "fixedpoint", "ring", "snapshot",
}

// Layout finds tracked paths, slashes between their parts, that add to the top
// level.
func Layout(tracked []string) []Finding {
	var findings []Finding
	for _, name := range tracked {
		first, _, _ := strings.Cut(name, "/")
		if !strings.HasPrefix(first, ".") && !slices.Contains(top, first) {
			findings = append(findings, Finding{first, "is new at the top level, which is fixed: all else goes beneath it"})
		}
	}
	return sorted(findings)
}

// Docs finds packages that do not open with what they decide, in a comment that
// begins "Package x" or, for a program, "Command x".
func (t *Tree) Docs() []Finding {
	var findings []Finding
	for _, p := range t.packages {
		sources := p.sources()
		if len(sources) == 0 {
			findings = append(findings, Finding{p.dir, "has tests only: a doc.go would say what they are about"})
			continue
		}
		want := "Package " + sources[0].ast.Name.Name + " "
		if isProgram(p) {
			want = "Command " + path.Base(p.dir) + " "
		}
		if !slices.ContainsFunc(sources, func(f *file) bool { return strings.HasPrefix(f.ast.Doc.Text(), want) }) {
			findings = append(findings, Finding{p.dir, fmt.Sprintf("has no package comment that begins %q", want)})
		}
	}
	return sorted(findings)
}

// Examples finds packages, programs apart, without an example whose output is
// compared.
func (t *Tree) Examples() []Finding {
	var findings []Finding
	for _, p := range t.packages {
		var tests []*ast.File
		for _, f := range p.files {
			if f.test {
				tests = append(tests, f.ast)
			}
		}
		runs := func(e *doc.Example) bool { return e.Output != "" || e.EmptyOutput }
		if !isProgram(p) && !slices.ContainsFunc(doc.Examples(tests...), runs) {
			findings = append(findings, Finding{p.dir, "has no Example that runs: one with an // Output: comment"})
		}
	}
	return sorted(findings)
}

func isProgram(p *pkg) bool {
	return slices.ContainsFunc(p.files, func(f *file) bool { return f.ast.Name.Name == "main" })
}

var (
	vague  = regexp.MustCompile(`^(utils?|commons?|helpers?|types|misc)$`)
	getter = regexp.MustCompile(`^Get([A-Z]|$)`)
)

// Names finds folders and files named after no idea, and functions and methods
// named Get or GetX.
func (t *Tree) Names() []Finding {
	var findings []Finding
	for _, p := range t.packages {
		if vague.MatchString(path.Base(p.dir)) {
			findings = append(findings, Finding{p.dir, "is named after no idea: what is it about?"})
		}
		for _, f := range p.files {
			stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.path), ".go"), "_test")
			if vague.MatchString(stem) {
				findings = append(findings, Finding{f.path, "is named after no idea: what is it about?"})
			}
			if !f.test {
				findings = append(findings, t.getters(f)...)
			}
		}
	}
	return sorted(findings)
}

func (t *Tree) getters(f *file) []Finding {
	var findings []Finding
	refuse := func(name *ast.Ident) {
		if getter.MatchString(name.Name) {
			findings = append(findings, Finding{t.at(name.Pos()), name.Name + " says Get: a thing is named after what it returns"})
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			refuse(n.Name)
		case *ast.InterfaceType:
			for _, m := range n.Methods.List {
				for _, name := range m.Names {
					refuse(name)
				}
			}
		}
		return true
	})
	return findings
}
