package fixedpoint

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/apd/v3"
)

// benchAccount is what a margin check of one position reads.
type benchAccount struct {
	wallet, cost Amount
	qty          Qty
	mark         Price
	rate         Rate
	cum          Amount
}

// benchAccounts has one position each, longs and shorts around a mark of
// 60,000; about half of them are short of margin, so that the verdict is not
// the branch predictor's.
func benchAccounts(n int) []benchAccount {
	random := rand.New(rand.NewPCG(1, 2))
	accounts := make([]benchAccount, n)
	for i := range accounts {
		a := &accounts[i]
		entry := Price(59_000*One + random.Int64N(2_000*One))
		a.qty = Qty(random.Int64N(5*One) - 5*One/2)
		a.cost, _ = Quote(a.qty, entry)
		a.mark = entry + Price(random.Int64N(4_000*One)-2_000*One)
		a.rate, a.cum = Rate(One/200*(1+random.Int64N(4))), Amount(random.Int64N(50*One))
		a.wallet = Amount(random.Int64N(3_000 * One))
	}
	return accounts
}

// liquidatable compares equity and maintenance margin at scale 1e-24.
func (a *benchAccount) liquidatable() bool {
	value := Value(a.qty, a.mark)
	equity := value.Add(Mul64(int64(a.wallet-a.cost), One)).MulInt64(One)
	required := value.Abs().MulInt64(int64(a.rate)).Sub(Mul64(int64(a.cum), One).MulInt64(One))
	return equity.Less(required)
}

// apdAccount is the same account in apd, its numbers already converted.
type apdAccount struct{ wallet, cost, qty, mark, rate, cum apd.Decimal }

func (a *benchAccount) apd() (d apdAccount) {
	d.wallet, d.cost, d.cum = *decimal(int64(a.wallet)), *decimal(int64(a.cost)), *decimal(int64(a.cum))
	d.qty, d.mark, d.rate = *decimal(int64(a.qty)), *decimal(int64(a.mark)), *decimal(int64(a.rate))
	return d
}

func (a *apdAccount) liquidatable(b *testing.B, value, equity, required *apd.Decimal) bool {
	steps := [...]func() (apd.Condition, error){
		func() (apd.Condition, error) { return decimals.Mul(value, &a.qty, &a.mark) },
		func() (apd.Condition, error) { return decimals.Add(equity, &a.wallet, value) },
		func() (apd.Condition, error) { return decimals.Sub(equity, equity, &a.cost) },
		func() (apd.Condition, error) { return decimals.Mul(required, value.Abs(value), &a.rate) },
		func() (apd.Condition, error) { return decimals.Sub(required, required, &a.cum) },
	}
	for _, step := range steps {
		if _, err := step(); err != nil {
			b.Fatal(err)
		}
	}
	return equity.Cmp(required) < 0
}

// BenchmarkMarginCheck is one exact check of one position: two products, three
// sums, two scalings, a comparison. Both must count the same accounts.
func BenchmarkMarginCheck(b *testing.B) {
	accounts := benchAccounts(1024)
	want := 0
	for i := range accounts {
		if accounts[i].liquidatable() {
			want++
		}
	}
	if want < 200 || want > 800 {
		b.Fatalf("workload drifted: %d of %d are liquidatable", want, len(accounts))
	}
	check := func(b *testing.B, liquidatable func(i int) bool) {
		b.ReportAllocs()
		for b.Loop() {
			got := 0
			for i := range accounts {
				if liquidatable(i) {
					got++
				}
			}
			if got != want {
				b.Fatalf("%d liquidatable, want %d", got, want)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(accounts)), "ns/position")
	}
	b.Run("fixedpoint", func(b *testing.B) {
		check(b, func(i int) bool { return accounts[i].liquidatable() })
	})
	b.Run("apd", func(b *testing.B) {
		twins := make([]apdAccount, len(accounts))
		for i := range accounts {
			twins[i] = accounts[i].apd()
		}
		var value, equity, required apd.Decimal
		check(b, func(i int) bool { return twins[i].liquidatable(b, &value, &equity, &required) })
	})
}

