package udptick

import (
	"slices"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

// sent is a stream of ticks of few symbols, sequence 1 on. Their times mostly
// rise, as those of a publisher do, and now and then stand still or fall.
func sent(t *rapid.T) (ticks []Tick) {
	clock := int64(noon)
	for i := range rapid.IntRange(1, 120).Draw(t, "ticks") {
		clock += rapid.SampledFrom([]int64{1, 1, 1, 5, 0, -3}).Draw(t, "dt")
		ticks = append(ticks, Tick{
			Instrument: rapid.Uint32Range(1, 4).Draw(t, "instrument"),
			Mark:       fixedpoint.Price(i + 1), // tells the ticks apart
			TimeNanos:  clock,
		})
	}
	return ticks
}

// run is a packet on the network: ticks from up to to, counted from 0.
type run struct{ from, to int }

// regroup cuts n ticks into packets.
func regroup(t *rapid.T, n int) (runs []run) {
	for from := 0; from < n; {
		to := min(n, from+rapid.IntRange(1, 9).Draw(t, "size"))
		runs = append(runs, run{from, to})
		from = to
	}
	return runs
}

// network is what arrives of n ticks: two groupings of them, as two publishers of
// one stream make, with packets dropped, doubled and out of order.
func network(t *rapid.T, n int) (arriving []run) {
	for _, r := range append(regroup(t, n), regroup(t, n)...) {
		for range rapid.SampledFrom([]int{0, 1, 1, 1, 2}).Draw(t, "copies") {
			arriving = append(arriving, r)
		}
	}
	slices.SortStableFunc(arriving, func(a, b run) int { return a.from - b.from })
	for i := range arriving {
		j := min(len(arriving)-1, i+rapid.SampledFrom([]int{0, 0, 0, 1, 4}).Draw(t, "swap"))
		arriving[i], arriving[j] = arriving[j], arriving[i]
	}
	return arriving
}

// twin is the feed as one would do it without a hurry.
type twin struct {
	arrived map[int]bool
	newest  map[uint32]int64
	next    int // of the sequence; -1 before the first packet
	stats   Stats
	marks   []fixedpoint.Price
}

func (w *twin) receive(ticks []Tick, r run) {
	if w.next < 0 {
		w.next = r.from
	}
	w.stats[Packets]++
	if r.from > w.next {
		w.stats[Gaps]++
		w.stats[Skipped] += uint64(r.from - w.next)
	}
	for i := r.from; i < r.to; i++ {
		w.stats[Messages]++
		switch {
		case w.arrived[i]:
			w.stats[Duplicates]++
			continue
		case i < w.next:
			w.stats[Filled]++
		}
		w.arrived[i] = true
		tick := ticks[i]
		if tick.TimeNanos <= w.newest[tick.Instrument] {
			w.stats[Stale]++
			continue
		}
		w.newest[tick.Instrument] = tick.TimeNanos
		w.stats[Ticks]++
		w.marks = append(w.marks, tick.Mark)
	}
	w.next = max(w.next, r.to)
}

// Over a network that drops, doubles, reorders and regroups, the sink gets
// exactly the marks the rule allows, and the counters are right to the last one.
func TestLossyStreams(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ticks := sent(t)
		sink := unlimited()
		f := newFeed(t, Config{}, sink)
		w := twin{arrived: map[int]bool{}, newest: map[uint32]int64{}, next: -1}
		arriving := network(t, len(ticks))
		for _, r := range arriving {
			if r.from < arriving[0].from {
				continue // TestReceiveCounts has what comes from before the first.
			}
			f.Receive(LineA, local, packet(uint64(r.from+1), ticks[r.from:r.to]...), noon)
			w.receive(ticks, r)
		}
		got := f.Stats()
		checkSums(t, f)
		w.stats[Missing] = w.stats[Skipped] - w.stats[Filled]
		w.stats[Datagrams], w.stats[Bytes], w.stats[Delivered] = got[Packets], got[Bytes], w.stats[Ticks]
		if got != w.stats {
			t.Fatalf("got  %v\nwant %v", got, w.stats)
		}
		checkMarks(t, sink.records, ticks)
		if len(sink.records) != len(w.marks) {
			t.Fatalf("%d marks, want %d", len(sink.records), len(w.marks))
		}
		for i, r := range sink.records {
			if r.Mark() != w.marks[i] {
				t.Fatalf("mark %d is that of tick %v, want %v", i, r.Mark(), w.marks[i])
			}
		}
	})
}

