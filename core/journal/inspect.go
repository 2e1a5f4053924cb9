package journal

import (
	"errors"
	"io"
)

// Inspect goes through one segment by itself, whatever lies beside it, and calls
// each for every sound frame that follows the one before. It returns what its header
// says and where its frames end. A nil fs is that of the machine.
//
// An error that is ErrDamaged or ErrVersion tells why they end there; what was told
// before it is sound. Other errors are those of the disk.
func Inspect(fs FS, path string, each func(*Frame)) (Segment, End, error) {
	if fs == nil {
		fs = OS()
	}
	f := &Folder{fs: fs, options: Options{ReadOnly: true}}
	s, err := f.header(path)
	if err != nil {
		return s, End{File: path}, err
	}
	f.segments = []Segment{s}
	r := &Reader{cursor: cursor{folder: f}}
	if err := r.start(0); err != nil {
		return s, End{File: path}, err
	}
	for err == nil && !r.ended {
		var wrong string
		if wrong, err = r.parse(); wrong != "" && err == nil {
			err = r.finish(wrong) // io.EOF, or why not
		} else if err == nil {
			each(&r.frame)
		}
	}
	end := End{Sequence: r.sequence - 1, File: path, Offset: r.offset}
	if err == io.EOF {
		end, err = r.end, nil
	}
	return s, end, errors.Join(err, r.Close())
}
