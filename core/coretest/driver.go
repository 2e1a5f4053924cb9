package coretest

import (
	"fmt"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/event/ndjson"
	"github.com/backstop-fund/backstop/core/machine"
)

// Driver applies NDJSON lines to a machine and gives its effects as lines.
type Driver struct {
	Machine *machine.Machine
	Names   ndjson.Names
	decoder *ndjson.Decoder
	fx      *event.Effects
	records []event.Record
}

// SmallLimits are room enough for a random stream.
var SmallLimits = machine.Limits{Accounts: 16, Positions: 64, Symbols: 4, Funds: 4, Orders: 1 << 10, Sources: 4}

// NewDriver returns a driver of a new machine.
func NewDriver(l machine.Limits) (*Driver, error) {
	m, err := machine.New(l)
	if err != nil {
		return nil, err
	}
	return Resume(m), nil
}

// Resume returns a driver that goes on with a machine, a restored one say.
func Resume(m *machine.Machine) *Driver {
	d := &Driver{Machine: m, fx: event.NewEffects(64, nil)}
	d.decoder = ndjson.NewDecoder(&d.Names)
	for id, name := range m.Funds {
		d.must(d.Names.BindFund(name, id))
	}
	for id, name := range m.Symbols {
		d.must(d.Names.BindSymbol(name, id))
	}
	return d
}

func (d *Driver) must(err error) {
	if err != nil {
		panic(fmt.Sprintf("coretest: two things of a machine share a name: %v", err))
	}
}

// Effects applies a line and returns its effects, valid until the next call.
func (d *Driver) Effects(line string) ([]event.Effect, error) {
	e, err := d.decoder.Decode([]byte(line), d.records[:0])
	if err != nil {
		return nil, err
	}
	d.records = e
	d.fx.Reset()
	if _, code := d.Machine.Apply(e, d.fx); code == event.Accepted {
		bind(&d.Names, e)
	}
	return d.fx.All(), nil
}

// bind notes the name an accepted event gave.
func bind(names *ndjson.Names, e event.Event) {
	var err error
	switch e[0].Kind() {
	case event.KindFund:
		s := e.FundSettings()
		err = names.BindFund(s.Name, s.ID)
	case event.KindSymbol:
		var s event.SymbolSettings
		e.SymbolSettings(&s)
		err = names.BindSymbol(s.Name, s.ID)
	}
	if err != nil {
		panic(fmt.Sprintf("coretest: the machine accepted a name that is taken: %v", err))
	}
}

// Apply applies a line and returns its effects as lines.
func (d *Driver) Apply(line string) ([]string, error) {
	effects, err := d.Effects(line)
	out := make([]string, len(effects))
	for i := range effects {
		out[i] = string(ndjson.AppendEffect(nil, &d.Names, &effects[i]))
	}
	return out, err
}

// State returns the state lines, the digest line left out.
func (d *Driver) State() []string {
	var out []string
	var a event.AccountView
	viewer := d.Machine.Viewer()
	for _, id := range d.Machine.AccountIDs(nil) {
		viewer.Account(id, &a)
		out = append(out, string(ndjson.AppendAccount(nil, &d.Names, &a)))
	}
	var f event.FundView
	for id := range d.Machine.Funds {
		d.Machine.Fund(id, &f)
		out = append(out, string(ndjson.AppendFund(nil, &d.Names, &f)))
	}
	return out
}
