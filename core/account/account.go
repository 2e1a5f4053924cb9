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
//
// # Layout
//
// What is read at every check lies together: an account is one cache line, a
// position half of one. Each account has its home among the positions, as many in a row
// as there are positions per account, rounded to the nearest, and its own go there while
// there is room: so a check reads two or three lines, and where they are follows from
// the slot alone. What is rarely read, the fees set aside, lies apart.
package account

import (
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/internal/arena"
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

// Account is one margin account: a cache line.
type Account struct {
	ID      event.AccountID
	Owner   event.AccountID
	Wallet  fixedpoint.Amount
	Pending fixedpoint.Amount // liquidation fees set aside: the sum over its positions

	Orders      int32 // open orders of the round; 0 when no round is open
	Attempts    int32 // fruitless rounds in a row
	LastReduced int32 // contract whose position was last reduced, or None
	First       int32 // first position, by symbol id then side, or None

	// Scratch of whoever handles an event, not part of the state: Noted is a number
	// of its own choice, Listed tells that the account is on its list. Timer is where
	// whoever keeps the time has the open round, 0 if nowhere.
	Noted  uint32
	Timer  int32
	Listed bool

	Mode    event.AccountMode
	Flags   Flags
	Waiting bool // after a fruitless round, for the next mark of one of its contracts
	// What the open round has seen so far.
	RoundFilled bool
	RoundTried  bool // some order ended otherwise than rejected
}

// Has reports whether any of f is set.
func (a *Account) Has(f Flags) bool { return a.Flags&f != 0 }

// Position is one position of an account. One with Qty 0 exists only while
// liquidation fees it caused are pending.
type Position struct {
	Qty      fixedpoint.Qty
	Cost     fixedpoint.Amount
	Account  Slot  // or, of a free one, the free one before it
	next     int32 // of the account, or the next free one
	Contract int32 // index of the contract, by which marks are found
	Side     event.PositionSide
	free     bool
}

// Table holds accounts and positions. Its capacities are fixed by New.
type Table struct {
	ids       ids
	accounts  []Account
	closed    Slot // last slot closed, a list through First
	opened    int  // slots ever used
	positions []Position
	fees      []fixedpoint.Amount // by position
	perHome   int
	firstFree int32
	lastFree  int32
	held      int
	symbols   []event.SymbolID // by contract
	holders   []int32          // positions by contract
}

// New returns an empty table for so many accounts, positions and contracts, at
// least one of each.
func New(accounts, positions, contracts int) *Table {
	t := &Table{
		ids:       newIDs(accounts),
		accounts:  arena.New[Account](accounts),
		closed:    None,
		positions: arena.New[Position](positions),
		fees:      arena.New[fixedpoint.Amount](positions),
		perHome:   max(1, (positions+accounts/2)/accounts),
		lastFree:  int32(positions - 1),
		symbols:   make([]event.SymbolID, contracts),
		holders:   make([]int32, contracts),
	}
	for i := range t.positions {
		t.positions[i] = Position{free: true, Account: Slot(i - 1), next: int32(i + 1)}
	}
	t.positions[positions-1].next = None
	for i := range t.accounts {
		t.accounts[i].First = endOfClosed - None
	}
	return t
}

// Arenas yields the memory of the table: to count it, or to tell the system what it
// is. Nobody writes to it.
func (t *Table) Arenas(yield func([]byte) bool) {
	_ = yield(arena.Of(t.accounts)) && yield(arena.Of(t.positions)) && yield(arena.Of(t.ids.entries)) &&
		yield(arena.Of(t.fees)) && yield(arena.Of(t.symbols)) && yield(arena.Of(t.holders))
}

// Ahead reads what checks of the accounts with these ids will need, and does nothing
// with it: the reads need nothing of each other, so the memory they miss is fetched
// for all of them at once. at[i] is the first position of the i-th account's home, 0
// for one that does not exist; it must be as long as ids. The result says nothing.
func (t *Table) Ahead(ids []event.AccountID, at []int32) (sum uint64) {
	for _, id := range ids {
		sum ^= t.ids.entries[t.ids.home(hash(id))]
	}
	for i, id := range ids {
		at[i] = 0
		if s := t.Find(id); s != None {
			home, read := t.Home(s)
			sum ^= uint64(t.accounts[s].First) ^ read
			at[i] = home
		}
	}
	return sum
}

// Home is the first position of an account's home, which is read, and nothing done
// with it: where it is follows from the slot, so its memory can be on its way before
// the account has come. The sum says nothing.
func (t *Table) Home(s Slot) (at int32, sum uint64) {
	home := min(int(s)*t.perHome, len(t.positions)-1)
	last := min(home+t.perHome, len(t.positions)) - 1
	return int32(home), uint64(t.positions[home].next) ^ uint64(t.positions[last].next)
}

// Len returns how many accounts are open.
func (t *Table) Len() int { return t.ids.n }

// Held returns how many positions exist.
func (t *Table) Held() int { return t.held }

// Accounts returns how many accounts the table has room for.
func (t *Table) Accounts() int { return len(t.accounts) }

// Slots returns the exclusive upper bound of the slots ever used; those of
// closed accounts among them are not [Table.Open].
func (t *Table) Slots() Slot { return Slot(t.opened) }

// Open reports whether s, below [Table.Slots], belongs to an open account.
func (t *Table) Open(s Slot) bool { return t.accounts[s].First >= None }

// First of a closed slot is below None: endOfClosed less the slot that was closed
// before it.
const endOfClosed = 3 * None

// Find returns the slot of an account, or None.
func (t *Table) Find(id event.AccountID) Slot { return t.ids.find(t.accounts, id) }

// At returns the account at s, which must be open.
func (t *Table) At(s Slot) *Account { return &t.accounts[s] }

// Add opens an account, which must not exist; false when the table is full.
func (t *Table) Add(id, owner event.AccountID, mode event.AccountMode) (Slot, bool) {
	s := t.closed
	switch {
	case s != None:
		t.closed = endOfClosed - Slot(t.accounts[s].First)
	case t.opened < len(t.accounts):
		s = Slot(t.opened)
		t.opened++
	default:
		return None, false
	}
	t.accounts[s] = Account{ID: id, Owner: owner, Mode: mode, LastReduced: None, First: None}
	t.ids.put(id, s)
	return s, true
}

// Full reports whether no account can be added.
func (t *Table) Full() bool { return t.ids.n == len(t.accounts) }

// Room returns how many positions can be added.
func (t *Table) Room() int { return len(t.positions) - t.held }

// Remove closes the account at s, which must hold nothing.
func (t *Table) Remove(s Slot) {
	a := &t.accounts[s]
	if a.First != None {
		panic("account: removing an account that holds positions")
	}
	t.ids.remove(t.accounts, a.ID)
	*a = Account{First: endOfClosed - int32(t.closed)}
	t.closed = s
}

// Position returns the position at index i.
func (t *Table) Position(i int32) *Position { return &t.positions[i] }

// Fee returns the part of the account's pending fees that the position at i
// caused.
func (t *Table) Fee(i int32) *fixedpoint.Amount { return &t.fees[i] }

// Symbol returns the symbol of a position's contract.
func (t *Table) Symbol(p *Position) event.SymbolID { return t.symbols[p.Contract] }

// Next returns the index of the account's position after p, or None. Positions
// are ordered by symbol id, one-way and long before short.
func (t *Table) Next(p *Position) int32 { return p.next }

// Lookup returns the index of the account's position, or None.
func (t *Table) Lookup(s Slot, symbol event.SymbolID, side event.PositionSide) int32 {
	for i := t.accounts[s].First; i != None; i = t.positions[i].next {
		if p := &t.positions[i]; t.symbols[p.Contract] == symbol && p.Side == side {
			return i
		}
	}
	return None
}

// Insert adds an empty position, which must not exist; there must be Room. A
// contract always comes with the same symbol.
func (t *Table) Insert(s Slot, symbol event.SymbolID, side event.PositionSide, contract int32) int32 {
	i := t.place(s)
	t.symbols[contract] = symbol
	link := &t.accounts[s].First
	for *link != None && t.before(&t.positions[*link], symbol, side) {
		link = &t.positions[*link].next
	}
	t.positions[i] = Position{Side: side, Contract: contract, Account: s, next: *link}
	*link = i
	t.holders[contract]++
	t.held++
	return i
}

func (t *Table) before(p *Position, symbol event.SymbolID, side event.PositionSide) bool {
	own := t.symbols[p.Contract]
	return own < symbol || own == symbol && p.Side < side
}

// place takes a free position, one of the account's home if there is one, else the
// last: homes are given out from the first.
func (t *Table) place(s Slot) int32 {
	i, home := t.lastFree, int(s)*t.perHome
	for k := home; k < min(home+t.perHome, len(t.positions)); k++ {
		if t.positions[k].free {
			i = int32(k)
			break
		}
	}
	before, after := int32(t.positions[i].Account), t.positions[i].next
	*t.afterFree(before) = after
	*t.beforeFree(after) = before
	return i
}

// Prune deletes the position at i if nothing is left of it.
func (t *Table) Prune(i int32) {
	p := &t.positions[i]
	if p.Qty != 0 || t.fees[i] != 0 {
		return
	}
	link := &t.accounts[p.Account].First
	for *link != i {
		link = &t.positions[*link].next
	}
	*link = p.next
	t.holders[p.Contract]--
	t.held--
	*t.beforeFree(t.firstFree) = i
	*p = Position{free: true, Account: None, next: t.firstFree}
	t.firstFree = i
}

// afterFree is where the free position after i is noted, beforeFree where the one
// before it is.
func (t *Table) afterFree(i int32) *int32 {
	if i == None {
		return &t.firstFree
	}
	return &t.positions[i].next
}

func (t *Table) beforeFree(i int32) *int32 {
	if i == None {
		return &t.lastFree
	}
	return (*int32)(&t.positions[i].Account)
}

// Holders returns how many positions there are in the contract, empty ones with a
// pending fee among them.
func (t *Table) Holders(contract int32) int { return int(t.holders[contract]) }

// Flat reports whether the account holds no quantity.
func (t *Table) Flat(s Slot) bool {
	for i := t.accounts[s].First; i != None; i = t.positions[i].next {
		if t.positions[i].Qty != 0 {
			return false
		}
	}
	return true
}
