// Command report makes the table of figures of what benchmarks print: each goal,
// what was measured, and beside it the prototypes and the peers, of the same run.
//
//	go run ./bench/report [-json | -readme FILE] [-lab DIR] [FILE...]
//
// It reads files, or standard input, that hold what go test -bench printed for the
// module and for bench/peers, in any order; what programs of the lab printed may
// stand among it, and with -lab it runs those itself. A benchmark that ran more than
// once counts by its median.
//
// It refuses, and names, a row without its benchmark or its peers: it exits 1 and
// prints no table. A benchmark that was skipped is there, with the reason.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON, times in nanoseconds")
	readme := flags.String("readme", "", "put the table into `FILE`, between "+begin+" and "+end)
	lab := flags.String("lab", "", "run the prototypes in `DIR` too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r := results{}
	if err := readAll(r, flags.Args(), in); err != nil {
		return err
	}
	if *lab != "" {
		if err := r.runLab(*lab); err != nil {
			return err
		}
	}
	wanted := goals
	for _, g := range flagged {
		if r[g.bench] != nil {
			wanted = append(wanted[:len(wanted):len(wanted)], g)
		}
	}
	rows, err := fill(wanted, r)
	if err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	if *readme != "" {
		return writeInto(*readme, markdown(rows))
	}
	_, err = io.WriteString(out, markdown(rows))
	return err
}

// What stands around the table in a file.
const (
	begin = "<!-- figures: written by go run ./bench/report -readme README.md -->\n"
	end   = "<!-- end of figures -->\n"
)

// between cuts a page at the comments around the table.
func between(page string) (before, table, after string, ok bool) {
	before, rest, ok1 := strings.Cut(page, begin)
	table, after, ok2 := strings.Cut(rest, end)
	return before + begin, table, end + after, ok1 && ok2
}

func writeInto(file, table string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, _, after, ok := between(string(page))
	if !ok {
		return fmt.Errorf("%s: want %s and %s around the table", file, begin, end)
	}
	return os.WriteFile(file, []byte(before+table+after), 0o644)
}

func readAll(r results, files []string, in io.Reader) error {
	if len(files) == 0 {
		return r.read(in)
	}
	var errs []error
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		errs = append(errs, r.read(f), f.Close())
	}
	return errors.Join(errs...)
}
