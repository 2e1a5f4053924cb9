package coretest_test

import (
	"fmt"

	"github.com/backstop-fund/backstop/core/coretest"
)

// One long at 1000 with 100 in the wallet; the mark gaps through its bankruptcy
// price of 900.
func ExampleDriver() {
	d, err := coretest.NewDriver(coretest.SmallLimits)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, line := range []string{
		`{"e":"fund","fund":"F"}`,
		`{"e":"symbol","symbol":"X","fund":"F","tick":"1","lot":"1","tiers":[{"floor":"0","mmr":"0.01","cum":"0"}]}`,
		`{"e":"transfer","account":1,"amount":"100"}`,
		`{"e":"tick","symbol":"X","mark":"1000"}`,
		`{"e":"fill","account":1,"symbol":"X","qty":"1","price":"1000"}`,
		`{"e":"tick","symbol":"X","mark":"890"}`,
	} {
		effects, err := d.Apply(line)
		if err != nil {
			fmt.Println(err)
		}
		if len(effects) > 1 {
			fmt.Println(effects[1])
		}
	}
	// Output: {"seq":6,"i":1,"fx":"bankrupt","account":1,"equity":"-10","reason":"equity"}
}
