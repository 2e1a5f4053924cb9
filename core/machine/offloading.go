package machine

import (
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/offload"
)

// offload sends one slice for every contract whose slice is due, by symbol id. It
// looks at the contracts a fund holds, after every event that carries time.
func (m *Machine) offload() {
	for _, i := range m.stocked {
		c := &m.contracts[i]
		if c.offload.Off || c.offloadOrder != 0 ||
			c.sliceFrom == 0 || m.age(c.sliceFrom) < c.offload.Interval || m.blocked(c) {
			continue
		}
		m.offloadSlice(i)
	}
}

func (m *Machine) offloadSlice(i int32) {
	c := &m.contracts[i]
	market := offload.Market{Mark: c.mark, Tick: c.tick, Lot: c.lot, Depth: c.bid}
	if c.inventory.Qty < 0 {
		market.Depth = c.ask
	}
	market.Known = c.depthKnown && m.age(c.depthTime) < c.maxAge
	clip, ok := c.offload.Next(c.inventory.Qty, market)
	if !ok {
		return // too thin: the slice stays due
	}
	c.sliceFrom = m.now
	if m.orders.room() == 0 {
		m.alarmNoOrder(c)
		return
	}
	c.offloadOrder = m.orders.add(order{contract: i, offload: true, qty: clip.Qty, limit: clip.Limit})
	m.fx.Append(event.Effect{
		Kind: event.EffectOffload, Flags: event.HasFund | event.HasSymbol | event.HasOrder,
		Order: c.offloadOrder, Fund: m.funds[c.fund].ID, Symbol: c.id, Qty: clip.Qty, Price: clip.Limit,
	})
}

func (m *Machine) alarmNoOrder(c *contract) {
	m.fx.Append(event.Effect{
		Kind: event.EffectAlarm, Flags: event.HasSymbol | event.HasFund, Reason: uint8(event.AlarmCapacity),
		Symbol: c.id, Fund: m.funds[c.fund].ID,
		Candidates: uint32(event.Orders), RankedAt: uint64(m.limits.Orders),
	})
}
