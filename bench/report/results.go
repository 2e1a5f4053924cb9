package main

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// results are the figures of benchmarks by name, without "Benchmark" and the number
// of CPUs.
type results map[string]*result

type result struct {
	figures map[string][]float64 // by unit, one a run
	skipped string               // why, if it was
}

func (r results) of(name string) *result {
	if r[name] == nil {
		r[name] = &result{figures: map[string][]float64{}}
	}
	return r[name]
}

func (r results) add(name, unit string, v float64) {
	at := r.of(name)
	at.figures[unit] = append(at.figures[unit], v)
}

// median of the runs; false without any.
func (r results) median(name, unit string) (float64, bool) {
	at := r[name]
	if at == nil || len(at.figures[unit]) == 0 {
		return 0, false
	}
	runs := slices.Sorted(slices.Values(at.figures[unit]))
	return runs[len(runs)/2], true
}

// cpus is what go test puts behind a name: GOMAXPROCS, unless it is 1.
var cpus = regexp.MustCompile(`-\d+$`)

// read takes the lines of benchmarks and of the lab, and passes over all others.
func (r results) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	last := ""     // the line before, which with -v has the reason of a skip
	paced := false // the lab's pipe ran at a rate: what it then calls its throughput is that rate
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "--- SKIP: Benchmark"):
			name := strings.TrimPrefix(strings.Fields(line)[2], "Benchmark")
			_, reason, _ := strings.Cut(last, ": ") // file.go:12: reason
			r.of(cpus.ReplaceAllString(name, "")).skipped = reason
		case strings.HasPrefix(strings.TrimSpace(line), "--- FAIL: Benchmark"):
			return fmt.Errorf("%s failed", strings.Fields(line)[2])
		case strings.HasPrefix(line, "Benchmark"):
			if err := r.benchmark(strings.Fields(line)); err != nil {
				return fmt.Errorf("%q: %w", line, err)
			}
		case strings.Contains(line, " rate="):
			paced = !strings.Contains(line, " rate=0 ")
			r.prototype(line)
		case !paced || !strings.Contains(line, " events/s "):
			r.prototype(line)
		}
		last = line
	}
	return lines.Err()
}

// benchmark reads a name, a number of iterations, and pairs of figure and unit. A
// name alone is what go test prints before a benchmark that prints something itself.
func (r results) benchmark(fields []string) error {
	if len(fields) == 1 {
		return nil
	}
	if len(fields)%2 != 0 {
		return fmt.Errorf("%d fields, want a name, a count, and pairs", len(fields))
	}
	name := cpus.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
	for i := 2; i < len(fields); i += 2 {
		v, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return err
		}
		r.add(name, fields[i+1], v)
	}
	return nil
}
