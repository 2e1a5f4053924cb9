// Package account is the table of margin accounts and their positions: dense,
// preallocated, pointer-free, addressed by slot.
//
// A margin account is the unit of solvency: one wallet and the positions it
// carries, many contracts for a cross account, one for an isolated account. A
// position is (qty, cost): the signed quantity, long positive, and the signed
// quote paid for it. The table books; whether an account may, must or can is
// decided elsewhere.
//
// # Booking
//
//	opening   qty and cost add up
//	closing   releases floor(|cost| x closed / |qty|) of the cost's magnitude,
//	          realized = proceeds - released
//	flipping  the closing part gets floor(quote x closed / |fill|) of the quote,
//	          the rest opens
package account

import (
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/internal/idmap"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// Slot is an account's index in the table. It stays while the account is open.
type Slot int32

// None is no slot, no position.
const None = -1

// Flags of an account.
type Flags uint8

// What an account can be, beside healthy.
const (
	Liquidating Flags = 1 << iota // breached, and not yet recovered or resolved
	Bankrupt                      // resolved in part: a blocked mark keeps a position open
	OutOfSync                     // a fact could not be represented: hands off
	TriedMarket                   // the market round of this episode is spent
	Exhausted                     // bankrupt because it could not be liquidated
	Indebted                      // owes what no fund covers, and that was said
)

// Account is one margin account.
type Account struct {
	ID      event.AccountID
	Owner   event.AccountID
	Wallet  fixedpoint.Amount
	Pending fixedpoint.Amount // liquidation fees set aside: the sum of the positions' Fee

	// The round of liquidation orders.
	RoundDue int64 // when the next order_timeout alarm is due; 0 before any t
	Timeout  int64 // of the round, fixed when it was sent
	Orders   int32 // open orders of the round; 0 when no round is open
	Attempts int32 // fruitless rounds in a row
	Waiting  bool  // after a fruitless round, for the next mark of one of its contracts
	// What the open round has seen so far.
	RoundFilled bool
	RoundTried  bool // some order ended otherwise than rejected

	Mode        event.AccountMode
	Flags       Flags
	LastReduced int32 // contract whose position was last reduced, or None
	First       int32 // first position, by symbol id then side, or None

	// Noted is scratch of whoever handles an event; it is not part of the state.
	Noted uint32
}

// Has reports whether any of f is set.
func (a *Account) Has(f Flags) bool { return a.Flags&f != 0 }

// Position is one position of an account. One with Qty 0 exists only while
// liquidation fees it caused are pending.
type Position struct {
	Symbol   event.SymbolID
	Qty      fixedpoint.Qty
	Cost     fixedpoint.Amount
	Fee      fixedpoint.Amount // its part of the account's pending fees
	Contract int32             // index of the contract, by which marks are found
	Account  Slot
	next     int32 // of the account
	before   int32 // holders of the contract
	after    int32
	Side     event.PositionSide
}

// Table holds accounts and positions. Its capacities are fixed by New.
type Table struct {
	ids       *idmap.Map
	accounts  []Account
	free      []Slot // closed slots, last closed first
	opened    int    // slots ever used
	positions []Position
	freePos   int32 // list of free positions through next
	held      int
	holders   []int32 // first position per contract
}

// New returns an empty table for so many accounts, positions and contracts.
func New(accounts, positions, contracts int) *Table {
	t := &Table{
		ids:       idmap.New(accounts),
		accounts:  make([]Account, accounts),
		free:      make([]Slot, 0, accounts),
		positions: make([]Position, positions),
		holders:   make([]int32, contracts),
		freePos:   None,
	}
	for i := range t.holders {
		t.holders[i] = None
	}
	for i := len(t.positions) - 1; i >= 0; i-- {
		t.positions[i].next = t.freePos
		t.freePos = int32(i)
	}
	return t
}

// Len returns how many accounts are open.
func (t *Table) Len() int { return t.ids.Len() }

// Held returns how many positions exist.
func (t *Table) Held() int { return t.held }

// Capacity returns how many accounts and positions the table has room for.
func (t *Table) Capacity() (accounts, positions int) { return len(t.accounts), len(t.positions) }

// Slots returns the exclusive upper bound of the slots ever used; those of
// closed accounts among them are not [Table.Open].
func (t *Table) Slots() Slot { return Slot(t.opened) }

// Open reports whether s, below [Table.Slots], belongs to an open account.
func (t *Table) Open(s Slot) bool { return t.accounts[s].First >= None }

// closedMark in First tells a closed slot.
const closedMark = None - 1

// Find returns the slot of an account, or None.
func (t *Table) Find(id event.AccountID) Slot { return Slot(t.ids.Find(uint64(id))) }

// At returns the account at s, which must be open.
func (t *Table) At(s Slot) *Account { return &t.accounts[s] }

// Add opens an account, which must not exist; false when the table is full.
func (t *Table) Add(id, owner event.AccountID, mode event.AccountMode) (Slot, bool) {
	s := Slot(t.opened)
	switch n := len(t.free); {
	case n > 0:
		s, t.free = t.free[n-1], t.free[:n-1]
	case t.opened < len(t.accounts):
		t.opened++
	default:
		return None, false
	}
	t.ids.Put(uint64(id), int32(s))
	t.accounts[s] = Account{ID: id, Owner: owner, Mode: mode, LastReduced: None, First: None}
	return s, true
}

// Full reports whether no account can be added.
func (t *Table) Full() bool { return t.ids.Len() == len(t.accounts) }

// Room returns how many positions can be added.
func (t *Table) Room() int { return len(t.positions) - t.held }

// Remove closes the account at s, which must hold nothing.
func (t *Table) Remove(s Slot) {
	a := &t.accounts[s]
	if a.First != None {
		panic("account: removing an account that holds positions")
	}
	t.ids.Delete(uint64(a.ID))
	*a = Account{First: closedMark}
	t.free = append(t.free, s)
}

// Position returns the position at index i.
func (t *Table) Position(i int32) *Position { return &t.positions[i] }

// Next returns the index of the account's position after p, or None. Positions
// are ordered by symbol id, one-way and long before short.
func (t *Table) Next(p *Position) int32 { return p.next }

// Lookup returns the index of the account's position, or None.
func (t *Table) Lookup(s Slot, symbol event.SymbolID, side event.PositionSide) int32 {
	for i := t.accounts[s].First; i != None; i = t.positions[i].next {
		if p := &t.positions[i]; p.Symbol == symbol && p.Side == side {
			return i
		}
	}
	return None
}

// Insert adds an empty position, which must not exist; there must be Room.
func (t *Table) Insert(s Slot, symbol event.SymbolID, side event.PositionSide, contract int32) int32 {
	i := t.freePos
	t.freePos = t.positions[i].next
	t.held++
	link := &t.accounts[s].First
	for *link != None && before(&t.positions[*link], symbol, side) {
		link = &t.positions[*link].next
	}
	head := t.holders[contract]
	t.positions[i] = Position{
		Symbol: symbol, Side: side, Contract: contract, Account: s,
		next: *link, before: None, after: head,
	}
	*link = i
	if head != None {
		t.positions[head].before = i
	}
	t.holders[contract] = i
	return i
}

func before(p *Position, symbol event.SymbolID, side event.PositionSide) bool {
	return p.Symbol < symbol || p.Symbol == symbol && p.Side < side
}

// Prune deletes the position at i if nothing is left of it.
func (t *Table) Prune(i int32) {
	p := &t.positions[i]
	if p.Qty != 0 || p.Fee != 0 {
		return
	}
	link := &t.accounts[p.Account].First
	for *link != i {
		link = &t.positions[*link].next
	}
	*link = p.next
	if p.before == None {
		t.holders[p.Contract] = p.after
	} else {
		t.positions[p.before].after = p.after
	}
	if p.after != None {
		t.positions[p.after].before = p.before
	}
	*p = Position{next: t.freePos}
	t.freePos = i
	t.held--
}

// FirstHolder returns the index of some position in the contract, or None; with
// NextHolder it walks them all, in no particular order.
func (t *Table) FirstHolder(contract int32) int32 { return t.holders[contract] }

// NextHolder returns the position after p among the holders of its contract.
func (t *Table) NextHolder(p *Position) int32 { return p.after }

// Flat reports whether the account holds no quantity.
func (t *Table) Flat(s Slot) bool {
	for i := t.accounts[s].First; i != None; i = t.positions[i].next {
		if t.positions[i].Qty != 0 {
			return false
		}
	}
	return true
}
