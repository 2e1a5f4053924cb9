package invariant_test

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/internal/invariant"
)

// Every set of tags is looked at, not only the one this test was built with.
func TestEnabledByTags(t *testing.T) {
	for _, row := range []struct {
		tags string
		want bool
	}{
		{"", false},
		{"invariants", true},
		{"race", true},
		{"invariants race", true},
	} {
		t.Run("tags="+row.tags, func(t *testing.T) {
			if got := enabled(t, strings.Fields(row.tags)); got != row.want {
				t.Errorf("Enabled = %v, want %v", got, row.want)
			}
		})
	}
}

// enabled is the value of Enabled in a build with just these tags.
func enabled(t *testing.T, tags []string) bool {
	builds := build.Default
	builds.BuildTags, builds.ToolTags = tags, nil
	pkg, err := builds.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range pkg.GoFiles {
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	checked, err := new(types.Config).Check("invariant", fset, files, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, ok := checked.Scope().Lookup("Enabled").(*types.Const)
	if !ok {
		t.Fatal("Enabled is not a constant: the compiler could not remove what it guards")
	}
	return constant.BoolVal(c.Val())
}

// A transfer that recounts the money where recounting was asked for.
func Example() {
	balances := []int64{100, 0}
	balances[0], balances[1] = balances[0]-30, balances[1]+30
	if invariant.Enabled {
		var sum int64
		for _, b := range balances {
			sum += b
		}
		if sum != 100 {
			panic(fmt.Sprintf("conserve: the accounts hold %d, deposited were 100", sum))
		}
	}
	fmt.Println(balances)
	// Output: [70 30]
}
