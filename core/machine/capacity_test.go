package machine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/core/coretest"
	"github.com/backstop-fund/backstop/core/machine"
)

// full is a machine all of whose capacities but that of orders are used up.
const full = `
{"e":"fund","fund":"F"}
{"e":"fund_transfer","fund":"F","amount":"1000000"}
{"e":"symbol","symbol":"X","fund":"F","tick":"0.01","lot":"1","tiers":[{"floor":"0","mmr":"0.1","cum":"0"}]}
{"e":"tick","symbol":"X","mark":"100"}
{"e":"account_state","account":1,"wallet":"1000","positions":[{"symbol":"X","qty":"1","entry":"100"}]}
{"e":"account_state","account":2,"wallet":"1000","positions":[{"symbol":"X","qty":"1","entry":"100"}]}
{"e":"transfer","account":3,"amount":"1","src":"a","sseq":1}
`

var narrow = machine.Limits{Accounts: 3, Positions: 2, Symbols: 1, Funds: 1, Orders: 2, Sources: 1}

func drive(t *testing.T, l machine.Limits, lines string) *coretest.Driver {
	t.Helper()
	d, err := coretest.NewDriver(l)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(strings.TrimSpace(lines)) {
		for _, x := range apply(t, d, strings.TrimSpace(line)) {
			if strings.Contains(x, `"fx":"rejected"`) {
				t.Fatalf("%s%s", line, x)
			}
		}
	}
	return d
}

func apply(t *testing.T, d *coretest.Driver, line string) []string {
	t.Helper()
	effects, err := d.Apply(line)
	if err != nil {
		t.Fatal(err)
	}
	return effects
}

// TestCapacities: what exceeds a capacity is refused with an alarm, and changes
// nothing: a machine that got something harmless instead is equal bit for bit.
func TestCapacities(t *testing.T) {
	for _, c := range []struct{ resource, line string }{
		{"accounts", `{"e":"account","account":9}`},
		{"accounts", `{"e":"transfer","account":9,"amount":"1"}`},
		{"accounts", `{"e":"fill","account":9,"symbol":"X","qty":"1","price":"100"}`},
		{"accounts", `{"e":"trade","symbol":"X","qty":"1","price":"100","buyer":1,"seller":9}`},
		{"accounts", `{"e":"account_state","account":9,"wallet":"1","positions":[]}`},
		{"positions", `{"e":"fill","account":3,"symbol":"X","qty":"1","price":"100"}`},
		{"positions", `{"e":"trade","symbol":"X","qty":"1","price":"100","buyer":3,"seller":1}`},
		{"positions", `{"e":"account_state","account":3,"wallet":"1","positions":[{"symbol":"X","qty":"1","entry":"100"}]}`},
		{"symbols", `{"e":"symbol","symbol":"Y","fund":"F","tick":"1","lot":"1","tiers":[{"floor":"0","mmr":"0.1","cum":"0"}]}`},
		{"funds", `{"e":"fund","fund":"G"}`},
		{"sources", `{"e":"transfer","account":1,"amount":"1","src":"b","sseq":1}`},
	} {
		d, beside := drive(t, narrow, full), drive(t, narrow, full)
		got := apply(t, d, c.line)
		if len(got) != 2 || !strings.Contains(got[0], `"fx":"rejected","code":"capacity"`) || !strings.Contains(got[1], `"fx":"alarm","code":"capacity"`) ||
			!strings.Contains(got[0], c.resource) || !strings.Contains(got[1], c.resource) {
			t.Errorf("%s\n%s\nwant a refusal and an alarm for capacity, naming %s", c.line, strings.Join(got, "\n"), c.resource)
		}
		apply(t, beside, `{"e":"halt","symbol":"Nowhere"}`)
		if d.Machine.Digest() != beside.Machine.Digest() {
			t.Errorf("%s: refused, and the state has changed", c.line)
		}
		if s := d.Machine.Stats(); s.Accounts != 3 || s.Positions != 2 || s.Symbols != 1 || s.FundCount != 1 || s.Sources != 1 {
			t.Errorf("%s: %+v, want all in use", c.line, s)
		}
	}
}

// An account replaced by as many positions as it holds needs no more room.
func TestReplacingNeedsNoRoom(t *testing.T) {
	d := drive(t, narrow, full)
	if got := apply(t, d, `{"e":"account_state","account":2,"wallet":"1000","positions":[{"symbol":"X","qty":"-1","entry":"100"}]}`); len(got) != 0 {
		t.Errorf("got %v, want no effect", got)
	}
}

