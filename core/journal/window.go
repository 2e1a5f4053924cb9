package journal

import (
	"errors"
	"fmt"
	"io"

	"github.com/backstop-fund/backstop/snapshot"
)

// window is a piece of a file in memory, read ahead of who looks.
type window struct {
	file   snapshot.File
	size   int64 // of the file
	buf    []byte
	offset int64 // of buf in the file
	ahead  int   // how much is read next, if there is so much
}

// Who goes through a file reads ever more at once. Who follows one that grows finds
// little behind what has come, and looks again and again.
const (
	firstAhead = 4 << 10
	mostAhead  = len(zeros)
)

func (w *window) reset(file snapshot.File, size int64) {
	w.file, w.size = file, size
	w.forget()
}

// forget drops what was read: the file may have grown since.
func (w *window) forget() { w.buf, w.offset, w.ahead = w.buf[:0], 0, firstAhead }

// at returns n bytes of the file, valid until the next call, or nil if it has
// not so many.
func (w *window) at(offset int64, n int) ([]byte, error) {
	if offset+int64(n) > w.size {
		return nil, nil
	}
	if offset < w.offset || offset+int64(n) > w.offset+int64(len(w.buf)) {
		if err := w.load(offset, max(n, int(min(int64(w.ahead), w.size-offset)))); err != nil {
			return nil, err
		}
	}
	from := offset - w.offset
	return w.buf[from : from+int64(n)], nil
}

func (w *window) load(offset int64, n int) error {
	if cap(w.buf) < n {
		w.buf = make([]byte, 0, n)
	}
	w.buf, w.offset, w.ahead = w.buf[:n], offset, min(4*w.ahead, mostAhead)
	if err := readFull(w.file, w.buf, offset); err != nil {
		w.forget()
		return fmt.Errorf("journal: read %d bytes at %d of %d: %w", n, offset, w.size, err)
	}
	return nil
}

// readFull fills b. A reader may say io.EOF of the last bytes it gives; without
// them it is io.ErrUnexpectedEOF.
func readFull(r io.ReaderAt, b []byte, offset int64) error {
	n, err := r.ReadAt(b, offset)
	switch {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}
