package core

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/snapshot"
)

// replica is a machine that is fed from a journal: the engine's own in recovery,
// the follower's, and those that replay and verify.
type replica struct {
	limits  machine.Limits
	machine *machine.Machine
	used    bool // the machine is not as it was made
	fx      *event.Effects
	kept    retained

	frame journal.Frame // the last one fed
	rest  []byte        // the events of it that are not applied
	chain uint64        // the journal's at the machine's sequence
	event event.Event
}

// effectChain is the running hash of all effects so far, for comparing
// histories.
type effectChain uint64

// chained is what is hashed for an effect: the chain before it, and its bytes.
type chained [8 + event.EffectSize]byte

// add goes on with a batch of effects.
func (c *effectChain) add(batch []event.Effect, buf *chained) {
	h := uint64(*c)
	for i := range batch {
		binary.LittleEndian.PutUint64(buf[:], h)
		_, _ = batch[i].AppendBinary(buf[:8]) // it has room, and no error to return
		h = xxhash.Sum64(buf[:])
	}
	*c = effectChain(h)
}

// retained is a Sink that keeps what the consumer has not acknowledged.
type retained struct {
	chain   effectChain
	buf     chained
	effects []event.Effect
	yield   func(*event.Effect) // sees each of them, if it is set
	forgets bool                // keeps nothing: Config.AutoAck
}

// Effects takes a batch.
func (k *retained) Effects(batch []event.Effect) {
	k.chain.add(batch, &k.buf)
	if k.yield != nil {
		for i := range batch {
			k.yield(&batch[i])
		}
	}
	if !k.forgets {
		k.effects = append(k.effects, batch...)
	}
}

// drop forgets what is acknowledged.
func (k *retained) drop(acked position) {
	n := 0
	for n < len(k.effects) && !positionOf(&k.effects[n]).after(acked) {
		n++
	}
	if n > 0 {
		k.effects = append(k.effects[:0], k.effects[n:]...)
	}
}

// newReplica returns one that is at the beginning.
func newReplica(c *Config) (*replica, error) {
	r := &replica{limits: c.Limits, used: true, event: make(event.Event, 0, event.MaxRecords)}
	r.kept.forgets = c.AutoAck
	r.fx = event.NewEffects(gather, &r.kept)
	return r, r.renew()
}

// renew goes back to the beginning. A machine that has done nothing stays: another
// one costs as much memory again.
func (r *replica) renew() (err error) {
	r.kept.effects, r.kept.chain, r.frame, r.rest, r.chain = nil, 0, journal.Frame{}, nil, 0
	if r.used {
		r.machine, err = machine.New(r.limits)
		r.used = err != nil
	}
	return err
}

// decode makes the replica what a snapshot says.
func (r *replica) decode(d *snapshot.Decoder) (err error) {
	if r.used {
		if r.machine, err = machine.New(r.limits); err != nil {
			return err
		}
	}
	r.used = true
	var effects []event.Effect
	effects, r.kept.chain, err = decode(r.machine, d)
	if !r.kept.forgets {
		r.kept.effects = effects
	}
	return err
}

// rules refuses frames of segments that other rules wrote: they would give other
// effects than those that left.
func rules(folder *journal.Folder, from uint64) error {
	segments := folder.Segments()
	for i, s := range segments {
		if s.Rules != machine.RulesVersion && (i+1 == len(segments) || segments[i+1].First > from) {
			return fmt.Errorf("%w: %s was written by version %d of the rules, this build has %d", ErrConfig, s.Path, s.Rules, machine.RulesVersion)
		}
	}
	return nil
}

// encode writes what decode reads. Requires: flushed.
func (r *replica) encode(enc *snapshot.Encoder) ([snapshot.DigestSize]byte, error) {
	return encode(enc, r.machine, r.kept.chain, func(yield func(*event.Effect)) {
		for i := range r.kept.effects {
			yield(&r.kept.effects[i])
		}
	})
}

// flush settles the effects so far: those acknowledged are dropped.
func (r *replica) flush() {
	r.fx.Flush()
	if seq, index, any := r.machine.Acked(); any {
		r.kept.drop(position{seq, index})
	}
}

// feed takes a frame of events, of which the machine has applied those up to its
// sequence. The frame is the reader's until the next is fed. Requires: no rest.
func (r *replica) feed(f *journal.Frame) error {
	if f.First > r.machine.Sequence()+1 {
		return fmt.Errorf("frame of sequence %d after event %d", f.First, r.machine.Sequence())
	}
	r.frame, r.rest, r.used = *f, f.Payload, true
	for seq := f.First; seq <= min(r.machine.Sequence(), f.Last()); seq++ {
		_, n, err := event.Decode(r.event[:0], r.rest)
		if err != nil {
			return r.undecodable(seq, err)
		}
		r.rest, r.chain = r.rest[n:], f.Hash
	}
	return nil
}

