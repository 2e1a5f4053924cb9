package oracle

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Engine is the whole state, and knows how an event changes it. It is not safe
// for concurrent use.
type Engine struct {
	seq     uint64
	now     stamp
	loading bool

	funds     map[string]*fund
	symbols   map[string]*symbol
	accounts  map[uint64]*account
	orders    map[uint64]*order
	lastOrder uint64
	sources   map[string]uint64 // highest sseq accepted, by src
	rankings  map[rankingKey]*ranking

	// What the two invariants expect: every external leg is added here as it is booked.
	money num            // sum of wallet or cash, less cost
	held  map[string]num // sum of quantities, by symbol

	// Of the event being applied.
	out       []string
	cancelled map[uint64]bool     // accounts whose orders were all cancelled
	equities  map[uint64]*big.Rat // by account, before the first was handled
}

// stamp is a time in nanoseconds, or none.
type stamp struct {
	ns    int64
	known bool
}

// New gives an empty engine that is live and knows no time.
func New() *Engine {
	return &Engine{
		funds: map[string]*fund{}, symbols: map[string]*symbol{}, accounts: map[uint64]*account{},
		orders: map[uint64]*order{}, sources: map[string]uint64{}, rankings: map[rankingKey]*ranking{},
		money: zero, held: map[string]num{},
	}
}

// Apply applies one event, a line of NDJSON, and returns its effects as
// canonical lines without the detail texts. The error says that the line is not
// a well-formed event; then nothing happened and no sequence was used.
func (e *Engine) Apply(line []byte) ([]string, error) {
	f, err := parseLine(line)
	if err != nil {
		return nil, err
	}
	kind := f.text("e")
	handler, ok := handlers[kind]
	if !ok {
		return nil, fmt.Errorf("oracle: event: unknown kind %q", kind)
	}
	t, src, sseq := f.nanos("t"), f.text("src"), f.id("sseq", 0)
	if kind == "time" && !t.known {
		f.fail("t is missing")
	}
	change := handler(e, f)
	if f.err != nil {
		return nil, f.err
	}

	e.seq++
	e.out, e.cancelled, e.equities = nil, map[uint64]bool{}, nil
	before := e.fundStates()
	was := e.now
	if t.known && (!e.now.known || t.ns > e.now.ns) {
		e.now = t
	}
	code := ""
	tracked := f.has("src") && f.has("sseq")
	if last, seen := e.sources[src]; tracked && seen && sseq <= last {
		code = "duplicate"
	} else {
		code = change()
	}
	if code != "" {
		e.now = was
		e.out = nil
		e.effect("rejected", "code", code)
		return e.out, nil
	}
	if tracked {
		e.sources[src] = sseq
	}
	if e.now.known && !was.known {
		e.startClock()
	}
	e.settle(t.known || kind == "tick" || kind == "time")
	e.showFunds(before)
	return e.out, nil
}

// settle does what follows every accepted event: holds that run out, accounts
// in trouble by ascending id, and then the offloader if the event carries time.
func (e *Engine) settle(carriesTime bool) {
	e.expireHolds()
	for _, a := range e.accounts {
		// An account that holds something, is paid up or has held a contract is no
		// longer one whose debt nobody covers.
		a.debt = a.debt && len(a.positions) == 0 && a.wallet.Sign() < 0 && a.lastReduced == nil
	}
	if e.loading {
		return
	}
	ids := sortedKeys(e.accounts)
	e.equities = map[uint64]*big.Rat{}
	for _, id := range ids {
		e.equities[id] = rat(e.accounts[id].equity16(), e16)
	}
	for _, id := range ids {
		e.assess(e.accounts[id])
	}
	if carriesTime {
		e.offload()
	}
}

// startClock dates what happened before the first known time at that time.
func (e *Engine) startClock() {
	for _, s := range e.symbols {
		for _, st := range []*stamp{&s.markTime, &s.heldSince, &s.heldTime, &s.depthTime, &s.sliceFrom} {
			if !st.known {
				*st = e.now
			}
		}
	}
	for _, a := range e.accounts {
		if a.round != nil {
			a.round.since = e.now
		}
	}
}

// apart is a - b in nanoseconds.
func apart(a, b stamp) num { return sub(big.NewInt(a.ns), big.NewInt(b.ns)) }

// elapsed says whether d nanoseconds have gone by since st.
func (e *Engine) elapsed(st stamp, d int64) bool {
	return e.now.known && st.known && apart(e.now, st).Cmp(big.NewInt(d)) >= 0
}

// effect appends a line; keysAndValues alternate. A num prints as a decimal
// string, a nil as null, and a nil num or an empty string leaves its key out.
func (e *Engine) effect(fx string, keysAndValues ...any) {
	head := []any{"seq", e.seq, "i", len(e.out), "fx", fx}
	e.out = append(e.out, object(append(head, keysAndValues...)...))
}

func object(keysAndValues ...any) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := 0; i < len(keysAndValues); i += 2 {
		var text string
		switch v := keysAndValues[i+1].(type) {
		case nil:
			text = "null"
		case num:
			text = `"` + decimal(v) + `"`
		case string:
			if v == "" {
				continue
			}
			quoted, err := json.Marshal(v)
			if err != nil {
				panic(err) // a string always has a JSON form
			}
			text = string(quoted)
		case raw:
			text = string(v)
		default:
			text = fmt.Sprint(v)
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%s":%s`, keysAndValues[i], text)
	}
	b.WriteByte('}')
	return b.String()
}

// raw is text that already is JSON.
type raw string

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
