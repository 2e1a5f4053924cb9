package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/snapshot"
)

// eventLog reads a journal event by event. If nobody writes it, it is locked
// meanwhile, and its end is judged as a start of the engine would judge it. Beside
// the engine it is read as far as it is written.
type eventLog struct {
	folder *journal.Folder
	frames frames
	live   bool // an engine has it

	frame   *journal.Frame
	payload []byte           // of the frame, what is left
	next    uint64           // sequence of the first event of payload
	from    uint64           // the first one wanted
	before  map[string]int64 // bytes of the segments before the one by this path
	total   int64
}

// frames is a journal frame by frame; the end is io.EOF.
type frames interface {
	Next() (*journal.Frame, error)
	Close() error
}

// openJournal opens a folder with a journal, locked unless an engine has it.
func openJournal(dir string) (f *journal.Folder, live bool, err error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, false, exit.With(exit.BadInput, err)
	} else if !info.IsDir() {
		return nil, false, exit.Errorf(exit.BadInput, "%s: want a folder with a journal", dir)
	}
	f, err = journal.Open(dir, journal.Options{})
	if errors.Is(err, snapshot.ErrLocked) || errors.Is(err, fs.ErrPermission) {
		f, err = journal.Open(dir, journal.Options{ReadOnly: true})
		live = true
	}
	if err == nil && len(f.Segments()) == 0 {
		err = errors.Join(exit.Errorf(exit.BadInput, "%s: no journal in this folder", dir), f.Close())
	}
	return f, live, err
}

// openEventLog opens the journal of a folder. It is at no event yet: see seek.
func openEventLog(dir string) (*eventLog, error) {
	f, live, err := openJournal(dir)
	if err != nil {
		return nil, err
	}
	l := &eventLog{folder: f, live: live, before: map[string]int64{}}
	for _, s := range f.Segments() {
		l.before[s.Path] = l.total
		l.total += s.Size
	}
	return l, nil
}

// seek goes to the event from. It is called once, before anything is read.
func (l *eventLog) seek(from uint64) (err error) {
	l.from = from
	if l.live {
		var t *journal.Tail
		if t, err = journal.NewTail(l.folder, from, nil); err == nil {
			l.frames = growing{t}
		}
		return err
	}
	var r *journal.Reader
	if r, err = l.folder.Read(from); err == nil {
		l.frames = r
	}
	return err
}

// first is the sequence of the oldest event there is.
func (l *eventLog) first() uint64 { return l.folder.Segments()[0].First }

// growing is the journal of a running engine: it ends where the engine has got to.
type growing struct{ *journal.Tail }

// looks is enough for a tail to tell damage from what is not written yet.
const looks = 128

func (g growing) Next() (*journal.Frame, error) {
	for range looks {
		if f, err := g.Tail.Next(); err != journal.ErrAgain {
			return f, err
		}
	}
	return nil, io.EOF
}

// read returns the next event, valid until the next call. The end is io.EOF.
func (l *eventLog) read(dst []event.Record) (seq uint64, e event.Event, err error) {
	for {
		for len(l.payload) == 0 {
			if l.frame, err = l.frames.Next(); err != nil {
				return 0, nil, err
			}
			l.payload, l.next = l.frame.Payload, l.frame.First
		}
		e, n, err := event.Decode(dst[:0], l.payload)
		if err != nil {
			return 0, nil, exit.With(exit.Corrupt, fmt.Errorf("%s: frame at offset %d: event %d: %w", l.frame.File, l.frame.Offset, l.next, err))
		}
		l.payload = l.payload[n:]
		seq, l.next = l.next, l.next+1
		if seq >= l.from {
			return seq, e, nil
		}
		dst = e // of the frame that has the first one wanted
	}
}

// progress is how much of the journal has been read, in KiB. Of the last segment
// most may be room for what is to come.
func (l *eventLog) progress() (done, total int) {
	if l.frame == nil {
		return 0, int(l.total >> 10)
	}
	return int((l.before[l.frame.File] + l.frame.Offset) >> 10), int(l.total >> 10)
}

// Close gives the folder back.
func (l *eventLog) Close() error {
	var err error
	if l.frames != nil {
		err = l.frames.Close()
	}
	return errors.Join(err, l.folder.Close())
}
