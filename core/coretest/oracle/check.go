package oracle

import (
	"errors"
	"fmt"
)

// Check recounts what money and contracts there are and compares them with the
// external legs that were booked. Its error names every invariant that broke.
func (e *Engine) Check() error {
	money, held := zero, map[string]num{}
	count := func(p *position) {
		money = sub(money, p.cost)
		if held[p.sym.name] == nil {
			held[p.sym.name] = zero
		}
		held[p.sym.name] = add(held[p.sym.name], p.qty)
	}
	for _, a := range e.accounts {
		money = add(money, a.wallet)
		for _, p := range a.positions {
			count(p)
		}
	}
	for _, f := range e.funds {
		money = add(money, f.cash)
		for _, p := range f.inventory {
			count(p)
		}
	}
	var broken []error
	if money.Cmp(e.money) != 0 {
		broken = append(broken, fmt.Errorf("oracle: conserve: there is %s, want %s", decimal(money), decimal(e.money)))
	}
	for _, name := range sortedKeys(e.symbols) {
		got := held[name]
		if got == nil {
			got = zero
		}
		if want := e.heldOf(name); got.Cmp(want) != 0 {
			broken = append(broken, fmt.Errorf("oracle: flat: %s sums to %s, want %s", name, decimal(got), decimal(want)))
		}
	}
	return errors.Join(broken...)
}
