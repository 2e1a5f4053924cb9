package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Listing is what the go command knows of every package the module needs to
// build, the standard library included, by import path.
type Listing map[string]*Listed

// Listed is one package of a [Listing].
type Listed struct {
	ImportPath string
	Export     string // a file with its compiled types
	Standard   bool
	Module     *struct{ Path string } // nil in the standard library
	Imports    []string
}

// List asks the go command about all packages under root, a folder with a
// go.mod. It compiles what has changed. A package that does not build is listed
// without Export.
func List(root string) (Listing, error) {
	cmd := exec.Command("go", "list", "-e", "-export", "-deps",
		"-json=ImportPath,Export,Standard,Module,Imports", "./...")
	cmd.Dir = root
	var faults bytes.Buffer
	cmd.Stderr = &faults
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("house: %v: %w: %s", cmd, err, faults.Bytes())
	}
	listing := Listing{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(Listed)
		switch err := dec.Decode(p); {
		case errors.Is(err, io.EOF):
			return listing, nil
		case err != nil:
			return nil, fmt.Errorf("house: output of %v: %w", cmd, err)
		}
		listing[p.ImportPath] = p
	}
}

// Importer reads the types of listed packages.
func (l Listing) Importer() types.Importer {
	return importer.ForCompiler(token.NewFileSet(), "gc", func(name string) (io.ReadCloser, error) {
		p := l[name]
		if p == nil || p.Export == "" {
			return nil, fmt.Errorf("%s is not part of the build, or does not build itself", name)
		}
		return os.Open(p.Export)
	})
}

// light is what one links and runs by linking the core: the modules it may bring
// with it, and the parts of the standard library it must not.
var light = struct{ modules, banned []string }{
	modules: []string{
		Module,
		"golang.org/x/sys",              // system calls that the standard library lacks
		"github.com/cespare/xxhash/v2",  // checksums
		"github.com/klauspost/compress", // s2, the codec of snapshots
	},
	banned: []string{
		"net/http", "net/rpc", "database/sql", "os/exec", "plugin", // what only a program needs
		"log", "log/slog", "flag", "expvar", // settings and output of the embedding process
		"testing", // registers flags there
	},
}

// Closure finds what the package in the folder dir must not bring into the
// program that links it, however deep. It finds nothing where dir is not listed.
func (l Listing) Closure(dir string) []Finding {
	root := Module + "/" + dir
	if l[root] == nil {
		return nil
	}
	var findings []Finding
	seen := map[string]bool{root: true}
	for queue := []string{root}; len(queue) > 0; queue = queue[1:] {
		for _, name := range l[queue[0]].Imports {
			p := l[name]
			if seen[name] || p == nil {
				continue
			}
			seen[name] = true
			if heavy(p) {
				findings = append(findings, Finding{
					strings.TrimPrefix(queue[0], Module+"/"),
					fmt.Sprintf("brings %s into every program that links %s", name, dir),
				})
				continue
			}
			queue = append(queue, name)
		}
	}
	return sorted(findings)
}

func heavy(p *Listed) bool {
	if p.Standard {
		return slices.Contains(light.banned, p.ImportPath)
	}
	return p.Module == nil || !slices.Contains(light.modules, p.Module.Path)
}
