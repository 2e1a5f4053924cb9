package ndjson

import (
	"encoding/hex"
	"strconv"

	"github.com/backstop-fund/backstop/core/event"
)

// AppendAccount appends the state line of an account, without line end, to dst.
// A price the view does not have, an unrealized PnL without a mark and the
// quantile of a position that is no candidate are null.
func AppendAccount(dst []byte, names *Names, v *event.AccountView) []byte {
	l := &line{append(dst, `{"state":"account"`...), names}
	l.account("account", v.Account)
	l.account("owner", v.Owner)
	l.word("mode", v.Mode.String())
	l.word("status", v.Status.String())
	l.amount("wallet", v.Wallet)
	l.amount("pending_fee", v.PendingFee)
	l.wide("equity", v.Equity)
	l.wide("maintenance_margin", v.MM)
	l.member("positions")
	l.b = append(l.b, '[')
	for i := range v.Positions {
		start := l.open(i)
		l.position(&v.Positions[i])
		l.close(start)
	}
	return append(l.b, "]}"...)
}

func (l *line) position(p *event.PositionView) {
	l.symbol("symbol", p.Symbol)
	l.word("position_side", p.Side.String())
	l.qty("qty", p.Qty)
	l.amount("cost", p.Cost)
	l.price("entry", p.Entry)
	l.known("mark", p.Mark)
	l.wide("unrealized_pnl", p.PnL)
	l.known("liquidation_below", p.LiquidationBelow)
	l.known("liquidation_above", p.LiquidationAbove)
	l.known("bankruptcy_price", p.BankruptcyPrice)
	l.member("adl_quantile")
	if p.Quantile < 0 {
		l.b = append(l.b, "null"...)
	} else {
		l.b = strconv.AppendInt(l.b, int64(p.Quantile), 10)
	}
}

// AppendFund appends the state line of a fund, without line end, to dst.
func AppendFund(dst []byte, names *Names, v *event.FundView) []byte {
	l := &line{append(dst, `{"state":"fund"`...), names}
	l.fund("fund", v.Fund)
	l.amount("cash", v.Cash)
	l.wide("equity", v.Equity)
	l.wide("net_notional", v.NetNotional)
	l.wide("cap_notional", v.CapNotional)
	l.word("mode", fundMode(v.ADLOnly))
	l.member("inventory")
	l.b = append(l.b, '[')
	for i, x := range v.Inventory {
		start := l.open(i)
		l.symbol("symbol", x.Symbol)
		l.qty("qty", x.Qty)
		l.amount("cost", x.Cost)
		l.close(start)
	}
	return append(l.b, "]}"...)
}

// AppendDigest appends the state line of the digest after event seq, without
// line end, to dst.
func AppendDigest(dst []byte, seq uint64, digest [32]byte) []byte {
	l := &line{b: append(dst, `{"state":"digest"`...)}
	l.uint("seq", seq)
	l.member("digest")
	l.b = append(l.b, '"')
	l.b = hex.AppendEncode(l.b, digest[:])
	return append(l.b, `"}`...)
}
