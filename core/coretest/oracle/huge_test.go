package oracle

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestHuge works at the edge of what numbers can hold: facts that do not fit put
// an account out of sync, ticks are refused, and no unit or lot is ever lost.
func TestHuge(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 2))
		e := New()
		huge := func() string {
			return fmt.Sprintf("%d.%08d", r.Int64N([]int64{10, 100_000, 92_000_000_000}[r.IntN(3)]), r.IntN(1e8)|1)
		}
		lines := []string{`{"e":"fund","fund":"F"}`, `{"e":"fund_transfer","fund":"F","amount":"90000000000"}`}
		for _, name := range []string{"X", "Y"} {
			lines = append(lines, fmt.Sprintf(`{"e":"symbol","symbol":"%s","fund":"F","tick":"0.00000001","lot":"0.1","liq_attempts":1,"liq_fee":"0.5","max_deviation":"%s",`+
				`"tiers":[{"floor":"0","mmr":"0.2","cum":"0"}],"adl":{"policy":"%s"}}`, name, []string{"0", "0.05", "5"}[r.IntN(3)], []string{"queue", "drain", "min_max", "pro_rata"}[r.IntN(4)]),
				fmt.Sprintf(`{"e":"tick","symbol":"%s","mark":"%s","t":1760131034000000000}`, name, huge()))
		}
		for i := range 60 {
			name, account := []string{"X", "Y"}[r.IntN(2)], 1+r.IntN(5)
			switch r.IntN(8) {
			case 0:
				lines = append(lines, fmt.Sprintf(`{"e":"transfer","account":%d,"amount":"%s"}`, account, huge()))
			case 1:
				lines = append(lines, fmt.Sprintf(`{"e":"transfer","account":%d,"amount":"-%s","reason":"other"}`, account, huge()))
			case 2:
				lines = append(lines, fmt.Sprintf(`{"e":"tick","symbol":"%s","mark":"%s"}`, name, huge()))
			case 3:
				lines = append(lines, fmt.Sprintf(`{"e":"order_done","order":%d}`, 1+r.IntN(1+i/4)))
			case 4:
				lines = append(lines, fmt.Sprintf(`{"e":"order_fill","order":%d,"qty":"%s","price":"%s"}`, 1+r.IntN(1+i/4), huge(), huge()))
			default:
				lines = append(lines, fmt.Sprintf(`{"e":"trade","symbol":"%s","qty":"%s","price":"%s","buyer":%d,"seller":%d}`, name, huge(), huge(), account, 1+r.IntN(5)))
			}
		}
		for i, line := range lines {
			effects, err := e.Apply([]byte(line))
			if err == nil {
				err = e.Check()
			}
			if err == nil {
				err = representable(e)
			}
			if err != nil {
				t.Fatalf("seed %d, event %d: %v\n%s", seed, i+1, err, strings.Join(lines[:i+1], "\n"))
			}
			for _, fx := range effects {
				for _, word := range []string{`"overflow"`, `"out_of_sync"`, `"takeover"`, `"deleverage"`} {
					if strings.Contains(fx, word) {
						seen[word]++
					}
				}
			}
		}
	}
	if len(seen) != 4 {
		t.Errorf("of overflow, out_of_sync, takeover and deleverage only %v came up", seen)
	}
}

// representable says whether every number that is kept fits an int64.
func representable(e *Engine) error {
	for _, id := range sortedKeys(e.accounts) {
		a := e.accounts[id]
		if !fits(a.wallet) || !fits(a.pendingFee()) {
			return fmt.Errorf("account %d: wallet %s and pending fee %s do not fit", id, decimal(a.wallet), decimal(a.pendingFee()))
		}
		for _, p := range a.held() {
			if !fits(p.qty) || !fits(p.cost) {
				return fmt.Errorf("account %d: %s %s at %s does not fit", id, p.sym.name, decimal(p.qty), decimal(p.cost))
			}
		}
	}
	for name, f := range e.funds {
		if !fits(f.cash) {
			return fmt.Errorf("fund %s: cash %s does not fit", name, decimal(f.cash))
		}
		for _, p := range f.inventory {
			if !fits(p.qty) || !fits(p.cost) {
				return fmt.Errorf("fund %s: %s %s at %s does not fit", name, p.sym.name, decimal(p.qty), decimal(p.cost))
			}
		}
	}
	return nil
}
