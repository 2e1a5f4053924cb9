package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/machine"
	"github.com/backstop-fund/backstop/fixedpoint"
)

// longDemo replays all of the recorded crash against 100,000 traders, which takes
// minutes:
//
//	go test ./cmd/backstop -run TestDemoRecordedCrash -demo.long -timeout 30m -v
var longDemo = flag.Bool("demo.long", false, "replay the whole recorded crash against 100,000 traders")

// demo runs the command and returns what it printed.
func demo(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append([]string{"demo"}, args...)
	if code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr); code != exit.OK {
		t.Fatalf("%v: exit code %d: %s", args, code, stderr.String())
	}
	t.Log(stderr.String())
	return stdout.String()
}

// demoSummary is the last line of a demonstration's NDJSON.
type demoSummary struct {
	Accounts         int
	Ticks            int
	Datagrams        int
	DatagramsLost    int `json:"datagrams_lost"`
	Liquidated       int
	Recovered        int
	Bankrupt         int
	TakenOver        int `json:"taken_over"`
	Deleveraged      int
	Offloaded        int
	FundBefore       string `json:"fund_before"`
	FundLow          string `json:"fund_low"`
	FundAfter        string `json:"fund_after"`
	Residual         string `json:"conservation_residual"`
	QuantityResidual string `json:"quantity_residual"`
	DigestLive       string `json:"digest_live"`
	DigestRestored   string `json:"digest_restored"`
}

// summaryOf reads it and checks what holds for every run.
func summaryOf(t *testing.T, output string) demoSummary {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(output, "\n"), "\n")
	var s demoSummary
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil {
		t.Fatalf("last line %q: %v", lines[len(lines)-1], err)
	}
	if s.Residual != "0" || s.QuantityResidual != "0" {
		t.Errorf("residual %q of money, %q of quantities: want 0", s.Residual, s.QuantityResidual)
	}
	if len(s.DigestLive) != 64 || s.DigestLive != s.DigestRestored {
		t.Errorf("digests %q live and %q restored: want the same 64 digits", s.DigestLive, s.DigestRestored)
	}
	if s.Datagrams < s.Ticks || s.Ticks == 0 || s.DatagramsLost != 0 {
		t.Errorf("%d marks in %d datagrams, %d lost", s.Ticks, s.Datagrams, s.DatagramsLost)
	}
	for _, v := range []int{s.Liquidated, s.Recovered, s.Bankrupt, s.TakenOver, s.Offloaded} {
		if v == 0 {
			t.Errorf("%+v: want everything to happen", s)
		}
	}
	low, before, after := amount(t, s.FundLow), amount(t, s.FundBefore), amount(t, s.FundAfter)
	if low <= 0 || low > before || low > after {
		t.Errorf("fund before %v, low %v, after %v: want it to live, and its low to be one", before, low, after)
	}
	return s
}

