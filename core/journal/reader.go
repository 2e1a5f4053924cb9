package journal

import (
	"errors"
	"fmt"
	"io"

	"github.com/backstop-fund/backstop/snapshot"
)

// Reader goes through a journal that nobody writes, frame by frame, and tells a
// clean end and a torn one from damage.
type Reader struct {
	cursor
	end  End
	done error // io.EOF or what went wrong: the reader goes no further
}

// End is where a journal ends.
type End struct {
	// Sequence is the last one there is.
	Sequence uint64
	// File and Offset are where the next frame goes. The file is empty for a
	// journal that has no segment yet.
	File   string
	Offset int64
	// Torn says that something lies there, which was never acknowledged.
	Torn bool
}

// cursor is a place between two frames, and what the next one must say to be the
// next one.
type cursor struct {
	folder  *Folder
	index   int           // of the segment in the folder's list
	file    snapshot.File // nil before the first segment
	segment Segment
	window  window

	offset   int64
	sequence uint64 // of the next event
	chain    uint64 // of the next frame
	durable  uint64 // highest known to be durable
	sealed   bool   // the last frame said that all before it is
	doubt    int64  // all before this offset is durable, says some frame
	ended    bool   // the last frame was the segment's end
	frame    Frame
}

// start goes to the beginning of a segment. Its header is evidence for all
// before it: it was written when that was durable.
func (c *cursor) start(index int) error {
	s := c.folder.segments[index]
	file, err := c.folder.fs.Open(s.Path)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := c.close(); err != nil {
		return errors.Join(err, file.Close())
	}
	c.index, c.file, c.segment = index, file, s
	c.window.reset(file, s.Size)
	c.offset, c.doubt = headerSize, headerSize
	c.sequence, c.chain, c.durable = s.First, s.Chain, s.First-1
	c.sealed, c.ended = true, false
	return nil
}

