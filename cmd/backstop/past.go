package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/cmd/internal/terminal"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/snapshot"
)

// past is what a data folder says has happened: the journal, and a machine that has
// had every event before the next one.
type past struct {
	log     *eventLog
	machine *machine.Machine
	base    uint64 // the snapshot it began with; 0 for none
}

// openPast opens the past of a folder such that its first event is from, or the first
// there can be for 0: of a pruned journal that is the one behind the oldest snapshot
// from which it goes on. It begins with the newest snapshot before from, or with
// nothing where the journal begins at 1 and no snapshot helps.
//
// A machine without a snapshot has the limits of the flags of cmd, which must be
// those the engine had; one with a snapshot has those it says, unless a flag is set.
func openPast(cmd *cobra.Command, dir string, from uint64, limits *machine.Limits) (*past, error) {
	log, err := openEventLog(dir)
	if err != nil {
		return nil, err
	}
	p := &past{log: log}
	if from != 0 && from < log.first() {
		err = exit.Errorf(exit.BadInput, "%s: the journal begins at event %d: what was before it has been pruned", dir, log.first())
	}
	if err == nil {
		err = p.begin(cmd, dir, from, limits)
	}
	if err == nil {
		err = log.seek(p.base + 1)
	}
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return p, nil
}

// begin makes the machine.
func (p *past) begin(cmd *cobra.Command, dir string, from uint64, limits *machine.Limits) error {
	store, err := snapshot.OpenStore(dir, 1, snapshot.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	list, err := store.List()
	if err != nil {
		return err
	}
	if from == 0 {
		if from = p.log.first(); from > 1 {
			slices.Reverse(list) // the oldest first, and any will do
			from = ^uint64(0)
		}
	}
	var skipped error
	for _, info := range list {
		if info.Sequence >= from || info.Sequence+1 < p.log.first() {
			continue
		}
		d, err := store.Open(info)
		if err != nil {
			skipped = errors.Join(skipped, err)
			continue
		}
		l := limitsOf(cmd, d.Header().Capacities, *limits)
		p.machine, err = machine.Decode(l, d)
		p.base = info.Sequence
		return errors.Join(err, d.Close())
	}
	if first := p.log.first(); first != 1 {
		err := fmt.Errorf("%s: the journal begins at event %d, and there is no snapshot to begin with, of event %d or later", dir, first, first-1)
		if from != ^uint64(0) {
			err = fmt.Errorf("%s: the journal begins at event %d, and no snapshot leads to event %d", dir, first, from)
		}
		return errors.Join(exit.With(exit.Corrupt, err), skipped)
	}
	p.machine, err = machine.New(*limits)
	return err
}

// limitsOf are a snapshot's capacities, unless a flag says otherwise.
func limitsOf(cmd *cobra.Command, capacities []uint64, flags machine.Limits) machine.Limits {
	l := flags
	for i, of := range []*int{&l.Accounts, &l.Positions, &l.Symbols, &l.Funds, &l.Orders, &l.Sources} {
		if i < len(capacities) && !cmd.Flags().Changed("max-"+capacityNames[i]) {
			*of = int(capacities[i])
		}
	}
	return l
}

// play hands every event up to until to do, which applies it. It ends early where
// the journal does.
func (p *past) play(cmd *cobra.Command, until uint64, progress *terminal.Progress, do func(seq uint64, e event.Event) error) error {
	defer progress.End()
	var records []event.Record
	for n := 0; ; n++ {
		seq, e, err := p.log.read(records)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		records = e
		if seq > until {
			return nil
		}
		if err := do(seq, e); err != nil {
			return err
		}
		if n%(1<<10) == 0 {
			if err := context.Cause(cmd.Context()); err != nil {
				return err
			}
			done, total := p.log.progress()
			progress.Step(done, total, func() string { return fmt.Sprintf("event %s", grouped(int64(seq))) })
		}
	}
}