func amount(t *testing.T, s string) fixedpoint.Amount {
	t.Helper()
	a, err := fixedpoint.Parse[fixedpoint.Amount](s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestDemoIsReproducible(t *testing.T) {
	args := []string{"--accounts", "2000", "--output", "ndjson"}
	if checked {
		args[1] = "200"
	}
	first := demo(t, args...)
	if s := summaryOf(t, first); strconv.Itoa(s.Accounts) != args[1] || s.Deleveraged == 0 {
		t.Errorf("%+v: want %s accounts, and some deleveraged", s, args[1])
	}
	if second := demo(t, args...); second != first {
		t.Errorf("the same seed gave other output:\n%s\n%s", first, second)
	}
	if s := summaryOf(t, demo(t, append(args, "--seed", "2")...)); strings.Contains(first, s.DigestLive) {
		t.Error("another seed gave the same state")
	}
}

func TestDemoTable(t *testing.T) {
	table := demo(t, "--accounts", "200", "--quiet")
	for _, want := range []string{
		`(?m)^200 traders, seed 1: 25m0s of marks in 1,502 UDP datagrams, 0 lost, 0 sent again$`,
		`(?m)^BTCUSDT +61000 +4[67]\d\d\d`, `(?m)^liquidated +[1-9]`, `(?m)^recovered +[1-9]`, `(?m)^bankrupt +[1-9]`, `(?m)^deleveraged +[1-9]`,
		`(?m)^taken over +[1-9]`, `(?m)^offloaded +[1-9]`, `(?m)^residual +0 `, `(?m)^flat +true `, `(?m)^digest +equal `,
		`BTCUSDT mark`, `fund equity`, `inventory at the mark`, "[\u2801-\u28ff]",
	} {
		if !regexp.MustCompile(want).MatchString(table) {
			t.Errorf("no %s in\n%s", want, table)
		}
	}
	if strings.Contains(table, "\x1b") {
		t.Error("coloured, though nobody watches")
	}
	for _, line := range strings.Split(table, "\n") {
		if strings.ContainsRune(line, '\u2800') && len([]rune(line)) > 80 {
			t.Errorf("a plot wider than 80 columns: %q", line)
		}
	}
}

// What the verdict is for must reach it: money or quantities from nowhere, a
// snapshot of something else, a refusal.
func TestDemoVerdict(t *testing.T) {
	s := &demoScenario{accounts: 1, contracts: demoContracts()}
	balanced := func() *demoOutcome {
		o := &demoOutcome{demoTally: newTally(s)}
		o.deposited(100 * fixedpoint.One)
		o.charged(1 * fixedpoint.One)
		o.filled(demoOrder{contract: 1}, -2*fixedpoint.One, 10*fixedpoint.One, 10*fixedpoint.One)
		return o
	}
	total := func(money, second int64) machine.Totals {
		return machine.Totals{
			Money: fixedpoint.Int128From(money * fixedpoint.One),
			Qty:   []fixedpoint.Int128{{}, fixedpoint.Int128From(second * fixedpoint.One)},
		}
	}
	for _, c := range []struct {
		name   string
		have   machine.Totals
		change func(*demoOutcome)
		want   string
	}{
		{"balanced", total(119, -2), func(*demoOutcome) {}, ""},
		{"money from nowhere", total(120, -2), func(*demoOutcome) {}, "have 1 USDT more"},
		{"money lost", total(118, -2), func(*demoOutcome) {}, "have -1 USDT more"},
		{"a lot too many", total(119, -1), func(*demoOutcome) {}, "positions sum"},
		{"another snapshot", total(119, -2), func(o *demoOutcome) { o.restored[0] = 1 }, "digest 01"},
		{"refused", total(119, -2), func(o *demoOutcome) { o.note(&event.Effect{Kind: event.EffectRejected}) }, "refused 1 events"},
	} {
		o := balanced()
		o.residual(c.have)
		c.change(o)
		err := o.verdict()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// sharedData returns the path of a file in the folder shared beside the checkout.
func sharedData(t *testing.T, name string) string {
	t.Helper()
	name = "shared/data/" + name
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if _, err := os.Stat(path); err == nil {
			return path
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Skipf("no folder above the test has %s", name)
		}
		dir = parent
	}
}

func TestDemoRecordedCrash(t *testing.T) {
	args := []string{"--csv", sharedData(t, "crash_2024_08/binance_spot_1m.csv.gz"), "--output", "ndjson", "--accounts", "500"}
	if *longDemo {
		args[len(args)-1] = "100000"
	} else if testing.Short() || checked {
		t.Skip("29 days of minutes take a while: run without -short, -race and -tags invariants")
	}
	s := summaryOf(t, demo(t, args...))
	if s.Ticks < 83_520 {
		t.Errorf("%d marks: want at least one a minute of both contracts", s.Ticks)
	}
}

// The literals are the published brackets, but for the cap of the last one: a
// table of ours is open at its end.
func TestDemoTiers(t *testing.T) {
	f, err := os.Open(sharedData(t, "leverage_tiers/binance_um_tiers_2024-08-01.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // read only
	plain, err := unzipped(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(plain).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	const market, floor, limit, rate, leverage, cum = 0, 5, 6, 7, 8, 9 // columns
	for _, c := range demoContracts() {
		name := strings.TrimSuffix(c.name, "USDT") + "/USDT:USDT"
		var want, got [][]string
		for _, row := range rows {
			if row[market] == name {
				want = append(want, []string{row[floor], row[limit], row[rate], row[leverage], row[cum]})
			}
		}
		for _, tier := range c.tiers {
			got = append(got, []string{tier.Floor.String(), tier.Cap.String(), tier.MMR.String(), tier.MaxLeverage.String(), tier.Cum.String()})
		}
		if len(want) == 0 {
			t.Fatalf("no row of %s", name)
		}
		want[len(want)-1][1] = "0"
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: tiers %v, published %v", c.name, got, want)
		}
	}
}
