package main

import (
	"bufio"
	"context"
	"io"

	"github.com/backstop-fund/backstop/core/event/ndjson"
)

// lineReader reads lines of any length, but keeps only as much of one as a
// decoder needs to refuse it.
type lineReader struct {
	r    *bufio.Reader
	long []byte
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 1<<16)}
}

// next returns the next line, with its line end if it has one, good until the
// call after. After the last one the error is io.EOF.
func (l *lineReader) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		l.long = l.long[:0]
		for err == bufio.ErrBufferFull && len(l.long) <= ndjson.MaxLine {
			l.long = append(l.long, line...)
			line, err = l.r.ReadSlice('\n')
		}
		l.long = append(l.long, line...)
		line = l.long
	}
	if len(line) > 0 && (err == io.EOF || err == bufio.ErrBufferFull) {
		return line, nil
	}
	return line, err
}

// interruptible reads from a reader that cannot be closed, such as a terminal,
// until ctx ends. The goroutine that is reading at that moment stays behind: it
// ends with the process, which is about to.
type interruptible struct {
	ctx  context.Context
	from io.Reader
	done chan readResult
}

type readResult struct {
	n   int
	err error
}

func newInterruptible(ctx context.Context, from io.Reader) *interruptible {
	return &interruptible{ctx, from, make(chan readResult, 1)}
}

func (r *interruptible) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	go func() {
		n, err := r.from.Read(p)
		r.done <- readResult{n, err}
	}()
	select {
	case x := <-r.done:
		return x.n, x.err
	case <-r.ctx.Done():
		return 0, context.Cause(r.ctx)
	}
}

// flushBefore is a reader whose Read flushes a writer first: who has to wait for
// more input has seen everything that the input before led to.
type flushBefore struct {
	r io.Reader
	w *bufio.Writer
}

func (f flushBefore) Read(p []byte) (int, error) {
	if err := f.w.Flush(); err != nil {
		return 0, err
	}
	return f.r.Read(p)
}
