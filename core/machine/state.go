package machine

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"

	"github.com/backstop-fund/backstop/core/account"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/snapshot"
)

// RulesVersion names the rules a state was reached by. A state of other rules is
// not continued.
const RulesVersion = 2

// The sections of a machine's snapshot, every field explicit, everything in the
// order of ids so that equal states have equal bytes.
const (
	sectionEngine = 1 + iota
	sectionFunds
	sectionContracts
	sectionAccounts
	sectionPositions
	sectionOrders
	sectionSources
	sectionRankings
)

var sectionNames = [...]string{
	sectionEngine: "engine", sectionFunds: "funds", sectionContracts: "contracts", sectionAccounts: "accounts",
	sectionPositions: "positions", sectionOrders: "orders", sectionSources: "sources", sectionRankings: "rankings",
}

// SectionName is what is in a section of a machine's snapshot, for a person to read;
// empty for a section that is not the machine's.
func SectionName(id uint32) string {
	if id < uint32(len(sectionNames)) {
		return sectionNames[id]
	}
	return ""
}

// writer is where a state goes: a snapshot, a digest, or both.
type writer interface {
	Section(id uint32)
	U8(v uint8)
	U32(v uint32)
	U64(v uint64)
	I64(v int64)
	Raw(p []byte)
}

// digester hashes the canonical form of a state. It gathers fields, which are much
// shorter than what a hash is fast for.
type digester struct {
	hash hash.Hash
	n    int // of buf, at most all but 8 bytes between fields
	buf  [1024]byte
}

func newDigester() *digester { return &digester{hash: sha256.New()} }

func (d *digester) Section(id uint32) { d.U32(id) }

func (d *digester) U8(v uint8) { d.buf[d.n] = v; d.advance(1) }

func (d *digester) U32(v uint32) { binary.LittleEndian.PutUint32(d.buf[d.n:], v); d.advance(4) }

func (d *digester) U64(v uint64) { binary.LittleEndian.PutUint64(d.buf[d.n:], v); d.advance(8) }

func (d *digester) I64(v int64) { d.U64(uint64(v)) }

func (d *digester) Raw(p []byte) {
	for len(p) > 0 {
		n := copy(d.buf[d.n:len(d.buf)-7], p)
		p = p[n:]
		d.advance(n)
	}
}

func (d *digester) advance(n int) {
	if d.n += n; d.n > len(d.buf)-8 {
		d.flush()
	}
}

func (d *digester) flush() { d.hash.Write(d.buf[:d.n]); d.n = 0 }

func (d *digester) sum() [32]byte { d.flush(); return [32]byte(d.hash.Sum(nil)) }

// tee writes a state to a snapshot and hashes it on the way.
type tee struct {
	*digester
	enc *snapshot.Encoder
}

func (t tee) Section(id uint32) { t.digester.Section(id); t.enc.Section(id) }

func (t tee) U8(v uint8) { t.digester.U8(v); t.enc.U8(v) }

func (t tee) U32(v uint32) { t.digester.U32(v); t.enc.U32(v) }

func (t tee) U64(v uint64) { t.digester.U64(v); t.enc.U64(v) }

func (t tee) I64(v int64) { t.digester.I64(v); t.enc.I64(v) }

func (t tee) Raw(p []byte) { t.digester.Raw(p); t.enc.Raw(p) }

// Digest returns the state digest: a function of the state alone, so that equal
// states have equal digests, however reached. It walks all of it.
func (m *Machine) Digest() [32]byte {
	d := newDigester()
	m.write(d)
	return d.sum()
}

// Encode writes the machine's sections and returns the state digest, which belongs
// at the end of the snapshot. It leaves errors with enc.
func (m *Machine) Encode(enc *snapshot.Encoder) ([32]byte, error) {
	t := tee{newDigester(), enc}
	m.write(t)
	return t.sum(), enc.Err()
}

func (m *Machine) write(w writer) {
	w.Section(sectionEngine)
	w.U32(RulesVersion)
	w.U64(m.seq)
	w.I64(m.time)
	w.U8(flag(m.timed) | flag(m.acked)<<1)
	w.U8(uint8(m.mode))
	w.U64(m.ackSeq)
	w.U32(m.ackIndex)
	w.U64(uint64(m.orders.last))

	w.Section(sectionFunds)
	w.U32(uint32(len(m.funds)))
	for _, i := range m.fundNames {
		f := &m.funds[i]
		w.U64(uint64(f.ID))
		w.Raw(f.Name[:])
		w.I64(int64(f.Cash))
		w.I64(int64(f.Cap))
		w.U8(flag(f.ADLOnly))
	}
	w.Section(sectionContracts)
	w.U32(uint32(len(m.contracts)))
	for _, i := range m.byID {
		m.writeContract(w, &m.contracts[i])
	}
	m.writeAccounts(w)
	m.writeOrders(w)
	m.writeSources(w)
	m.writeRankings(w)
}

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

func (m *Machine) writeContract(w writer, c *contract) {
	w.U64(uint64(c.id))
	w.Raw(c.name[:])
	w.U64(uint64(m.funds[c.fund].ID))
	for _, v := range c.settings() {
		w.I64(*v)
	}
	w.U8(flag(c.full) | flag(c.tryMarket)<<1 | flag(c.whole)<<2 | flag(c.offload.Off)<<3 |
		flag(c.halted)<<4 | flag(c.suspect)<<5 | flag(c.depthKnown)<<6)
	w.U8(uint8(c.policy))
	w.U8(uint8(c.score))
	w.U8(c.heldMore)
	w.U32(uint32(c.liqAttempts))
	w.U32(uint32(c.maxCounter))
	w.U64(uint64(c.offloadOrder))
	w.U32(uint32(c.tiers.Len()))
	for i := range c.tiers.Len() {
		t := c.tiers.Row(i)
		w.I64(int64(t.Floor))
		w.I64(int64(t.Cap))
		w.I64(int64(t.MMR))
		w.I64(int64(t.Cum))
		w.I64(int64(t.MaxLeverage))
	}
}

