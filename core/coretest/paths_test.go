package coretest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/event/ndjson"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/core/udptick"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// wired is an engine as it runs in production: ticks come in as datagrams over a
// real socket, everything else through a producer of the ring.
type wired struct {
	t        *testing.T
	engine   *core.Engine
	producer *core.Producer
	effects  *core.Effects
	adapter  *udptick.Adapter
	conn     net.Conn
	clock    atomic.Int64
	sequence uint64
	done     chan error
	names    ndjson.Names
	decoder  *ndjson.Decoder
	applied  uint64
	batch    []event.Effect
	seen     []event.Effect
}

func newWired(t *testing.T) *wired {
	t.Helper()
	engine, err := core.Open(core.Config{Limits: SmallLimits, AutoAck: true})
	if err != nil {
		t.Fatal(err)
	}
	w := &wired{
		t: t, engine: engine, producer: engine.Producer(), effects: engine.Effects(),
		done: make(chan error, 1), batch: make([]event.Effect, 256),
	}
	w.decoder = ndjson.NewDecoder(&w.names)
	w.adapter, err = udptick.Listen(udptick.Config{}, udptick.Sockets{A: udptick.Inlet{Listen: "127.0.0.1:0"}, Now: w.clock.Load}, engine.Producer())
	if err != nil {
		t.Fatal(err)
	}
	go func() { w.done <- w.adapter.Run() }()
	if w.conn, err = net.Dial("udp", w.adapter.Addr().String()); err != nil {
		t.Fatal(err)
	}
	return w
}

// line sends one line and waits until the engine has applied it.
func (w *wired) line(text string) {
	w.t.Helper()
	e, err := w.decoder.Decode([]byte(text), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if e[0].Kind() == event.KindTick && e[0].Mark() > 0 && uint64(e[0].Symbol()) <= math.MaxUint32 {
		w.tick(e)
	} else if err := w.producer.Send(e); err != nil {
		w.t.Fatal(err)
	}
	w.applied++
	for begun := time.Now(); w.engine.Stats().Applied < w.applied; runtime.Gosched() {
		w.read()
		if time.Since(begun) > time.Minute {
			w.t.Fatalf("never applied: %s\nadapter: %v", text, w.adapter.Stats())
		}
	}
	w.read()
	if !w.refused() {
		bind(&w.names, e)
	}
}

// refused reports whether the last event was: then it bound no name.
func (w *wired) refused() bool {
	n := len(w.seen)
	return n > 0 && w.seen[n-1].Kind == event.EffectRejected && w.seen[n-1].Seq == w.applied
}

func (w *wired) tick(e event.Event) {
	h := &e[0]
	flags := udptick.TickFlags(0)
	if h.Has(event.FlagSuspect) {
		flags = udptick.Suspect
	}
	w.clock.Store(h.Time())
	w.sequence++
	session, err := udptick.MakeSession("TWIN")
	if err != nil {
		w.t.Fatal(err)
	}
	packet := udptick.AppendPacket(nil, session, w.sequence, udptick.Tick{
		Instrument: uint32(h.Symbol()), Flags: flags, Mark: h.Mark(), TimeNanos: h.MarkTime(),
	})
	if _, err := w.conn.Write(packet); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wired) read() {
	w.t.Helper()
	for {
		n, err := w.effects.Poll(w.batch)
		if err != nil {
			w.t.Fatal(err)
		}
		if n == 0 {
			return
		}
		w.seen = append(w.seen, w.batch[:n]...)
	}
}

func (w *wired) digest() (d [32]byte) {
	w.t.Helper()
	if err := w.engine.View(context.Background(), func(m *machine.Machine) { d = m.Digest() }); err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *wired) close() {
	w.t.Helper()
	if err := w.adapter.Close(); err != nil {
		w.t.Fatal(err)
	}
	if err := <-w.done; err != nil {
		w.t.Fatal(err)
	}
	if err := w.conn.Close(); err != nil {
		w.t.Fatal(err)
	}
	if err := w.engine.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// TestEveryPathAgrees plays one stream twice through apply's way, and once through
// ring, real datagrams and the engine's goroutine: same effects, same digest.
func TestEveryPathAgrees(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			s := NewStream(r.IntN)
			first, second, third := driver(t), driver(t), newWired(t)
			var effects []string
			at := int64(1760131034000000000)
			play := func(line string) {
				got, err := first.Apply(line)
				if err != nil {
					t.Fatal(err)
				}
				effects = append(effects, got...)
				s.Answer(first.fx.All())
				again, err := second.Apply(line)
				if err != nil || strings.Join(got, "\n") != strings.Join(again, "\n") {
					t.Fatalf("%s\nonce:  %v\ntwice: %v (%v)", line, got, again, err)
				}
				third.line(line)
			}
			for _, line := range s.Setup() {
				play(datagramTick(line, &at))
			}
			for range 400 {
				play(datagramTick(s.Next(), &at))
			}
			if want := first.Machine.Digest(); second.Machine.Digest() != want || third.digest() != want {
				t.Fatal("the same stream ended in different states")
			}
			third.close()
			for i := range max(len(effects), len(third.seen)) {
				if i >= len(effects) || i >= len(third.seen) {
					t.Fatalf("apply gave %d effects, ring and UDP %d", len(effects), len(third.seen))
				}
				if got := string(ndjson.AppendEffect(nil, &third.names, &third.seen[i])); got != effects[i] {
					t.Fatalf("apply:        %s\nring and UDP: %s", effects[i], got)
				}
			}
			if len(effects) < 100 {
				t.Fatalf("%d effects: the stream is too quiet to tell", len(effects))
			}
		})
	}
}

func driver(t *testing.T) *Driver {
	t.Helper()
	d, err := NewDriver(SmallLimits)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// datagramTick gives a tick line the times that a tick from the wire has: its own,
// and the adapter's stamp. Other lines stay as they are. A tick the machine would
// refuse for its times does not pass the adapter, so all are in order.
func datagramTick(line string, at *int64) string {
	var symbol, mark string
	if _, err := fmt.Sscanf(strings.NewReplacer(`"`, " ", ",", " ", ":", " ").Replace(line), "{ e tick symbol %s mark %s", &symbol, &mark); err != nil {
		return line
	}
	*at += 5e8
	flags := ""
	if strings.Contains(line, "suspect") {
		flags = `,"flags":"suspect"`
	}
	return fmt.Sprintf(`{"e":"tick","symbol":"%s","mark":"%s","mt":%d%s,"t":%d}`, symbol, mark, *at-int64(fixedpoint.One), flags, *at)
}
