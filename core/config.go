package core

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/backstop-fund/backstop/core/event"
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
	// Dir is the folder of the snapshots, used by nothing else. Empty means that
	// none are taken or restored.
	Dir string
	// SnapshotEvery takes a snapshot at each multiple of so many events; the
	// core pauses for it. 0 means only at Close and on command.
	SnapshotEvery uint64
	// Keep is how many snapshots stay. 0 means 3.
	Keep int
}

// Sizes of a Config that names none.
const (
	defaultSize = 1 << 14
	defaultKeep = 3
)

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
	var err error
	c.Thread, err = c.Thread.complete(c.Wait, runtime.NumCPU())
	return c, err
}