func (c *cursor) close() error {
	if c.file == nil {
		return nil
	}
	file := c.file
	c.file = nil
	if err := file.Close(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// damage is a *DamageError at the cursor.
func (c *cursor) damage(what string, args ...any) error {
	return &DamageError{File: c.segment.Path, Offset: c.offset, Sequence: c.sequence, What: fmt.Sprintf(what, args...)}
}

// parse reads the frame at the cursor, and goes behind it. If there is no sound
// one it says what is wrong; a sound one that cannot be the next is damage.
func (c *cursor) parse() (wrong string, err error) {
	h, err := c.window.at(c.offset, frameSize)
	if err != nil {
		return "", err
	}
	if h == nil {
		return "no room for a frame", nil
	}
	f, wrong := parseFrame(h, c.segment.Salt)
	if wrong != "" {
		return wrong, nil
	}
	if f.Chain != c.chain || f.First != c.sequence || f.Durable >= f.First || f.Durable < c.durable ||
		f.seals() && f.Durable != f.First-1 {
		return "", c.damage("a sound frame that is not the next one: %v from sequence %d, durable %d, chain %016x; want sequence %d, durable from %d, chain %016x",
			f.Kind, f.First, f.Durable, f.Chain, c.sequence, c.durable, c.chain)
	}
	room := padded(f.length)
	b, err := c.window.at(c.offset, frameSize+room)
	if err != nil {
		return "", err
	}
	if b == nil {
		return fmt.Sprintf("payload of %d bytes reaches beyond the segment", f.length), nil
	}
	if got := checksum(b[frameSize:]); got != f.checksum {
		return fmt.Sprintf("payload checksum %08x, want %08x", got, f.checksum), nil
	}
	f.Payload = b[frameSize : frameSize+f.length : frameSize+f.length]
	f.File, f.Offset = c.segment.Path, c.offset
	if f.Durable == c.sequence-1 {
		c.doubt = c.offset // it knows all before it
	}
	c.frame = f
	c.offset += f.size()
	c.sequence += uint64(f.Count)
	c.chain, c.durable = f.Hash, f.Durable
	c.sealed, c.ended = f.seals(), f.Kind == KindEnd
	return "", nil
}

// behind looks for evidence behind a bad frame at the cursor: a sound header
// that says more was durable than could be read. It looks at no more than limit
// bytes. torn reports whether there is anything but zeros.
func (c *cursor) behind(limit int64) (evidence *Frame, torn bool, err error) {
	end := min(c.segment.Size, c.offset+limit)
	for at := c.offset; at < end; {
		b, err := c.window.at(at, int(min(int64(len(zeros)), end-at)))
		if err != nil {
			return nil, torn, err
		}
		if isZero(b) {
			at += int64(len(b))
			continue
		}
		torn = true
		last := len(b) - frameSize // headers that lie in b whole
		for i := 0; i <= last; i += alignment {
			if le.Uint32(b[i:]) != frameMagic^uint32(c.segment.Salt) {
				continue
			}
			if f, wrong := parseFrame(b[i:], c.segment.Salt); wrong == "" && f.Durable >= c.sequence {
				f.File, f.Offset = c.segment.Path, at+int64(i)
				return &f, true, nil
			}
		}
		if at+int64(len(b)) == end {
			break
		}
		at += int64(max(last, 0)) &^ (alignment - 1)
	}
	return nil, torn, nil
}

// Read returns a reader whose first frame of events has sequence from in it; or
// that ends where it would be. It is ErrGone if that is before the first
// segment; 0 is the first event there is.
func (f *Folder) Read(from uint64) (*Reader, error) {
	r := &Reader{cursor: cursor{folder: f, sequence: f.options.First, durable: f.options.First - 1, sealed: true}}
	if err := r.seek(from); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// seek goes to the segment that has a sequence, if any has.
func (c *cursor) seek(from uint64) error {
	segments := c.folder.segments
	if len(segments) == 0 {
		return nil
	}
	if from == 0 {
		from = segments[0].First
	}
	if from < segments[0].First {
		return fmt.Errorf("%w: sequence %d: %s begins at %d", ErrGone, from, segments[0].Path, segments[0].First)
	}
	index := 0
	for index+1 < len(segments) && segments[index+1].First <= from {
		index++
	}
	return c.start(index)
}

// Next returns the next frame, valid until the next call. At the end, clean or
// torn, it is io.EOF, and End tells where that is. A *DamageError says that
// there is no such end. Other errors are ErrVersion and those of the disk. After
// an error it returns the same for ever.
func (r *Reader) Next() (*Frame, error) {
	if r.done == nil {
		r.done = r.step()
	}
	if r.done != nil {
		return nil, r.done
	}
	return &r.frame, nil
}

func (r *Reader) step() error {
	if r.file == nil {
		r.end = End{Sequence: r.sequence - 1}
		return io.EOF
	}
	if r.ended {
		if r.index+1 == len(r.folder.segments) {
			return r.unfinished()
		}
		if err := r.enter(); err != nil {
			return err
		}
	}
	wrong, err := r.parse()
	if wrong == "" || err != nil {
		return err
	}
	return r.finish(wrong)
}

// enter goes on with the next segment, which must be the one that was announced.
func (r *Reader) enter() error {
	chain, sequence := r.chain, r.sequence
	if err := r.start(r.index + 1); err != nil {
		return err
	}
	if r.segment.Chain != chain || r.segment.First != sequence {
		return &DamageError{File: r.segment.Path, Sequence: sequence, What: fmt.Sprintf("begins at sequence %d with chain %016x, the segment before ends before %d with %016x", r.segment.First, r.segment.Chain, sequence, chain)}
	}
	return nil
}

// unfinished ends a journal whose last segment has announced one that has not
// got its name.
func (r *Reader) unfinished() error {
	_, fits, err := r.folder.next(&r.frame, r.segment.Number+1)
	if err != nil {
		return err
	}
	if !fits {
		return r.damage("segment %d is missing: this one ends by announcing it", r.segment.Number+1)
	}
	r.end = End{Sequence: r.sequence - 1, File: r.segment.Path, Offset: r.offset}
	return io.EOF
}

// finish decides what a bad frame is: the end, or damage.
func (r *Reader) finish(wrong string) error {
	if r.index+1 < len(r.folder.segments) {
		return r.damage("%s, and it has a successor", wrong)
	}
	evidence, torn, err := r.behind(r.segment.Size)
	if err != nil {
		return err
	}
	if evidence != nil {
		return r.damage("%s; the frame at offset %d was written when sequence %d was durable", wrong, evidence.Offset, evidence.Durable)
	}
	r.end = End{Sequence: r.sequence - 1, File: r.segment.Path, Offset: r.offset, Torn: torn}
	return io.EOF
}

// End is where the journal ends, once Next has returned io.EOF.
func (r *Reader) End() End { return r.end }

// Close closes the file at hand.
func (r *Reader) Close() error { return r.close() }