// TestOrdersExhausted: an account that finds no room for its orders raises an
// alarm, and tries again at the next mark; a slice of an inventory, an interval on.
func TestOrdersExhausted(t *testing.T) {
	l := narrow
	l.Orders = 1
	d := drive(t, l, full)
	steps := []struct{ line, want string }{
		{`{"e":"transfer","account":1,"amount":"-995","reason":"fee"}`, `"fx":"liquidate","order":1,"account":1`},
		{`{"e":"transfer","account":2,"amount":"-995","reason":"fee"}`, `"fx":"alarm","code":"capacity","account":2`},
		{`{"e":"transfer","account":2,"amount":"0.1"}`, ``},
		{`{"e":"tick","symbol":"X","mark":"100"}`, `"fx":"alarm","code":"capacity","account":2`},
		{`{"e":"order_fill","order":1,"qty":"1","price":"100"}`, ``},
		{`{"e":"order_done","order":1,"reason":"filled"}`, `"fx":"recovered","account":1`},
		{`{"e":"tick","symbol":"X","mark":"100"}`, `"fx":"liquidate","order":2,"account":2`},
		{`{"e":"fund_fill","fund":"F","symbol":"X","qty":"5","price":"100","t":1760131034000000000}`, ``},
		{`{"e":"tick","symbol":"X","mark":"100","t":1760131044000000000}`, `"fx":"alarm","code":"capacity","symbol":"X","fund":"F"`},
		{`{"e":"order_fill","order":2,"qty":"1","price":"100"}`, ``},
		{`{"e":"order_done","order":2,"reason":"filled"}`, `"fx":"recovered","account":2`},
		{`{"e":"tick","symbol":"X","mark":"101","t":1760131054000000000}`, `"fx":"offload","order":3`},
	}
	for _, s := range steps {
		got := strings.Join(apply(t, d, s.line), "\n")
		if !strings.Contains(got, s.want) || s.want == "" && strings.Contains(got, `"capacity"`) {
			t.Fatalf("%s\ngot:\n%s\nwant %s", s.line, got, s.want)
		}
	}
}

// TestFinishedOrdersAreForgotten: the oldest first, and only when their room is
// needed; until then they take late fills.
func TestFinishedOrdersAreForgotten(t *testing.T) {
	d := drive(t, narrow, full)
	round := func(order, want string) {
		t.Helper()
		if got := strings.Join(apply(t, d, `{"e":"tick","symbol":"X","mark":"100"}`), "\n"); !strings.Contains(got, `"fx":"liquidate","order":`+want) {
			t.Fatalf("got %s, want order %s", got, want)
		}
		apply(t, d, `{"e":"order_done","order":`+order+`,"reason":"rejected"}`)
	}
	apply(t, d, `{"e":"transfer","account":1,"amount":"-995","reason":"fee"}`) // order 1
	apply(t, d, `{"e":"order_done","order":1,"reason":"rejected"}`)
	round("2", "2")
	late := func(order, want string) {
		t.Helper()
		got := strings.Join(apply(t, d, `{"e":"order_fill","order":`+order+`,"qty":"5","price":"100"}`), "\n")
		if !strings.Contains(got, want) {
			t.Errorf("fill of order %s: %s, want %s", order, got, want)
		}
	}
	late("1", `"overfill"`) // both are known
	late("2", `"overfill"`)
	round("3", "3")
	late("1", `"unknown_order"`)
	late("2", `"overfill"`)
	late("3", `"overfill"`)
}

func TestBadLimits(t *testing.T) {
	for _, change := range []func(*machine.Limits){
		func(l *machine.Limits) { l.Accounts = 0 },
		func(l *machine.Limits) { l.Positions = -1 },
		func(l *machine.Limits) { l.Symbols = 1<<15 + 1 },
		func(l *machine.Limits) { l.Funds = 0 },
		func(l *machine.Limits) { l.Orders = 1<<30 + 1 },
		func(l *machine.Limits) { l.Sources = 0 },
	} {
		l := narrow
		change(&l)
		if _, err := machine.New(l); !errors.Is(err, machine.ErrLimits) {
			t.Errorf("%+v: %v, want %v", l, err, machine.ErrLimits)
		}
	}
}
