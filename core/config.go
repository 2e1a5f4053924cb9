package core

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/journal"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/ring"
)

// ErrConfig marks every error about a Config that no engine can be built from.
var ErrConfig = errors.New("core: bad configuration")

// Config says what engine to open. The zero value is one without snapshots,
// with the sizes named at the fields.
type Config struct {
	// Limits are the machine's capacities; all zero means machine.DefaultLimits.
	Limits machine.Limits
	// InputSize is the number of records in the input ring: a power of two, at
	// least event.MaxRecords, so that every event fits. 0 means 16,384.
	InputSize int
	// EffectsSize is the number of effects that may be unacknowledged: a power
	// of two. 0 means 16,384. Open takes more if a snapshot brings more.
	EffectsSize int
	// Wait is how the core, the producers and the consumer wait. It is ring.Park
	// unless set; the others want a core of the CPU for each of them. Thread.Spin
	// has the core alone spin.
	Wait ring.WaitStrategy
	// Thread is how the core's goroutine runs: on a thread and a CPU of its own, if
	// there is one to spare.
	Thread Thread
	// AutoAck makes reading an effect acknowledge it. For a consumer that acts
	// in the same process and need not resume: snapshots then carry no effects.
	AutoAck bool
	// Dir is the folder of the journal and the snapshots, used by nothing else.
	// Empty means that there are none, and nothing to restore.
	Dir string
	// Journal says when an effect may leave. With a Dir it is JournalSync unless
	// set; without, there is no journal.
	Journal JournalMode
	// SyncEvery is how long JournalAsync leaves what is written to the system
	// alone. 0 means 10 ms.
	SyncEvery time.Duration
	// SegmentSize is that of the journal's files in bytes. 0 means 64 MiB.
	SegmentSize int64
	// FollowElsewhere says that another process follows the journal, by
	// OpenFollower, and takes the snapshots: this engine then takes none, and has
	// no follower of its own, which saves its memory and its share of a CPU.
	FollowElsewhere bool
	// SnapshotEvery takes a snapshot whenever so many events have been applied
	// since a multiple of it. 0 means only at Close and on command. The follower
	// takes it, or, with JournalOff, the core, which pauses for it.
	SnapshotEvery uint64
	// SnapshotAfter takes a snapshot whenever so much time of the events has
	// passed since the last one. It wants a follower; 0 means never.
	SnapshotAfter time.Duration
	// Keep is how many snapshots stay. 0 means 3.
	Keep int
	// Shard is the risk unit, written into journal and snapshots. A Dir of another
	// one is refused.
	Shard uint32
	// Progress, if set, is called by Open, Verify and Prune while they replay the
	// journal, some ten times a second, and at the end by the first two.
	Progress func(Progress)
	// FS is the file system of Dir, nil for that of the machine. A test brings one
	// that fails or crashes where it says.
	FS journal.FS
	// Salt is the journal's, so that the same input makes the same bytes. 0 means
	// one that nobody can guess.
	Salt uint64
}

// JournalMode says when an effect may leave the engine.
type JournalMode uint8

//go:generate go tool stringer -type=JournalMode -output=journalmode_string.go

const (
	// JournalSync lets an effect leave when its event survives a loss of power. The
	// core runs ahead meanwhile.
	JournalSync JournalMode = iota
	// JournalAsync lets an effect leave when its event is written, and so survives
	// the end of the process; a loss of power takes at most the last SyncEvery.
	JournalAsync
	// JournalOff has no journal: for a process that has a log of its own and sends
	// again what came after the last snapshot, and for benchmarks.
	JournalOff
)

// Sizes and times of a Config that names none.
const (
	defaultSize      = 1 << 14
	defaultKeep      = 3
	defaultSyncEvery = 10 * time.Millisecond
	// longestEvent must have room in a group, and smallestSegment has room for two.
	longestEvent    = event.MaxRecords * event.RecordSize
	smallestSegment = 2 * longestEvent
)

// journals reports whether there is a journal, follows whether there is a
// follower in the process.
func (c *Config) journals() bool { return c.Dir != "" && c.Journal != JournalOff }

func (c *Config) follows() bool { return c.journals() && !c.FollowElsewhere }

// complete fills in what is left out and refuses what cannot be.
func (c Config) complete() (Config, error) {
	if c.Limits == (machine.Limits{}) {
		c.Limits = machine.DefaultLimits
	}
	if c.InputSize == 0 {
		c.InputSize = defaultSize
	}
	if c.EffectsSize == 0 {
		c.EffectsSize = defaultSize
	}
	if c.InputSize < event.MaxRecords {
		return c, fmt.Errorf("%w: InputSize %d: want at least %d, the records of the longest event", ErrConfig, c.InputSize, event.MaxRecords)
	}
	if c.Dir == "" && (c.SnapshotEvery != 0 || c.Keep != 0) {
		return c, fmt.Errorf("%w: SnapshotEvery %d and Keep %d without a Dir to put snapshots in", ErrConfig, c.SnapshotEvery, c.Keep)
	}
	if c.Keep == 0 {
		c.Keep = defaultKeep
	}
	if c.Keep < 0 {
		return c, fmt.Errorf("%w: Keep %d: want at least 1, or 0 for %d", ErrConfig, c.Keep, defaultKeep)
	}
	if err := c.completeJournal(); err != nil {
		return c, err
	}
	var err error
	c.Thread, err = c.Thread.complete(c.Wait, runtime.NumCPU())
	return c, err
}

// completeJournal fills in and refuses what concerns the journal.
func (c *Config) completeJournal() error {
	if c.FS == nil {
		c.FS = journal.OS()
	}
	if c.SyncEvery == 0 {
		c.SyncEvery = defaultSyncEvery
	}
	switch {
	case c.Journal > JournalOff:
		return fmt.Errorf("%w: Journal %d: want JournalSync, JournalAsync or JournalOff", ErrConfig, c.Journal)
	case c.SyncEvery < 0:
		return fmt.Errorf("%w: SyncEvery %v: want more than 0", ErrConfig, c.SyncEvery)
	case c.SegmentSize != 0 && (c.SegmentSize < smallestSegment || c.SegmentSize%8 != 0):
		return fmt.Errorf("%w: SegmentSize %d: want a multiple of 8, at least %d", ErrConfig, c.SegmentSize, smallestSegment)
	case c.SnapshotAfter < 0 || c.SnapshotAfter > 0 && !c.journals():
		return fmt.Errorf("%w: SnapshotAfter %v: want 0 or more, and a follower", ErrConfig, c.SnapshotAfter)
	case !c.journals() && c.FollowElsewhere:
		return fmt.Errorf("%w: FollowElsewhere without a journal to follow", ErrConfig)
	}
	return nil
}

// journalOptions are the journal's for a Config that is complete.
func (c *Config) journalOptions(readOnly bool) journal.Options {
	o := journal.Options{
		FS: c.FS, ReadOnly: readOnly, SegmentSize: c.SegmentSize,
		Rules: machine.RulesVersion, Shard: c.Shard, Salt: c.Salt,
	}
	if c.SegmentSize != 0 && c.SegmentSize < 4*longestEvent {
		o.GroupSize = longestEvent
	}
	if o.Salt == 0 {
		o.Salt = rand.Uint64()
	}
	return o
}