// One operation at a time, each on the accounts in turn and each result added
// to a sum, so that none can be left out.
func BenchmarkOperation(b *testing.B) {
	accounts := benchAccounts(1024)
	const mask = 1023
	var factors [1024]Int256
	for i := range accounts {
		factors[i] = Value(accounts[i].qty, accounts[i].mark).Wide()
	}
	for _, op := range []struct {
		name string
		run  func(i int) int64
	}{
		{"Value", func(i int) int64 { return Value(accounts[i].qty, accounts[i].mark).Hi }},
		{"MulInt64/128", func(i int) int64 {
			return int64(Value(accounts[i].qty, accounts[i].mark).MulInt64(int64(accounts[i].rate)).w1)
		}},
		{"MulInt64/256", func(i int) int64 { return int64(factors[i].MulInt64(int64(accounts[i].rate)).w1) }},
		{"Mul128", func(i int) int64 {
			v := Value(accounts[i].qty, accounts[i].mark)
			return int64(Mul128(v, v).w2)
		}},
		{"Quote", func(i int) int64 { v, _ := Quote(accounts[i].qty, accounts[i].mark); return int64(v) }},
		{"UnitPrice", func(i int) int64 { v, _ := UnitPrice(accounts[i].cost, accounts[i].qty); return int64(v) }},
		{"MulDiv", func(i int) int64 {
			v, _ := MulDiv(int64(accounts[i].cost), int64(accounts[i].rate), One, Truncate)
			return v
		}},
		{"CmpProducts/4x4", func(i int) int64 {
			j := (i + 1) & mask
			x, y := factors[i], factors[j]
			return int64(CmpProducts([]Int256{x, y, x, y}, []Int256{y, x, x, x}))
		}},
		{"QuoProducts/2by1", func(i int) int64 {
			q, _ := QuoProducts([]Int256{Value(accounts[i].qty, accounts[i].mark).Wide(), Int256From(int64(accounts[i].rate))}, []Int256{Int256From(One)}, HalfEven)
			return int64(q.w0)
		}},
		{"QuoProducts/3by2", func(i int) int64 {
			x, y := factors[i], factors[(i+1)&mask]
			q, _ := QuoProducts([]Int256{x, y, x}, []Int256{y, x}, HalfEven)
			return int64(q.w0)
		}},
	} {
		b.Run(op.name, func(b *testing.B) {
			b.ReportAllocs()
			i, sum := 0, int64(0)
			for b.Loop() {
				sum += op.run(i & mask)
				i++
			}
			sink64 = sum
		})
	}
}

func BenchmarkText(b *testing.B) {
	price, text := Price(61_234_56789012), []byte("61234.56789012")
	b.Run("Parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if got, err := Parse[Price](text); err != nil || got != price {
				b.Fatal(got, err)
			}
		}
	})
	b.Run("AppendDecimal", func(b *testing.B) {
		b.ReportAllocs()
		buf := make([]byte, 0, maxText)
		for b.Loop() {
			if got := AppendDecimal(buf, int64(price)); len(got) != len(text) {
				b.Fatalf("%s", got)
			}
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	for _, parties := range []int{2, 10, 100, 10_000} {
		b.Run(fmt.Sprintf("parties=%d", parties), func(b *testing.B) {
			b.ReportAllocs()
			random := rand.New(rand.NewPCG(3, 4))
			weights, out := make([]Int256, parties), make([]int64, parties)
			for i := range weights {
				weights[i] = Mul64(1+random.Int64N(1<<50), One).Wide()
			}
			var scratch SplitScratch
			scratch.Grow(parties)
			const total = 123_456_789_012_345
			for b.Loop() {
				Split(total, weights, out, &scratch)
			}
			sum := int64(0)
			for _, share := range out {
				sum += share
			}
			if sum != total {
				b.Fatalf("the shares add up to %d, want %d", sum, int64(total))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*parties), "ns/party")
		})
	}
}
