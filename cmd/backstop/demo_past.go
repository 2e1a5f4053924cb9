package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/event/ndjson"
	"github.com/backstop-fund/backstop/core/machine"
)

// demoPast is what an earlier run of the same demonstration left in its folder. The
// replay goes through it again up to the last event that is there, with the journal
// in the place of the engine: each event it would send must be the one that it sent
// then. So venue, tally and plots come to where they were.
type demoPast struct {
	log     *eventLog
	last    uint64 // event
	machine *machine.Machine
	fx      *event.Effects
	unread  []event.Effect
	unacked []event.Effect // what the engine has to deliver again
	records []event.Record
}

// openDemoPast opens what an engine, which has just started, has found.
func openDemoPast(c core.Config, e *core.Engine) (*demoPast, error) {
	last := e.Stats().Applied
	if last == 0 || c.Journal == core.JournalOff {
		return nil, nil
	}
	log, err := openEventLog(c.Dir)
	if err != nil {
		return nil, err
	}
	if log.first() != 1 {
		return nil, errors.Join(exit.Errorf(exit.BadInput, "%s: the journal was pruned, and the demonstration goes through all of it: begin in another folder", c.Dir), log.Close())
	}
	p := &demoPast{log: log, last: last, fx: event.NewEffects(256, nil)}
	p.machine, err = machine.New(c.Limits)
	if err == nil {
		err = log.seek(1)
	}
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return p, nil
}

// take is sending, in the past: what was sent then is applied.
func (p *demoPast) take(same func(event.Event) bool) error {
	seq, e, err := p.log.read(p.records)
	if err != nil {
		return fmt.Errorf("event %d of an earlier run: %w", p.machine.Sequence()+1, err)
	}
	if !same(e) {
		return exit.Errorf(exit.BadInput, "event %d in the folder, %v, is none of this run: it was made with another --seed, --accounts or --csv, or is no demo's", seq, e[0].Kind())
	}
	p.records = e
	p.fx.Reset()
	p.machine.Apply(e, p.fx)
	p.unread = append(p.unread, p.fx.All()...)
	p.unacked = append(p.unacked, p.fx.All()...)
	if seq, index, any := p.machine.Acked(); any {
		p.unacked = slices.DeleteFunc(p.unacked, func(x event.Effect) bool {
			return x.Seq < seq || x.Seq == seq && x.Index <= index
		})
	}
	return nil
}

func (p *demoPast) over() bool { return p.machine.Sequence() == p.last }

// meet compares the past with the engine that has recovered it: the same state, and
// the effects that were not acknowledged come again, under the same ids.
func (p *demoPast) meet(ctx context.Context, e *core.Engine, each func([]event.Effect) error) error {
	var digest [32]byte
	if err := e.View(ctx, func(m *machine.Machine) { digest = m.Digest() }); err != nil {
		return err
	}
	if digest != p.machine.Digest() {
		return exit.Errorf(exit.Corrupt, "after event %d the engine has another state than its journal leads to", p.last)
	}
	batch := make([]event.Effect, 256)
	for want := p.unacked; len(want) > 0; {
		n, err := e.Effects().Poll(batch[:min(len(batch), len(want))])
		if err != nil {
			return err
		}
		if n == 0 {
			return exit.Errorf(exit.Corrupt, "effect (%d, %d) was not acknowledged, and does not come again", want[0].Seq, want[0].Index)
		}
		if !slices.Equal(batch[:n], want[:n]) {
			return exit.Errorf(exit.Corrupt, "from effect (%d, %d) on, others come again than there were", want[0].Seq, want[0].Index)
		}
		if err := each(batch[:n]); err != nil {
			return err
		}
		want = want[n:]
	}
	return p.log.Close()
}

// effectsFile is where a consumer writes down what it is given.
type effectsFile struct {
	file  *os.File
	names *ndjson.Names
	lines []byte
}

// openEffectsFile opens a file to append to. A run that was killed may have left it
// in the middle of a line.
func openEffectsFile(path string, names *ndjson.Names) (*effectsFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, exit.With(exit.BadInput, err)
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err == nil && end > 0 {
		_, err = f.WriteString("\n")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &effectsFile{file: f, names: names}, nil
}

// write appends effects, before they are acknowledged.
func (f *effectsFile) write(effects []event.Effect) error {
	if f == nil {
		return nil
	}
	f.lines = f.lines[:0]
	for i := range effects {
		f.lines = append(ndjson.AppendEffect(f.lines, f.names, &effects[i]), '\n')
	}
	_, err := f.file.Write(f.lines)
	return err
}

func (f *effectsFile) close() error {
	if f == nil {
		return nil
	}
	return f.file.Close()
}
