package core

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/journal"
)

// Progress is how far a replay has come, or, of Verify, all of them together.
type Progress struct {
	Snapshot uint64 // where it began; of Verify, the present one
	Sequence uint64 // the last event applied
	// Done and Total are bytes of the journal, of which the last segment may hold
	// less than it has: the share of the way, and so the time to go, are estimates
	// that err towards later.
	Done, Total int64
	Elapsed     time.Duration
}

// progressEvery is how often a replay tells how far it has come, and
// progressFrames after how many frames it looks at the clock.
const (
	progressEvery  = 100 * time.Millisecond
	progressFrames = 256
)

// recover makes the replica what the folder says, and goes on with its journal.
func (e *Engine) recover(r *replica) (w *journal.Writer, err error) {
	begun := time.Now()
	from, recovery, err := r.restore(e.store, e.folder, func(from uint64) (frames, error) {
		e.folder.BeginAt(from)
		return e.folder.Read(from)
	})
	if err != nil {
		return nil, err
	}
	recovery.Sequence = r.machine.Sequence()
	if e.folder != nil {
		reader := from.(*journal.Reader)
		if err := e.replay(r, reader, begun); err != nil {
			return nil, errors.Join(err, reader.Close())
		}
		if w, err = e.folder.Write(reader); err != nil {
			return nil, err
		}
		recovery.Replayed = r.machine.Sequence() - recovery.Sequence
		recovery.Sequence, recovery.Torn = r.machine.Sequence(), reader.End().Torn
	}
	r.flush()
	recovery.Effects, recovery.Elapsed = len(r.kept.effects), time.Since(begun)
	e.recovery = recovery
	return w, nil
}

// replay applies the journal to its end.
func (e *Engine) replay(r *replica, reader *journal.Reader, begun time.Time) error {
	if err := rules(e.folder, r.machine.Sequence()+1); err != nil {
		return err
	}
	p := progress{tell: e.config.Progress, begun: begun, last: begun}
	p.Snapshot = r.machine.Sequence()
	for _, s := range e.folder.Segments() {
		if s.First > p.Snapshot {
			p.Total += s.Size
		}
	}
	err := r.replay(reader, ^uint64(0), p.frame)
	p.finish(r.machine.Sequence())
	return err
}

// replay applies all frames up to and with a sequence, and calls each before.
func (r *replica) replay(from frames, until uint64, each func(*journal.Frame)) error {
	for {
		if err := r.applySafely(until); err != nil {
			return err
		}
		r.flush()
		if r.machine.Sequence() >= until {
			return nil
		}
		f, err := from.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if f.Count == 0 {
			continue
		}
		each(f)
		if err := r.feed(f); err != nil {
			return err
		}
	}
}

// applySafely is apply, where a panic of the machine is an error: the engine that
// wrote the journal stopped at that event, and so does this one.
func (r *replica) applySafely(until uint64) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			// A machine counts an event before it is through with it.
			f := &Fault{Sequence: r.machine.Sequence(), Cause: cause, Stack: debug.Stack()}
			if e, _, err := event.Decode(nil, r.rest); err == nil {
				f.Kind = e[0].Kind()
			}
			err = fmt.Errorf("replay: %w", f)
		}
	}()
	return r.apply(until)
}

// progress tells how far a replay is, now and then.
type progress struct {
	Progress
	tell        func(Progress)
	begun, last time.Time
	frames      int
	file        string
	before      int64 // bytes of the files before
	end         int64 // of the last frame
}

func (p *progress) frame(f *journal.Frame) {
	if p.tell == nil {
		return
	}
	if f.File != p.file {
		p.before, p.file = p.before+p.end, f.File
	}
	p.end = f.Offset + int64(len(f.Payload))
	if p.frames++; p.frames%progressFrames != 0 {
		return
	}
	now := time.Now()
	if now.Sub(p.last) < progressEvery {
		return
	}
	p.last = now
	p.Sequence, p.Done, p.Elapsed = f.First-1, p.before+p.end, now.Sub(p.begun)
	p.tell(p.Progress)
}

// leap goes on after an event, with so many bytes done.
func (p *progress) leap(sequence uint64, done int64) {
	p.Snapshot, p.file, p.before, p.end = sequence, "", done, 0
}

func (p *progress) finish(sequence uint64) {
	if p.tell == nil {
		return
	}
	p.Sequence, p.Done, p.Total, p.Elapsed = sequence, p.before+p.end, p.before+p.end, time.Since(p.begun)
	p.tell(p.Progress)
}
