package ndjson

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/backstop-fund/backstop/core/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNames(t *testing.T) {
	var n Names
	bindSymbol(t, &n, "BTCUSDT", 4)
	bindSymbol(t, &n, "BTCUSDT", 4) // again: nothing happens
	bindFund(t, &n, "BTCUSDT", 9)   // another name space
	if id, ok := n.Symbol("BTCUSDT"); id != 4 || !ok {
		t.Errorf("symbol %d, %v", id, ok)
	}
	if id, ok := n.Fund("BTCUSDT"); id != 9 || !ok {
		t.Errorf("fund %d, %v", id, ok)
	}
	if _, ok := n.Symbol("ETHUSDT"); ok {
		t.Error("a symbol nobody bound has an id")
	}
	if s := n.SymbolName(4); s != "BTCUSDT" {
		t.Errorf("symbol 4 is %s", s)
	}
	if s := n.SymbolName(5); s != "#5" {
		t.Errorf("symbol 5 is %s", s)
	}
	if s := n.FundName(UnknownID); s != "#18446744073709551615" {
		t.Errorf("the unknown fund is %s", s)
	}
}

func TestBindRefusals(t *testing.T) {
	var n Names
	bindSymbol(t, &n, "BTCUSDT", 4)
	for _, c := range []struct {
		name string
		id   event.SymbolID
		want string
	}{
		{"BTCUSDT", 5, "ndjson: symbol BTCUSDT has id 4, not 5"},
		{"ETHUSDT", 4, "ndjson: symbol id 4 is BTCUSDT, not ETHUSDT"},
		{"ETHUSDT", UnknownID, "ndjson: symbol ETHUSDT: id 18446744073709551615 is reserved"},
		{"#12", 12, `ndjson: symbol "#12": want a name that is not # and a number`},
		{"", 12, `ndjson: symbol "": want a name that is not # and a number`},
	} {
		name, _ := event.MakeName(c.name)
		if err := n.BindSymbol(name, c.id); err == nil || err.Error() != c.want {
			t.Errorf("%q, %d: %v, want %s", c.name, c.id, err, c.want)
		}
	}
	if id, ok := n.Symbol("ETHUSDT"); ok {
		t.Errorf("a refused name is bound to %d", id)
	}
	if id, _ := n.Symbol("BTCUSDT"); id != 4 {
		t.Errorf("BTCUSDT moved to %d", id)
	}
}

// The next free id is above the highest bound one, whatever lies below.
func TestNextID(t *testing.T) {
	var n Names
	decode := func(line string) (event.Event, error) { return NewDecoder(&n).Decode([]byte(line), nil) }
	for _, c := range []struct {
		bind event.FundID
		want event.FundID
	}{{0, 1}, {7, 8}, {3, 8}, {8, 9}, {UnknownID - 2, UnknownID - 1}} {
		bindFund(t, &n, fmt.Sprint("F", uint64(c.bind)), c.bind)
		e, err := decode(`{"e":"fund","fund":"NEW"}`)
		if err != nil || e[0].Fund() != c.want {
			t.Errorf("after %d: %v, %v, want id %d", c.bind, e, err, c.want)
		}
	}
	bindFund(t, &n, "LAST", UnknownID-1)
	_, err := decode(`{"e":"fund","fund":"NEW"}`)
	if err == nil || !strings.Contains(err.Error(), `1:20: fund: want an "id" too: the highest possible one is in use`) {
		t.Errorf("with no id left: %v", err)
	}
	if e, err := decode(`{"e":"fund","fund":"NEW","id":2}`); err != nil || e[0].Fund() != 2 {
		t.Errorf("with an id given: %v, %v", e, err)
	}
}

// Binding, decoding and writing go on at the same time; run with -race.
func TestNamesConcurrently(t *testing.T) {
	names := bound(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			d := NewDecoder(names)
			for range 200 {
				e, err := d.Decode([]byte(hotLines["tick"]), nil)
				if err != nil || !strings.Contains(string(AppendEvent(nil, names, e)), "BTCUSDT") {
					t.Errorf("%v, %v", e, err)
					return
				}
			}
		})
	}
	for id := range event.SymbolID(200) {
		name, _ := event.MakeName("S" + strings.Repeat("x", int(id%20)) + string(rune('A'+id%26)) + string(rune('a'+id/26)))
		if err := names.BindSymbol(name, id+10); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
}
