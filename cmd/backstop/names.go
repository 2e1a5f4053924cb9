package main

import (
	"errors"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/event/ndjson"
	"github.com/backstop-fund/backstop/core/machine"
)

// isCreation reports whether an event may bring a name that has to be bound
// before the next line is decoded.
func isCreation(e event.Event) bool {
	k := e[0].Kind()
	return k == event.KindFund || k == event.KindSymbol
}

// bindAll binds all names the machine has. Binding again changes nothing, and
// names come rarely, so it is done over for each new one.
func bindAll(names *ndjson.Names, m *machine.Machine) error {
	var faults []error
	for id, name := range m.Funds {
		faults = append(faults, names.BindFund(name, id))
	}
	for id, name := range m.Symbols {
		faults = append(faults, names.BindSymbol(name, id))
	}
	return errors.Join(faults...)
}
