package oracle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// fields is one JSON object of an event; the first thing wrong with it is kept.
type fields struct {
	values map[string]any
	err    error
}

func parseLine(line []byte) (*fields, error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	f := &fields{}
	if err := dec.Decode(&f.values); err != nil {
		return nil, fmt.Errorf("oracle: event: %w", err)
	}
	if f.values == nil {
		return nil, errors.New("oracle: event: not an object")
	}
	return f, nil
}

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf("oracle: event: "+format, args...)
	}
}

func (f *fields) has(key string) bool {
	_, ok := f.values[key]
	return ok
}

// text is the string at key, "" where it is absent.
func (f *fields) text(key string) string {
	switch v := f.values[key].(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		f.fail("%s: %v is neither text nor number", key, v)
		return ""
	}
}

// oneOf is the string at key, otherwise the first of the words; it must be one of them.
func (f *fields) oneOf(key string, words ...string) string {
	if !f.has(key) {
		return words[0]
	}
	got := f.text(key)
	for _, w := range words {
		if w == got {
			return got
		}
	}
	f.fail("%s: %q is none of %q", key, got, words)
	return words[0]
}

// decimal is the number at key, otherwise; without otherwise the key must be there.
func (f *fields) decimal(key string, otherwise num) num {
	if !f.has(key) {
		if otherwise == nil {
			f.fail("%s is missing", key)
			return zero
		}
		return otherwise
	}
	v, err := parseDecimal(f.text(key))
	if err != nil {
		f.fail("%s: %v", key, err)
		return zero
	}
	return v
}

// id is the unsigned integer at key, otherwise where it is absent.
func (f *fields) id(key string, otherwise uint64) uint64 {
	if !f.has(key) {
		return otherwise
	}
	v, err := strconv.ParseUint(f.text(key), 10, 64)
	if err != nil {
		f.fail("%s: %v", key, err)
	}
	return v
}

// needID is the unsigned integer that must stand at key.
func (f *fields) needID(key string) uint64 {
	if !f.has(key) {
		f.fail("%s is missing", key)
	}
	return f.id(key, 0)
}

// nanos is the time at key.
func (f *fields) nanos(key string) stamp {
	if !f.has(key) {
		return stamp{}
	}
	v, err := strconv.ParseInt(f.text(key), 10, 64)
	if err != nil {
		f.fail("%s: %v", key, err)
	}
	return stamp{ns: v, known: true}
}

// duration is a length of time such as "5s" in nanoseconds.
func (f *fields) duration(key string, otherwise int64) int64 {
	if !f.has(key) {
		return otherwise
	}
	d, err := time.ParseDuration(f.text(key))
	if err != nil {
		f.fail("%s: %v", key, err)
	}
	return int64(d)
}

func (f *fields) flag(key string, otherwise bool) bool {
	if !f.has(key) {
		return otherwise
	}
	v, ok := f.values[key].(bool)
	if !ok {
		f.fail("%s: %v is neither true nor false", key, f.values[key])
	}
	return v
}

// object is the object at key, nil where there is none.
func (f *fields) object(key string) *fields {
	v, ok := f.values[key].(map[string]any)
	if !ok {
		return nil
	}
	return &fields{values: v}
}

// objects are the objects of the array at key.
func (f *fields) objects(key string) []*fields {
	if !f.has(key) {
		return nil
	}
	list, ok := f.values[key].([]any)
	if !ok {
		f.fail("%s: not an array", key)
	}
	var all []*fields
	for _, v := range list {
		m, ok := v.(map[string]any)
		if !ok {
			f.fail("%s: %v is no object", key, v)
		}
		all = append(all, &fields{values: m})
	}
	return all
}
