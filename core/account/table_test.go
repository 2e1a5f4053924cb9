package account_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/fixedpoint"
	"pgregory.net/rapid"
)

const unit = fixedpoint.One

const (
	accounts, positions, contracts = 6, 10, 3
)

// The dumb twin: maps and slices.
type key struct {
	symbol event.SymbolID
	side   event.PositionSide
}

type twinAccount struct {
	slot  account.Slot
	owner event.AccountID
	held  map[key]fixedpoint.Qty
}

type pair struct {
	table *account.Table
	twin  map[event.AccountID]*twinAccount
	held  int
}

func (p *pair) someAccount(t *rapid.T) (event.AccountID, *twinAccount) {
	id := event.AccountID(rapid.Uint64Range(0, 9).Draw(t, "account"))
	return id, p.twin[id]
}

func someKey(t *rapid.T) key {
	return key{event.SymbolID(rapid.Uint64Range(0, contracts-1).Draw(t, "symbol")),
		event.PositionSide(rapid.Uint8Range(0, 2).Draw(t, "side"))}
}

func (p *pair) add(t *rapid.T) {
	id, a := p.someAccount(t)
	if a != nil {
		return
	}
	owner := event.AccountID(rapid.Uint64().Draw(t, "owner"))
	full := len(p.twin) == accounts
	if p.table.Full() != full {
		t.Fatalf("Full is %v with %d accounts", p.table.Full(), len(p.twin))
	}
	s, ok := p.table.Add(id, owner, event.Isolated)
	if ok == full || full && s != account.None {
		t.Fatalf("Add with %d accounts: %d, %v", len(p.twin), s, ok)
	}
	if ok {
		p.twin[id] = &twinAccount{slot: s, owner: owner, held: map[key]fixedpoint.Qty{}}
	}
}

func (p *pair) remove(t *rapid.T) {
	id, a := p.someAccount(t)
	switch {
	case a == nil:
	case len(a.held) > 0:
		defer func() {
			if recover() == nil {
				t.Fatal("an account that holds positions was removed")
			}
		}()
		p.table.Remove(a.slot)
	default:
		p.table.Remove(a.slot)
		delete(p.twin, id)
	}
}

func (p *pair) insert(t *rapid.T) {
	_, a := p.someAccount(t)
	k := someKey(t)
	if a == nil || p.table.Room() == 0 {
		return
	}
	if _, there := a.held[k]; there {
		return
	}
	i := p.table.Insert(a.slot, k.symbol, k.side, int32(k.symbol))
	a.held[k] = 0
	p.held++
	if pos := p.table.Position(i); pos.Qty != 0 || pos.Cost != 0 || *p.table.Fee(i) != 0 || pos.Account != a.slot {
		t.Fatalf("a new position holds %+v", *pos)
	}
}

// write changes a quantity, or a fee alone; prune deletes what is empty then.
func (p *pair) write(t *rapid.T) {
	_, a := p.someAccount(t)
	k := someKey(t)
	if a == nil {
		return
	}
	if _, there := a.held[k]; !there {
		return
	}
	i := p.table.Lookup(a.slot, k.symbol, k.side)
	pos := p.table.Position(i)
	pos.Qty = fixedpoint.Qty(rapid.Int64Range(-2, 2).Draw(t, "qty"))
	*p.table.Fee(i) = fixedpoint.Amount(rapid.Int64Range(0, 1).Draw(t, "fee"))
	a.held[k] = pos.Qty
	if pos.Qty == 0 && *p.table.Fee(i) == 0 {
		delete(a.held, k)
		p.held--
	}
	p.table.Prune(i)
}

// check compares everything that can be asked.
func (p *pair) check(t *rapid.T) {
	if p.table.Len() != len(p.twin) || p.table.Held() != p.held || p.table.Room() != positions-p.held {
		t.Fatalf("%d accounts, %d positions, room for %d; want %d and %d", p.table.Len(), p.table.Held(), p.table.Room(), len(p.twin), p.held)
	}
	open := 0
	for s := range p.table.Slots() {
		if p.table.Open(s) {
			open++
		}
	}
	if open != len(p.twin) {
		t.Fatalf("%d slots are open, want %d", open, len(p.twin))
	}
	holders := map[int32]int{}
	for id := range event.AccountID(10) {
		a := p.twin[id]
		if a == nil {
			if s := p.table.Find(id); s != account.None {
				t.Fatalf("account %d is at %d", id, s)
			}
			continue
		}
		if s := p.table.Find(id); s != a.slot || p.table.At(s).ID != id || p.table.At(s).Owner != a.owner {
			t.Fatalf("account %d is at %d as %+v, want %d", id, s, p.table.At(s), a.slot)
		}
		p.checkWalk(t, a, holders)
	}
	p.checkHolders(t, holders)
}

