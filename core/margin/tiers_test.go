package margin_test

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/backstop-fund/backstop/core/event"
	"github.com/backstop-fund/backstop/core/margin"
	"github.com/backstop-fund/backstop/fixedpoint"
	"github.com/cockroachdb/apd/v3"
	"pgregory.net/rapid"
)

func TestCheckTiers(t *testing.T) {
	const million = 1_000_000 * unit
	good := []event.Tier{
		{Floor: 0, Cap: 50_000 * unit, MMR: unit / 250},
		{Floor: 50_000 * unit, Cap: million, MMR: unit / 100, Cum: 300 * unit},
		{Floor: million, Cap: 2 * million, MMR: unit / 50, Cum: 10_300 * unit},
	}
	for _, c := range []struct {
		name   string
		change func(tiers []event.Tier)
		fault  event.TierFault
		number int
		right  fixedpoint.Amount
	}{
		{"as published", func([]event.Tier) {}, event.TiersFit, 0, 0},
		{"open end", func(s []event.Tier) { s[2].Cap = 0 }, event.TiersFit, 0, 0},
		{"rate stays", func(s []event.Tier) { s[2].MMR, s[2].Cum = s[1].MMR, s[1].Cum }, event.TiersFit, 0, 0},
		{"first floor above 0", func(s []event.Tier) { s[0].Floor = 1 }, event.FirstFloor, 1, 0},
		{"first floor below 0", func(s []event.Tier) { s[0].Floor = -1 }, event.FirstFloor, 1, 0},
		{"gap", func(s []event.Tier) { s[1].Floor++ }, event.FloorGap, 2, 50_000 * unit},
		{"overlap", func(s []event.Tier) { s[2].Floor-- }, event.FloorGap, 3, million},
		{"rate 0", func(s []event.Tier) { s[0].MMR = 0 }, event.RateRange, 1, 0},
		{"negative rate", func(s []event.Tier) { s[1].MMR = -1 }, event.RateRange, 2, 0},
		{"rate 1", func(s []event.Tier) { s[2].MMR = unit }, event.RateRange, 3, 0},
		{"rate falls", func(s []event.Tier) { s[1].MMR = s[0].MMR - 1 }, event.RateFalls, 2, 0},
		{"first tier with an amount", func(s []event.Tier) { s[0].Cum = 1 }, event.WrongCum, 1, 0},
		{"amount a unit high", func(s []event.Tier) { s[1].Cum++ }, event.WrongCum, 2, 300 * unit},
		{"amount a unit low", func(s []event.Tier) { s[2].Cum-- }, event.WrongCum, 3, 10_300 * unit},
		{"cap at its floor", func(s []event.Tier) { s[2].Cap = s[2].Floor }, event.CapBelowFloor, 3, 0},
		{"negative cap", func(s []event.Tier) { s[0].Cap = -1 }, event.CapBelowFloor, 1, 0},
		{"open in the middle", func(s []event.Tier) { s[1].Cap = 0 }, event.CapBelowFloor, 2, 0},
		{"no amount fine enough", func(s []event.Tier) { s[0].Cap, s[1].Floor = 1, 1 }, event.CumTooFine, 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			tiers := append([]event.Tier{}, good...)
			c.change(tiers)
			fault, number, right := margin.CheckTiers(tiers)
			if fault != c.fault || number != c.number || right != c.right {
				t.Errorf("%v in tier %d, right is %v; want %v in tier %d, %v",
					fault, number, right, c.fault, c.number, c.right)
			}
		})
	}
	if fault, number, _ := margin.CheckTiers(nil); fault != event.NoTiers || number != 0 {
		t.Errorf("no tiers: %v in tier %d", fault, number)
	}
	// The case of the rules: 16,300 is refused after 1,300 at 1,000,000, 11,300 is right.
	rules := []event.Tier{
		{Cap: 260_000 * unit, MMR: unit / 200},
		{Floor: 260_000 * unit, Cap: million, MMR: unit / 100, Cum: 1_300 * unit},
		{Floor: million, MMR: unit / 50, Cum: 16_300 * unit},
	}
	if fault, number, right := margin.CheckTiers(rules); fault != event.WrongCum || number != 3 || right != 11_300*unit {
		t.Errorf("%v in tier %d, right is %v", fault, number, right)
	}
}

// Every published table is accepted and continuous to the last unit; broken by
// one unit in one tier it is refused, with the tier and the right amount.
func TestPublishedTiers(t *testing.T) {
	for _, file := range []string{"binance_um_tiers_2024-08-01.csv.gz", "binance_um_tiers_2026-07-02.csv.gz"} {
		tables := published(t, file)
		if len(tables) < 300 {
			t.Fatalf("%s has %d tables", file, len(tables))
		}
		for symbol, tiers := range tables {
			t.Run(symbol, func(t *testing.T) { checkPublished(t, tiers) })
		}
	}
}

