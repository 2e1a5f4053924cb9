package bench_test

import (
	"fmt"
	"log"

	"github.com/backstop-fund/backstop/bench"
	"github.com/backstop-fund/backstop/core"
	"github.com/backstop-fund/backstop/core/event"
)

// A hundred accounts in two contracts, a thousand ticks as datagrams, and the
// engine's decision on each of them.
func Example() {
	decisions := 0
	shape := bench.Shape{Accounts: 100, Contracts: 2, Positions: 1, Distress: 2}
	p, err := bench.OpenPipe(shape, core.Config{}, func(event.OrderID) { decisions++ })
	if err != nil {
		log.Fatal(err)
	}
	opening := decisions // one order for each account in distress
	for range 1_000 * 11 {
		p.Step()
	}
	fmt.Println(p.Close())
	fmt.Println(opening, decisions-opening)
	// Output:
	// <nil>
	// 2 1000
}