func (p *pair) checkWalk(t *rapid.T, a *twinAccount, holders map[int32]int) {
	var keys []key
	flat := true
	for k, q := range a.held {
		keys = append(keys, k)
		holders[int32(k.symbol)]++
		flat = flat && q == 0
	}
	slices.SortFunc(keys, func(x, y key) int {
		return cmp.Or(cmp.Compare(x.symbol, y.symbol), cmp.Compare(x.side, y.side))
	})
	var walk []key
	for i := p.table.At(a.slot).First; i != account.None; i = p.table.Next(p.table.Position(i)) {
		pos := p.table.Position(i)
		k := key{p.table.Symbol(pos), pos.Side}
		walk = append(walk, k)
		if pos.Qty != a.held[k] || p.table.Lookup(a.slot, k.symbol, k.side) != i {
			t.Fatalf("position %v holds %v, want %v", k, pos.Qty, a.held[k])
		}
	}
	if !slices.Equal(walk, keys) {
		t.Fatalf("positions %v, want %v", walk, keys)
	}
	if got := p.table.Flat(a.slot); got != flat {
		t.Fatalf("flat is %v with %v", got, a.held)
	}
	if k := (key{symbol: contracts}); p.table.Lookup(a.slot, k.symbol, k.side) != account.None {
		t.Fatal("a position in a symbol nobody holds")
	}
}

func (p *pair) checkHolders(t *rapid.T, want map[int32]int) {
	for c := range int32(contracts) {
		if n := p.table.Holders(c); n != want[c] {
			t.Fatalf("%d holders of %d, want %d", n, c, want[c])
		}
	}
}

func TestTableAgainstMaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &pair{table: account.New(accounts, positions, contracts), twin: map[event.AccountID]*twinAccount{}}
		if n := p.table.Accounts(); n != accounts {
			t.Fatalf("room for %d accounts, want %d", n, accounts)
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": p.add, "remove": p.remove, "insert": p.insert, "insert more": p.insert, "write": p.write, "": p.check,
		})
	})
}

func TestNothingAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	table := account.New(2, 2, 1)
	n := testing.AllocsPerRun(100, func() {
		s, _ := table.Add(7, 7, event.Cross)
		i := table.Insert(s, 1, event.Both, 0)
		b, ok := account.Book(0, 0, unit, 1000*unit)
		if !ok || b.Qty != unit || table.Lookup(s, 1, event.Both) != i {
			t.Error("not booked")
		}
		table.Prune(i)
		table.Remove(table.Find(7))
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// An account opens, buys, and is walked.
func Example() {
	table := account.New(100, 1000, 10)
	slot, _ := table.Add(7, 7, event.Cross)
	i := table.Insert(slot, 1, event.Both, 0)

	p := table.Position(i)
	b, ok := account.Book(p.Qty, p.Cost, 2*unit, 2000*unit)
	p.Qty, p.Cost = b.Qty, b.Cost
	fmt.Println(ok, p.Qty, p.Cost, table.Flat(slot), table.Held())
	// Output: true 2 2000 false 1
}

func BenchmarkLookup(b *testing.B) {
	table := account.New(1<<16, 1<<18, 4)
	for id := range event.AccountID(1 << 16) {
		s, _ := table.Add(id, id, event.Cross)
		for c := range int32(4) {
			table.Insert(s, event.SymbolID(c), event.Both, c)
		}
	}
	b.ReportAllocs()
	id := event.AccountID(0)
	for b.Loop() {
		id = (id*6364136223846793005 + 1442695040888963407) & (1<<16 - 1)
		if table.Lookup(table.Find(id), 3, event.Both) == account.None {
			b.Fatal("a position is missing")
		}
	}
}

func BenchmarkBook(b *testing.B) {
	for _, c := range []struct {
		name string
		qty  fixedpoint.Qty
	}{{"open", unit}, {"close", -unit}, {"flip", -5 * unit}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			quote, _ := fixedpoint.Quote(c.qty, 1000*unit)
			for b.Loop() {
				if got, ok := account.Book(3*unit, 2900*unit, c.qty, quote); !ok || got.Qty != 3*unit+c.qty {
					b.Fatal(got, ok)
				}
			}
		})
	}
}
