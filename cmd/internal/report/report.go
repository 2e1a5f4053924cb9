// Package report prints what a command found out, for people as a table or for
// programs as NDJSON: the same names and values either way.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Format is how a report is printed. It is a flag's value.
type Format string

// The formats.
const (
	Table  Format = "table"
	NDJSON Format = "ndjson"
)

// String returns the format's name.
func (f *Format) String() string { return string(*f) }

// Set takes a format by name.
func (f *Format) Set(s string) error {
	switch Format(s) {
	case Table, NDJSON:
		*f = Format(s)
		return nil
	}
	return fmt.Errorf("want table or ndjson")
}

// Type is what help texts call the value.
func (f *Format) Type() string { return "table|ndjson" }

// Field is a name and what it stands for.
type Field struct {
	Name  string
	Value any // anything fmt and encoding/json print alike: text, integers, booleans
}

// Record is one thing's fields, in the order in which they are shown.
type Record []Field

// MarshalJSON returns an object with the fields in their order.
func (r Record) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, f := range r {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(f.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.Value)
		if err != nil {
			return nil, fmt.Errorf("report: %s: %w", f.Name, err)
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

// One prints a record: a field a line, or an object.
func One(w io.Writer, f Format, r Record) error {
	if f == NDJSON {
		return lines(w, []Record{r})
	}
	return aligned(w, func(t io.Writer) {
		for _, x := range r {
			fmt.Fprintf(t, "%s\t%v\n", spaced(x.Name), x.Value)
		}
	})
}

// Many prints records that have the same fields: a row each below their names,
// or an object each.
func Many(w io.Writer, f Format, records []Record) error {
	if f == NDJSON {
		return lines(w, records)
	}
	if len(records) == 0 {
		return nil
	}
	return aligned(w, func(t io.Writer) {
		row(t, records[0], func(x Field) any { return spaced(x.Name) })
		for _, r := range records {
			row(t, r, func(x Field) any { return x.Value })
		}
	})
}

func row(w io.Writer, r Record, cell func(Field) any) {
	for i, x := range r {
		if i > 0 {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprint(w, cell(x))
	}
	fmt.Fprintln(w)
}

// spaced is a name as people read it.
func spaced(name string) string { return strings.ReplaceAll(name, "_", " ") }

// lines writes all records at once.
func lines(w io.Writer, records []Record) error {
	var b bytes.Buffer
	for _, r := range records {
		line, err := r.MarshalJSON()
		if err != nil {
			return err
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	_, err := w.Write(b.Bytes())
	return err
}

// aligned writes what print gives, its tabs turned into columns, all at once.
func aligned(w io.Writer, print func(io.Writer)) error {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	print(t)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}
