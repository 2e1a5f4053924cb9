package ndjson

import (
	"fmt"
	"math"
	"strconv"
	"sync"

	"github.com/backstop-fund/backstop/core/event"
)

// Names binds the names of funds and symbols to their ids. Its owner binds a
// name when the machine has accepted the creation; a [Decoder] and the Append
// functions only consult it. The zero value is empty and ready. It is safe for
// concurrent use: bound rarely, consulted once or twice a line.
type Names struct {
	mu      sync.RWMutex
	funds   table
	symbols table
}

// table is one name space. A binding is for good.
type table struct {
	ids     map[string]uint64
	names   map[uint64]string
	highest uint64 // of the bound ids
}

// BindFund binds the name of a fund to its id. Doing it again changes nothing;
// a name or id that is bound otherwise is an error, and so are the reserved
// id and names of the form #7.
func (n *Names) BindFund(name event.Name, id event.FundID) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.funds.bind("fund", name.String(), uint64(id))
}

// BindSymbol binds the name of a symbol to its id, as BindFund does.
func (n *Names) BindSymbol(name event.Name, id event.SymbolID) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.symbols.bind("symbol", name.String(), uint64(id))
}

// Fund returns the id a fund's name is bound to; false if it is not.
func (n *Names) Fund(name string) (event.FundID, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	id, ok := n.funds.ids[name]
	return event.FundID(id), ok
}

// Symbol returns the id a symbol's name is bound to; false if it is not.
func (n *Names) Symbol(name string) (event.SymbolID, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	id, ok := n.symbols.ids[name]
	return event.SymbolID(id), ok
}

// FundName returns the name bound to id, else # and the id.
func (n *Names) FundName(id event.FundID) string { return n.nameOf(&n.funds, uint64(id)) }

// SymbolName returns the name bound to id, else # and the id.
func (n *Names) SymbolName(id event.SymbolID) string { return n.nameOf(&n.symbols, uint64(id)) }

func (n *Names) nameOf(t *table, id uint64) string {
	n.mu.RLock()
	name, ok := t.names[id]
	n.mu.RUnlock()
	if !ok {
		return "#" + strconv.FormatUint(id, 10)
	}
	return name
}

// refer returns the id that name means in a reference, UnknownID for none.
func (n *Names) refer(t *table, name []byte) uint64 {
	n.mu.RLock()
	id, ok := t.ids[string(name)]
	n.mu.RUnlock()
	if ok {
		return id
	}
	if id, ok = numbered(name); ok {
		return id
	}
	return UnknownID
}

// create returns the id that a creation or update of name means: the bound one,
// else the next free one, which is UnknownID when there is none left.
func (n *Names) create(t *table, name []byte) uint64 {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if id, ok := t.ids[string(name)]; ok {
		return id
	}
	return t.highest + 1
}

func (t *table) bind(what, name string, id uint64) error {
	if t.ids == nil {
		t.ids, t.names = make(map[string]uint64), make(map[uint64]string)
	}
	if id == UnknownID {
		return fmt.Errorf("ndjson: %s %s: id %d is reserved", what, name, uint64(math.MaxUint64))
	}
	if _, ok := numbered([]byte(name)); ok || name == "" {
		return fmt.Errorf("ndjson: %s %q: want a name that is not # and a number", what, name)
	}
	if bound, ok := t.ids[name]; ok && bound != id {
		return fmt.Errorf("ndjson: %s %s has id %d, not %d", what, name, bound, id)
	}
	if bound, ok := t.names[id]; ok && bound != name {
		return fmt.Errorf("ndjson: %s id %d is %s, not %s", what, id, bound, name)
	}
	t.ids[name], t.names[id] = id, name
	t.highest = max(t.highest, id)
	return nil
}

// numbered returns 7 for "#7", the text of an id without a name.
func numbered(name []byte) (uint64, bool) {
	if len(name) < 2 || name[0] != '#' {
		return 0, false
	}
	return parseUint(name[1:])
}
