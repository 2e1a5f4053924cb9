package journal

import (
	"errors"
	"math/bits"
)

// Tail follows a journal while it grows: in the process that writes it, or in
// another, on a read-only folder. How to wait is its caller's decision.
type Tail struct {
	cursor
	written func() uint64 // nil in another process
	from    uint64
	vain    int // looks since the last frame
}

// NewTail returns a tail whose first frame of events has sequence from in it.
//
// In the process of the writer, written is [Writer.Written]: no frame is looked at
// before it is in the file. Elsewhere written is nil, and a frame that is only
// half there, because it is just being written, is nothing yet.
//
// It is ErrGone if from is before the first segment; 0 is the first event there is.
func NewTail(f *Folder, from uint64, written func() uint64) (*Tail, error) {
	t := &Tail{cursor: cursor{folder: f}, written: written, from: from}
	// The list belongs to the folder's goroutine; a tail has one of its own.
	own := *f
	own.options.ReadOnly, own.lock = true, nil
	t.folder = &own
	if err := t.begin(); err != nil && err != ErrAgain {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// begin goes to the segment that has the sequence, once there is one.
func (t *Tail) begin() error {
	if err := t.folder.list(); err != nil {
		return err
	}
	if len(t.folder.segments) == 0 {
		return ErrAgain
	}
	return t.seek(t.from)
}

// Next returns the next frame, valid until the next call, or ErrAgain, as it is,
// if there is none yet. A *DamageError says that there never will be.
func (t *Tail) Next() (*Frame, error) {
	if t.file == nil {
		if err := t.begin(); err != nil {
			return nil, err
		}
	}
	if t.written != nil && t.sequence > t.written() {
		return nil, ErrAgain
	}
	if t.ended {
		if err := t.enter(); err != nil {
			return nil, err
		}
	}
	wrong, err := t.parse()
	if wrong != "" {
		wrong, err = t.reread() // it was read when the frame was not there yet
	}
	switch {
	case err != nil:
		return nil, err
	case wrong == "":
		t.vain = 0
		return &t.frame, nil
	case t.written != nil:
		return nil, t.damage("%s, though sequence %d was written", wrong, t.written())
	}
	return t.judge()
}

func (t *Tail) reread() (wrong string, err error) {
	t.window.forget()
	return t.parse()
}

// enter goes on with the next segment, once it has got its name.
func (t *Tail) enter() error {
	number, chain, sequence := t.segment.Number+1, t.chain, t.sequence
	if err := t.folder.list(); err != nil {
		return err
	}
	for i, s := range t.folder.segments {
		if s.Number < number {
			continue
		}
		if s.Number > number || s.First != sequence || s.Chain != chain {
			return t.damage("segment %d, announced with chain %016x, is missing: there is segment %d from sequence %d with chain %016x", number, chain, s.Number, s.First, s.Chain)
		}
		return t.start(i)
	}
	return ErrAgain
}

// patience is how often a tail in another process looks in vain before it looks
// whether there is something behind a frame that does not come, which takes
// longer: then, and each time it has looked twice as often.
const patience = 64

// judge decides whether a frame in a file that grows is one still to come, or
// damage: evidence for that is no further away than the longest frame.
func (t *Tail) judge() (*Frame, error) {
	t.vain++
	if t.vain < patience || bits.OnesCount(uint(t.vain)) > 1 {
		return nil, ErrAgain
	}
	evidence, _, err := t.behind(MaxGroup + 2*frameSize)
	if err != nil {
		return nil, err
	}
	if evidence == nil {
		return nil, ErrAgain
	}
	// What was built later is there, so this frame is, whole, or never will be.
	wrong, err := t.reread()
	switch {
	case err != nil:
		return nil, err
	case wrong != "":
		return nil, t.damage("%s; the frame at offset %d was written when sequence %d was durable", wrong, evidence.Offset, evidence.Durable)
	}
	t.vain = 0
	return &t.frame, nil
}

// Sequence is that of the next event.
func (t *Tail) Sequence() uint64 { return t.sequence }

// Close closes the file at hand.
func (t *Tail) Close() error { return t.close() }
