package oracle

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// The oracle searches in three places, for speed alone; here each search is
// compared with a look at every possibility.

func drawNum(t *rapid.T, name string, lo, hi int64) num {
	return big.NewInt(rapid.Int64Range(lo, hi).Draw(t, name))
}

func drawSymbol(t *rapid.T) *symbol {
	floor := rapid.Int64Range(1, 5000).Draw(t, "floor")
	low, step := rapid.Int64Range(1, 10).Draw(t, "mmr"), rapid.Int64Range(0, 10).Draw(t, "step")
	percent := int64(1e6)
	return &symbol{name: "X", id: 1, lot: drawNum(t, "lot", 1e6, 3e8), mark: drawNum(t, "mark", 1e7, 5e10),
		liqFee: drawNum(t, "fee", 0, 30*percent), capShare: drawNum(t, "share", 0, 2e8),
		tiers: []tier{{floor: zero, cap: mul(big.NewInt(floor), e8), mmr: big.NewInt(low * percent), cum: zero},
			{floor: mul(big.NewInt(floor), e8), mmr: big.NewInt((low + step) * percent), cum: big.NewInt(floor * step * percent)}}}
}

func TestFewestLotsByLooking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSymbol(t)
		if !checkTiers(s.tiers) {
			t.Fatalf("drew a broken table: %v", s.tiers)
		}
		p := &position{s, "both", mul(s.lot, drawNum(t, "lots", 0, 60)), zero}
		p.qty = add(p.qty, drawNum(t, "off-lot", 1, s.lot.Int64()))
		other := drawNum(t, "other", 0, 1e10)
		// Below margin, as an account to be cut is.
		margin := add(mul(other, e16), p.mm24())
		equity := sub(margin, mul(drawNum(t, "short", 1, 1e12), e16))

		var want num
		for k := one; mul(k, s.lot).Cmp(p.qty) <= 0; k = add(k, one) {
			closed := mul(mul(k, s.lot), s.mark)
			left := s.mm24(sub(p.notional16(), closed))
			if sub(equity, mul(closed, s.liqFee)).Cmp(add(mul(other, e16), left)) >= 0 {
				want = k
				break
			}
		}
		got := fewestLots(p, equity, mul(other, e16))
		if (got == nil) != (want == nil) || got != nil && got.Cmp(want) != 0 {
			t.Fatalf("got %v lots, want %v", got, want)
		}
	})
}

func TestMayTakeByLooking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSymbol(t)
		s.whole = rapid.Bool().Draw(t, "whole")
		f := &fund{name: "F", cash: drawNum(t, "cash", -1e10, 1e13), cap: drawNum(t, "cap", 0, 3e8),
			adlOnly: rapid.IntRange(0, 4).Draw(t, "adl_only") == 0, inventory: map[string]*position{}}
		s.fund = f
		if q := add(mul(s.lot, drawNum(t, "held", -40, 40)), drawNum(t, "held off-lot", 0, 1)); q.Sign() != 0 {
			cost := signed(quoteOf(q, mul(s.mark, drawNum(t, "entry %", 50, 150))), q)
			f.inventory["X"] = &position{s, "both", q, halfEven(cost, big.NewInt(100))}
		}
		other := &symbol{name: "Y", id: 2, mark: e8}
		f.inventory["Y"] = &position{other, "both", drawNum(t, "other", 1, 1e11), drawNum(t, "other cost", 1, 1e11)}

		p := &piece{sym: s, lots: drawNum(t, "lots", 0, 60), rest: drawNum(t, "rest", 0, s.lot.Int64()-1), settled: zero, cash: f.cash}
		p.qty = add(mul(p.lots, s.lot), p.rest)
		if p.qty.Sign() == 0 {
			t.Skip("nothing to close")
		}
		if rapid.Bool().Draw(t, "short") {
			p.qty = neg(p.qty)
		}
		p.quote = signed(halfEven(quoteOf(p.qty, mul(s.mark, drawNum(t, "price %", 90, 110))), big.NewInt(100)), p.qty)

		if got, want := p.mayTake(), p.lookedAt(f); got.Cmp(want) != 0 {
			t.Fatalf("the fund may take %v lots, want %v", got, want)
		}
	})
}

