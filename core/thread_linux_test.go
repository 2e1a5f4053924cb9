package core_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/ring"
)

// cpusOf are the CPUs a thread may use; 0 is the calling one.
func cpusOf(t *testing.T, thread int) (cpus unix.CPUSet) {
	t.Helper()
	if err := unix.SchedGetaffinity(thread, &cpus); err != nil {
		t.Fatalf("CPUs of thread %d: %v", thread, err)
	}
	return cpus
}

// A pinned core works, runs on the CPU it was given and says so. No other thread
// of the process is moved, and its own is gone when it has ended.
func TestPinned(t *testing.T) {
	process := cpusOf(t, os.Getpid())
	for cpu := range 1024 {
		if !process.IsSet(cpu) {
			continue
		}
		e := open(t, core.Config{Thread: core.Thread{Pin: true, CPU: cpu}, AutoAck: true})
		has := e.Thread()
		if want := (core.Granted{Thread: core.Thread{Lock: true, Pin: true, CPU: cpu}, ID: has.ID}); has != want {
			t.Errorf("granted %+v, want %+v", has, want)
		}
		mustSend(t, e.Producer(), venue(4)...)
		var on int
		var its unix.CPUSet
		var looked error
		if err := e.View(context.Background(), func(*machine.Machine) {
			on, looked = unix.Gettid(), unix.SchedGetaffinity(0, &its)
		}); err != nil || looked != nil {
			t.Fatal(err, looked)
		}
		if on != has.ID || its.Count() != 1 || !its.IsSet(cpu) {
			t.Errorf("runs on thread %d with CPUs %x, want thread %d and CPU %d", on, its[0], has.ID, cpu)
		}
		unmoved(t, process, has.ID)
		mustClose(t, e)
		gone(t, has.ID)
	}
}

// unmoved fails the test if a thread but one has other CPUs than the process had.
func unmoved(t *testing.T, process unix.CPUSet, but int) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			t.Fatal(err)
		}
		var cpus unix.CPUSet
		if id == but || unix.SchedGetaffinity(id, &cpus) == unix.ESRCH { // it has ended
			continue
		}
		if cpus != process {
			t.Errorf("thread %d has CPUs %x, the process %x", id, cpus[0], process[0])
		}
	}
}

// gone waits until a thread has ended.
func gone(t *testing.T, thread int) {
	t.Helper()
	path := fmt.Sprint("/proc/self/task/", thread)
	for until := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("thread %d outlives its core", thread)
		}
	}
}

// The first thread of a process never ends, so a core never settles there. Left
// to chance, one of these is on it.
func TestThreadEnds(t *testing.T) {
	for range 50 {
		e := open(t, core.Config{Thread: core.Thread{Lock: true}})
		mustClose(t, e)
		if id := e.Thread().ID; id == os.Getpid() {
			t.Fatal("the core is on the first thread of the process")
		}
		gone(t, e.Thread().ID)
	}
}

// A CPU that is not there is an error, which leaves neither a thread nor a hold
// on the folder behind.
func TestPinnedNowhere(t *testing.T) {
	c := core.Config{Dir: t.TempDir(), Thread: core.Thread{Pin: true, CPU: 1023}}
	refused(t, c, "Thread.CPU 1023: want one that")
	c.Thread = core.Thread{}
	mustClose(t, open(t, c))
}

// Under SCHED_FIFO, where this process may: where it may not, the error says what
// is missing, which TestFIFONotPermitted sees everywhere.
func TestFIFO(t *testing.T) {
	c := core.Config{Limits: small, Thread: core.Thread{FIFO: 1}, AutoAck: true}
	e, err := core.Open(c)
	if errors.Is(err, fs.ErrPermission) {
		t.Skipf("the right to SCHED_FIFO is missing here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if has := e.Thread(); has.FIFO != 1 || !has.Lock {
		t.Errorf("granted %+v, want FIFO 1", has)
	}
	var attr *unix.SchedAttr
	var looked error
	if err := e.View(context.Background(), func(*machine.Machine) { attr, looked = unix.SchedGetAttr(0, 0) }); err != nil || looked != nil {
		t.Fatal(err, looked)
	}
	if attr.Policy != unix.SCHED_FIFO || attr.Priority != 1 {
		t.Errorf("policy %d, priority %d, want SCHED_FIFO and 1", attr.Policy, attr.Priority)
	}
	mustSend(t, e.Producer(), event.Event{event.Time(1)})
	mustClose(t, e)
	gone(t, e.Thread().ID)
}

// again runs a test of this program once more, in a process that starts with what
// the calling thread has. Requires: the thread is locked, and ends with the test.
func again(t *testing.T) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")
	c.Env = append(os.Environ(), insideEnv+"="+t.Name())
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v:\n%s", err, out)
	}
}

// insideEnv names the test that a process was started for by again.
const insideEnv = "BACKSTOP_CORE_TEST_INSIDE"

func inside(t *testing.T) bool { return os.Getenv(insideEnv) == t.Name() }

// Without the right, SCHED_FIFO is an error that says which right that is.
func TestFIFONotPermitted(t *testing.T) {
	if !inside(t) {
		runtime.LockOSThread() // for good: it has lost the right
		const capSysNice = unix.CAP_SYS_NICE
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, capSysNice, 0, 0, 0); err != nil && err != unix.EPERM {
			t.Fatal(err) // with EPERM it has few rights as it is
		}
		again(t)
		return
	}
	if err := unix.Setrlimit(unix.RLIMIT_RTPRIO, &unix.Rlimit{}); err != nil {
		t.Fatal(err)
	}
	e, err := core.Open(core.Config{Limits: small, Thread: core.Thread{FIFO: 7}})
	if !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("opened %v, error %v, want fs.ErrPermission", e != nil, err)
	}
	for _, what := range []string{"Thread.FIFO 7", "CAP_SYS_NICE", "RLIMIT_RTPRIO of 7"} {
		if !strings.Contains(err.Error(), what) {
			t.Errorf("%v: want it to name %s", err, what)
		}
	}
}

// On one CPU nothing else would run, the test included.
func TestFIFOSpinsOnTheOnlyCPU(t *testing.T) {
	if !inside(t) {
		runtime.LockOSThread() // for good: it has lost its CPUs
		cpus, one := cpusOf(t, 0), unix.CPUSet{}
		for cpu := range 1024 {
			if cpus.IsSet(cpu) {
				one.Set(cpu)
				break
			}
		}
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			t.Fatal(err)
		}
		again(t)
		return
	}
	if runtime.NumCPU() != 1 {
		t.Fatalf("%d CPUs, want 1", runtime.NumCPU())
	}
	refused(t, core.Config{Thread: core.Thread{FIFO: 1, Spin: true}}, "the only CPU")
	refused(t, core.Config{Thread: core.Thread{FIFO: 1}, Wait: ring.Spin}, "the only CPU")
}

// A pinned or a real-time thread is a locked one, for which yielding is wrong.
func TestPinnedNeverYields(t *testing.T) {
	refused(t, core.Config{Thread: core.Thread{Pin: true}, Wait: ring.Yield}, "Thread.Lock with Wait Yield")
	refused(t, core.Config{Thread: core.Thread{FIFO: 1}, Wait: ring.Yield}, "Thread.Lock with Wait Yield")
}