func checkPublished(t *testing.T, tiers []event.Tier) {
	table := accepted(t, tiers)
	for i := 1; i < len(tiers); i++ {
		floor := fixedpoint.Mul64(int64(tiers[i].Floor), unit)
		for d := int64(-1); d <= 1; d++ {
			notional := floor.Add(fixedpoint.Int128From(d))
			want := maintenance(tiers, ratio(big128(notional), 16))
			if got := ratio(big256(table.Maintenance(notional)), 24); got.Cmp(want) != 0 {
				t.Errorf("margin of %v: %v, want %v", notional, got, want)
			}
		}
		// The next tier says the same at the floor itself.
		at := money(tiers[i].Floor)
		next := minus(times(at, money(tiers[i].MMR)), money(tiers[i].Cum))
		if here := ratio(big256(table.Maintenance(floor)), 24); here.Cmp(next) != 0 {
			t.Errorf("margin jumps from %v to %v at %v", here, next, tiers[i].Floor)
		}
		if got := table.MaxLeverage(floor); got != tiers[i-1].MaxLeverage {
			t.Errorf("max leverage %v at the cap of tier %d", got, i)
		}
		if got := table.MaxLeverage(floor.Add(fixedpoint.Int128From(1))); got != tiers[i].MaxLeverage {
			t.Errorf("max leverage %v above the floor of tier %d", got, i+1)
		}
	}
	for i, was := range tiers {
		tiers[i].Cum++
		if fault, number, right := margin.CheckTiers(tiers); fault != event.WrongCum || number != i+1 || right != was.Cum {
			t.Errorf("broken tier %d: %v in tier %d, right is %v, want %v", i+1, fault, number, right, was.Cum)
		}
		tiers[i] = was
		if table.Row(i) != was {
			t.Errorf("row %d is %v, want %v", i, table.Row(i), was)
		}
	}
	if table.Len() != len(tiers) {
		t.Errorf("%d tiers, want %d", table.Len(), len(tiers))
	}
}

// published reads the tables of a file by symbol, dated futures apart.
func published(t *testing.T, file string) map[string][]event.Tier {
	f, err := os.Open(filepath.Join(shared(t), "data", "leverage_tiers", file))
	if err != nil {
		t.Skip("no published tiers: ", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string][]event.Tier{}
	for _, row := range rows[1:] {
		upTo := row[6]
		if upTo == "9.223372036854776e+18" {
			upTo = "0" // The publisher's way of saying that the tier is open.
		}
		tables[row[0]] = append(tables[row[0]], event.Tier{
			Floor: parse[fixedpoint.Amount](t, row[5]), Cap: parse[fixedpoint.Amount](t, upTo),
			MMR:         parse[fixedpoint.Rate](t, row[7]),
			MaxLeverage: parse[fixedpoint.Rate](t, row[8]), Cum: parse[fixedpoint.Amount](t, row[9]),
		})
	}
	return tables
}

func parse[T fixedpoint.Amount | fixedpoint.Rate](t *testing.T, s string) T {
	v, err := fixedpoint.Parse[T](s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// shared finds the folder of shared data beside the checkout.
func shared(t *testing.T) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		if folder := filepath.Join(dir, "shared"); isFolder(folder) {
			return folder
		}
	}
	t.Skip("no folder named shared beside the checkout: the published tiers are absent")
	return ""
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// The margin of any notional, against decimals.
func TestMaintenanceAgainstApd(t *testing.T) {
	decimals := apd.BaseContext.WithPrecision(100)
	rapid.Check(t, func(t *rapid.T) {
		tiers := someTiers().Draw(t, "tiers")
		table := accepted(t, tiers)
		at := fixedpoint.Mul64(int64(rapid.SampledFrom(tiers).Draw(t, "near").Floor), unit)
		notional := at.Add(fixedpoint.Int128From(rapid.Int64Range(-2, 1<<62).Draw(t, "above"))).Abs()

		n := apd.NewWithBigInt(new(apd.BigInt).SetMathBigInt(big128(notional)), -16)
		i := 0
		for i < len(tiers)-1 && apd.New(int64(tiers[i].Cap), -8).Cmp(n) < 0 {
			i++
		}
		want := new(apd.Decimal)
		_, err1 := decimals.Mul(want, n, apd.New(int64(tiers[i].MMR), -8))
		_, err2 := decimals.Sub(want, want, apd.New(int64(tiers[i].Cum), -8))
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		got := apd.NewWithBigInt(new(apd.BigInt).SetMathBigInt(big256(table.Maintenance(notional))), -24)
		if got.Cmp(want) != 0 {
			t.Fatalf("margin of %v: %v, want %v", n, got, want)
		}
	})
}

// Up to and with 50,000 the first tier holds; above, the second goes on from there.
func ExampleTiers_Maintenance() {
	var tiers margin.Tiers
	tiers.Set([]event.Tier{
		{Cap: 50_000 * unit, MMR: unit / 250},
		{Floor: 50_000 * unit, MMR: unit / 200, Cum: 50 * unit},
	})
	for _, notional := range []int64{50_000, 60_000} {
		mm := tiers.Maintenance(fixedpoint.Mul64(notional*unit, unit))
		fmt.Println(notional, new(big.Int).Quo(big256(mm), big.NewInt(unit*unit)).Int64()/unit)
	}
	// Output:
	// 50000 200
	// 60000 250
}

// The table of RULES section 1: 16,300 makes the margin jump, 11,300 does not.
func ExampleCheckTiers() {
	fault, tier, right := margin.CheckTiers([]event.Tier{
		{Cap: 1_000_000 * unit, MMR: unit / 100},
		{Floor: 1_000_000 * unit, MMR: unit / 50, Cum: 16_300 * unit},
	})
	fmt.Printf("tier %d: %v, %v is right\n", tier, fault, right)
	// Output: tier 2: wrong cum, 10000 is right
}