// lookedAt is mayTake by trying every number of lots against the sentences of
// the rules.
func (p *piece) lookedAt(f *fund) num {
	s := p.sym
	net := func(k num) num { return add(f.in(s).qty, p.taken(k)) }
	towards := func(k num) bool { // still on the old side of zero, or at it
		return net(k).Sign()*f.in(s).qty.Sign() >= 0 && f.in(s).qty.Sign() == -p.qty.Sign()
	}
	first, best := zero, zero
	for k := zero; k.Cmp(p.lots) <= 0; k = add(k, one) {
		if k.Sign() > 0 && !towards(k) {
			break
		}
		first = k
		if p.equityAfter(k).Sign() >= 0 {
			best = k
		}
	}
	if best.Cmp(first) != 0 || f.onlyADL() {
		return best
	}
	beyond := best
	for k := add(first, one); k.Cmp(p.lots) <= 0; k = add(k, one) {
		base := p.cashAfter(k)
		if eq := p.equityAfter(k); eq.Cmp(base) < 0 {
			base = eq
		}
		if base.Sign() < 0 {
			base = new(big.Rat)
		}
		own := rat(mul(abs(net(k)), s.mark), e16)
		all := ratAdd(own, rat(f.inventory["Y"].notional16(), e16))
		if own.Cmp(ratMul(rat(s.capShare, e8), base)) <= 0 && all.Cmp(ratMul(rat(f.cap, e8), base)) <= 0 {
			beyond = k
		}
	}
	if s.whole && beyond.Cmp(p.lots) != 0 {
		return best
	}
	return beyond
}

func TestSharesKeepTheirCaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "n")
		g := group{}
		e := &Engine{equities: map[uint64]*big.Rat{}}
		s := &symbol{lot: e8, mark: e8}
		var weights []*big.Rat
		for i := range n {
			size := drawNum(t, "size", 1, 100)
			equity := rat(drawNum(t, "equity", 1, 50), one)
			id := uint64(i + 1)
			e.equities[id] = equity
			g.rows = append(g.rows, row{account: id, notional16: mul(size, e16)})
			g.caps = append(g.caps, drawNum(t, "cap", 1, size.Int64()))
			weights = append(weights, equity)
		}
		need := drawNum(t, "need", 1, g.total().Int64())
		check := func(what string, shares []*big.Rat, at func(i int) *big.Rat) {
			sum := new(big.Rat)
			for i, x := range shares {
				want := at(i)
				if limit := ratOf(g.caps[i]); want.Cmp(limit) > 0 {
					want = limit
				}
				if want.Sign() < 0 {
					want = new(big.Rat)
				}
				if x.Cmp(want) != 0 {
					t.Fatalf("%s: share %d is %v, want %v", what, i, x, want)
				}
				sum = ratAdd(sum, x)
			}
			if sum.Cmp(ratOf(need)) != 0 {
				t.Fatalf("%s: shares sum to %v, want %v", what, sum, need)
			}
			lots := zero
			for i, k := range wholeLots(shares, g.caps, need) {
				if k.Cmp(g.caps[i]) > 0 {
					t.Fatalf("%s: %v lots beyond the cap of %v", what, k, g.caps[i])
				}
				lots = add(lots, k)
			}
			if lots.Cmp(need) != 0 {
				t.Fatalf("%s: %v lots, want %v", what, lots, need)
			}
		}
		shares, h := fill(need, g.caps, weights)
		check("fill", shares, func(i int) *big.Rat { return ratMul(h, weights[i]) })
		cuts, l := e.drain(&piece{sym: s}, g, need)
		check("drain", cuts, func(i int) *big.Rat {
			return ratSub(rat(g.rows[i].notional16, e16), ratMul(l, weights[i]))
		})
	})
}