// apply applies what is at hand, up to and with a sequence.
func (r *replica) apply(until uint64) error {
	for len(r.rest) > 0 && r.machine.Sequence() < until {
		e, n, err := event.Decode(r.event[:0], r.rest)
		if err != nil {
			return r.undecodable(r.machine.Sequence()+1, err)
		}
		r.machine.Apply(e, r.fx)
		r.rest, r.chain = r.rest[n:], r.frame.Hash
	}
	if r.frame.Count > 0 && (len(r.rest) == 0) != (r.machine.Sequence() >= r.frame.Last()) {
		return r.undecodable(r.frame.Last(), fmt.Errorf("%w: %d bytes left after event %d", event.ErrEvent, len(r.rest), r.machine.Sequence()))
	}
	return nil
}

// undecodable is the error for sound bytes that are no event: whoever wrote them
// and whoever reads them disagree about what one is.
func (r *replica) undecodable(seq uint64, err error) error {
	return fmt.Errorf("%s: frame at offset %d: event %d: %w", r.frame.File, r.frame.Offset, seq, err)
}

// frames is where a replica's events come from: a journal.Reader or Tail.
type frames interface {
	Next() (*journal.Frame, error)
	Close() error
}

// errUnmet marks a snapshot whose chain the journal does not know.
var errUnmet = errors.New("its chain value does not meet the journal")

// restore makes the replica what the newest snapshot says that is good and meets
// the journal, or leaves it at the beginning. It returns the frames to go on
// with: the one with the snapshot's event, if there is one, is fed. begin opens
// them at a sequence.
func (r *replica) restore(store *snapshot.Store, folder *journal.Folder, begin func(from uint64) (frames, error)) (frames, Recovery, error) {
	var from frames
	info, skipped, err := store.Newest(func(d *snapshot.Decoder) (err error) {
		from, err = r.start(d, folder, begin)
		return err
	})
	for _, why := range skipped {
		if !errors.Is(why, snapshot.ErrCorrupt) && !errors.Is(why, errUnmet) {
			return nil, Recovery{}, fmt.Errorf("an intact snapshot cannot be used: %w", why)
		}
	}
	recovery := Recovery{Snapshot: info, Skipped: skipped}
	if err == nil {
		return from, recovery, nil
	}
	// The journal alone will do if it goes back to the first event.
	whole := len(skipped) == 0 || folder != nil && len(folder.Segments()) > 0
	if !errors.Is(err, snapshot.ErrNone) && (!errors.Is(err, snapshot.ErrCorrupt) || !whole) {
		return nil, Recovery{}, err
	}
	if err := r.renew(); err != nil {
		return nil, Recovery{}, err
	}
	if folder == nil {
		return nil, recovery, nil
	}
	if s := folder.Segments(); len(s) > 0 && s[0].First != 1 {
		if errors.Is(err, snapshot.ErrNone) {
			err = fmt.Errorf("%w: %s begins at sequence %d: a snapshot of %d or later is missing", journal.ErrGone, s[0].Path, s[0].First, s[0].First-1)
		}
		return nil, Recovery{}, err
	}
	from, err = begin(1)
	return from, recovery, err
}

// start makes the replica what a snapshot says, and returns the frames to go on with,
// nil without a journal. An errUnmet is about the snapshot's place in it.
func (r *replica) start(d *snapshot.Decoder, folder *journal.Folder, begin func(from uint64) (frames, error)) (frames, error) {
	from, err := r.meet(d.Header(), folder, begin)
	if err != nil {
		return nil, err
	}
	err = r.decode(d)
	if err == nil && r.frame.Count > 0 {
		err = r.feed(&r.frame)
	}
	if err != nil && from != nil {
		return nil, errors.Join(err, from.Close())
	}
	return from, err
}

// meet finds a snapshot's place in the journal, and leaves the frame with its
// event in r.frame.
func (r *replica) meet(h snapshot.Header, folder *journal.Folder, begin func(from uint64) (frames, error)) (frames, error) {
	r.frame, r.rest, r.chain = journal.Frame{}, nil, 0
	if folder == nil {
		return nil, nil
	}
	segments := folder.Segments()
	if len(segments) == 0 || segments[0].Number == 1 && segments[0].First == h.Sequence+1 {
		if h.Chain != 0 {
			return nil, &journal.DamageError{File: "journal", Sequence: h.Sequence, What: "a snapshot was taken of a journal that is missing"}
		}
		return begin(h.Sequence + 1) // the journal began after it
	}
	from, err := begin(max(h.Sequence, 1))
	if errors.Is(err, journal.ErrGone) {
		return nil, fmt.Errorf("%w: %w", errUnmet, err)
	}
	if err != nil {
		return nil, err
	}
	for {
		f, err := from.Next()
		switch {
		case err == io.EOF || err == journal.ErrAgain:
			err = &journal.DamageError{File: segments[len(segments)-1].Path, Sequence: h.Sequence, What: "the journal ends before this event, of which there is a snapshot"}
			return nil, errors.Join(err, from.Close())
		case err != nil:
			return nil, errors.Join(err, from.Close())
		case f.Count == 0 || f.Last() < h.Sequence:
			continue
		case f.Hash != h.Chain:
			return nil, errors.Join(fmt.Errorf("%w: %016x at event %d, which has %016x in %s", errUnmet, h.Chain, h.Sequence, f.Hash, f.File), from.Close())
		}
		r.frame = *f
		return from, nil
	}
}