// Over a network that does nothing of the kind, it gets all.
func TestFaithfulStreams(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ticks := sent(t)
		for i := range ticks {
			ticks[i].TimeNanos = noon + int64(i)
		}
		sink := unlimited()
		f := newFeed(t, Config{}, sink)
		for _, r := range regroup(t, len(ticks)) {
			f.Receive(LineA, local, packet(uint64(r.from+1), ticks[r.from:r.to]...), noon)
		}
		checkMarks(t, sink.records, ticks)
		if len(sink.records) != len(ticks) {
			t.Fatalf("%d of %d ticks arrived", len(sink.records), len(ticks))
		}
	})
}

// Whatever room the sink has and when, its marks rise in time and it ends with the
// newest of each symbol, halted as that one says.
func TestConflatedStreams(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ticks := sent(t)
		for i := range ticks {
			ticks[i].Flags = rapid.SampledFrom([]TickFlags{0, 0, Halted}).Draw(t, "flags")
		}
		sink := &recorder{}
		f := newFeed(t, Config{}, sink)
		newest := map[event.SymbolID]Tick{}
		for _, r := range regroup(t, len(ticks)) {
			for _, tick := range ticks[r.from:r.to] {
				if id := event.SymbolID(tick.Instrument); tick.TimeNanos > newest[id].TimeNanos {
					newest[id] = tick
				}
			}
			sink.room = rapid.SampledFrom([]int{0, 0, 1, 2, 20}).Draw(t, "room")
			f.Receive(LineA, local, packet(uint64(r.from+1), ticks[r.from:r.to]...), noon)
			checkSums(t, f)
		}
		sink.room = -1
		if f.Poll(noon) != never {
			t.Fatal("something waits for a sink that has room")
		}
		checkMarks(t, sink.records, ticks)
		if s := f.Stats(); s[Delivered]+s[Conflated] != s[Ticks] || s[Waiting] != 0 {
			t.Fatalf("ticks neither delivered nor conflated: %v", s)
		}
		marks, halted := map[event.SymbolID]fixedpoint.Price{}, map[event.SymbolID]bool{}
		for _, r := range sink.records {
			switch id := r.Symbol(); r.Kind() {
			case event.KindTick:
				marks[id] = r.Mark()
			case event.KindHalt, event.KindResume:
				if halted[id] == (r.Kind() == event.KindHalt) {
					t.Fatalf("symbol %d: %v for the second time", id, r.Kind())
				}
				halted[id] = !halted[id]
			}
		}
		for id, tick := range newest {
			if marks[id] != tick.Mark || halted[id] != (tick.Flags&Halted != 0) {
				t.Fatalf("symbol %d ends at tick %d, halted %v; newest is %+v", id, marks[id], halted[id], tick)
			}
		}
	})
}

// checkMarks checks that each mark was sent, and that none is as old as one of
// its symbol before it.
func checkMarks(t rapid.TB, records []event.Record, ticks []Tick) {
	newest := map[event.SymbolID]int64{}
	for _, r := range records {
		if r.Kind() != event.KindTick {
			continue
		}
		id, tick := r.Symbol(), ticks[r.Mark()-1]
		if id != event.SymbolID(tick.Instrument) || r.MarkTime() != tick.TimeNanos {
			t.Fatalf("mark %d of symbol %d at %d was sent as %+v", r.Mark(), id, r.MarkTime(), tick)
		}
		if r.MarkTime() <= newest[id] {
			t.Fatalf("symbol %d: mark of %d after that of %d", id, r.MarkTime(), newest[id])
		}
		newest[id] = r.MarkTime()
	}
}
