package main

import (
	"os"
	"runtime"
	"runtime/debug"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"github.com/backstop-fund/backstop/core"
)

// hostFlags say what the engine's thread gets of this host.
type hostFlags struct {
	spin bool
	cpu  int
	fifo int
}

func (h *hostFlags) add(f *pflag.FlagSet) {
	f.BoolVar(&h.spin, "spin", false, "the engine never gives up its CPU, which wants one to itself")
	f.IntVar(&h.cpu, "cpu", -1, "`number` of the CPU the engine stays on; -1 is any (Linux)")
	f.IntVar(&h.fifo, "fifo", 0, "`priority` of the engine under SCHED_FIFO, 1 to 99; 0 asks for none (Linux)")
}

func (h *hostFlags) thread() core.Thread {
	t := core.Thread{Spin: h.spin, FIFO: h.fifo, Pin: h.cpu != -1}
	if t.Pin {
		t.CPU = h.cpu
	}
	return t
}

// spareMemory is what the collector lets the process take beyond twice what is alive
// once the engine is open.
const spareMemory = 256 << 20

// quietCollector switches the garbage collector off, as the engine leaves nothing to
// collect and a cycle stalls its thread, with a limit of memory as the net: what the
// process around the engine leaves is collected before memory runs out. A host that
// sets GOGC or GOMEMLIMIT has its way. The result puts things back.
func quietCollector(log *zerolog.Logger) (restore func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		log.Info().Msg("the garbage collector is left as GOGC and GOMEMLIMIT set it")
		return func() {}
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	limit := 2*int64(m.HeapAlloc) + spareMemory
	percent, before := debug.SetGCPercent(-1), debug.SetMemoryLimit(limit)
	log.Info().Int64("memory-limit", limit).Msg("the garbage collector runs at the memory limit only")
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(before)
	}
}

// logHost says what the engine got of this host.
func (s *server) logHost() {
	t, stats := s.engine.Thread(), s.engine.Stats()
	e := s.log.Info().Int("memory", stats.Memory).Int("huge-pages", stats.HugePages).Bool("spin", t.Spin)
	if t.Pin {
		e = e.Int("cpu", t.CPU)
	}
	if t.FIFO != 0 {
		e = e.Int("fifo", t.FIFO)
	}
	e.Msg("engine open")
}
