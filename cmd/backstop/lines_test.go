package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/backstop-fund/backstop/core/event/ndjson"
)

// Lines come out as they went in, however the reader cuts them.
func TestLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var input []byte
		for range rapid.IntRange(0, 8).Draw(t, "lines") {
			length := rapid.OneOf(rapid.IntRange(0, 80), rapid.IntRange(1<<16-2, 1<<16+2), rapid.Just(200_000)).Draw(t, "length")
			input = append(append(input, bytes.Repeat([]byte{'x'}, length)...), '\n')
		}
		if rapid.Bool().Draw(t, "cut") && len(input) > 0 {
			input = input[:len(input)-1]
		}
		var want [][]byte
		for line := range bytes.Lines(input) {
			want = append(want, line)
		}
		r := newLineReader(iotest.HalfReader(bytes.NewReader(input)))
		for i := 0; ; i++ {
			line, err := r.next()
			if err == io.EOF && len(line) == 0 {
				if i != len(want) {
					t.Fatalf("%d lines, want %d", i, len(want))
				}
				return
			}
			if err != nil || i >= len(want) || !bytes.Equal(line, want[i]) {
				t.Fatalf("line %d: %d bytes, %v", i+1, len(line), err)
			}
		}
	})
}

// A line nobody would decode does not fill the memory.
func TestEndlessLine(t *testing.T) {
	endless := io.MultiReader(strings.NewReader(strings.Repeat("x", 3*ndjson.MaxLine)), iotest.ErrReader(errors.New("read on")))
	line, err := newLineReader(endless).next()
	if err != nil || len(line) <= ndjson.MaxLine || len(line) > ndjson.MaxLine+1<<17 {
		t.Errorf("%d bytes, %v: want enough to be refused, and no more", len(line), err)
	}
}

func TestFaultyReader(t *testing.T) {
	broken := errors.New("broken")
	r := newLineReader(io.MultiReader(strings.NewReader("whole\ncut"), iotest.ErrReader(broken)))
	if line, err := r.next(); string(line) != "whole\n" || err != nil {
		t.Errorf("%q, %v", line, err)
	}
	if _, err := r.next(); err != broken {
		t.Errorf("error %v, want %v: what was cut is no line", err, broken)
	}
}

func TestInterruptible(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	r, w := io.Pipe()
	defer w.Close() // lets the reader that stays behind end
	i := newInterruptible(ctx, r)
	go w.Write([]byte("line\n"))
	b := make([]byte, 10)
	if n, err := i.Read(b); string(b[:n]) != "line\n" || err != nil {
		t.Errorf("%q, %v", b[:n], err)
	}
	stop := errors.New("stop")
	read := make(chan error)
	go func() {
		_, err := i.Read(b)
		read <- err
	}()
	cancel(stop)
	if err := <-read; err != stop {
		t.Errorf("error %v, want %v", err, stop)
	}
}