// settings lists the 64-bit fields of a contract in the order they are written.
func (c *contract) settings() [26]*int64 {
	return [26]*int64{
		(*int64)(&c.tick), (*int64)(&c.lot), (*int64)(&c.liqFee), &c.orderTimeout, (*int64)(&c.capShare),
		(*int64)(&c.maxDeviation), &c.maxAge, (*int64)(&c.maxJump), &c.maxHold,
		&c.offload.Interval, (*int64)(&c.offload.Fraction), (*int64)(&c.offload.FullSize),
		(*int64)(&c.offload.MaxDepthFraction), (*int64)(&c.offload.Slippage),
		(*int64)(&c.mark), &c.markTime, &c.last, (*int64)(&c.held), &c.heldTime, &c.heldSince,
		(*int64)(&c.bid), (*int64)(&c.ask), &c.depthTime,
		(*int64)(&c.inventory.Qty), (*int64)(&c.inventory.Cost), &c.sliceFrom,
	}
}

func (m *Machine) writeAccounts(w writer) {
	w.Section(sectionAccounts)
	slots := make([]account.Slot, 0, m.accounts.Len())
	for s := range m.accounts.Slots() {
		if m.accounts.Open(s) {
			slots = append(slots, s)
		}
	}
	slices.SortFunc(slots, func(a, b account.Slot) int {
		return cmp.Compare(m.accounts.At(a).ID, m.accounts.At(b).ID)
	})
	w.U32(uint32(len(slots)))
	for _, s := range slots {
		a := m.accounts.At(s)
		w.U64(uint64(a.ID))
		w.U64(uint64(a.Owner))
		w.I64(int64(a.Wallet))
		t := m.timers.of(s)
		if t.due == never && !m.timed {
			t.due = 0
		}
		w.I64(t.due)
		w.I64(t.timeout)
		w.U32(uint32(a.Attempts))
		w.U8(uint8(a.Mode))
		w.U8(uint8(a.Flags))
		w.U8(flag(a.RoundFilled) | flag(a.RoundTried)<<1 | flag(a.LastReduced != account.None)<<2 | flag(a.Waiting)<<3)
		last := event.SymbolID(0)
		if a.LastReduced != account.None {
			last = m.contracts[a.LastReduced].id
		}
		w.U64(uint64(last))
	}
	w.Section(sectionPositions)
	w.U32(uint32(m.accounts.Held()))
	for _, s := range slots {
		a := m.accounts.At(s)
		for i := a.First; i != account.None; {
			p := m.accounts.Position(i)
			w.U64(uint64(a.ID))
			w.U64(uint64(m.accounts.Symbol(p)))
			w.U8(uint8(p.Side))
			w.I64(int64(p.Qty))
			w.I64(int64(p.Cost))
			w.I64(int64(*m.accounts.Fee(i)))
			i = m.accounts.Next(p)
		}
	}
}

func (m *Machine) writeOrders(w writer) {
	list := make([]*order, 0, len(m.orders.orders))
	for i := range m.orders.orders {
		if o := &m.orders.orders[i]; o.id != 0 {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b *order) int { return cmp.Compare(a.id, b.id) })
	w.Section(sectionOrders)
	w.U32(uint32(len(list)))
	for _, o := range list {
		w.U64(uint64(o.id))
		w.U64(uint64(o.account))
		w.U64(uint64(m.contracts[o.contract].id))
		w.U8(uint8(o.side))
		w.U8(flag(o.offload) | flag(o.done)<<1)
		w.I64(int64(o.qty))
		w.I64(int64(o.filled))
		w.I64(int64(o.limit))
		w.U64(o.doneSeq)
	}
}

func (m *Machine) writeSources(w writer) {
	list := slices.Clone(m.sources)
	slices.SortFunc(list, func(a, b source) int {
		return cmp.Or(cmp.Compare(a.id.Number, b.id.Number), compareNames(a.id.Name, b.id.Name))
	})
	w.Section(sectionSources)
	w.U32(uint32(len(list)))
	for i := range list {
		w.U64(list[i].id.Number)
		w.Raw(list[i].id.Name[:])
		w.U64(list[i].highest)
	}
}

func (m *Machine) writeRankings(w writer) {
	w.Section(sectionRankings)
	for _, i := range m.byID {
		for side := range m.contracts[i].rankings {
			r := &m.contracts[i].rankings[side]
			w.U64(r.made)
			if r.made == 0 {
				continue
			}
			w.U32(uint32(len(r.members)))
			for j := range r.members {
				x := &r.members[j]
				w.U64(uint64(x.Account))
				w.U8(uint8(x.Side) | flag(x.Long)<<2 | flag(x.InProfit)<<3)
				w.I64(int64(x.Wallet))
				w.I64(int64(x.Entry))
				w.I64(int64(x.Cost))
				w.I64(int64(x.Mark))
				for _, v := range x.Wides() {
					w.U64(v.Lo)
					w.I64(v.Hi)
				}
			}
		}
	}
}
