package house

import (
	"fmt"
	"slices"
	"strings"
)

// kind is what a place may touch beside what lies below it.
type kind uint8

const (
	stone    kind = iota // knows nothing else of the module
	helper               // small tools of the core: stones below, every floor above
	pure                 // deterministic: no clock, no I/O, no chance, one thread
	edge                 // where the core meets bytes from outside
	assembly             // joins the rest: goroutines, files, clocks
)

// place is a package or a family of them, and its floor. Members of one family
// may import each other; Go itself keeps them from doing so in circles.
type place struct {
	names []string // folders; "x/..." is x and all below it
	floor int
	kind  kind
}

// places is the whole house. A package that is not in it has no floor, and that
// is a finding too.
var places = []place{
	{[]string{"fixedpoint"}, 0, stone},
	{[]string{"ring"}, 0, stone},
	{[]string{"snapshot"}, 0, stone},
	{[]string{"core/internal/..."}, 0, helper},

	{[]string{"core/event"}, 1, pure},

	{[]string{"core/account"}, 2, pure},

	{[]string{"core/margin"}, 3, pure},
	{[]string{"core/trigger"}, 3, pure},
	{[]string{"core/fund"}, 3, pure},
	{[]string{"core/adl"}, 3, pure},
	{[]string{"core/offload"}, 3, pure},
	{[]string{"core/udptick/..."}, 3, edge},
	{[]string{"core/journal"}, 3, edge},
	{[]string{"core/event/ndjson"}, 3, edge},

	{[]string{"core/machine"}, 4, pure},

	{[]string{"core"}, 5, assembly},

	{[]string{"core/cluster"}, 6, assembly},
	{[]string{"core/coretest/..."}, 6, assembly},

	{[]string{"cmd/backstop", "cmd/internal/..."}, 7, assembly},
	{[]string{"bench/..."}, 7, assembly},
}

// placeOf returns where a folder belongs, or nil if the table does not say.
func placeOf(dir string) *place {
	i := slices.IndexFunc(places, func(p place) bool {
		return slices.ContainsFunc(p.names, func(name string) bool {
			family, ok := strings.CutSuffix(name, "/...")
			return dir == family || ok && strings.HasPrefix(dir, family+"/")
		})
	})
	if i < 0 {
		return nil
	}
	return &places[i]
}

// Imports finds packages without a floor, and imports within the module that do
// not point down.
func (t *Tree) Imports() []Finding {
	var findings []Finding
	for _, p := range t.packages {
		from := placeOf(p.dir)
		if from == nil {
			findings = append(findings, Finding{p.dir, "is on no floor: house/floors.go names neither it nor a family it is in"})
			continue
		}
		for _, f := range p.sources() {
			for _, spec := range f.ast.Imports {
				dir, ours := strings.CutPrefix(imported(spec), Module+"/")
				if !ours {
					continue
				}
				if fault := step(from, placeOf(dir)); fault != "" {
					findings = append(findings, Finding{t.at(spec.Pos()), fmt.Sprintf("imports %s %s", dir, fault)})
				}
			}
		}
	}
	return sorted(findings)
}

// step says what is wrong with an import from one place to another, or nothing.
func step(from, to *place) string {
	switch {
	case to == nil:
		return "which is on no floor"
	case from == to, from.kind == helper && to.kind == stone:
		return ""
	case to.floor > from.floor:
		return fmt.Sprintf("upward, from floor %d to floor %d", from.floor, to.floor)
	case to.floor == from.floor:
		return fmt.Sprintf("sideways, on floor %d", from.floor)
	case from.kind == pure && to.kind == edge:
		return "which is an edge, with a clock and sockets: only core joins those"
	}
	return ""
}
